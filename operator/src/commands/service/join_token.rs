//! `cattery service join-token`: what an agent enrolls with.

use cattery_core::ServiceName;
use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_JOIN_TOKEN, ReceiverKey};
use serde::Serialize;

use crate::{
    authority::{Session, open_text},
    clock,
    commands::Context,
    out::{self, Format},
};

#[derive(Serialize)]
struct Shown<'a> {
    service: &'a str,
    join_token: &'a str,
    expires_at: u64,
}

pub(super) async fn run(
    name: &ServiceName,
    ttl_seconds: u64,
    context: &Context,
) -> anyhow::Result<()> {
    let mut session = Session::open(&context.home()?).await?;
    let made = join_token(&mut session, name, ttl_seconds).await?;
    if context.out == Format::Human {
        out::note(&format!(
            "single-use, good until {}",
            clock::both(made.expires_at, clock::now())
        ));
    }
    let shown = Shown {
        service: name.as_str(),
        join_token: &made.text,
        expires_at: made.expires_at,
    };
    context.out.show_secret(
        &shown,
        |shown| shown.join_token.to_owned(),
        || {
            format!(
                "a join token for service/{name} was made and nobody saw it; it ends {}. For another one: `cattery service \
                 join-token {name}`",
                clock::both(made.expires_at, clock::now())
            )
        },
    )
}

/// A join token, as the authority made it.
pub(crate) struct Made {
    /// `catjoin1_…`.
    pub(crate) text: zeroize::Zeroizing<String>,
    /// Unix seconds.
    pub(crate) expires_at: u64,
}

/// Asks for a join token for one agent of `service`.
pub(crate) async fn join_token(
    session: &mut Session,
    service: &ServiceName,
    ttl_seconds: u64,
) -> anyhow::Result<Made> {
    let receiver = ReceiverKey::generate()?;
    let request = v1::CreateJoinTokenRequest {
        service: service.as_str().to_owned(),
        ttl_seconds,
        receiver_public_key: receiver.public_key().to_vec(),
    };
    let answer = session.admin.create_join_token(request).await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    Ok(Made {
        text: open_text(
            &receiver,
            INFO_JOIN_TOKEN,
            answer.sealed_join_token.as_ref(),
        )?,
        expires_at: answer.expires_at,
    })
}
