//! What the programs tell systemd, and `/readyz` everybody.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{
    agent::{Agent, CONFIG},
    authority::Authority,
    cli::Cli,
    http, ports,
    process::Process,
    programs::Program,
    systemd::Notified,
    town::{self, Folder},
    wait::{self, PATIENCE},
};
use rustix::process::Signal;

/// Long enough for a busy machine, and beats come in a third of it.
const WATCHDOG: Duration = Duration::from_millis(300);
const PASSPHRASE: &str = "correct horse battery staple 7";

#[test]
fn an_agent_says_when_it_is_up_how_it_is_and_that_it_ends() -> Result<()> {
    let folder = Folder::new()?;
    let admin = Cli::new(folder.path(), "admin");
    let mut authority = Authority::init(folder.path(), &admin)?;
    authority.start()?;
    let config = format!("outage_budget_seconds = 3\n{CONFIG}");
    let mut agent = Agent::new(folder.path(), "agent", &config)?;
    let join_token = town::admit(&admin, "photos")?;
    let mut notified = Notified::new(folder.path(), "notify")?;
    let mut command = agent.command(true)?;
    notified.tell(&mut command, WATCHDOG);
    agent.spawn_as(command, Some(&join_token))?;
    notified.wait_for("READY=1")?;
    notified.wait_for("STATUS=ready, photos")?;
    agent.wait_ready()?;

    // A frozen one beats no more; systemd would end it.
    let process = agent.process.take().context("it runs")?;
    notified.forget()?;
    notified.wait_for("WATCHDOG=1")?;
    freeze(&process)?;
    notified.forget()?;
    // What beats does so five times in this time; there is no sign to wait for where nothing happens.
    std::thread::sleep(WATCHDOG * 2);
    ensure!(notified.heard()?.is_empty(), "{:?}", notified.heard()?);
    process.signal(Signal::CONT)?;
    notified.wait_for("WATCHDOG=1")?;

    // Not ready is not dead.
    authority.kill()?;
    notified.wait_for("STATUS=not ready, photos; the outage budget is used up")?;
    ensure!(http::get(agent.http()?, "/healthz", &[])?.status == 200);
    notified.forget()?;
    notified.wait_for("WATCHDOG=1")?;

    process.signal(Signal::TERM)?;
    notified.wait_for("STOPPING=1")?;
    let mut process = process;
    ensure!(process.wait_exit(PATIENCE)?.success(), "{}", process.err());
    Ok(())
}

/// SIGSTOP, and returns once it has stopped.
fn freeze(process: &Process) -> Result<()> {
    process.signal(Signal::STOP)?;
    let stat = format!("/proc/{}/stat", process.id());
    wait::until("it has stopped", || {
        let stat = std::fs::read_to_string(&stat)?;
        let state = stat.rsplit(") ").next().unwrap_or_default();
        Ok(state.starts_with('T').then_some(()))
    })
}

#[test]
fn an_authority_says_that_it_is_sealed_and_then_that_it_serves() -> Result<()> {
    let folder = Folder::new()?;
    let admin = Cli::new(folder.path(), "admin");
    let args = ["--passphrase-file", "-"];
    let authority = Authority::init_at(folder.path(), &admin, ports::free()?, &args, PASSPHRASE)?;
    let metrics = ports::free()?;
    authority
        .edit(|text| text.replace("metrics = \"off\"", &format!("metrics = \"{metrics}\"")))?;
    let mut notified = Notified::new(folder.path(), "notify")?;
    let mut command = authority.command()?;
    notified.tell(&mut command, WATCHDOG);
    let mut process = Process::start("authority", command, &authority.logs, None)?;
    notified.wait_for("READY=1")?;
    let sealed = notified.wait_for("STATUS=not ready: it is sealed: unseal it with")?;
    ensure!(
        sealed.contains("cattery-authority unseal --dir"),
        "{sealed}"
    );
    notified.wait_for("WATCHDOG=1")?;
    let alive = http::get(metrics, "/healthz", &[])?;
    ensure!(alive.status == 200 && alive.body == "alive\n", "{alive:?}");
    let ready = http::get(metrics, "/readyz", &[])?;
    ensure!(
        ready.status == 503 && ready.body.starts_with("not ready\nit is sealed: "),
        "{ready:?}"
    );

    let dir = authority.dir.to_string_lossy().into_owned();
    let health = || {
        Program::Authority
            .command()?
            .args(["health", "--dir", &dir])
            .output()
            .context("it runs")
    };
    let said = health()?;
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(
        said.status.code() == Some(1) && words.contains("not ready; it is sealed"),
        "{said:?}"
    );
    let unsealed = crate::sealed::unseal(&dir, PASSPHRASE)?;
    ensure!(unsealed.status.success(), "{unsealed:?}");
    notified.wait_for("STATUS=ready")?;
    let ready = http::get(metrics, "/readyz", &[])?;
    ensure!(ready.status == 200 && ready.body == "ready\n", "{ready:?}");
    ensure!(health()?.stdout == b"ready\n");
    process.signal(Signal::TERM)?;
    notified.wait_for("STOPPING=1")?;
    ensure!(process.wait_exit(PATIENCE)?.success(), "{}", process.err());
    Ok(())
}

/// A limit on the size of files stands in for a full disk.
#[test]
fn an_authority_whose_audit_log_is_full_is_alive_and_ready_again_later() -> Result<()> {
    let folder = Folder::new()?;
    let admin = Cli::new(folder.path(), "admin");
    let mut authority = Authority::init(folder.path(), &admin)?;
    let metrics = ports::free()?;
    authority
        .edit(|text| text.replace("metrics = \"off\"", &format!("metrics = \"{metrics}\"")))?;
    let program = authority.command()?;
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    command.arg(program.get_program()).args(program.get_args());
    authority.start_as(command)?;
    let ready = || http::get(metrics, "/readyz", &[]);
    wait::until("it is ready", || Ok((ready()?.status == 200).then_some(())))?;
    let id = authority.process.as_ref().context("it runs")?.id();
    let log = authority.dir.join("audit/authority-1.log");
    let limit = std::fs::metadata(&log)?.len().to_string();
    prlimit(id, &limit)?;
    // Something to record, which has no place. It is refused to be an operator's, so nothing reaches the store.
    let refused = admin.run(&["service", "add", "photos"], "")?;
    ensure!(refused.code != 0, "{refused:?}");
    let body = wait::until("it is not ready", || {
        let answer = ready()?;
        Ok((answer.status == 503).then_some(answer.body))
    })?;
    ensure!(
        body.contains("the audit log") && body.contains("File too large"),
        "{body}"
    );
    ensure!(http::get(metrics, "/healthz", &[])?.status == 200);
    prlimit(id, "unlimited")?;
    wait::until("it is ready again", || {
        Ok((ready()?.status == 200).then_some(()))
    })?;
    admin.ok(&["service", "add", "photos"], "")?;
    Ok(())
}

fn prlimit(id: u32, limit: &str) -> Result<()> {
    let mut command = std::process::Command::new("prlimit");
    command.arg(format!("--pid={id}"));
    command.arg(format!("--fsize={limit}:unlimited"));
    ensure!(command.status()?.success());
    Ok(())
}
