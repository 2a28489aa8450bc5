use super::Page;

#[test]
fn every_way_through_envoy_is_measured_and_only_those_that_verify_refuse() {
    let page = Page::of("envoy");
    for way in [
        "no authentication",
        "jwt_authn, ES256",
        "jwt_authn, RS256",
        "ext_authz, bare echo",
        "ext_authz, cattery-agent",
    ] {
        assert_eq!(page.rows(way), 3, "{way}: {}", page.text);
    }
    assert!(page.says("The agent to the bare echo: "), "{}", page.text);
}
