//! The measurement itself works: here for so short a time that its figures say nothing.

mod pages;

#[test]
fn every_way_through_envoy_is_measured_and_only_those_that_verify_refuse() {
    let page = pages::of("envoy");
    for way in [
        "no authentication",
        "jwt_authn, ES256",
        "jwt_authn, RS256",
        "ext_authz, bare echo",
        "ext_authz, cattery-agent",
    ] {
        let begin = format!("| {way} ");
        let rows = page.lines().filter(|line| line.starts_with(&begin));
        assert_eq!(rows.count(), 3, "{way}: {page}");
    }
    assert!(page.contains("The agent to the bare echo: "), "{page}");
}
