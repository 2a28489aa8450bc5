//! From nothing to a verified call, with separate processes, as an operator types it.

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{
    cli::Cli,
    town::{Town, mint},
};

use crate::say;

#[test]
fn by_hand_with_separate_processes() -> Result<()> {
    let town = Town::new()?;
    let alice = &town.alice;
    let socket = town.agent.socket.to_string_lossy().into_owned();

    let token = alice.ok(&["mint", "photos"], "")?;
    ensure!(token.starts_with("cat1_"), "mint prints a token: {token}");
    let verified = alice.json(&["verify", "--socket", &socket], &token)?;
    ensure!(
        verified.to_string().contains("user/alice"),
        "verify says who: {verified}"
    );

    let answer = town.agent.forward_auth(&token)?;
    ensure!(answer.status == 200, "{answer:?}");
    ensure!(
        answer.header("x-cat-principal") == Some("user/alice"),
        "{answer:?}"
    );
    // A token that was minted with the library alone, from the exported key.
    ensure!(town.agent.forward_auth(&mint(&town.key()?)?)?.status == 200);

    // The short way: user, grant and API key in one, from one command into the other.
    let bob = Cli::new(town.folder(), "bob");
    let api_key = town.admin.ok(
        &["user", "add", "bob", "--grant", "photos", "--api-key"],
        "",
    )?;
    bob.ok(&["login"], &api_key)?;
    let token = bob.ok(&["mint", "photos", "--caveat", "path=/albums"], "")?;
    let answer = town.agent.forward_auth(&token)?;
    ensure!(
        answer.header("x-cat-principal") == Some("user/bob"),
        "{answer:?}"
    );

    let nobody = cattery_tests::http::get(
        town.agent.http()?,
        cattery_tests::agent::FORWARD_AUTH,
        &[("x-forwarded-method", b"GET")],
    )?;
    ensure!(nobody.status == 401, "{nobody:?}");
    Ok(())
}

#[test]
fn narrowing_keys_and_tokens() -> Result<()> {
    let town = Town::new()?;
    let alice = &town.alice;
    let socket = town.agent.socket.to_string_lossy().into_owned();

    let key = alice.ok(&["key", "export", "photos"], "")?;
    let narrow = alice.ok(&["key", "attenuate", "--caveat", "path=/albums/8"], &key)?;
    ensure!(narrow.starts_with("catkey1_") && narrow != key);
    let parsed = cattery_core::UserKey::parse_text(&narrow).context("the narrower key")?;
    ensure!(town.agent.forward_auth(&mint(&parsed)?)?.status == 403);

    let token = alice.ok(&["mint", "photos", "--ttl", "2m"], "")?;
    let get = alice.ok(&["token", "attenuate", "--caveat", "method=GET"], &token)?;
    let post = alice.ok(&["token", "attenuate", "--caveat", "method=POST"], &token)?;
    ensure!(town.agent.forward_auth(&get)?.status == 200);
    let refused = town.agent.forward_auth(&post)?;
    ensure!(refused.status == 403, "{refused:?}");
    let denied = alice.run(&["verify", "--socket", &socket], &post)?;
    ensure!(denied.code == 1, "verify refuses with 1: {denied:?}");
    ensure!(
        format!("{}{}", denied.out, denied.err).contains("caveat_failed"),
        "{denied:?}"
    );

    for (text, words) in [
        (&get, ["user/alice", "photos", "GET"]),
        (&narrow, ["user/alice", "photos", "/albums/8"]),
    ] {
        let sentences = alice.ok(&["inspect"], text)?;
        for word in words {
            ensure!(sentences.contains(word), "inspect says {word}: {sentences}");
        }
        ensure!(
            !sentences.contains(text.as_str()),
            "inspect shows no secret: {sentences}"
        );
    }
    say(&alice.ok(&["inspect"], &get)?);
    town.admin.ok(&["status"], "").map(drop)
}

#[test]
fn what_an_operator_reads() -> Result<()> {
    let town = Town::new()?;
    let admin = &town.admin;
    for (args, word) in [
        (&["service", "list"][..], "photos"),
        (&["service", "show", "photos"], "user/alice"),
        (&["user", "list"], "alice"),
        (&["user", "api-key", "list"], "alice"),
        (&["grant", "list"], "photos"),
        (&["operator", "list"], "admin"),
        (&["epoch", "list"], "active"),
        (&["status"], "photos"),
        (&["audit", "verify"], "intact"),
    ] {
        let people = admin.ok(args, "")?;
        ensure!(!people.is_empty(), "{args:?} prints something");
        let programs = admin.json(args, "")?.to_string();
        if args != ["status"] {
            ensure!(programs.contains(word), "{args:?} names {word}: {programs}");
        }
    }
    let audit = admin.json(&["audit", "verify"], "")?;
    ensure!(audit["intact"] == true, "{audit}");
    Ok(())
}
