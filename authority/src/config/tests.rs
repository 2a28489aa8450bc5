use super::*;

const ID: &str = "00112233445566778899aabbccddeeff";

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("/var/lib/cattery"), text).map_err(|error| error.to_string())
}

#[test]
fn what_init_writes_reads_back() {
    let unseal = Unseal::KeyFile("/var/lib/cattery/unseal \"q\".key".into());
    let mut config = Config::new(
        "/var/lib/cattery",
        ID.parse().unwrap(),
        "example.org",
        unseal,
    );
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
    config.addresses = vec!["a.example:7443".into(), "[::1]:1".into()];
    config.metrics = Some("[::1]:9464".parse().unwrap());
    config.unseal = Unseal::Passphrase;
    config.log.format = LogFormat::Json;
    config.log.filter = "info,cattery_authority=trace".into();
    config.max_lease = Duration::from_secs(90);
    config.agent_recovery_window = None;
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
    let mut etcd = EtcdSettings {
        endpoints: vec!["10.0.0.1:2379".into(), "https://[::1]:2379".into()],
        prefix: "/cattery/a/".into(),
        ca_file: None,
        certificate: None,
        login: None,
    };
    config.store = StoreSettings::Etcd(etcd.clone());
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
    etcd.ca_file = Some("/etc/etcd/ca.pem".into());
    etcd.certificate = Some(CertificateFiles {
        cert_file: "/etc/etcd/a \"b\".pem".into(),
        key_file: "/etc/etcd/a.key".into(),
    });
    etcd.login = Some(Login {
        user: "cattery".into(),
        password_file: "/var/lib/cattery/password".into(),
    });
    config.store = StoreSettings::Etcd(etcd);
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
}

#[test]
fn what_a_store_needs_is_said() {
    let with = |store: &str| {
        let text = format!("cluster_id = \"{ID}\"\nunseal.method = \"passphrase\"\n{store}");
        parse(&text).unwrap_err()
    };
    for (store, problem) in [
        (
            "store.kind = \"files\"",
            "store.kind: `files` is not a kind of store",
        ),
        ("store.kind = \"etcd\"", "store.endpoints: is missing"),
        ("store.kind = \"etcd\"", "store.prefix: is missing"),
        (
            "store.prefix = \"/a/\"",
            "store.prefix: goes with kind = \"etcd\" only",
        ),
        ("store.colour = 1", "store.colour: there is no such setting"),
        ("store = 1", "write [store]"),
        (
            "store = { kind = \"etcd\", endpoints = [\"a\"], prefix = \"a\" }",
            "store.endpoints: `a` is not HOST:PORT",
        ),
        (
            "store = { kind = \"etcd\", endpoints = [], prefix = \"a\" }",
            "store.prefix: `a` has to begin and end with a slash",
        ),
        (
            "store = { kind = \"etcd\", endpoints = [\"a:1\"], prefix = \"/a/\", user = \"u\" }",
            "store.user and store.password_file go together",
        ),
        (
            "store = { kind = \"etcd\", endpoints = [\"a:1\"], prefix = \"/a/\", key_file = \"k\" }",
            "store.cert_file and store.key_file go together",
        ),
        (
            "store = { kind = \"etcd\", endpoints = [\"a:1\"], prefix = \"/a/\", cert_file = \"c\", key_file = \"k\" }",
            "store.ca_file: is missing",
        ),
    ] {
        let message = with(store);
        assert!(message.contains(problem), "no `{problem}` in: {message}");
    }
}

#[test]
fn secrets_of_etcd_are_read_from_files_that_are_ones_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    let etcd = EtcdSettings {
        endpoints: vec!["a:1".into()],
        prefix: "/a/".into(),
        ca_file: None,
        certificate: None,
        login: Some(Login {
            user: "u".into(),
            password_file: path.clone(),
        }),
    };
    let refused = || etcd.options().err().unwrap().to_string();
    assert!(refused().contains("store.password_file: cannot read"));
    std::fs::write(&path, "secret\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(refused().contains("chmod 600"), "{}", refused());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(*etcd.options().unwrap().user.unwrap().password, "secret");
    std::fs::write(&path, "one\ntwo").unwrap();
    assert!(!refused().contains("two"), "{}", refused());
}

#[test]
fn a_key_file_lies_beside_the_settings_or_where_it_says() {
    let with = |path: &str| {
        parse(&format!(
            "cluster_id = \"{ID}\"\n[unseal]\nmethod = \"key-file\"\nkey_file = \"{path}\""
        ))
        .unwrap()
        .unseal
    };
    assert_eq!(with("k"), Unseal::KeyFile("/var/lib/cattery/k".into()));
    assert_eq!(with("/etc/k"), Unseal::KeyFile("/etc/k".into()));
}

#[test]
fn every_bad_setting_is_named_in_one_go() {
    let message = parse(
        "cluster_id = \"xyz\"\nlisten = \"7443\"\nmax_lease = 5\nlog.filter = \"=[\"\nlog.color = true\n\
         max_leese = \"1h\"\naddresses = [\"h:0\"]\nservice_refresh_interval = \"2h\"\n[unseal]\nmethod = \"hope\"",
    )
    .unwrap_err();
    for name in [
        "/var/lib/cattery/authority.toml: ",
        "cluster_id: ",
        "listen: `7443` is not HOST:PORT",
        "max_lease: is of type integer, not a string",
        "log.filter: ",
        "log.color: there is no such setting",
        "max_leese: there is no such setting",
        "addresses: `h:0`",
        "service_refresh_interval: is 2h: take whole seconds between 1s and 1h",
        "unseal.method: `hope`",
    ] {
        assert!(message.contains(name), "no `{name}` in: {message}");
    }
    assert!(!message.contains('\n'));
}

#[test]
fn what_is_missing_is_named() {
    let message = parse("").unwrap_err();
    assert!(message.contains("cluster_id: is missing"), "{message}");
    assert!(message.contains("unseal.method: is missing"), "{message}");
    let message = parse("a = \n").unwrap_err();
    assert!(message.contains("line 1"), "{message}");
    let dir = Path::new("/nonexistent/cattery");
    let message = Config::load(dir).unwrap_err().to_string();
    assert!(message.contains("run `cattery init` first"), "{message}");
}

#[test]
fn a_setting_in_place_of_a_table_is_one_problem() {
    let message = parse(&format!("cluster_id = \"{ID}\"\nunseal = \"x\"")).unwrap_err();
    assert!(
        message.ends_with(
            "unseal: is of type string, not a table: write [unseal] and its settings below it"
        ),
        "{message}"
    );
    assert!(!message.contains(';'), "{message}");
}

#[test]
fn a_host_with_colons_is_in_brackets() {
    let with = |listen: &str| {
        parse(&format!(
            "cluster_id = \"{ID}\"\nlisten = \"{listen}\"\nunseal.method = \"passphrase\""
        ))
    };
    for good in ["[::1]:7443", "[::]:0", "127.0.0.1:7443", "a.example:1"] {
        assert_eq!(with(good).unwrap().listen, good);
    }
    for bad in [
        "::1:7443",
        "[::1:7443",
        "[a]:1",
        ":1",
        "a b:1",
        "http://a:1",
        "a:65536",
    ] {
        assert!(with(bad).unwrap_err().contains("is not HOST:PORT"), "{bad}");
    }
}

#[test]
fn metrics_are_served_on_loopback_or_not_at_all() {
    let with = |metrics: &str| {
        parse(&format!(
            "cluster_id = \"{ID}\"\nmetrics = {metrics}\nunseal.method = \"passphrase\""
        ))
    };
    assert_eq!(with("\"off\"").unwrap().metrics, None);
    for good in ["127.0.0.1:9464", "127.0.0.2:0", "[::1]:9464"] {
        let metrics = with(&format!("\"{good}\"")).unwrap().metrics;
        assert_eq!(metrics, Some(good.parse().unwrap()));
    }
    for (bad, problem) in [
        (
            "\"0.0.0.0:9464\"",
            "`0.0.0.0:9464` is not a loopback address",
        ),
        ("\"[::]:9464\"", "use 127.0.0.1:PORT or [::1]:PORT"),
        (
            "\"192.0.2.1:9464\"",
            "`192.0.2.1:9464` is not a loopback address",
        ),
        ("\"localhost:9464\"", "`localhost:9464` is not IP:PORT"),
        (
            "\"9464\"",
            "as in `127.0.0.1:9464` or `[::1]:9464`, or `off`",
        ),
        ("\"http://127.0.0.1:9464/metrics\"", "is not IP:PORT"),
        ("\"\"", "metrics: is empty"),
        ("9464", "metrics: is of type integer, not a string"),
        ("true", "metrics: is of type boolean, not a string"),
    ] {
        let message = with(bad).unwrap_err();
        assert!(message.contains("metrics: "), "{message}");
        assert!(message.contains(problem), "no `{problem}` in: {message}");
    }
}

#[test]
fn lengths_of_time() {
    for (text, seconds) in [
        ("90s", 90),
        ("12h", 43_200),
        ("7d", 604_800),
        ("1h 30m", 5_400),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
    }
    for bad in ["", "12", "-1h", "h", "1 fortnight", "1mo"] {
        assert!(parse_duration(bad).is_err(), "{bad}");
    }
    assert_eq!(show_duration(Duration::from_secs(86_400)), "1d");
    assert_eq!(show_duration(Duration::from_secs(5_400)), "90m");
    assert_eq!(show_duration(Duration::from_secs(61)), "61s");
}
