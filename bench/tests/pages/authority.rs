use super::Page;

#[test]
fn leases_are_measured_on_both_stores_and_beside_kerberos() {
    let page = Page::of("authority");
    let rows = |begin: &str| page.begin_with(begin);
    // One of what they cost, and one of how they compare.
    assert_eq!(rows("| embedded store, "), 8, "{}", page.text);
    assert_eq!(rows("| etcd 3.5, "), 8, "{}", page.text);
    assert_eq!(rows("| AS, "), 2, "{}", page.text);
    assert_eq!(rows("| TGS "), 1, "{}", page.text);
    assert_eq!(rows("| prepare: last acknowledgement"), 1, "{}", page.text);
    assert_eq!(rows("| a revoked id: "), 2, "{}", page.text);
    assert_eq!(rows("| start with all"), 1, "{}", page.text);
    for name in [
        "lease_embedded_kept_4_at_once_128_per_second",
        "lease_etcd_new_at_once_32_p50_ms",
        "kerberos_tgs_per_second",
        "enrolments_per_second_embedded",
        "fan_out_s_embedded",
        "lease_write_per_second_etcd",
        "start_all_users_s_etcd",
    ] {
        let value = page.figures[name]["value"].as_f64();
        assert!(
            value.is_some_and(|value| value > 0.0),
            "{name}: {}",
            page.figures
        );
    }
}
