//! The most verbose logs of every program hold no secret.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose as engines};
use cattery_core::UserKey;
use cattery_sdk::portable::{ApiKey, JoinToken};
use cattery_tests::{
    secrets::{Secret, find, forms},
    town::Town,
};

use crate::say;

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
    let mut town = Town::new()?;
    town.alice.options = vec!["-vvvv".to_owned()];
    town.admin.options = vec!["-vvvv".to_owned()];
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
    let key_file = fs::read_dir(&town.authority.dir)?
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .find_map(|text| Some(text.trim().strip_prefix("catmaster1_")?.to_owned()))
        .context("a key file")?;
    secrets.push(Secret::new(
        "key file",
        engines::URL_SAFE_NO_PAD.decode(key_file)?,
    ));

    // Restarts log, too; and so do refusals.
    town.agent.kill()?;
    town.agent.start(None)?;
    town.authority.kill()?;
    town.agent.forward_auth(&text)?;
    town.authority.start()?;
    town.admin.ok(&["status"], "")?;

    let found = find(&town.logs(), &secrets)?;
    ensure!(found.is_empty(), "secrets in logs:\n{}", found.join("\n"));
    let mut sizes = Vec::new();
    for name in [
        "authority.err",
        "agent.err",
        "cli-alice.err",
        "cli-admin.err",
    ] {
        let size = fs::metadata(town.logs().join(name))?.len();
        ensure!(size > 0, "{name} is empty: nothing was logged");
        sizes.push(format!("{name} {size} bytes"));
    }
    say(&format!(
        "{} secrets in none of: {}",
        secrets.len(),
        sizes.join(", ")
    ));
    Ok(())
}
