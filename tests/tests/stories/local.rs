//! Verifying needs no network: an agent that has none left goes on.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use cattery_proto::v1::{GetStatusRequest, RequestFacts, VerifyRequest, verify_response};
use cattery_tests::{
    agent::{Agent, CONFIG, FORWARD_AUTH},
    api,
    authority::Authority,
    cli::Cli,
    netns::Namespace,
    ports, process,
    town::{self, Folder, mint},
    wait,
};

use crate::{block_on, say};

#[test]
fn an_agent_without_routes_verifies() -> Result<()> {
    let namespace = Namespace::new()?;
    let folder = Folder::new()?;
    let admin = Cli::new(folder.path(), "admin");
    let addr = (namespace.host, ports::free()?.port()).into();
    let mut authority = Authority::init_at(folder.path(), &admin, addr, &[], "")?;
    authority.start()?;
    let join_token = town::admit(&admin, "photos")?;
    let alice = Cli::new(folder.path(), "alice");
    town::welcome(&admin, &alice, "alice", "photos")?;
    let key = alice.ok(&["key", "export", "photos"], "")?;
    let key = cattery_core::UserKey::parse_text(&key).context("the exported key")?;

    let mut agent = Agent::new(folder.path(), "agent", CONFIG)?;
    let command = namespace.wrap(&agent.command(true)?);
    agent.spawn_as(command, Some(&join_token))?;
    block_on(async {
        wait_ready(&mut agent).await?;
        namespace.cut()?;
        // All that happens from here on happens without a network.
        let mut client = api::agent(&agent.socket)?;
        for count in 0..200 {
            let request = VerifyRequest {
                presentation: mint(&key)?,
                facts: Some(RequestFacts::default()),
                ..Default::default()
            };
            match client.verify(request).await?.into_inner().result {
                Some(verify_response::Result::Caller(caller)) => {
                    ensure!(caller.principal == "user/alice");
                }
                other => bail!(
                    "refused at {count}: {}",
                    match other {
                        Some(verify_response::Result::Denial(denial)) => denial.code,
                        _ => "nothing".to_owned(),
                    }
                ),
            }
        }
        let mut forged = mint(&key)?;
        let last = forged.pop().context("a token has letters")?;
        forged.push(if last == 'A' { 'Q' } else { 'A' });
        let request = VerifyRequest {
            presentation: forged,
            facts: None,
            ..Default::default()
        };
        let answer = client.verify(request).await?.into_inner().result;
        let code = match answer {
            Some(verify_response::Result::Denial(denial)) => denial.code,
            _ => bail!("a forged token is accepted"),
        };
        ensure!(code == "bad_tag", "{code}");
        Ok(())
    })?;
    // The other face, asked from inside: from outside there is no way in.
    let bearer = format!("authorization: Bearer {}", mint(&key)?);
    let url = format!("http://{}{FORWARD_AUTH}", agent.http()?);
    let mut curl = Command::new("curl");
    curl.args([
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-H",
        &bearer,
    ]);
    let output = namespace
        .wrap(curl.args(["--noproxy", "*", &url]))
        .output()?;
    ensure!(
        output.stdout == b"200",
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    say("200 tokens verified in a network namespace without routes");
    Ok(())
}

/// Its HTTP listens inside the namespace: the socket, a file, is how to ask.
async fn wait_ready(agent: &mut Agent) -> Result<()> {
    let socket = agent.socket.clone();
    let process = agent.process.as_mut().context("the agent runs")?;
    let (log, running) = (process.err(), process.expect_running());
    running.with_context(|| process::tail(&log))?;
    wait::until_async("the agent is ready", || async {
        let Ok(mut client) = api::agent(&socket) else {
            return Ok(None);
        };
        let status = client.get_status(GetStatusRequest {}).await;
        Ok(status
            .ok()
            .filter(|answer| answer.get_ref().ready)
            .map(drop))
    })
    .await
}
