//! Programs that are handed their sockets and their credentials.

use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{
    agent::{Agent, CONFIG},
    authority::Authority,
    cli::Cli,
    http, ports,
    process::Process,
    systemd::{activate, knock},
    town::{self, Folder},
    wait::{self, PATIENCE},
};
use rustix::process::Signal;

#[test]
fn both_programs_serve_what_they_are_handed_and_leave_it_there() -> Result<()> {
    let folder = Folder::new()?;
    let admin = Cli::new(folder.path(), "admin");
    let credentials = folder.path().join("credentials");
    fs::create_dir(&credentials)?;

    // It listens where it is told by its sockets alone; its key is a credential.
    let mut authority = Authority::init(folder.path(), &admin)?;
    let credential = |name: &str, content: &[u8]| -> Result<String> {
        let path = credentials.join(name);
        fs::write(&path, content)?;
        // As systemd gives access to a unit's user: by an ACL, which looks like this.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440))?;
        Ok(path.to_string_lossy().into_owned())
    };
    let key = fs::read(authority.dir.join("master.key"))?;
    fs::remove_file(authority.dir.join("master.key"))?;
    let key_file = credential("master.key", &key)?;
    let (address, metrics) = (authority.addr, ports::free()?);
    authority.edit(|text| {
        let listen = format!("listen = \"{address}\"");
        text.replace(
            "key_file = \"master.key\"",
            &format!("key_file = \"{key_file}\""),
        )
        .replace(&listen, "listen = \"127.0.0.1:1\"")
        .replace("addresses = []", &format!("addresses = [\"{address}\"]"))
    })?;
    let mut program = authority.command()?;
    program.env("CREDENTIALS_DIRECTORY", &credentials);
    let sockets = [
        ("listen", address.to_string()),
        ("metrics", metrics.to_string()),
    ];
    authority.start_as(activate(&sockets, &program)?)?;
    wait::until("the authority is ready", || {
        let answer = http::get(metrics, "/readyz", &[]);
        Ok(answer
            .is_ok_and(|answer| answer.status == 200)
            .then_some(()))
    })?;

    let mut agent = Agent::new(folder.path(), "agent", CONFIG)?;
    let join_token = credential("join-token", town::admit(&admin, "photos")?.as_bytes())?;
    let mut program = agent.command(false)?;
    program.args(["--join-token-file", &join_token]);
    program.env("CREDENTIALS_DIRECTORY", &credentials);
    let (socket, http_address) = (folder.path().join("photos.sock"), ports::free()?);
    let place = socket.to_string_lossy().into_owned();
    let sockets = [("socket", place), ("http", http_address.to_string())];
    agent.spawn_as(activate(&sockets, &program)?, None)?;
    knock(http_address)?;
    agent.wait_ready()?;
    ensure!(agent.http()? == http_address);
    ensure!(!agent.socket.exists(), "it bound a socket of its own");
    let shown = agent.process.as_ref().context("it runs")?.out();
    let said = format!("socket {}, http {http_address}", socket.display());
    ensure!(shown.contains(&said), "{shown}");

    let alice = Cli::new(folder.path(), "alice");
    town::welcome(&admin, &alice, "alice", "photos")?;
    let token = alice.ok(&["mint", "photos"], "")?;
    ensure!(agent.forward_auth(token.trim())?.status == 200);
    let path = socket.to_string_lossy();
    let verified = alice.ok(&["verify", "--socket", &path], &token)?;
    ensure!(verified.contains("user/alice"), "{verified}");

    // They are systemd's, which goes on listening.
    for process in [&mut agent.process, &mut authority.process] {
        let mut process = process.take().context("it runs")?;
        process.signal(Signal::TERM)?;
        ensure!(process.wait_exit(PATIENCE)?.success(), "{}", process.err());
    }
    ensure!(fs::metadata(&socket)?.file_type().is_socket());
    Ok(())
}

/// Its name, and where it is.
type Socket = (&'static str, String);

#[test]
fn what_is_handed_over_wrongly_is_refused() -> Result<()> {
    let folder = Folder::new()?;
    let agent = Agent::new(folder.path(), "agent", CONFIG)?;
    let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let port = |ip: &str| -> Result<String> { Ok(format!("{ip}:{}", ports::free()?.port())) };
    let loopback = port("127.0.0.1")?;
    let cases: [(&str, &[Socket], &str); 4] = [
        (
            "unknown",
            &[("grpc", loopback.clone())],
            "a socket named `grpc`; give it one of these",
        ),
        (
            "twice",
            &[("http", loopback), ("http", port("127.0.0.1")?)],
            "two sockets named `http`",
        ),
        (
            "kind",
            &[("http", place("a.sock"))],
            "`http` that systemd hands over is not one to listen on TCP",
        ),
        (
            "public",
            &[("http", port("0.0.0.0")?)],
            "it must be on loopback",
        ),
    ];
    for (name, sockets, words) in cases {
        let command = activate(sockets, &agent.command(false)?)?;
        let mut process = Process::start(name, command, &agent.logs, None)?;
        let first = &sockets.first().context("a socket")?.1;
        wait::until("it listens", || Ok(touch(first).ok()))?;
        let status = process.wait_exit(PATIENCE)?;
        let log = process.err();
        ensure!(
            status.code() == Some(1) && log.contains(words),
            "{name}: {log}"
        );
    }
    Ok(())
}

fn touch(place: &str) -> Result<()> {
    match place.strip_prefix("0.0.0.0:") {
        Some(port) => drop(std::net::TcpStream::connect(format!("127.0.0.1:{port}"))?),
        None if Path::new(place).is_absolute() => {
            drop(std::os::unix::net::UnixStream::connect(place)?);
        }
        None => drop(std::net::TcpStream::connect(place)?),
    }
    Ok(())
}
