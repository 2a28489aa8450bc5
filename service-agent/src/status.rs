//! `cattery-agent status`: what a running agent says of itself.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::anyhow;
use cattery_proto::v1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::Endpoint;
use v1::agent_client::AgentClient;

/// As many digits tell two digests apart, and all of them would fill the line.
const DIGEST_SHOWN: usize = 16;

pub(crate) async fn print(socket: PathBuf) -> anyhow::Result<()> {
    let shown = socket.display().to_string();
    let connect = tower::service_fn(move |_| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://agent")
        .connect_with_connector(connect)
        .await
        .map_err(|_| {
            anyhow!("no agent answers on {shown}: is it running, and may you open its socket?")
        })?;
    let request = v1::GetStatusRequest {};
    let status = AgentClient::new(channel)
        .get_status(request)
        .await?
        .into_inner();
    crate::say(text(&status)?.trim_end())
}

fn text(status: &v1::GetStatusResponse) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let ready = if status.ready { "ready" } else { "not ready" };
    writeln!(out, "service        {} ({ready})", status.service)?;
    writeln!(
        out,
        "agent          {}, version {}",
        status.agent_id, status.version
    )?;
    for held in &status.epochs {
        let state = held
            .state()
            .as_str_name()
            .trim_start_matches("EPOCH_STATE_")
            .to_lowercase();
        writeln!(
            out,
            "epoch          {} ({state}), generation {}",
            held.epoch, held.generation
        )?;
    }
    let (left, budget) = (
        status.outage_budget_left_seconds,
        status.outage_budget_seconds,
    );
    match status.last_contact_seconds {
        Some(seconds) => writeln!(out, "last contact   {seconds} s ago")?,
        None => writeln!(out, "last contact   never")?,
    }
    writeln!(out, "outage budget  {left} s left of {budget} s")?;
    let difference = status.clock_difference_ms;
    let word = if difference < 0 { "ahead of" } else { "behind" };
    let ms = difference.unsigned_abs();
    writeln!(out, "clock          {ms} ms {word} the authorities'")?;
    let (used, capacity) = (status.single_use_entries, status.single_use_capacity);
    writeln!(out, "single use     {used} of {capacity} remembered")?;
    let digest = hex::encode(&status.revoked_ids_digest);
    let digest = digest.get(..DIGEST_SHOWN).unwrap_or(&digest);
    let count = status.revoked_ids;
    writeln!(out, "revoked        {count} ids, digest {digest}")?;
    for note in &status.notes {
        writeln!(out, "note           {note}")?;
    }
    Ok(out)
}
