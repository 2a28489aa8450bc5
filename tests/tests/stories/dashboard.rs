//! A dashboard that may read metrics for 30 days, and nothing else: an API key with conditions, which every lease brings along.

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{cli::Cli, town::Town, wait};

#[test]
fn a_dashboard_reads_metrics_and_can_do_nothing_else() -> Result<()> {
    let town = Town::new()?;
    let admin = &town.admin;
    admin.ok(&["user", "add", "dashboard", "--grant", "photos"], "")?;
    let narrowing = ["--caveat", "method=GET", "--caveat", "path=/metrics"];
    let create = ["user", "api-key", "create", "dashboard", "--expires", "30d"];
    let narrow = admin.ok(&[&create[..], &narrowing].concat(), "")?;
    let wide = admin.ok(&create, "")?;
    let home = |name, api_key: &str| {
        let home = Cli::new(town.folder(), name);
        home.ok(&["login"], api_key)?;
        anyhow::Ok(home)
    };
    let (dashboard, other) = (home("dashboard", &narrow)?, home("other", &wide)?);

    let status = |method, path, token: &str| {
        anyhow::Ok(town.agent.forward_auth_of(method, path, token)?.status)
    };
    let check = |token: &str| -> Result<()> {
        ensure!(status("GET", "/metrics/cpu?range=30d", token)? == 200);
        for (method, path) in [
            ("POST", "/metrics/cpu"),
            ("GET", "/albums/7"),
            ("GET", "/metricsx"),
        ] {
            ensure!(status(method, path, token)? == 403, "{method} {path}");
        }
        Ok(())
    };
    check(&dashboard.ok(&["mint", "photos"], "")?)?;
    // Nothing that it adds, and no other lease, takes a condition away.
    let wider = [
        "mint",
        "photos",
        "--caveat",
        "method=GET,POST",
        "--caveat",
        "path=/",
    ];
    check(&dashboard.ok(&wider, "")?)?;
    dashboard.ok(&["login"], &narrow)?;
    check(&dashboard.ok(&["mint", "photos"], "")?)?;
    ensure!(status("POST", "/albums/7", &other.ok(&["mint", "photos"], "")?)? == 200);

    let listed = admin.json(&["user", "api-key", "list", "dashboard"], "")?;
    let rows = listed.as_array().context("a list")?;
    let conditions = serde_json::json!(["method=GET", "path=/metrics"]);
    let row = rows.iter().find(|row| row["caveats"] == conditions);
    let row = row.with_context(|| format!("the conditions are listed: {listed}"))?;
    let span = row["expires_at"].as_u64().zip(row["created_at"].as_u64());
    ensure!(
        span.is_some_and(|(end, begin)| end - begin == 30 * 86_400),
        "{row}"
    );

    // It is taken back alone.
    let id = row["id"].as_str().context("an id")?;
    admin.ok(&["user", "api-key", "revoke", id], "")?;
    let refused = dashboard.run(&["login"], &narrow)?;
    ensure!(
        refused.code == 1 && refused.err.contains("revoked"),
        "{refused:?}"
    );
    other.ok(&["login"], &wide)?;
    wait::until("the other one goes on", || {
        let token = other.ok(&["mint", "photos"], "")?;
        Ok((status("POST", "/albums/7", &token)? == 200).then_some(()))
    })
}
