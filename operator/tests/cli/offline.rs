//! What needs no authority: keys that are kept, narrowing, reading.

use cattery_core::{
    Keyring, NoRevocations, NoSingleUse, Policy, RequestFacts, RootKey, Scratch, UserKey, Verifier,
};

use crate::support::{Cattery, key};

/// What the service itself says of a token.
fn verify(token: &str, method: &str, path: &str) -> Result<String, String> {
    let mut keys = Keyring::new();
    keys.insert(
        1,
        0,
        Box::new(RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0)),
    );
    let verifier = Verifier {
        service: "photos",
        keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let facts = RequestFacts {
        method: Some(method),
        path_and_query: Some(path),
        scope: Some("photos.read"),
        ..RequestFacts::default()
    };
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let mut scratch = Scratch::new();
    let verified = verifier.verify(token, &facts, now, &mut scratch);
    verified
        .map(|token| token.principal().to_owned())
        .map_err(|denied| denied.code.to_string())
}

#[test]
fn a_kept_key_mints_without_an_authority() {
    let cattery = Cattery::new();
    assert_eq!(
        cattery.json(&["login"], &key(3_600).to_text())["subject"],
        "user/alice"
    );
    let token = cattery.ok(&["mint", "photos", "--caveat", "path=/albums"], "");
    assert_eq!(
        verify(&token, "GET", "/albums/7"),
        Ok("user/alice".to_owned())
    );
    assert_eq!(
        verify(&token, "GET", "/private"),
        Err("caveat_failed".to_owned())
    );

    let narrow = cattery.ok(&["token", "attenuate", "--caveat", "method=GET"], &token);
    assert_eq!(
        verify(&narrow, "GET", "/albums/7"),
        Ok("user/alice".to_owned())
    );
    assert_eq!(
        verify(&narrow, "POST", "/albums/7"),
        Err("caveat_failed".to_owned())
    );

    let narrowed = cattery.json(&["token", "attenuate", "--caveat", "method=GET"], &token);
    assert_eq!(narrowed["caveats"], serde_json::json!(["method=GET"]));

    let shown = cattery.json(&["mint", "photos", "--ttl", "2m"], "");
    let span = shown["not_after"].as_u64().unwrap() - shown["not_before"].as_u64().unwrap();
    assert_eq!((span, &shown["principal"]), (120, &"user/alice".into()));
}

#[test]
fn a_token_for_somebody_else_to_present_is_one_flag() {
    let cattery = Cattery::new();
    cattery.ok(&["login"], &key(3_600).to_text());
    let token = cattery.ok(&["mint", "photos", "--through", "service/web"], "");
    // Not for alice herself; who presents it is the agent's to know.
    let own = verify(&token, "GET", "/albums/7");
    assert_eq!(own, Err("caveat_failed".to_owned()));
    let said = cattery.ok(&["inspect"], &token);
    assert!(said.contains("service/web presents it"), "{said}");
    let line = cattery.fails(64, &["mint", "photos", "--through", "web"], "");
    assert!(line.contains("service/NAME"), "{line}");
}

#[test]
fn no_token_outlives_its_key() {
    let cattery = Cattery::new();
    cattery.ok(&["login"], &key(40).to_text());
    let line = cattery.fails(1, &["mint", "photos", "--ttl", "1h"], "");
    assert!(line.contains("--ttl"), "{line}");
    let shown = cattery.json(&["mint", "photos"], "");
    let span = shown["not_after"].as_u64().unwrap() - shown["not_before"].as_u64().unwrap();
    assert!((30..=40).contains(&span), "{shown}");
}

#[test]
fn a_token_that_agents_would_refuse_is_signed_with_a_warning() {
    let cattery = Cattery::new();
    cattery.ok(&["login"], &key(86_400).to_text());
    let long = cattery.run(&["mint", "photos", "--ttl", "2h"], "");
    assert!(long.err.contains("longer than 1 hour"), "{long:?}");
    let output = cattery.run(&["mint", "photos", "--ttl", "1h"], "");
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
}

#[test]
fn a_key_that_ended_says_so() {
    let cattery = Cattery::new();
    let line = cattery.fails(1, &["login"], &key(0).to_text());
    assert!(line.contains("ask for a new one"), "{line}");
    cattery.ok(&["login"], &key(3_600).to_text());
    let said = cattery.ok(&["status"], "");
    assert!(
        said.contains("handed over, of user/alice") && !said.contains("Nobody"),
        "{said}"
    );
    let file = cattery.home.path().join("keys/photos.json");
    let text = std::fs::read_to_string(file).unwrap();
    let mut lease: serde_json::Value = serde_json::from_str(&text).unwrap();
    lease["key"] = key(0).to_text().as_str().into();
    cattery.keep("keys/photos.json", &lease);
    let line = cattery.fails(1, &["mint", "photos"], "");
    assert!(line.contains("ended"), "{line}");
}

#[test]
fn a_narrower_key_can_be_handed_over() {
    let (alice, reader) = (Cattery::new(), Cattery::new());
    alice.ok(&["login"], &key(3_600).to_text());
    let text = alice.ok(&["key", "export", "photos"], "");
    let narrow = alice.ok(
        &[
            "key",
            "attenuate",
            "--caveat",
            "method=GET",
            "--caveat",
            "path=/a",
        ],
        &text,
    );
    assert_eq!(UserKey::parse_text(&narrow).unwrap().caveats().count(), 3);
    reader.ok(&["login"], &narrow);
    let token = reader.ok(&["mint", "photos"], "");
    assert_eq!(verify(&token, "GET", "/a/b"), Ok("user/alice".to_owned()));
    assert_eq!(
        verify(&token, "PUT", "/a/b"),
        Err("caveat_failed".to_owned())
    );
}

#[test]
fn inspect_tells_what_a_text_says_and_no_secret() {
    let cattery = Cattery::new();
    let text = key(3_600).to_text();
    cattery.ok(&["login"], &text);
    let token = cattery.ok(
        &["mint", "photos", "--caveat", "path=/albums", "--once"],
        "",
    );
    let said = cattery.ok(&["inspect"], &token);
    for words in [
        "user/alice",
        "photos",
        "photos.read",
        "/albums",
        "one use",
        "(in ",
        "Nothing of this has been verified",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = cattery.ok(&["inspect"], &text);
    for words in [
        "A key, secret",
        "user/alice",
        "photos.read",
        "Nothing of this has been verified",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let json = cattery.ok(&["inspect", "--output", "json"], &text);
    let secret = &text[text.len() - 40..];
    assert!(
        !said.contains(secret) && !json.contains(secret),
        "{said} {json}"
    );
    let shown = cattery.json(&["inspect"], &format!("bEARER {token}"));
    assert_eq!(
        (&shown["kind"], &shown["verified"]),
        (&"token".into(), &false.into())
    );
    assert_eq!(shown["key_caveats"][0]["caveat"], "scope=photos.read");
    assert_eq!(shown["caveats"][0]["caveat"], "path=/albums");
}

#[test]
fn a_hostile_caveat_cannot_steer_the_terminal() {
    let cattery = Cattery::new();
    let narrow = cattery.ok(
        &["key", "attenuate", "--caveat", r"scope=\u{1b}[2J\u{202e}"],
        &key(60).to_text(),
    );
    let said = cattery.ok(&["inspect"], &narrow);
    assert!(
        said.chars().all(|c| c == '\n' || !c.is_control()) && !said.contains('\u{202e}'),
        "{said:?}"
    );
}

#[test]
fn a_live_key_suffices_where_it_cannot_be_renewed() {
    let cattery = Cattery::new();
    cattery.ok(&["login"], &key(3_600).to_text());
    let file = cattery.home.path().join("keys/photos.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut lease: serde_json::Value = serde_json::from_str(&text).unwrap();
    lease["obtained_at"] = 0.into();
    lease["handed_over"] = false.into();
    std::fs::write(&file, lease.to_string()).unwrap();
    assert_eq!(cattery.run(&["mint", "photos"], "").code, Some(0));
}

#[test]
fn what_is_handed_out_revocably_is_noted_with_whom_it_is_for() {
    let cattery = Cattery::new();
    cattery.ok(&["login"], &key(3_600).to_text());
    let text = cattery.ok(&["key", "export", "photos"], "");
    let args = [
        "--caveat",
        "path=/app",
        "--until",
        "10m",
        "--revocable",
        " bob, contractor ",
    ];
    let handed = cattery.run(&[&["key", "attenuate"], &args[..]].concat(), &text);
    assert_eq!(handed.code, Some(0), "{handed:?}");
    let token = cattery.ok(&["mint", "photos"], "");
    let lone = ["token", "attenuate", "--revocable", "carol\u{1b}[2J"];
    let narrow = cattery.ok(&lone, &token);
    assert!(
        verify(&narrow, "GET", "/").is_ok(),
        "nothing is revoked here"
    );

    let listed = cattery.json(&["key", "handed-out"], "");
    let of = |row: usize, name: &str| listed[row][name].as_str().unwrap().to_owned();
    assert_eq!(
        (of(0, "whom"), of(0, "kind")),
        ("bob, contractor".into(), "key".into())
    );
    assert_eq!(
        (of(1, "kind"), of(1, "principal")),
        ("token".into(), "user/alice".into())
    );
    assert!(listed[1]["expires_at"].as_u64() < listed[0]["expires_at"].as_u64());
    let left =
        listed[0]["expires_at"].as_u64().unwrap() - listed[0]["handed_out_at"].as_u64().unwrap();
    assert!(
        (599..=600).contains(&left),
        "earlier than its lease: {left}"
    );
    let take_back = format!(
        "cattery revoke --principal user/alice --handed-out {}",
        of(0, "id")
    );
    assert_eq!(of(0, "take_back"), take_back);
    assert!(handed.err.contains(&take_back), "{handed:?}");
    let inspected = cattery.ok(&["inspect"], &handed.out);
    let condition = format!("the hand-out {} has not been revoked", of(0, "id"));
    assert!(inspected.contains(&condition), "{inspected}");
    let table = cattery.ok(&["key", "handed-out"], "");
    assert!(
        table.contains("bob, contractor") && !table.contains('\u{1b}'),
        "{table}"
    );

    let line = cattery.fails(64, &["key", "attenuate", "--revocable", " "], &text);
    assert!(line.contains("who it is for"), "{line}");
    let line = cattery.fails(64, &["key", "attenuate"], &text);
    assert!(line.contains("nothing would become narrower"), "{line}");
}
