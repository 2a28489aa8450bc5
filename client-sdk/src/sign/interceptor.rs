//! Signing in a tonic interceptor, which sees metadata alone.

use tonic::{Request, Status, metadata::MetadataValue, service::Interceptor};

use super::Signer;

/// Adds a bearer token to every call. It sees no path and no answer: binding and retries need [`SignLayer`](super::SignLayer).
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
        if self.0.is_bound() {
            return Err(Status::internal(
                "an interceptor cannot bind a token to its request: use SignLayer",
            ));
        }
        let value = self
            .0
            .authorization()
            .map_err(|error| Status::unauthenticated(error.to_string()))?;
        let mut value = MetadataValue::try_from(value.as_bytes())
            .map_err(|_| Status::internal("a token is no metadata value"))?;
        value.set_sensitive(true);
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}
