//! Another layout of runtimes: one of a single thread for each core. Connections go to them in turns, and each one's work stays on its thread.

use std::{io, os::unix::net::UnixStream as StdStream, thread};

use anyhow::{Context as _, Result};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::mpsc,
};
use tokio_stream::{Stream, StreamExt as _, wrappers::UnboundedReceiverStream};

/// Serves what comes with `serve`, on a thread for each core.
///
/// # Errors
/// A connection cannot be accepted, or a thread has ended.
pub(crate) async fn serve<S, F>(listener: UnixListener, serve: S) -> Result<()>
where
    S: Fn(Handed) -> F + Clone + Send + 'static,
    F: Future<Output = Result<()>>,
{
    let cores = thread::available_parallelism()?.get();
    let mut threads = Vec::new();
    for number in 0..cores {
        let (hand, handed) = mpsc::unbounded_channel();
        let serve = serve.clone();
        thread::Builder::new()
            .name(format!("core-{number}"))
            .spawn(move || work(handed, serve))?;
        threads.push(hand);
    }
    for hand in threads.iter().cycle() {
        let (stream, _) = listener.accept().await?;
        let handed = hand.send(stream.into_std()?);
        handed.context("a thread has ended")?;
    }
    Ok(())
}

/// Connections that another thread accepted.
pub(crate) type Handed = std::pin::Pin<Box<dyn Stream<Item = io::Result<UnixStream>> + Send>>;

fn work<S, F>(handed: mpsc::UnboundedReceiver<StdStream>, serve: S) -> Result<()>
where
    S: Fn(Handed) -> F,
    F: Future<Output = Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let handed = UnboundedReceiverStream::new(handed).map(UnixStream::from_std);
    runtime.block_on(serve(Box::pin(handed)))
}
