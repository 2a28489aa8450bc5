//! The way to a local agent: one multiplexed channel over its Unix socket.

use std::{path::Path, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// How long one call may take. The agent asks nobody, so it answers at once or is in trouble.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// A channel to the agent that listens on `socket`. It connects at the first call, and again after failures.
pub fn channel(socket: &Path) -> Channel {
    let socket: Arc<Path> = Arc::from(socket);
    // The socket is the address: this one only fills `:authority`.
    Endpoint::from_static("http://agent.cattery.internal")
        .timeout(CALL_TIMEOUT)
        .connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            let socket = Arc::clone(&socket);
            async move { UnixStream::connect(&socket).await.map(TokioIo::new) }
        }))
}

/// A failed call to the agent as one line for people.
pub(crate) fn explain(socket: &Path, status: &tonic::Status) -> String {
    let at = socket.display();
    match status.code() {
        tonic::Code::Unavailable | tonic::Code::Unknown | tonic::Code::Cancelled => format!(
            "no agent answers at {at}: is it running, and may this user open the socket? ({})",
            status.message()
        ),
        tonic::Code::DeadlineExceeded => {
            format!("the agent at {at} did not answer in time: see its log")
        }
        _ => format!("the agent at {at} refused: {}", status.message()),
    }
}
