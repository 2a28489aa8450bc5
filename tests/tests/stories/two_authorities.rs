//! Two authorities on one etcd: what one does the other knows, and one is enough.

use std::{fs, net::SocketAddr, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use cattery_proto::v1;
use cattery_tests::{
    agent::{self, Agent},
    api::{Operator, User},
    authority::Authority,
    cli::{Cli, one_clear_line},
    etcd::{Etcd, Version},
    ports,
    town::{Folder, admit, mint, welcome},
    wait,
};
use rustix::process::Signal;

use crate::block_on;

const PREFIX: &str = "/cattery/story/";

/// etcd, two authorities on it, and whoever administers them.
pub(crate) struct Pair {
    pub(crate) etcd: Etcd,
    pub(crate) one: Authority,
    pub(crate) other: Authority,
    pub(crate) admin: Cli,
    pub(crate) folder: Folder,
}

impl Pair {
    /// Over TLS with a client certificate and a login, as in production.
    pub(crate) fn start() -> Result<Self> {
        Self::with(|_| Ok(()))
    }

    /// The same, with other settings of both.
    pub(crate) fn with(edit: impl FnOnce(&Authority) -> Result<()>) -> Result<Self> {
        let folder = Folder::new()?;
        let etcd = block_on(async {
            let etcd = Etcd::new(Version::V3_5, folder.path(), 1)?.with_tls()?;
            let mut etcd = etcd.started().await?;
            etcd.require_login("cattery", "a password", PREFIX).await?;
            Ok(etcd)
        })?;
        let password = folder.path().join("password");
        let file = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&password)?;
        std::io::Write::write_all(&mut &file, b"a password\n")?;

        let admin = Cli::new(folder.path(), "admin");
        let (at, other_at) = (ports::free()?, ports::free()?);
        let mut one = init(folder.path(), &admin, &etcd, &password, [at, other_at])?;
        one.refresh_each_second()?;
        edit(&one)?;
        let mut other = one.twin(folder.path(), "authority-2", other_at)?;
        one.start()?;
        other.start()?;
        Ok(Self {
            etcd,
            one,
            other,
            admin,
            folder,
        })
    }
}

fn init(
    folder: &Path,
    admin: &Cli,
    etcd: &Etcd,
    password: &Path,
    [at, other_at]: [SocketAddr; 2],
) -> Result<Authority> {
    let (at_text, other_text) = (at.to_string(), other_at.to_string());
    let endpoints = etcd.endpoints().join(",");
    let files = etcd.tls_files().context("it speaks TLS")?;
    let [ca, certificate, key] = files.map(|path| path.to_string_lossy().into_owned());
    let password = password.to_string_lossy();
    let args = [
        ["--address", &at_text],
        ["--address", &other_text],
        ["--store-etcd", &endpoints],
        ["--store-prefix", PREFIX],
        ["--store-ca", &ca],
        ["--store-cert", &certificate],
        ["--store-key", &key],
        ["--store-user", "cattery"],
        ["--store-password-file", &password],
    ];
    Authority::init_at(folder, admin, at, &args.concat(), "")
}

async fn users(at: SocketAddr, admin: &Cli) -> Result<Vec<String>> {
    let mut operator = Operator::at(&admin.home, at)?;
    let answer = operator.admin.list_users(v1::ListUsersRequest {}).await?;
    let users = answer.into_inner().users.into_iter();
    Ok(users.map(|user| user.name).collect())
}

async fn add_user(at: SocketAddr, admin: &Cli, name: &str) -> Result<()> {
    let mut operator = Operator::at(&admin.home, at)?;
    let request = v1::AddUserRequest {
        name: name.to_owned(),
    };
    operator.admin.add_user(request).await?;
    Ok(())
}

#[test]
fn what_one_does_the_other_knows_and_one_is_enough() -> Result<()> {
    let Pair {
        etcd: _etcd,
        mut one,
        mut other,
        admin,
        folder,
    } = Pair::start()?;
    let status = admin.json(&["status"], "")?;
    ensure!(status["authority"]["store"] == "etcd", "{status}");
    let mut agent = Agent::new(folder.path(), "agent", agent::CONFIG)?;
    let join_token = admit(&admin, "photos")?;
    agent.start(Some(&join_token))?;
    let alice = Cli::new(folder.path(), "alice");
    let api_key = welcome(&admin, &alice, "alice", "photos")?;

    // Keys from one, registry changes through the other, in both directions.
    block_on(async {
        let (here, there) = (one.addr, other.addr);
        for (change, look, name) in [(here, there, "bob"), (there, here, "carol")] {
            add_user(change, &admin, name).await?;
            ensure!(users(look, &admin).await?.contains(&name.to_owned()));
            let key = User::at(&api_key, look)?.key("photos").await?;
            let token = mint(&key.context("a grant lets alice have it")?)?;
            ensure!(agent.forward_auth(&token)?.status == 200);
        }
        Ok(())
    })?;

    // A second one with the same id has not the first one's log, and is refused.
    let mut double = one.twin(folder.path(), "double", ports::free()?)?;
    double.edit(|text| text.replace("\"double\"", "\"authority-2\""))?;
    double.spawn()?;

    one.kill()?;
    block_on(async {
        add_user(other.addr, &admin, "dave").await?;
        let key = User::new(&api_key)?.key("photos").await?;
        let token = mint(&key.context("a grant lets alice have it")?)?;
        ensure!(agent.forward_auth(&token)?.status == 200);
        Ok(())
    })?;
    // The agent hears from the one that is left: of alice, who may not any more.
    admin.ok(&["user", "disable", "alice"], "")?;
    let token = alice.ok(&["mint", "photos"], "")?;
    wait::until("alice is refused", || {
        Ok((agent.forward_auth(&token)?.status == 401).then_some(()))
    })?;

    let refused = double.process.as_mut().context("it was started")?;
    let status = refused.wait_exit(wait::PATIENCE)?;
    ensure!(!status.success());
    one_clear_line(
        refused.err().lines().last().unwrap_or_default(),
        &["authority-2"],
    )?;

    // What was killed comes back once its place is free, and knows what it missed.
    one.start()?;
    block_on(async {
        let known = wait::until_async("the first one serves again", || async {
            Ok(users(one.addr, &admin).await.ok())
        });
        ensure!(known.await?.contains(&"dave".to_owned()));
        Ok(())
    })?;
    for authority in [&mut one, &mut other] {
        let audit = admin.json(&["audit", "verify"], "")?;
        ensure!(audit["intact"] == true, "{audit}");
        let process = authority.process.as_mut().context("it runs")?;
        process.signal(Signal::TERM)?;
        ensure!(process.wait_exit(Duration::from_secs(30))?.success());
        authority.process = None;
        // One that stopped well leaves its place at once.
        authority.start()?;
    }
    Ok(())
}

#[test]
fn a_prefix_holds_one_cluster() -> Result<()> {
    let folder = Folder::new()?;
    let etcd = block_on(Etcd::start(Version::V3_4, folder.path()))?;
    let endpoints = etcd.endpoints().join(",");
    let init = |name: &str, prefix: &str| {
        let dir = folder.path().join(name).to_string_lossy().into_owned();
        let args = ["init", "--dir", &dir, "--store-etcd", &endpoints];
        let args = [&args[..], &["--store-prefix", prefix]].concat();
        let admin = Cli::new(folder.path(), &format!("admin-{name}"));
        let output = admin.run(&args, "")?;
        let left = folder.path().join(name).join("authority.toml").exists();
        ensure!(left == (output.code == 0), "{output:?}");
        ensure!(admin.home.join("operator.json").exists() == left);
        Ok(output)
    };
    let made = init("a", "/c/")?;
    ensure!(
        made.code == 0 && made.out.contains("etcd below /c/"),
        "{made:?}"
    );
    let refused = init("b", "/c/")?;
    ensure!(refused.code == 1, "{refused:?}");
    one_clear_line(&refused.err, &["already holds a cluster", "another prefix"])?;
    ensure!(init("c", "/d/")?.code == 0);
    let wrong = init("d", "no slashes")?;
    one_clear_line(&wrong.err, &["store.prefix", "slash"])?;
    Ok(())
}
