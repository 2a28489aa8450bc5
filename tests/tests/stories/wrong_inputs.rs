//! Wrong inputs: each one is answered by one clear line that says what to do.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use cattery_sdk::portable::{ApiKey, JoinToken, Portable};
use cattery_tests::{
    agent::Agent,
    authority::Authority,
    cli::{Cli, one_clear_line},
    process::Process,
    programs::Program,
    town::{Folder, Town},
    wait::PATIENCE,
};

use crate::say;

/// Runs a program that has to end with a failure: the last line of what it says has to be the clear one.
fn ends(name: &str, command: Command, stdin: Option<&str>, words: &[&str]) -> Result<String> {
    let folder = Folder::new()?;
    let mut process = Process::start(name, command, folder.path(), stdin.map(str::as_bytes))?;
    let status = process.wait_exit(PATIENCE)?;
    let err = process.err();
    ensure!(
        matches!(status.code(), Some(1 | 64)),
        "{name} ended with {status}: {err}"
    );
    // Log lines begin with the time.
    let said = err.lines().filter(|line| !line.starts_with("20"));
    let said: Vec<_> = said.collect();
    let line =
        one_clear_line(&said.join("\n"), words).with_context(|| format!("{name} said: {err}"))?;
    ensure!(!err.contains("panicked"), "{err}");
    say(&format!("{name}: {line}"));
    Ok(line)
}

fn run_authority(dir: &Path) -> Result<Command> {
    let mut command = Program::Authority.command()?;
    command.arg("run").arg("--dir").arg(dir);
    Ok(command)
}

/// The same credential with the fingerprint of another CA.
fn other_ca(portable: &Portable) -> Portable {
    let mut ca_sha256 = portable.ca_sha256;
    ca_sha256[0] ^= 1;
    Portable {
        id: portable.id,
        secret: portable.secret.clone(),
        addresses: portable.addresses.clone(),
        ca_sha256,
    }
}

#[test]
fn users_and_operators_are_told() -> Result<()> {
    let mut town = Town::new()?;
    let (admin, alice) = (&town.admin, &town.alice);
    let port = town.authority.addr.port().to_string();
    let told = |line: Result<String>| line.map(|line| say(&line));

    told(admin.refused(
        &["service", "join-token", "nosuch"],
        "",
        &["nosuch", "service"],
    ))?;
    told(alice.refused(&["mint", "nosuch"], "", &["nosuch", "grant"]))?;
    told(admin.refused(
        &["grant", "add", "user/alice", "nosuch"],
        "",
        &["nosuch", "service add"],
    ))?;
    told(admin.refused(
        &["user", "api-key", "create", "nobody"],
        "",
        &["nobody", "user add"],
    ))?;
    told(admin.refused(&["service", "add", "photos"], "", &["photos"]))?;

    let wrong = ApiKey::new(other_ca(&*ApiKey::parse(&town.api_key)?)).to_text();
    told(alice.refused(&["login"], &wrong, &["API key", &port, "CA"]))?;
    let cut = &town.api_key[..town.api_key.len() - 3];
    told(alice.refused(&["login"], cut, &["damaged", "copy"]))?;

    let keys = admin.json(&["user", "api-key", "list", "alice"], "")?;
    let id = keys[0]["id"].as_str().context("an id")?;
    admin.ok(&["user", "api-key", "revoke", id], "")?;
    told(alice.refused(&["login"], &town.api_key, &["API key", "revoked"]))?;

    let invitation = admin.ok(&["operator", "add", "carol"], "")?;
    let carol = Cli::new(town.folder(), "carol");
    carol.ok(&["login"], &invitation)?;
    let dave = Cli::new(town.folder(), "dave");
    told(dave.refused(&["login"], &invitation, &["join token", "used"]))?;
    told(dave.refused(&["service", "list"], "", &["operator", "login"]))?;

    let long = format!("/tmp/{}", "x".repeat(120));
    told(alice.refused(
        &["verify", "--socket", &long],
        "cat1_",
        &["too long", "107"],
    ))?;
    let missing = town.folder().join("missing.sock");
    let missing = missing.to_string_lossy();
    told(alice.refused(
        &["verify", "--socket", &missing],
        "cat1_",
        &["no agent", "running"],
    ))?;

    let on_a_command_line = alice.run(&["login", &town.api_key], "")?;
    ensure!(on_a_command_line.code == 64, "{on_a_command_line:?}");
    let line = one_clear_line(&on_a_command_line.err, &["standard input", "catapi1_"])?;
    ensure!(!line.contains(&town.api_key), "it repeats the secret");
    say(&line);

    let operator = admin.home.join("operator.json");
    fs::set_permissions(&operator, fs::Permissions::from_mode(0o644))?;
    told(admin.refused(&["service", "list"], "", &["operator.json", "chmod 600"]))?;
    fs::set_permissions(&operator, fs::Permissions::from_mode(0o600))?;

    town.authority.kill()?;
    told(
        town.admin
            .refused(&["service", "list"], "", &[&port, "running"]),
    )?;
    told(
        town.alice
            .refused(&["login"], &town.api_key, &[&port, "running"]),
    )
}

#[test]
fn whoever_starts_an_agent_is_told() -> Result<()> {
    let town = Town::new()?;
    let folder = town.folder();
    let port = town.authority.addr.port().to_string();
    let quiet = "http = \"127.0.0.1:0\"\n";
    let agent = |name: &str, config: &str| Agent::new(folder, name, config);

    let one = agent("one", quiet)?;
    ends(
        "agent, used join token",
        one.command(true)?,
        Some(&town.join_token),
        &["join token", "used"],
    )?;
    let fresh = town.admin.ok(&["service", "join-token", "photos"], "")?;
    let wrong = JoinToken::new(other_ca(&*JoinToken::parse(&fresh)?)).to_text();
    ends(
        "agent, wrong fingerprint",
        one.command(true)?,
        Some(&wrong),
        &["CA", &port],
    )?;
    ends(
        "agent, an API key for a join token",
        one.command(true)?,
        Some(&town.api_key),
        &["join token", "catjoin1_"],
    )?;
    ends(
        "agent, no join token",
        one.command(false)?,
        None,
        &["join token", "service join-token"],
    )?;

    let readable = folder.join("join-token");
    fs::write(&readable, &fresh)?;
    fs::set_permissions(&readable, fs::Permissions::from_mode(0o644))?;
    let mut command = one.command(false)?;
    command.arg("--join-token-file").arg(&readable);
    ends(
        "agent, world-readable join token",
        command,
        None,
        &["join-token", "chmod"],
    )?;

    let long = format!("socket = \"/tmp/{}\"\n{quiet}", "x".repeat(120));
    ends(
        "agent, socket path too long",
        agent("two", &long)?.command(true)?,
        Some(&fresh),
        &["socket", "107"],
    )?;
    let taken = town.agent.http()?;
    ends(
        "agent, port taken",
        agent("three", &format!("http = \"{taken}\"\n"))?.command(true)?,
        Some(&fresh),
        &[&taken.port().to_string(), "in use"],
    )?;
    let key_file = folder.join("no-such-key");
    let cache = |key_file: &Path| {
        format!(
            "{quiet}[cache]\nfile = {:?}\nkey_file = {:?}\n",
            folder.join("cache").display(),
            key_file.display()
        )
    };
    ends(
        "agent, missing key file",
        agent("four", &cache(&key_file))?.command(true)?,
        Some(&fresh),
        &["no-such-key", "key_file"],
    )?;
    fs::write(&key_file, [7; 32])?;
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644))?;
    ends(
        "agent, world-readable key file",
        agent("five", &cache(&key_file))?.command(true)?,
        Some(&fresh),
        &["no-such-key", "chmod"],
    )?;

    let bad = "http = \"0.0.0.0:1\"\noutage_budget_seconds = 0\nsocket_mode = \"9\"\n[single_use]\ncapacity = 0\n";
    let process_folder = Folder::new()?;
    let mut process = Process::start(
        "agent",
        agent("six", bad)?.command(true)?,
        process_folder.path(),
        Some(fresh.as_bytes()),
    )?;
    let status = process.wait_exit(PATIENCE)?;
    let err = process.err();
    ensure!(matches!(status.code(), Some(1 | 64)), "{status}: {err}");
    for setting in [
        "http",
        "outage_budget_seconds",
        "socket_mode",
        "single_use.capacity",
    ] {
        ensure!(err.contains(setting), "{setting} is not named: {err}");
    }
    Ok(())
}

#[test]
fn whoever_starts_an_authority_is_told() -> Result<()> {
    let folder = Folder::new()?;
    let admin = Cli::new(folder.path(), "admin");
    let mut authority = Authority::init(folder.path(), &admin)?;
    let dir = authority.dir.clone();
    let key_file = dir.join("master.key");

    let elsewhere = Cli::new(folder.path(), "elsewhere");
    let init = ["init", "--dir", &dir.to_string_lossy()];
    say(&elsewhere.refused(&init, "", &["already holds a cluster"])?);
    say(&admin.refused(&init, "", &["another"])?);
    ends(
        "authority, nothing there",
        run_authority(&folder.path().join("nothing"))?,
        None,
        &["nothing", "cattery init"],
    )?;

    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644))?;
    ends(
        "authority, world-readable key file",
        run_authority(&dir)?,
        None,
        &["master.key", "chmod"],
    )?;
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600))?;
    let away = dir.join("away.key");
    fs::rename(&key_file, &away)?;
    ends(
        "authority, missing key file",
        run_authority(&dir)?,
        None,
        &["master.key", "restore"],
    )?;
    fs::create_dir(&key_file)?;
    ends(
        "authority, a folder for a key file",
        run_authority(&dir)?,
        None,
        &["master.key", "file"],
    )?;
    fs::remove_dir(&key_file)?;
    fs::write(&key_file, "catmaster1_tooshort\n")?;
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600))?;
    ends(
        "authority, damaged key file",
        run_authority(&dir)?,
        None,
        &["master.key", "restore"],
    )?;
    fs::rename(&away, &key_file)?;

    authority.start()?;
    let other = Folder::new()?;
    let other_admin = Cli::new(other.path(), "admin");
    let second = Authority::init_at(other.path(), &other_admin, authority.addr, &[], "")?;
    ends(
        "authority, port taken",
        run_authority(&second.dir)?,
        None,
        &[&authority.addr.port().to_string(), "in use"],
    )?;
    ends(
        "authority, running already",
        run_authority(&dir)?,
        None,
        &["another process"],
    )?;
    authority.kill()?;

    // The other cluster's settings over this one's store.
    let own = fs::read_to_string(dir.join("authority.toml"))?;
    fs::copy(
        second.dir.join("authority.toml"),
        dir.join("authority.toml"),
    )?;
    ends(
        "authority, a store of another cluster",
        run_authority(&dir)?,
        None,
        &["is of cluster"],
    )?;

    let damaged = own
        .replace("max_lease = \"", "max_lease = \"x")
        .replace("listen = \"127.0.0.1", "listen = \"")
        .replace("trust_domain", "truth_domain")
        .replace("\"key-file\"", "\"key-hole\"");
    fs::write(dir.join("authority.toml"), damaged)?;
    ends(
        "authority, damaged settings",
        run_authority(&dir)?,
        None,
        &["max_lease", "truth_domain", "unseal.method"],
    )?;
    fs::write(dir.join("authority.toml"), "listen = \n")?;
    ends(
        "authority, not TOML",
        run_authority(&dir)?,
        None,
        &["authority.toml", "line 1"],
    )
    .map(drop)
}

/// An agent of one cluster, and the address of another one's authority.
#[test]
fn another_clusters_authority_is_not_trusted() -> Result<()> {
    let mut town = Town::new()?;
    let addr = town.authority.addr;
    town.authority.kill()?;
    let folder = Folder::new()?;
    let admin = Cli::new(folder.path(), "admin");
    let mut other = Authority::init_at(folder.path(), &admin, addr, &[], "")?;
    other.start()?;
    let line = town.admin.refused(
        &["service", "list"],
        "",
        &["trust", &addr.port().to_string()],
    )?;
    say(&line);
    // The agent goes on with what it has.
    let key = town.key()?;
    let token = cattery_tests::town::mint(&key)?;
    ensure!(town.agent.forward_auth(&token)?.status == 200);
    Ok(())
}

#[test]
fn the_messages_are_judged() {
    for bad in [
        "",
        "one\ntwo",
        "error: Status { code: Unavailable }",
        "thread 'main' panicked at src/main.rs",
    ] {
        assert!(one_clear_line(bad, &[]).is_err(), "{bad}");
    }
    assert!(one_clear_line("no authority answers: is it running?\n", &["RUNNING"]).is_ok());
}
