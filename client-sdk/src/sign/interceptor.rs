//! Signing in a tonic interceptor, which sees metadata alone.

use cattery_core::FORWARD_HEADER;
use http::HeaderValue;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
};

use super::{SignError, Signer};
use crate::keys::MintError;

/// Adds a bearer token to every call, and the tokens for services further on. It sees no path and no answer: binding, which a [`Signer`]
/// does elsewhere, and retries need [`SignLayer`](super::SignLayer).
#[derive(Clone)]
pub struct SignInterceptor(Signer);

impl SignInterceptor {
    /// An interceptor that signs with `signer`.
    pub fn new(signer: Signer) -> Self {
        Self(signer)
    }
}

impl Interceptor for SignInterceptor {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = self.0.authorization().map_err(|error| status(&error))?;
        let forwarded = self.0.forwarded().map_err(|error| status(&error))?;
        let metadata = request.metadata_mut();
        metadata.insert("authorization", sensitive(&value)?);
        for value in forwarded {
            metadata.append(FORWARD_HEADER, sensitive(&value)?);
        }
        Ok(request)
    }
}

fn sensitive(value: &HeaderValue) -> Result<MetadataValue<Ascii>, Status> {
    let mut value = MetadataValue::try_from(value.as_bytes())
        .map_err(|_| Status::internal("a token is no metadata value"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether to try again later, to ask for a grant, or to mend the program.
fn status(error: &SignError) -> Status {
    let message = error.to_string();
    match error {
        SignError::Mint(mint) => match mint {
            MintError::KeyExpired { .. } | MintError::NotYet { .. } | MintError::Clock => {
                Status::unavailable(message)
            }
            MintError::NoKey(_) | MintError::Refused { .. } => Status::unauthenticated(message),
            MintError::ClaimsThroughAgent | MintError::Spec(_) | MintError::Narrow(_) => {
                Status::internal(message)
            }
        },
        SignError::Unvouched(_) => Status::unavailable(message),
        SignError::NoAuthority
        | SignError::TwoAuthorities { .. }
        | SignError::Host
        | SignError::Uri
        | SignError::Elsewhere(_)
        | SignError::NeedsRequest
        | SignError::Presenter { .. }
        | SignError::BodyTooLong { .. }
        | SignError::Header(_) => Status::internal(message),
    }
}
