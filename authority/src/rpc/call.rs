//! One call on its way through: its id, its caller, and how its failure becomes an answer.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::caller::Caller;
use crate::act::Act;
use crate::failure::Failure;

/// One call, whose caller was let in. The gate puts it into the request.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) act: Act,
    pub(crate) caller: Arc<Caller>,
}

/// Takes a request apart, runs the handler, and turns its failure into a status. Every handler goes through here.
pub(crate) async fn serve<Q, A, F>(
    mut request: Request<Q>,
    handler: impl FnOnce(Call, Q) -> F,
) -> Result<Response<A>, Status>
where
    F: Future<Output = Result<A, Failure>>,
{
    let call = request.extensions_mut().remove::<Call>();
    let Some(call) = call else {
        return Err(Failure::Broken("a call came past the gate").into_status(""));
    };
    let request_id = call.act.request_id.clone();
    handler(call, request.into_inner())
        .await
        .map(Response::new)
        .map_err(|failure| failure.into_status(&request_id))
}
