//! What users do without an operator: API keys for their dashboards, and taking back what they handed out.

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{cli::Cli, town::Town, wait};

#[test]
fn a_user_makes_a_dashboard_an_api_key_that_ends_with_theirs() -> Result<()> {
    let town = Town::new()?;
    let alice = &town.alice;
    let narrowing = ["--method", "GET", "--path", "/metrics", "--expires", "30d"];
    let made = alice.ok(&[&["api-key", "create"], &narrowing[..]].concat(), "")?;
    let dashboard = Cli::new(town.folder(), "dashboard");
    dashboard.ok(&["login"], &made)?;
    let status = |method, path, token: &str| {
        anyhow::Ok(town.agent.forward_auth_of(method, path, token)?.status)
    };
    let check = |token: &str| -> Result<()> {
        ensure!(status("GET", "/metrics/cpu?range=30d", token)? == 200);
        for (method, path) in [("POST", "/metrics/cpu"), ("GET", "/albums/7")] {
            ensure!(status(method, path, token)? == 403, "{method} {path}");
        }
        Ok(())
    };
    let token = dashboard.ok(&["mint", "photos"], "")?;
    check(&token)?;
    // Nothing that it adds makes it wider, it makes no other, and it takes nothing away from alice.
    check(&dashboard.ok(
        &["mint", "photos", "--path", "/", "--method", "GET,POST"],
        "",
    )?)?;
    dashboard.refused(&["api-key", "create"], "", &["makes no others"])?;
    let key = alice.ok(&["key", "export", "photos"], "")?;
    dashboard.refused(
        &["key", "take-back"],
        &key,
        &["is narrowed", "ask an operator"],
    )?;

    let listed = alice.json(&["api-key", "list"], "")?;
    let [own, child] = listed.as_array().context("a list")?.as_slice() else {
        anyhow::bail!("two API keys: {listed}");
    };
    ensure!(
        child["parent"] == own["id"] && own["parent"].is_null(),
        "{listed}"
    );
    ensure!(
        child["caveats"] == serde_json::json!(["method=GET", "path=/metrics"]),
        "{listed}"
    );
    // Operators see where it comes from.
    let seen = town.admin.json(&["user", "api-key", "list", "alice"], "")?;
    ensure!(
        seen.to_string()
            .contains(&format!("\"parent\":{}", own["id"])),
        "{seen}"
    );

    // With alice's it ends, and what was signed with its leases is refused.
    let own = own["id"].as_str().context("an id")?;
    dashboard.refused(&["api-key", "revoke", own], "", &["cattery api-key list"])?;
    let ended = alice.ok(&["api-key", "revoke", own], "")?;
    ensure!(
        ended.contains("2 leases")
            && ended.contains("the API key that was made with it ended, too"),
        "{ended}"
    );
    wait::until("the agent refuses the dashboard", || {
        let answer = town.agent.forward_auth_of("GET", "/metrics", &token)?;
        let why = answer.header("www-authenticate").unwrap_or_default();
        Ok((answer.status == 401 && why.contains("revoked")).then_some(()))
    })?;
    dashboard.refused(&["login"], &made, &["was revoked"])?;
    Ok(())
}

#[test]
fn a_user_takes_back_what_they_handed_out() -> Result<()> {
    let town = Town::new()?;
    let (alice, bob) = (&town.alice, Cli::new(town.folder(), "bob"));
    let key = alice.ok(&["key", "export", "photos"], "")?;
    let narrow = |whom| {
        let conditions = ["--path", "/app", "--until", "1d", "--revocable", whom];
        alice.run(&[&["key", "attenuate"], &conditions[..]].concat(), &key)
    };
    let (bobs, carols) = (narrow("bob, contractor")?, narrow("carol")?);
    bob.ok(&["login"], &bobs.out)?;
    let token = bob.ok(&["mint", "photos"], "")?;
    let mine = alice.ok(&["mint", "photos"], "")?;
    let status =
        |path, token: &str| anyhow::Ok(town.agent.forward_auth_of("GET", path, token)?.status);
    ensure!(status("/app/1", &token)? == 200 && status("/other", &token)? == 403);

    // The command that was said is the one that does it.
    let said = bobs.err.split('`').nth(1).context("a command")?;
    let args: Vec<&str> = said.split(' ').skip(1).collect();
    ensure!(args[..2] == ["key", "take-back"], "{said}");
    let done = alice.ok(&args, "")?;
    ensure!(done.contains("taken back for good"), "{done}");
    let refused = |token: &str| {
        wait::until("the agent refuses it", || {
            let answer = town.agent.forward_auth_of("GET", "/app/1", token)?;
            let why = answer.header("www-authenticate").unwrap_or_default();
            Ok((answer.status == 401 && why.contains("revoked")).then_some(()))
        })
    };
    refused(&token)?;
    ensure!(alice.ok(&args, "")?.contains("taken back before"));
    let listed = alice.json(&["key", "handed-out"], "")?;
    ensure!(
        listed[0]["taken_back_at"].is_u64() && listed[1]["taken_back_at"].is_null(),
        "{listed}"
    );
    // bob has no API key here, so he takes nothing back; and nobody's but alice's own is hers to take.
    bob.refused(&["key", "take-back"], &carols.out, &["cattery login"])?;
    ensure!(status("/app/1", &mine)? == 200 && status("/", &mine)? == 200);
    // A token that was stolen, by itself, and then the lease that it came from.
    let stolen = alice.ok(&["mint", "photos"], "")?;
    alice.ok(&["key", "take-back"], &stolen)?;
    refused(&stolen)?;
    ensure!(status("/", &mine)? == 200);
    alice.ok(&["key", "take-back", "--whole-lease"], &stolen)?;
    refused(&mine)
}
