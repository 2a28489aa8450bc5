//! Tokens that go along for services further on.

use std::sync::Arc;

use cattery_core::{Caveat, NameError, PRESENTER_KEY, Principal, ServiceName};

use super::SignError;
use crate::keys::{Client, MintOptions, Token};

/// A token for a service that the called one calls in turn. It goes along in `x-cat-forward`, and is good only beside a token of the
/// one that presents it: the called service, unless said otherwise.
///
/// Its other caveats are compared with the presenter's request, which the client does not see.
#[derive(Clone, Debug)]
pub struct Forward {
    service: Arc<str>,
    presenter: Option<String>,
    options: MintOptions,
}

impl Forward {
    /// A token for `service`, which the client has to have a key for; good for a minute.
    pub fn new(service: impl Into<Arc<str>>) -> Self {
        Self {
            service: service.into(),
            presenter: None,
            options: MintOptions::default(),
        }
    }

    /// Who presents it, where that is not the called service: `service/NAME` of the last one before.
    #[must_use]
    pub fn through(mut self, principal: impl Into<String>) -> Self {
        self.presenter = Some(principal.into());
        self
    }

    /// A token with other options.
    #[must_use]
    pub fn options(mut self, options: MintOptions) -> Self {
        self.options = options;
        self
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// The token, for a request to the service `called`.
    pub(super) fn token(&self, client: &Client, called: &str) -> Result<Token, SignError> {
        let presenter = self.presenter(called);
        let presenter = presenter.map_err(|why| SignError::Presenter {
            name: self.presenter.clone().unwrap_or_else(|| called.to_owned()),
            why,
        })?;
        let caveat = Caveat::Context {
            key: PRESENTER_KEY.into(),
            value: String::from(presenter).into(),
        };
        Ok(client.mint_with(&self.service, &self.options, Some(caveat))?)
    }

    fn presenter(&self, called: &str) -> Result<Principal, NameError> {
        match &self.presenter {
            Some(principal) => principal.parse(),
            None => Ok(Principal::service(&called.parse::<ServiceName>()?)),
        }
    }
}
