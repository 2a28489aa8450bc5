//! Conditions as flags: the same ones everywhere, read by the grammar of the text form.

use cattery_core::{
    Keyring, NoRevocations, NoSingleUse, Policy, RequestFacts, RootKey, Scratch, Verifier,
};

use crate::support::{Cattery, key};

/// Every kind, in another order than theirs.
const ALL: [&str; 24] = [
    "--caveat",
    "scope=photos.write,photos.read",
    "--third-party",
    "service/iam:00112233445566778899aabbccddeeff",
    "--client-cert",
    "abababababababababababababababababababababababababababababababab",
    "--context",
    "tenant=a=b",
    "--context",
    "team=red",
    "--until",
    "2100-01-01T00:00:00Z",
    "--after",
    "1790000000",
    "--addr",
    "192.0.2.0/24,2001:db8::/32",
    "--path",
    "/albums",
    "--method",
    "GET,/pkg.Svc/M",
    "--scope",
    r"photos.read,a\,b",
    "--request",
    "GET https://photos.example/albums?x=1",
];

fn texts() -> Vec<String> {
    let digest = cattery_core::request_digest("GET", "photos.example", "/albums?x=1", None);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        r"scope=photos.read,a\,b".into(),
        "method=GET,/pkg.Svc/M".into(),
        "path=/albums".into(),
        "addr=192.0.2.0/24,2001:db8::/32".into(),
        "after=2026-09-21T14:13:20Z,until=2100-01-01T00:00:00Z".into(),
        "context:tenant=a=b".into(),
        "context:team=red".into(),
        format!("cert={}", "ab".repeat(32)),
        format!("request={hex}"),
        "third-party=service/iam:00112233445566778899aabbccddeeff".into(),
        "scope=photos.write,photos.read".into(),
    ]
}

#[test]
fn every_kind_is_a_flag_wherever_something_is_narrowed() {
    let cattery = Cattery::new();
    cattery.ok(&["login"], &key(3_600).to_text());
    let with = |command: &[&str], stdin: &str| {
        let shown = cattery.json(&[command, &ALL[..]].concat(), stdin);
        let caveats = shown["caveats"].as_array().unwrap().clone();
        let texts = caveats.iter().map(|text| text.as_str().unwrap().to_owned());
        texts.collect::<Vec<_>>()
    };
    let exported = cattery.ok(&["key", "export", "photos"], "");
    // The key had one before.
    assert_eq!(with(&["key", "attenuate"], &exported)[1..], texts());
    let token = cattery.ok(&["mint", "photos"], "");
    assert_eq!(with(&["token", "attenuate"], &token), texts());
    let minted = cattery.ok(&[&["mint", "photos"], &ALL[..]].concat(), "");
    let read = cattery.json(&["inspect"], &minted).to_string();
    for text in texts() {
        let text = serde_json::to_string(&text).unwrap();
        assert!(read.contains(&text), "{text}: {read}");
    }
    // Each single use is one of its own.
    let once = |_| {
        let shown = cattery.json(&["token", "attenuate", "--once"], &token);
        shown["caveats"][0].as_str().unwrap().to_owned()
    };
    let [first, second] = [(), ()].map(once);
    assert!(
        first.starts_with("once=") && first != second,
        "{first} {second}"
    );
}

#[test]
fn a_token_is_bound_to_a_request_and_its_body() {
    let cattery = Cattery::new();
    cattery.ok(&["login"], &key(3_600).to_text());
    let body = cattery.home.path().join("album.json");
    std::fs::write(&body, "{\"name\":\"cats\"}").unwrap();
    let mint = |body: &str, stdin: &str| {
        let request = "POST https://photos.example:443/albums";
        let args = ["mint", "photos", "--request", request, "--body", body];
        cattery.ok(&args, stdin)
    };
    let (of_file, of_input) = (
        mint(body.to_str().unwrap(), ""),
        mint("-", "{\"name\":\"dogs\"}"),
    );
    let passes = |token: &str, path: &str, body: &str| {
        let mut keys = Keyring::new();
        let service_key = RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0);
        keys.insert(1, 0, Box::new(service_key));
        let verifier = Verifier {
            service: "photos",
            keys,
            revocations: NoRevocations,
            single_use: NoSingleUse,
            policy: Policy::default(),
        };
        let facts = RequestFacts {
            method: Some("POST"),
            authority: Some("photos.example"),
            path_and_query: Some(path),
            scope: Some("photos.read"),
            body_sha256: Some(sha256(body)),
            ..RequestFacts::default()
        };
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let mut scratch = Scratch::new();
        verifier.verify(token, &facts, now, &mut scratch).is_ok()
    };
    assert!(passes(&of_file, "/albums", "{\"name\":\"cats\"}"));
    assert!(passes(&of_input, "/albums", "{\"name\":\"dogs\"}"));
    assert!(!passes(&of_file, "/albums", "{\"name\":\"dogs\"}"));
    assert!(!passes(&of_file, "/albums/7", "{\"name\":\"cats\"}"));
}

fn sha256(text: &str) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).into()
}

#[test]
fn what_never_holds_or_makes_no_sense_is_refused_with_a_reason() {
    let cattery = Cattery::new();
    let attenuate = ["key", "attenuate"];
    let request = ["--request", "GET https://photos.example/"];
    for (args, word) in [
        (&["--path", "albums"][..], "/"),
        (&["--addr", "192.0.2.7/24"], "192.0.2.7/24"),
        (&["--until", "yesterday"], "7d"),
        (&["--until", "1790000000"], "is over"),
        (&["--after", "2h", "--until", "1h"], "no later than"),
        (&["--context", "tenant"], "KEY=VALUE"),
        (&["--client-cert", "00"], "32 bytes"),
        (&["--third-party", "iam:zz"], "16 to 64"),
        (&["--request", "GET /albums"], "https://"),
        (&["--request", "https://photos.example/"], "GET https://"),
        (&["--body", "/dev/null"], "--request"),
        (&["--scope", "a", "--scope", "b"], "--scope"),
        (&[request[0], request[1], "--body", "-"], "standard input"),
    ] {
        let line = cattery.fails(64, &[&attenuate, args].concat(), "");
        assert!(line.contains(word), "{args:?}: {line}");
    }
    let missing = [request[0], request[1], "--body", "/nowhere"];
    let line = cattery.fails(1, &[&attenuate, &missing[..]].concat(), "");
    assert!(line.contains("/nowhere cannot be read"), "{line}");
    // What gives keys again and again is for more than one request.
    let text = format!("request={}", "ab".repeat(32));
    for command in [
        &["grant", "add", "user/alice", "photos"][..],
        &["user", "api-key", "create", "alice"],
    ] {
        for flags in [&request, &["--caveat", &text]] {
            let line = cattery.fails(64, &[command, flags].concat(), "");
            assert!(line.contains("cattery mint --request"), "{line}");
        }
    }
}
