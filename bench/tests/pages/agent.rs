use super::Page;

#[test]
fn the_agent_is_measured_beside_a_bare_server() {
    let page = Page::of("agent");
    for what in ["`Verify`", "`ext_authz`", "forward-auth"] {
        assert_eq!(page.rows(what), 2, "{what}:\n{}", page.text);
    }
    let once = [
        "`VerifyStream`, one",
        "quiet",
        "during a rotation",
        "during revocations",
    ];
    for what in once {
        assert!(page.rows(what) > 0, "{what}:\n{}", page.text);
    }
    for plot in ["(agent-calls.svg)", "(agent-streams.svg)"] {
        assert!(page.says(plot), "{}", page.text);
    }
}

#[test]
fn ten_minutes_have_a_row_each() {
    let page = Page::of("steady");
    let is_row = |line: &&str| line.starts_with("| ") && line.contains('.');
    assert_eq!(
        page.text.lines().filter(is_row).count(),
        10,
        "{}",
        page.text
    );
}
