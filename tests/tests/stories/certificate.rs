//! An agent is cut off until its certificate has ended. It comes back by itself, as the one it was; one that was evicted does not.

use anyhow::{Result, ensure};
use cattery_proto::v1::{GetStatusRequest, GetStatusResponse};
use cattery_tests::{
    agent::{Agent, CONFIG},
    api,
    authority::Authority,
    cli::Cli,
    http,
    town::{Folder, admit, now},
    wait,
};

use crate::{block_on, say};

#[test]
fn comes_back_after_its_certificate_ended_unless_it_was_evicted() -> Result<()> {
    let folder = Folder::new()?;
    let admin = Cli::new(folder.path(), "admin");
    let mut authority = Authority::init(folder.path(), &admin)?;
    let lifetime = |length| format!("agent_certificate_lifetime = \"{length}\"");
    authority.edit(|text| text.replace(&lifetime("3d"), &lifetime("5s")))?;
    authority.start()?;
    let join_token = admit(&admin, "photos")?;
    let mut agent = Agent::new(folder.path(), "agent", CONFIG)?;
    agent.start(Some(&join_token))?;
    let first = status(&agent)?;

    // The authority is away for longer than that; the agent runs on.
    authority.kill()?;
    let note = wait::until("the certificate has ended", || {
        let notes = status(&agent)?.notes;
        Ok(notes.into_iter().find(|note| note.contains("certificate")))
    })?;
    ensure!(note.contains("asking the authorities"), "{note}");
    authority.start()?;
    let back = returned(&agent, &first)?;

    // The agent is away for longer than that, and so is the file with its join token.
    agent.kill()?;
    ended(&back)?;
    let mut command = agent.command(false)?;
    command.args(["--join-token-file", "/nonexistent/join-token"]);
    agent.spawn_as(command, None)?;
    agent.wait_ready()?;
    let again = returned(&agent, &back)?;
    say(&format!(
        "agent {} is back with a certificate until {}",
        again.agent_id, again.certificate_not_after
    ));

    // Whoever has its directory from then on has nothing.
    admin.ok(&["agent", "evict", &again.agent_id, "--yes"], "")?;
    agent.kill()?;
    ended(&again)?;
    agent.spawn(None)?;
    let advice = "get a new join token with `cattery service join-token photos`";
    let ready = wait::until("it is told that there is no way back", || {
        let answer = match agent.http() {
            Ok(addr) => http::get(addr, "/readyz", &[]).ok(),
            Err(_) => None,
        };
        Ok(answer.filter(|answer| answer.body.contains(advice)))
    })?;
    ensure!(ready.status == 503, "{ready:?}");
    ensure!(status(&agent)?.epochs.is_empty(), "it got no key");
    Ok(())
}

fn status(agent: &Agent) -> Result<GetStatusResponse> {
    block_on(async {
        let mut agent = api::agent(&agent.socket)?;
        Ok(agent.get_status(GetStatusRequest {}).await?.into_inner())
    })
}

/// Waits until the certificate of back then has ended.
fn ended(then: &GetStatusResponse) -> Result<()> {
    wait::until("the certificate has ended", || {
        Ok((now()? > then.certificate_not_after).then_some(()))
    })
}

/// Waits until the agent has a newer certificate than back then, and nothing to complain of; it is the same agent.
fn returned(agent: &Agent, then: &GetStatusResponse) -> Result<GetStatusResponse> {
    let back = wait::until("the agent is back", || {
        let now = status(agent)?;
        let is_back = now.ready
            && now.notes.is_empty()
            && now.certificate_not_after > then.certificate_not_after;
        Ok(is_back.then_some(now))
    })?;
    ensure!(back.agent_id == then.agent_id, "{back:?}");
    Ok(back)
}
