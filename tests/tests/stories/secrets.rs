//! The most verbose logs of every program hold no secret.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose as engines};
use cattery_core::UserKey;
use cattery_proto::v1::GetVerificationKeysRequest;
use cattery_sdk::{
    portable::{ApiKey, JoinToken},
    sealing::{INFO_SERVICE_KEY, ReceiverKey},
};
use cattery_tests::{
    agent::CONFIG,
    api,
    authority::Authority,
    cli::Cli,
    collector::Collector,
    dev::Dev,
    http,
    process::Process,
    programs::Program,
    secrets::{Secret, find, forms},
    town::{Folder, Setting, Town},
    wait,
};
use serde_json::Value;

use crate::{block_on, say};

#[test]
fn a_planted_secret_is_found_in_every_form() -> Result<()> {
    let secret: [u8; 32] = rand::random();
    let mut planted = vec![
        secret.to_vec(),
        hex::encode(secret).into_bytes(),
        hex::encode_upper(secret).into_bytes(),
        format!("Key({secret:?})").into_bytes(),
    ];
    for skip in 0..3 {
        for tail in 0..3 {
            let mut around = vec![0xa5; skip];
            around.extend(secret);
            around.extend(vec![0x5a; tail]);
            planted.push(engines::STANDARD.encode(&around).into_bytes());
            planted.push(engines::URL_SAFE_NO_PAD.encode(&around).into_bytes());
        }
    }
    for (index, form) in planted.iter().enumerate() {
        let folder = tempfile::tempdir()?;
        let log = [&b"INFO something was logged: "[..], form, b" and more\n"].concat();
        fs::write(folder.path().join("a.log"), log)?;
        let found = find(folder.path(), &[Secret::new("planted", secret)])?;
        ensure!(!found.is_empty(), "planted form {index} was not found");
    }
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("a.log"), "INFO nothing of the kind")?;
    ensure!(find(folder.path(), &[Secret::new("planted", secret)])?.is_empty());
    ensure!(forms(&secret).len() == 10);
    Ok(())
}

#[test]
fn no_secret_in_the_most_verbose_logs() -> Result<()> {
    let folder = Folder::new()?;
    let collector = Collector::start(folder.path())?;
    let agent = format!(
        "{CONFIG}decisions = \"all\"\n[in_process]\nallow_uids = [{}]\n[traces]\nendpoint = \"http://{}\"\nsample_ratio = 1.0\n",
        rustix::process::getuid().as_raw(),
        collector.addr
    );
    let mut town = Town::with(&Setting {
        agent: agent.clone(),
        options: vec!["-vvvv".to_owned()],
        ..Setting::default()
    })?;
    let mut secrets = vec![
        Secret::new("join token", town.join_token.as_bytes()),
        Secret::new(
            "secret of the join token",
            JoinToken::parse(&town.join_token)?.secret.to_vec(),
        ),
        Secret::new("API key", town.api_key.as_bytes()),
        Secret::new(
            "secret of the API key",
            ApiKey::parse(&town.api_key)?.secret.to_vec(),
        ),
    ];
    let invitation = town.admin.ok(&["operator", "add", "carol"], "")?;
    secrets.push(Secret::new(
        "secret of an invitation",
        JoinToken::parse(&invitation)?.secret.to_vec(),
    ));
    let second = town.admin.ok(&["user", "api-key", "create", "alice"], "")?;
    secrets.push(Secret::new(
        "secret of a second API key",
        ApiKey::parse(&second)?.secret.to_vec(),
    ));
    town.alice.ok(&["login"], &second)?;

    let text = town.alice.ok(&["key", "export", "photos"], "")?;
    let key = UserKey::parse_text(&text).context("the exported key")?;
    let message = key.to_bytes();
    // The key is the last field of the message.
    secrets.push(Secret::new("user key", &message[message.len() - 32..]));
    secrets.push(Secret::new("text of the user key", text.as_bytes()));
    for args in [&["mint", "photos"][..], &["mint", "photos", "--once"]] {
        let token = town.alice.ok(args, "")?;
        let socket = town.agent.socket.to_string_lossy().into_owned();
        // Accepted or, where it is good for one use and the agent has just begun, not: both are logged.
        town.alice.run(&["verify", "--socket", &socket], &token)?;
        town.agent.forward_auth(&token)?;
        let mut forged = token.clone();
        forged.truncate(token.len() - 4);
        town.agent.forward_auth(&forged)?;
        town.alice.ok(&["inspect"], &token)?;
        secrets.push(Secret::new("token", token.as_bytes()));
    }
    secrets.push(Secret::new("service key", service_key(&town)?));
    secrets.push(Secret::new("key file", master_key(&town.authority)?));
    let agent_key = fs::read(town.agent.dir.join("identity.key"))?;
    secrets.push(Secret::new(
        "agent's private key",
        secret_of_pkcs8(&agent_key)?,
    ));
    secrets.push(Secret::new(
        "operator's private key",
        operator_key(&town.admin.home)?,
    ));

    // Restarts log, too, and in the other format; and so do refusals.
    town.agent.kill()?;
    let json = agent.replace("[log]\n", "[log]\nformat = \"json\"\n");
    fs::write(town.agent.dir.join("agent.toml"), json)?;
    town.agent.start(None)?;
    town.authority.kill()?;
    town.agent.forward_auth(&text)?;
    town.agent
        .forward_auth(&town.alice.ok(&["mint", "photos"], "")?)?;
    let metrics = http::get(town.agent.http()?, "/metrics", &[])?.body;
    fs::write(town.logs().join("agent.metrics"), metrics)?;
    town.authority.start()?;
    town.admin.ok(&["status"], "")?;

    let logs = [
        "authority.err",
        "agent.err",
        "agent.metrics",
        "cli-alice.err",
        "cli-admin.err",
    ];
    wait::until("decisions are at the collector", || {
        Ok(collector.printed().contains("malformed").then_some(()))
    })?;
    search(&folder.path().join("logs"), &secrets, &["collector.out"])?;
    search(&town.logs(), &secrets, &logs)
}

#[test]
fn no_passphrase_in_the_most_verbose_logs() -> Result<()> {
    const PASSPHRASE: &str = "correct horse battery staple 9";
    let folder = Folder::new()?;
    let admin = Cli {
        options: vec!["-vvvv".to_owned()],
        ..Cli::new(folder.path(), "admin")
    };
    let mut authority = Authority::sealed(folder.path(), &admin, PASSPHRASE)?;
    let file = folder.path().join("passphrase");
    fs::write(&file, PASSPHRASE)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    let dir = authority.dir.to_string_lossy().into_owned();
    for (text, works) in [("no such passphrase", false), (PASSPHRASE, true)] {
        let mut command = Program::Authority.command()?;
        command.args(["unseal", "--dir", &dir]);
        let logs = folder.path().join("logs");
        let mut unseal = Process::start("unseal", command, &logs, Some(text.as_bytes()))?;
        ensure!(unseal.wait_exit(wait::PATIENCE)?.success() == works);
    }
    authority.kill()?;
    let mut command = Program::Authority.command()?;
    command.args(["run", "--dir", &dir, "--passphrase-file"]);
    command.arg(&file);
    authority.start_as(command)?;
    admin.ok(&["status"], "")?;
    let secrets = [
        Secret::new("passphrase", PASSPHRASE),
        Secret::new("a wrong one", "no such passphrase"),
    ];
    let logs = ["authority.err", "cli-admin.err"];
    search(&folder.path().join("logs"), &secrets, &logs)
}

#[test]
fn no_secret_in_the_most_verbose_log_of_dev() -> Result<()> {
    let folder = Folder::new()?;
    let dev = Dev::start_with(folder.path(), &["-vvvv"])?;
    let mut alice = Cli::new(folder.path(), "alice");
    alice.home = dev.entry("home")?.into();
    let text = alice.ok(&["key", "export", "photos"], "")?;
    let key = UserKey::parse_text(&text)
        .context("the exported key")?
        .to_bytes();
    let token = alice.ok(&["mint", "photos"], "")?;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_bytes())];
    let answer = http::get(dev.address("upstream")?, "/albums", &headers)?;
    ensure!(answer.status == 200, "{answer:?}");
    let secrets = [
        Secret::new("user key", &key[key.len() - 32..]),
        Secret::new("token", token),
        Secret::new("operator's private key", operator_key(&alice.home)?),
    ];
    search(&folder.path().join("logs"), &secrets, &["dev.err"])
}

/// The logs have what is logged at the most verbose level that anything is (`DEBUG`); a planted secret is found in them; and nothing else is.
fn search(folder: &Path, secrets: &[Secret], logs: &[&str]) -> Result<()> {
    let mut sizes = Vec::new();
    for name in logs {
        let text = fs::read_to_string(folder.join(name))?;
        let is_log = name.ends_with(".err");
        let is_verbose = text.contains(" DEBUG ") || text.contains(" TRACE ");
        ensure!(is_verbose || !is_log, "{name} has no verbose line");
        ensure!(!text.is_empty(), "{name} is empty");
        sizes.push(format!("{name} {} bytes", text.len()));
    }
    let planted = folder.join("planted");
    for secret in secrets {
        fs::write(&planted, [b"INFO secret=", &secret.bytes[..]].concat())?;
        let found = find(folder, secrets)?;
        let mine = |line: &String| line.contains("planted") && line.contains(&secret.name);
        ensure!(
            found.iter().any(mine),
            "a planted {} was not found",
            secret.name
        );
    }
    fs::remove_file(planted)?;
    let found = find(folder, secrets)?;
    ensure!(found.is_empty(), "secrets in logs:\n{}", found.join("\n"));
    say(&format!(
        "{} secrets in none of: {}",
        secrets.len(),
        sizes.join(", ")
    ));
    Ok(())
}

/// S of photos, as a process beside the agent gets it.
fn service_key(town: &Town) -> Result<Vec<u8>> {
    block_on(async {
        let receiver = ReceiverKey::generate()?;
        let request = GetVerificationKeysRequest {
            receiver_public_key: receiver.public_key(),
            ..Default::default()
        };
        let mut agent = api::agent(&town.agent.socket)?;
        let keys = agent
            .get_verification_keys(request)
            .await?
            .into_inner()
            .keys;
        let sealed = keys.first().and_then(|key| key.sealed_key.as_ref());
        Ok(receiver
            .open(INFO_SERVICE_KEY, sealed.context("a key")?)?
            .to_vec())
    })
}

fn master_key(authority: &Authority) -> Result<Vec<u8>> {
    let text = fs::read_to_string(authority.dir.join("master.key"))?;
    let text = text.trim().strip_prefix("catmaster1_");
    Ok(engines::URL_SAFE_NO_PAD.decode(text.context("a key file")?)?)
}

/// The secret in the operator's private key.
fn operator_key(home: &Path) -> Result<Vec<u8>> {
    let text = fs::read_to_string(home.join("operator.json"))?;
    let operator: Value = serde_json::from_str(&text)?;
    let der = operator["private_key"].as_str().context("a private key")?;
    secret_of_pkcs8(&engines::STANDARD.decode(der)?)
}

/// The 32 bytes in a private key's DER: they follow the head of an OCTET STRING of that length.
fn secret_of_pkcs8(der: &[u8]) -> Result<Vec<u8>> {
    let at = der.windows(2).position(|head| head == [4, 32]);
    let secret = at.and_then(|at| der.get(at + 2..at + 34));
    Ok(secret.context("a private key of 32 bytes")?.to_vec())
}
