//! `cattery doctor` looks at installations that are broken in one way each: it names the cause and a remedy, and it finds nothing
//! where nothing is wrong.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{
    agent::Agent, authority::Authority, cli::Cli, ports, programs::Program, town::Town,
};
use rustix::process::Signal;
use serde_json::Value;

use crate::say;

/// What doctor said.
struct Said {
    code: i32,
    report: Value,
}

/// Runs it in the home of `cli`, `ahead` of time (`+10m`) where that is given.
fn doctor(cli: &Cli, args: &[&Path], ahead: Option<&str>) -> Result<Said> {
    let program = Program::Cli.path()?;
    let mut command = match ahead {
        Some(ahead) => {
            let mut command = Command::new("faketime");
            command.args(["-f", ahead]).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.arg("--home").arg(&cli.home);
    let output = command
        .args(["--output", "json", "doctor"])
        .args(args)
        .output()
        .context("starting doctor (faketime: apt-get install faketime)")?;
    let text = String::from_utf8(output.stdout)?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    for secret in ["catapi1_", "catjoin1_", "catkey1_", "catmaster1_", "cat1_"] {
        ensure!(
            !text.contains(secret) && !errors.contains(secret),
            "a secret"
        );
    }
    let report = serde_json::from_str(&text).with_context(|| format!("{text}{errors}"))?;
    Ok(Said {
        code: output.status.code().unwrap_or(-1),
        report,
    })
}

impl Said {
    /// Nothing is wrong, and nothing is to be looked after.
    fn expect_well(&self) -> Result<()> {
        let (errors, warnings) = (&self.report["error_count"], &self.report["warning_count"]);
        ensure!(
            self.code == 0 && *errors == 0 && *warnings == 0,
            "a false alarm: {:#}",
            self.report
        );
        Ok(())
    }

    /// Something of this kind is in that state, says the words, and the remedy says its own.
    fn expect(&self, state: &str, check: &str, words: &str, remedy: &str) -> Result<()> {
        let findings = self.report["findings"].as_array().context("findings")?;
        let fits = |finding: &&Value| {
            let says = |field: &str, words: &str| {
                let text = finding[field].as_str().unwrap_or_default();
                text.contains(words)
            };
            finding["state"] == state
                && finding["check"] == check
                && (says("found", words) || says("subject", words))
                && says("remedy", remedy)
        };
        let found = findings.iter().find(fits).with_context(|| {
            format!(
                "no {state} of `{check}` with {words:?} and the remedy {remedy:?}: {:#}",
                self.report
            )
        })?;
        ensure!((self.code == 0) == (self.report["error_count"] == 0));
        say(&format!(
            "{check}: {}: {} — {}",
            found["subject"], found["found"], found["remedy"]
        ));
        Ok(())
    }

    fn expect_error(&self, check: &str, words: &str, remedy: &str) -> Result<()> {
        ensure!(self.code == 1, "exited with {}", self.code);
        self.expect("error", check, words, remedy)
    }
}

fn of_agent(dir: &Path) -> [&Path; 2] {
    [Path::new("--agent-dir"), dir]
}

fn of_authority(dir: &Path) -> [&Path; 2] {
    [Path::new("--authority-dir"), dir]
}

fn chmod(path: &Path, mode: u32) -> Result<()> {
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

/// A file with other text for a while.
struct Changed(PathBuf, Vec<u8>);

impl Changed {
    fn new(path: &Path, change: impl FnOnce(String) -> String) -> Result<Self> {
        let before = fs::read_to_string(path)?;
        let after = change(before.clone());
        ensure!(after != before, "nothing changes in {}", path.display());
        fs::write(path, after)?;
        Ok(Self(path.to_owned(), before.into_bytes()))
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        let _ = fs::write(&self.0, &self.1);
    }
}

/// A file system of 256 KiB, while it is kept.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Result<Self> {
        fs::create_dir(at)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs"])
            .arg(at)
            .status()?;
        ensure!(mounted.success(), "mount: it needs root, or CAP_SYS_ADMIN");
        Ok(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn doctor_names_the_cause_of_every_broken_installation() -> Result<()> {
    let mut town = Town::new()?;
    let nobody = Cli::new(town.folder(), "nobody");
    let (agent, authority) = (town.agent.dir.clone(), town.authority.dir.clone());
    let all: Vec<_> = of_agent(&agent)
        .into_iter()
        .chain(of_authority(&authority))
        .collect();
    doctor(&town.admin, &all, None)?.expect_well()?;
    let usage = nobody.run(&["doctor"], "")?;
    ensure!(
        usage.code == 64 && usage.err.contains("--agent-dir"),
        "{usage:?}"
    );

    clocks_and_certificates(&town)?;
    agents_files(&town, &nobody)?;
    authoritys_files(&town, &nobody)?;
    full_disk(&town, &nobody)?;
    doctor(&town.admin, &all, None)?.expect_well()?;
    other_cluster_and_sealed(&town)?;

    // An agent that hangs.
    let process = town.agent.process.as_ref().context("the agent runs")?;
    process.signal(Signal::STOP)?;
    let said = doctor(&nobody, &of_agent(&agent), None);
    process.signal(Signal::CONT)?;
    said?.expect_error("agent", "does not answer", "SIGSTOP")?;

    // No authority; the agent, which starts anew, has no keys.
    town.authority.kill()?;
    town.agent.kill()?;
    town.agent.spawn(None)?;
    cattery_tests::wait::until("the agent listens", || Ok(town.agent.http().ok()))?;
    let said = doctor(&town.admin, &all, None)?;
    said.expect_error("authority", "connection refused", "start it")?;
    said.expect_error("process", "does not run", "cattery-authority run")?;
    said.expect_error("agent", "no keys yet", "way to the authorities")?;
    said.expect_error("feed", "no authority was heard", "way to the authorities")?;
    said.expect_error("http", "/readyz says 503", "notes")?;

    // Another process has the authority's port, and the agent's.
    let squatter = TcpListener::bind(town.authority.addr)?;
    doctor(&nobody, &of_authority(&authority), None)?
        .expect_error("process", "in use", "ss -ltnp")?;
    town.agent.kill()?;
    let taken = Changed::new(&agent.join("agent.toml"), |text| {
        text.replace("127.0.0.1:0", &town.authority.addr.to_string())
    })?;
    let said = doctor(&nobody, &of_agent(&agent), None)?;
    said.expect_error("http", "in use", "ss -ltnp")?;
    drop((taken, squatter));

    // A dead agent's socket, and none.
    said.expect_error("socket", "nobody listens", "start the agent")?;
    fs::remove_file(&town.agent.socket)?;
    let said = doctor(&nobody, &of_agent(&agent), None)?;
    said.expect_error("socket", "there is no socket", "start it")?;
    Ok(())
}

fn clocks_and_certificates(town: &Town) -> Result<()> {
    let args = of_agent(&town.agent.dir);
    let said = doctor(&town.admin, &args, Some("+10m"))?;
    said.expect_error("clock", "s ahead", "NTP")?;
    let said = doctor(&town.admin, &args, Some("-10m"))?;
    // The authority's certificate has not begun by this clock, so that its own is not heard.
    said.expect_error("tls", "not good at this time", "clock")?;
    let said = doctor(&town.admin, &args, Some("+100d"))?;
    said.expect_error("certificate", "operator/root", "cattery operator add")?;
    said.expect_error("certificate", "of photos", "join-token")?;
    said.expect_error("tls", "not good at this time", "clock")
}

fn agents_files(town: &Town, nobody: &Cli) -> Result<()> {
    let Agent { dir, socket, .. } = &town.agent;
    let look = || doctor(nobody, &of_agent(dir), None);
    chmod(dir, 0o755)?;
    look()?.expect_error("directory", "mode 0755", "chmod 0700")?;
    chmod(dir, 0o700)?;

    chmod(socket, 0o600)?;
    look()?.expect_error("socket", "mode 0600", "chmod 0660")?;
    chmod(socket, 0o660)?;

    let key = dir.join("identity.key");
    chmod(&key, 0o644)?;
    look()?.expect_error("identity", "mode 0644", "chmod 0600")?;
    chmod(&key, 0o600)?;
    chown(&key, Some(65_534), None)?;
    look()?.expect_error("identity", "belongs to user 65534", "chown")?;
    chown(&key, Some(rustix::process::geteuid().as_raw()), None)?;

    let settings = dir.join("agent.toml");
    let typo = Changed::new(&settings, |text| format!("soket = \"/run/x\"\n{text}"))?;
    look()?.expect_error("configuration", "unknown field `soket`", "config check")?;
    drop(typo);
    let range = Changed::new(&settings, |text| {
        format!("outage_budget_seconds = 0\n{text}")
    })?;
    look()?.expect_error("configuration", "outage_budget_seconds", "config check")?;
    drop(range);

    // A configuration elsewhere, as the units of systemd have it.
    let elsewhere = town.folder().join("agent-photos.toml");
    fs::copy(&settings, &elsewhere)?;
    let broken = Changed::new(&settings, |text| format!("soket = \"/run/x\"\n{text}"))?;
    let [flag, of_dir] = of_agent(dir);
    let args = [flag, of_dir, Path::new("--agent-config"), &elsewhere];
    doctor(nobody, &args, None)?.expect_well()?;
    drop(broken);
    fs::write(&elsewhere, "soket = 1\n")?;
    doctor(nobody, &args, None)?.expect_error(
        "configuration",
        "agent-photos.toml",
        "config check",
    )?;

    let cache_key = town.folder().join("cache-key");
    fs::write(&cache_key, [7; 32])?;
    chmod(&cache_key, 0o644)?;
    let cache = Changed::new(&settings, |text| {
        let (file, key) = (dir.join("keys.sealed"), cache_key.display());
        format!(
            "{text}[cache]\nfile = \"{}\"\nkey_file = \"{key}\"\n",
            file.display()
        )
    })?;
    look()?.expect_error("cache-key", "mode 0644", "chmod 0600")?;
    drop(cache);

    let left_behind = dir.join("photos.join-token");
    fs::write(&left_behind, "")?;
    look()?.expect("warning", "join-token", "left behind", "remove it")?;
    fs::remove_file(left_behind)?;
    Ok(())
}

fn authoritys_files(town: &Town, nobody: &Cli) -> Result<()> {
    let dir = &town.authority.dir;
    let look = || doctor(nobody, &of_authority(dir), None);
    let key = dir.join("master.key");
    chmod(&key, 0o640)?;
    look()?.expect_error("key-file", "mode 0640", "chmod 0600")?;
    chmod(&key, 0o600)?;
    let away = dir.join("master.key.away");
    fs::rename(&key, &away)?;
    look()?.expect_error("key-file", "is missing", "restore")?;
    fs::rename(&away, &key)?;

    let settings = dir.join("authority.toml");
    let range = Changed::new(&settings, |text| {
        text.replace("leeway = \"30s\"", "leeway = \"2d\"\nlease = \"1h\"")
    })?;
    let said = look()?;
    said.expect_error("configuration", "leeway: is 2d", "config check")?;
    said.expect_error(
        "configuration",
        "lease: there is no such setting",
        "config check",
    )?;
    drop(range);

    let etcd = Changed::new(&settings, |text| {
        let closed = ports::free().map_or_else(|_| String::new(), |addr| addr.to_string());
        let other =
            format!("kind = \"etcd\"\nendpoints = [\"{closed}\"]\nprefix = \"/cattery/x/\"");
        text.replace("kind = \"embedded\"", &other)
    })?;
    look()?.expect_error("etcd", "cannot be reached", "start that member")?;
    drop(etcd);

    let log = dir.join("audit/authority-1.log");
    let copy = town.folder().join("cut");
    fs::create_dir(&copy)?;
    chmod(&copy, 0o700)?;
    fs::create_dir(copy.join("audit"))?;
    for name in ["authority.toml", "master.key"] {
        fs::copy(dir.join(name), copy.join(name))?;
    }
    let text = fs::read_to_string(&log)?;
    let (_, rest) = text.split_once('\n').context("a record")?;
    fs::write(copy.join("audit/authority-1.log"), rest)?;
    let said = doctor(nobody, &of_authority(&copy), None)?;
    said.expect_error("audit", "is broken: line 1", "find out who")?;
    said.expect_error("store", "is missing", "restore")
}

fn full_disk(town: &Town, nobody: &Cli) -> Result<()> {
    let at = town.folder().join("full");
    let disk = SmallDisk::mount(&at)?;
    let said = doctor(nobody, &of_agent(&at), None)?;
    said.expect_error("disk", "is full", "make room")?;
    said.expect_error("identity", "has not enrolled", "join-token")?;
    drop(disk);
    Ok(())
}

fn other_cluster_and_sealed(town: &Town) -> Result<()> {
    let folder = town.folder().join("other");
    fs::create_dir(&folder)?;
    let admin = Cli::new(&folder, "admin");
    let _sealed = Authority::sealed(&folder, &admin, "correct horse battery staple")?;
    let said = doctor(&admin, &[], None)?;
    said.expect_error(
        "sealed",
        "waits for its passphrase",
        "cattery-authority unseal",
    )?;

    let operator = |cli: &Cli| -> Result<Value> {
        Ok(serde_json::from_str(&fs::read_to_string(
            cli.home.join("operator.json"),
        )?)?)
    };
    let others = operator(&admin)?["cluster"]["trust_bundle"].take();
    let mut own = operator(&town.admin)?;
    own["cluster"]["trust_bundle"] = others;
    let text = serde_json::to_string(&own)?;
    let _changed = Changed::new(&town.admin.home.join("operator.json"), |_| text)?;
    let said = doctor(&town.admin, &[], None)?;
    said.expect_error("tls", "is not trusted", "log in")
}
