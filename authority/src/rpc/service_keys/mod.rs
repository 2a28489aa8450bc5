//! `cattery.v1.ServiceKeys`: agents follow their service's keys, and spend single uses together.

mod follow;
mod spend;
mod tell;

use std::pin::Pin;

use cattery_proto::v1;
use cattery_proto::v1::service_keys_server::ServiceKeys;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::call::{serve, serve_stream};
use crate::cluster::Shared;
use follow::Follow;

/// `cattery.v1.ServiceKeys`.
pub(super) struct ServiceKeysService {
    pub(super) authority: Shared,
    /// Streams end with it.
    pub(super) drain: CancellationToken,
}

#[async_trait]
impl ServiceKeys for ServiceKeysService {
    type FollowServiceKeysStream =
        Pin<Box<dyn Stream<Item = Result<v1::FollowServiceKeysResponse, Status>> + Send>>;

    async fn follow_service_keys(
        &self,
        request: Request<Streaming<v1::FollowServiceKeysRequest>>,
    ) -> Result<Response<Self::FollowServiceKeysStream>, Status> {
        let (authority, drain) = (self.authority.clone(), self.drain.clone());
        serve_stream(request, |call, first, beats| async move {
            let follow = Follow::begin(authority, call, first).await?;
            Ok(follow.run(beats, drain))
        })
        .await
    }

    async fn spend_single_use(
        &self,
        request: Request<v1::SpendSingleUseRequest>,
    ) -> Result<Response<v1::SpendSingleUseResponse>, Status> {
        let authority = &self.authority;
        serve(request, |call, request| {
            spend::spend(authority, call, request)
        })
        .await
    }
}
