//! Speaking to an authority as the user of this home.

use std::time::Duration;

use anyhow::Context as _;
use cattery_proto::v1::user_keys_client::UserKeysClient;
use cattery_sdk::{connect::Connector, keys::Auth, portable::ApiKey};
use tonic::{Code, Request, Response, Status, transport::Channel};

use crate::{authority::explain, home::Home, patience::wait_while_refused};

/// How often it is asked again when somebody else changed the same thing.
const ATTEMPTS: usize = 5;
/// Between two of these.
const PAUSE: Duration = Duration::from_millis(100);

/// A user's connection.
pub(crate) struct OwnSession {
    connector: Connector,
    api_key: ApiKey,
    /// `user/NAME`.
    pub(crate) principal: String,
}

impl OwnSession {
    /// With the API key of this home.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn open(home: &Home) -> anyhow::Result<Self> {
        let user = home.user()?.with_context(|| {
            format!(
                "nobody is logged in with an API key in {}: run `cattery login` with one, or name the right --home",
                home.dir().display()
            )
        })?;
        let api_key = ApiKey::parse(user.api_key.expose())?;
        let connector = user.cluster.connector(&api_key.addresses, None)?;
        wait_while_refused(&user.cluster.addresses).await;
        Ok(Self {
            connector,
            api_key,
            principal: user.principal,
        })
    }

    /// The API key's id, lower-case hex.
    pub(crate) fn api_key_id(&self) -> String {
        hex::encode(self.api_key.id)
    }

    /// Asks, and again where nothing happened since somebody else changed the same thing.
    ///
    /// # Errors
    /// The answer is no, or none answers.
    pub(crate) async fn ask<Q: Clone, T>(
        &self,
        message: Q,
        call: impl AsyncFn(UserKeysClient<Channel>, Request<Q>) -> Result<Response<T>, Status>,
    ) -> anyhow::Result<T> {
        let mut attempt = 1;
        loop {
            let request = Auth::ApiKey(&self.api_key).request(message.clone())?;
            let calls = UserKeysClient::new(self.connector.channel());
            match call(calls, request).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) if status.code() == Code::Aborted && attempt < ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(status) => return Err(explain(&self.connector, &status)),
            }
        }
    }
}
