//! A group's grant for a pattern of services: what it gives, how it changes, and how it ends. Two authorities on etcd.

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{
    agent::{Agent, CONFIG},
    cli::Cli,
    town::admit,
};

use super::two_authorities::Pair;

#[test]
fn what_a_group_is_granted_is_changed_and_ends() -> Result<()> {
    let pair = Pair::start()?;
    let admin = &pair.admin;
    let join_token = admit(admin, "photos-eu")?;
    let mut agent = Agent::new(pair.folder.path(), "agent", CONFIG)?;
    agent.start(Some(&join_token))?;
    let on_call = ["group/oncall", "photos-*"];
    let grant = |verb, more: &[&str]| {
        let args = [&["grant", verb], &on_call[..], more].concat();
        admin.ok(&args, "")
    };
    admin.ok(&["group", "add", "oncall"], "")?;
    grant("add", &["--caveat", "method=GET"])?;
    let api_key = admin.ok(&["user", "add", "bob", "--api-key"], "")?;
    let bob = Cli::new(pair.folder.path(), "bob");
    admin.ok(&["group", "member", "add", "oncall", "bob"], "")?;
    bob.ok(&["login"], &api_key)?;

    let status =
        |method, path, token: &str| anyhow::Ok(agent.forward_auth_of(method, path, token)?.status);
    let old = bob.ok(&["mint", "photos-eu"], "")?;
    ensure!(status("GET", "/albums/7", &old)? == 200);
    ensure!(status("POST", "/albums/7", &old)? == 403);
    // Whoever comes under the pattern later is named, too.
    admin.ok(&["service", "add", "photos-us"], "")?;
    bob.ok(&["login"], &api_key)?;
    bob.ok(&["mint", "photos-us"], "")?;

    let narrower = ["--caveat", "path=/albums", "--revoke", "--wait"];
    let said = grant("set", &narrower)?;
    ensure!(
        said.contains("path=/albums") && said.contains("the one live agent refuses it"),
        "{said}"
    );
    let refused = agent.forward_auth(&old)?;
    let why = refused.header("www-authenticate").unwrap_or_default();
    ensure!(refused.status == 401 && why.contains("revoked"), "{why}");
    bob.ok(&["login"], &api_key)?;
    let new = bob.ok(&["mint", "photos-eu"], "")?;
    ensure!(status("POST", "/albums/7", &new)? == 200);
    ensure!(status("GET", "/users", &new)? == 403);

    let explain = ["grant", "explain", "user/bob", "photos-eu"];
    let explained = admin.json(&explain, "")?;
    let first = &explained["considered"][0];
    ensure!(
        explained["granted"] == true
            && first["principal"] == on_call[0]
            && first["service"] == on_call[1]
            && first["caveats"] == serde_json::json!(["path=/albums"]),
        "{explained}"
    );

    // He leaves: what he has goes on, and his next renewal gets nothing.
    let leave = ["group", "member", "remove", "oncall", "bob"];
    let left = admin.json(&leave, "")?;
    let end = left["last_ends_at"].as_u64().context("an end")?;
    ensure!(left["lease_count"] == 2 && end > cattery_tests::town::now()?);
    ensure!(status("GET", "/albums/7", &new)? == 200);
    let renewed = bob.ok(&["login"], &api_key)?;
    ensure!(renewed.contains("no grant"), "{renewed}");
    ensure!(admin.json(&explain, "")?["granted"] == false);
    let revoke = [&leave[..], &["--revoke", "--wait"]].concat();
    let said = admin.ok(&revoke, "")?;
    ensure!(said.contains("the one live agent refuses it"), "{said}");
    ensure!(status("GET", "/albums/7", &new)? == 401);
    Ok(())
}
