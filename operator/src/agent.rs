//! Speaking to an agent over its Unix socket.

use std::{
    env,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use cattery_proto::v1::agent_client::AgentClient;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use crate::commands::Context;

/// An agent answers from memory.
const TIMEOUT: Duration = Duration::from_secs(5);
/// `sun_path` of unix(7), less the zero byte behind it.
pub(crate) const MAX_SOCKET_PATH: usize = 107;

/// Where the agent is: as a flag says, as the home says that a flag named, `CATTERY_AGENT_SOCKET`, or as the home says.
pub(crate) fn socket(flag: Option<PathBuf>, context: &Context) -> anyhow::Result<Option<PathBuf>> {
    if flag.is_some() {
        return Ok(flag);
    }
    let named = env::var_os("CATTERY_AGENT_SOCKET")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    if named.is_some() && context.home_flag.is_none() {
        return Ok(named);
    }
    let known = context.home()?.agent()?;
    Ok(known.map(|file| file.socket).or(named))
}

/// A connection to the agent at `socket`.
pub(crate) async fn connect(socket: &Path) -> anyhow::Result<AgentClient<Channel>> {
    let path = socket.display();
    if socket.as_os_str().as_bytes().len() > MAX_SOCKET_PATH {
        bail!(
            "{path} is too long for a socket's path: at most {MAX_SOCKET_PATH} bytes; use a shorter one, or a symbolic link"
        );
    }
    // The connection's own errors are wrapped beyond recognition: this one tells what is wrong.
    let probe = tokio::net::UnixStream::connect(socket).await;
    probe.map_err(|why| {
        anyhow!("no agent answers at {path} ({why}): is it running, and may you use its socket?")
    })?;
    let text = socket
        .to_str()
        .with_context(|| format!("{path} is not a path in UTF-8"))?;
    let endpoint = Endpoint::from_shared(format!("unix://{text}"))
        .with_context(|| format!("{path} cannot be used as a socket's path"))?;
    let channel = endpoint.timeout(TIMEOUT).connect().await;
    tracing::debug!(socket = text, "asking the agent");
    Ok(AgentClient::new(channel.with_context(|| {
        format!("what answers at {path} is no agent")
    })?))
}

/// What a failed call means, in one line.
pub(crate) fn refused(socket: &Path, status: &Status) -> anyhow::Error {
    let path = socket.display();
    match status.code() {
        Code::DeadlineExceeded | Code::Cancelled => {
            anyhow!("the agent at {path} did not answer in time")
        }
        Code::Unimplemented => anyhow!("what answers at {path} is no agent"),
        _ => anyhow!("the agent at {path} failed: {}", status.message()),
    }
}
