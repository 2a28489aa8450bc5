use super::*;

fn read(text: &str, overrides: &Overrides) -> Result<(Config, LogConfig), ConfigError> {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("agent.toml");
    std::fs::write(&path, text).unwrap();
    Config::read(Some(&path), overrides)
}

fn here() -> Overrides {
    Overrides {
        dir: Some("/var/lib/cattery-agent".into()),
        ..Overrides::default()
    }
}

#[test]
fn an_empty_file_is_the_defaults() {
    let (config, log) = read("", &here()).unwrap();
    assert_eq!(config, Config::new(Path::new("/var/lib/cattery-agent")));
    assert_eq!(log, LogConfig::default());
}

#[test]
fn the_annotated_file_is_the_defaults() {
    let (config, _) = read(include_str!("../../agent.toml"), &here()).unwrap();
    assert_eq!(config, Config::new(Path::new("/var/lib/cattery-agent")));
    let uncommented: String = include_str!("../../agent.toml")
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.starts_with('[') || setting.contains(" = \"") => setting,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let (config, _) = read(&uncommented, &here()).unwrap();
    assert!(config.cache.is_some() && config.http_socket.is_some());
}

#[test]
fn every_key_is_read_and_flags_go_first() {
    let text = r#"
        dir = "/elsewhere"
        socket = "/run/a.sock"
        socket_mode = "0600"
        http = "[::1]:7480"
        http_socket = "/run/h.sock"
        outage_budget_seconds = 60
        verify = { leeway_seconds = 5, max_lifetime_seconds = 600, require = ["request", "single-use"] }
        single_use = { capacity = 100, shared = true }
        forward_auth.facts = "x-original"
        forward.from = ["service/web", "service/mail"]
        mint = { allow_uids = [1], allow_gids = [2] }
        in_process.allow_uids = [3]
        cache = { file = "/c", key_file = "/k" }
        log = { level = "debug", format = "json" }
    "#;
    let overrides = Overrides {
        socket: Some("/run/b.sock".into()),
        ..here()
    };
    let (config, log) = read(text, &overrides).unwrap();
    assert_eq!(config.dir, Path::new("/var/lib/cattery-agent"));
    assert_eq!(config.socket, Path::new("/run/b.sock"));
    assert_eq!((config.socket_mode, config.http.port()), (0o600, 7480));
    assert_eq!(config.outage_budget, Duration::from_secs(60));
    assert_eq!(
        (config.leeway_seconds, config.max_lifetime_seconds),
        (5, 600)
    );
    assert_eq!(config.single_use_capacity, 100);
    assert!(config.single_use_shared);
    let demands = Demands {
        request: true,
        body: false,
        single_use: true,
    };
    assert_eq!(config.demands, demands);
    assert_eq!(config.header_facts, HeaderFacts::XOriginal);
    let from: Vec<_> = config.forward_from.iter().map(Principal::as_str).collect();
    assert_eq!(from, ["service/web", "service/mail"]);
    assert!(config.mint.admit(1, 9) && config.mint.admit(9, 2) && !config.mint.admit(2, 1));
    assert!(config.in_process.admit(3, 0) && !config.in_process.admit(0, 0));
    assert!(config.cache.is_some());
    assert_eq!(
        (log.level.as_deref(), log.format),
        (Some("debug"), LogFormat::Json)
    );
}

#[test]
fn all_that_is_bad_is_named_at_once() {
    let text = r#"
        socket_mode = "rw"
        http = "0.0.0.0:80"
        outage_budget_seconds = 0
        verify.max_lifetime_seconds = 0
        single_use.capacity = 0
        forward.from = ["service/web", "mail"]
    "#;
    let overrides = Overrides {
        socket: Some(format!("/run/{}", "x".repeat(103)).into()),
        ..Overrides::default()
    };
    let error = read(text, &overrides).unwrap_err().to_string();
    let names: Vec<_> = error
        .lines()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    let expected = [
        "dir",
        "socket_mode",
        "forward.from",
        "socket",
        "http",
        "outage_budget_seconds",
        "verify.max_lifetime_seconds",
        "single_use.capacity",
    ];
    assert_eq!(names, expected, "{error}");
    assert!(
        error.contains("108 bytes") && error.contains("at most 107"),
        "{error}"
    );
    assert!(error.contains("not a loopback address"), "{error}");
    assert!(error.contains("\"mail\": "), "{error}");
}

#[test]
fn an_unknown_field_is_refused_with_its_place() {
    let error = read("[verify]\nleeway = 3\n", &here())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("agent.toml, line 2: unknown field `leeway`") && !error.contains('\n'),
        "{error}"
    );
    let error = read("forward_auth.facts = \"all\"", &here())
        .unwrap_err()
        .to_string();
    assert!(error.contains("x-forwarded"), "{error}");
    let error = read("dir = ", &here()).unwrap_err().to_string();
    assert!(error.contains("line 1") && !error.contains('\n'), "{error}");
}

/// The names that the code knows in a section, as it tells whoever asks for another one.
fn names(section: &str) -> Vec<String> {
    let error = read(&format!("{section}no_such_setting = 1"), &here()).unwrap_err();
    let error = error.to_string();
    let (_, known) = error.split_once("expected ").expect(&error);
    let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
    known.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_annotated_file_has_every_setting() {
    let (mut section, mut told) = (String::new(), Vec::new());
    for line in include_str!("../../agent.toml").lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            name.clone_into(&mut section);
            told.push(("", name.to_owned()));
        } else if let Some((name, _)) = line.split_once(" = ") {
            told.push((section.clone().leak(), name.to_owned()));
        }
    }
    let has = |section: &str, name: &str| told.iter().any(|(s, n)| *s == section && n == name);
    for name in names("") {
        assert!(has("", &name), "{name} is not in agent.toml");
        if read(&format!("[{name}]"), &here()).is_ok() || name == "cache" {
            for setting in names(&format!("[{name}]\n")) {
                assert!(
                    has(&name, &setting),
                    "{name}.{setting} is not in agent.toml"
                );
            }
        }
    }
}
