use cattery_proto::v1;
use cattery_proto::v1::unseal_server::Unseal;
use tonic::{Code, Request, Response, Status, async_trait};
use zeroize::Zeroizing;

use crate::failure::chain;

/// What opens.
#[async_trait]
pub(crate) trait Open: Send + Sync + 'static {
    type Error: std::error::Error + Send;

    /// Opens with a passphrase; does nothing when it is open.
    async fn open(&self, passphrase: Zeroizing<String>) -> Result<(), Self::Error>;
}

/// `cattery.v1.Unseal`. Only the owner of the socket gets here, so they are told what went wrong.
pub(crate) struct UnsealService<O>(pub(crate) O);

#[async_trait]
impl<O: Open> Unseal for UnsealService<O> {
    async fn unseal(
        &self,
        request: Request<v1::UnsealRequest>,
    ) -> Result<Response<v1::UnsealResponse>, Status> {
        let passphrase = Zeroizing::new(request.into_inner().passphrase);
        self.0.open(passphrase).await.map_err(|error| {
            let why = chain(&error);
            tracing::warn!(error = %why, "the authority stays sealed");
            Status::new(Code::FailedPrecondition, why)
        })?;
        Ok(Response::new(v1::UnsealResponse {}))
    }
}
