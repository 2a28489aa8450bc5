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
    config.unseal = Unseal::Passphrase;
    config.log.format = LogFormat::Json;
    config.log.filter = "info,cattery_authority=trace".into();
    config.max_lease = Duration::from_secs(90);
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
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
