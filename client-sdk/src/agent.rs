//! The way to a local agent: one multiplexed channel over its Unix socket.

use std::{path::Path, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint, Uri},
};

use crate::connect::timed_out;

/// How long any call may take. The first `Mint` for a service waits for an authority, 10 s at most.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a call may take for which the agent asks nobody: it answers at once or is in trouble.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(2);

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

/// A call that the agent answers by itself.
pub(crate) fn local<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(LOCAL_TIMEOUT);
    request
}

/// A failed call to the agent as one line for people.
pub(crate) fn explain(socket: &Path, status: &Status) -> String {
    let at = socket.display();
    if timed_out(status) {
        return format!("the agent at {at} did not answer in time: see its log");
    }
    // A status of this side's own making: the agent's has no source.
    let is_own = std::error::Error::source(status).is_some();
    match status.code() {
        Code::Unavailable | Code::Unknown | Code::Cancelled if is_own => format!(
            "no agent answers at {at}: is it running, and may this user open the socket? ({})",
            status.message()
        ),
        Code::Unavailable => {
            format!("the agent at {at} cannot do it now: {}", status.message())
        }
        _ => format!("the agent at {at} refused: {}", status.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(status: &Status) -> String {
        explain(Path::new("/run/a.sock"), status)
    }

    #[test]
    fn whose_fault_it_is_shows_in_the_line() {
        let late = Status::from_error(Box::new(tonic::TimeoutExpired(())));
        assert_eq!(late.code(), Code::Cancelled);
        assert!(line(&late).contains("did not answer in time"));
        let gone = tonic::ConnectError(std::io::Error::other("gone").into());
        let nobody = Status::from_error(Box::new(gone));
        assert!(line(&nobody).contains("no agent answers"));
        let not_now = line(&Status::unavailable("no authority answers"));
        assert!(not_now.contains("cannot do it now: no authority"));
        let no = line(&Status::permission_denied("not this user"));
        assert!(no.contains("refused: not this user"));
    }
}
