//! Caveats by example: paths, address blocks, and the text form.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use cattery_core::{
    Caveat, CaveatError, CaveatTextError, Code, KeyId, Keyring, NoRevocations, NoSingleUse, Policy,
    RequestFacts, RootKey, Scratch, Verifier,
};
use support::raw;

/// Whether an encoded caveat, rightly signed, holds for a request.
fn holds_encoded(caveat: Vec<u8>, facts: &RequestFacts<'_>) -> bool {
    let service_key = RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0);
    let id = KeyId {
        epoch: 1,
        service: "photos",
        generation: 0,
        principal: "user/alice",
        version: 0,
        expires_at: 2_000,
        lease_id: [1; 8],
    };
    let id_bytes = [
        raw::int(1, 1),
        raw::len(2, b"photos"),
        raw::len(4, b"user/alice"),
        raw::int(6, 2_000),
        raw::len(7, &[1; 8]),
    ]
    .concat();
    let payload = [
        raw::int(1, 1_000),
        raw::int(2, 1_300),
        raw::len(3, &[9; 16]),
    ]
    .concat();
    let user_key = service_key.user_key(&id);
    let token = raw::signed(
        raw::TOKEN,
        &id_bytes,
        user_key.expose(),
        &[],
        &payload,
        &[caveat],
    );
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key));
    let verifier = Verifier {
        service: "photos",
        keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    match verifier.verify(&token, facts, 1_100, &mut Scratch::new()) {
        Ok(_) => true,
        Err(denied) => {
            assert_eq!(denied.code, Code::CaveatFailed, "{denied}");
            false
        }
    }
}

fn any_of(kind: u8, entries: &[&str]) -> Vec<u8> {
    let entries: Vec<u8> = entries
        .iter()
        .flat_map(|entry| raw::len(1, entry.as_bytes()))
        .collect();
    raw::len(kind, &entries)
}

fn under(prefix: &str, path: &str) -> bool {
    let prefix = if prefix.is_empty() {
        Vec::new()
    } else {
        raw::len(1, prefix.as_bytes())
    };
    let facts = RequestFacts {
        path_and_query: Some(path),
        ..RequestFacts::default()
    };
    holds_encoded(raw::len(4, &prefix), &facts)
}

fn from(addr: &str, blocks: &[&str]) -> bool {
    let facts = RequestFacts {
        source_addr: Some(addr.parse().unwrap()),
        ..RequestFacts::default()
    };
    holds_encoded(any_of(5, blocks), &facts)
}

#[test]
fn a_prefix_covers_whole_segments() {
    for (prefix, path) in [
        ("/", "/"),
        ("/", "/x"),
        ("/", "/x?y/../z"),
        ("/a/b", "/a/b"),
        ("/a/b", "/a/b/"),
        ("/a/b", "/a/b/c"),
        ("/a/b", "/a/b?c"),
        ("/a/b/", "/a/b"),
        ("/a/b/", "/a/b/c"),
        ("//", "/"),
        ("//", "//x"),
        ("/a", "/a//b"),
        ("/a", "/a/!$&'()*+,=:@~_-.x"),
        ("/a", "/a/.x"),
        ("/a", "/a/x.."),
        ("/a%20b", "/a%20b/c"),
        ("/", "/%F0%9F%90%88"),
        ("/", "/%c3%a9%41"),
        ("/", "/%41"),
    ] {
        assert!(under(prefix, path), "{prefix} {path}");
    }
    for (prefix, path) in [
        ("", "/"),
        ("a", "/a"),
        ("a", "a"),
        ("/a/b", "/a/bc"),
        ("/a/b", "/a"),
        ("/a/b/", "/a/bc"),
        ("/a//", "/a/b"),
        ("/a", "/A"),
        ("/a?", "/a?"),
        ("/a%20b", "/a%20B"),
        ("/%41", "/A"),
        ("/", ""),
        ("/", "?x"),
        ("/", "x"),
        ("/", "*"),
    ] {
        assert!(!under(prefix, path), "{prefix} {path}");
    }
}

#[test]
fn a_path_that_can_be_read_in_two_ways_is_under_no_prefix() {
    for path in [
        "/.",
        "/..",
        "/a/.",
        "/./a",
        "/a/..",
        "/../a",
        "/a/..b",
        "/a/...",
        "/%2e",
        "/%2E",
        "/%2f",
        "/%2F",
        "/%5c",
        "/%5C",
        "/%3b",
        "/%3B",
        "/%25",
        "/%3f",
        "/%3F",
        "/%23",
        "/%00",
        "/%1f",
        "/%7f",
        "/%7F",
        "/%",
        "/%4",
        "/%4/",
        "/%g0",
        "/%0g",
        "/%+1",
        "/%c3",
        "/%c3/%a9",
        "/%c3x",
        "/%c3%41",
        "/%a9",
        "/%c0%af",
        "/%c1%81",
        "/%e0%80%af",
        "/%ed%a0%80",
        "/%f4%90%80%80",
        "/%f5%80%80%80",
        "/%ff",
        "/%e2%82",
        "/%e2%82x",
        "/a b",
        "/a;b",
        "/a\\b",
        "/a\"b",
        "/a<b",
        "/a#b",
        "/a[b",
        "/a^b",
        "/a`b",
        "/a{b",
        "/a|b",
        "/é",
        "/a\tb",
        "/a\0b",
        "/a\x7fb",
    ] {
        assert!(!under("/", path), "{path}");
    }
}

#[test]
fn address_blocks() {
    for (addr, block) in [
        ("192.0.2.7", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.7", "0.0.0.0/0"),
        ("192.0.2.7", "128.0.0.0/1"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8::1", "2001:db8::/32"),
        ("2001:db8::1", "2001:0DB8:0:0::0/64"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("2001:db8::1", "2001:db8::0.0.0.1/128"),
        ("2001:db8::1", "::/0"),
        ("2001:db8::1", "2000::/3"),
        ("::1", "::1/128"),
        ("::192.0.2.7", "::192.0.2.0/120"),
    ] {
        assert!(from(addr, &[block]), "{addr} {block}");
    }
    for (addr, block) in [
        ("192.0.3.7", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.6/32"),
        ("127.0.0.1", "128.0.0.0/1"),
        ("192.0.2.7", "::/0"),
        ("::ffff:192.0.2.7", "::/0"),
        ("::ffff:192.0.2.7", "::ffff:0:0/96"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7/128"),
        ("2001:db8::1", "0.0.0.0/0"),
        ("2001:db9::1", "2001:db8::/32"),
    ] {
        assert!(!from(addr, &[block]), "{addr} {block}");
    }
}

#[test]
fn one_bad_entry_fails_the_caveat() {
    for bad in [
        "",
        "/",
        "192.0.2.0",
        "192.0.2.0/",
        "/24",
        "192.0.2.0/33",
        "192.0.2.0/024",
        "192.0.2.0/00",
        "192.0.2.0/+24",
        "192.0.2.0/-1",
        "192.0.2.0/ 24",
        "192.0.2.0/24 ",
        " 192.0.2.0/24",
        "192.0.2.1/24",
        "192.0.02.0/24",
        "192.0.2/24",
        "192.0.2.0.0/24",
        "0xc0.0.2.0/24",
        "192.0.2.0/24/24",
        "192.0.2.0/255.255.255.0",
        "192.0.2.0/2４",
        "256.0.0.0/8",
        "2001:db8::1/32",
        "2001:db8::/129",
        "2001:db8::/032",
        "2001:db8::%eth0/32",
        "fe80::%1/64",
        "[2001:db8::]/32",
        "1:2:3:4:5:6:7/112",
        "1:2:3:4:5:6:7:8:9/128",
        "1::2::3/128",
        "12345::/16",
        "::ffff:1.2.3.4/128",
        "::ffff:0:0/96",
        "::FFFF:0102:0/112",
        "1:2:3:4::5:6:7:8/128",
        "::1.2.03.4/128",
        "::1.2.3/128",
        ":1::/16",
        "1:/16",
        "g::/16",
        "4294967296.0.0.0/8",
        "192.0.2.0/4294967320",
    ] {
        assert!(!from("192.0.2.7", &["192.0.2.0/24", bad]), "{bad}");
        assert!(!from("192.0.2.7", &[bad, "192.0.2.0/24"]), "{bad}");
    }
    assert!(from("192.0.2.7", &["192.0.2.0/24", "2001:db8::/32"]));
    assert!(!from("192.0.2.7", &[]));
}

#[test]
fn one_entry_that_equals_a_known_fact_is_enough() {
    let facts = |method, path| RequestFacts {
        method,
        path_and_query: path,
        ..RequestFacts::default()
    };
    let both = ["GET", "/a.B/C"];
    assert!(holds_encoded(any_of(3, &both), &facts(Some("GET"), None)));
    assert!(holds_encoded(
        any_of(3, &both),
        &facts(None, Some("/a.B/C?x"))
    ));
    assert!(!holds_encoded(any_of(3, &both), &facts(Some("POST"), None)));
    assert!(!holds_encoded(any_of(3, &both), &facts(None, None)));
    assert!(!holds_encoded(
        any_of(3, &["GET"]),
        &facts(Some("get"), Some("GET"))
    ));
    assert!(!holds_encoded(any_of(3, &["/m"]), &facts(Some("/m"), None)));
    assert!(!holds_encoded(
        any_of(3, &["/a?x"]),
        &facts(None, Some("/a?x"))
    ));
    let empty_scope = RequestFacts {
        scope: Some(""),
        ..RequestFacts::default()
    };
    assert!(holds_encoded(any_of(2, &["a", ""]), &empty_scope));
    assert!(!holds_encoded(any_of(2, &[]), &empty_scope));
    assert!(!holds_encoded(any_of(2, &[""]), &RequestFacts::default()));
}

#[test]
fn the_context_holds_exactly_this() {
    let tenant = raw::len(8, &[raw::len(1, b"tenant"), raw::len(2, b"acme")].concat());
    let with = |context| RequestFacts {
        context,
        ..RequestFacts::default()
    };
    assert!(holds_encoded(
        tenant.clone(),
        &with(&[("x", "y"), ("tenant", "acme")])
    ));
    assert!(!holds_encoded(tenant.clone(), &with(&[("tenant", "Acme")])));
    assert!(!holds_encoded(
        tenant.clone(),
        &with(&[("tenant", "acme"), ("tenant", "other")])
    ));
    assert!(!holds_encoded(tenant, &with(&[])));
    let empty = raw::len(8, &raw::len(1, b"k"));
    assert!(holds_encoded(empty.clone(), &with(&[("k", "")])));
    assert!(!holds_encoded(empty, &with(&[("l", "")])));
    assert!(!holds_encoded(
        raw::len(8, &raw::len(2, b"v")),
        &with(&[("", "v")])
    ));
}

#[test]
fn the_text_form() {
    let list = |entries: &[&str]| entries.iter().copied().collect();
    let cases: [(&str, Caveat<'_>); 14] = [
        ("scope=a,b", Caveat::Scopes(list(&["a", "b"]))),
        (
            r"scope=a\,b,\\,\e",
            Caveat::Scopes(list(&["a,b", "\\", ""])),
        ),
        (
            "method=GET,/pkg.Svc/M",
            Caveat::Methods(list(&["GET", "/pkg.Svc/M"])),
        ),
        ("path=/a,b=c", Caveat::PathPrefix("/a,b=c".into())),
        (
            "addr=192.0.2.0/24,2001:db8::/32",
            Caveat::SourceAddr(list(&["192.0.2.0/24", "2001:db8::/32"])),
        ),
        (
            "until=2026-09-21T14:13:20Z",
            Caveat::TimeWindow {
                not_before: 0,
                not_after: 1_790_000_000,
            },
        ),
        (
            "after=2000-02-29T23:59:59Z",
            Caveat::TimeWindow {
                not_before: 951_868_799,
                not_after: 0,
            },
        ),
        (
            "after=0",
            Caveat::TimeWindow {
                not_before: 0,
                not_after: 0,
            },
        ),
        (
            "after=1970-01-01T00:00:01Z,until=9999-12-31T23:59:59Z",
            Caveat::TimeWindow {
                not_before: 1,
                not_after: 253_402_300_799,
            },
        ),
        (
            "until=253402300800",
            Caveat::TimeWindow {
                not_before: 0,
                not_after: 253_402_300_800,
            },
        ),
        (
            "until=18446744073709551615",
            Caveat::TimeWindow {
                not_before: 0,
                not_after: u64::MAX,
            },
        ),
        (
            r"context:a\=b=c=d,e\\\u{1b}",
            Caveat::Context {
                key: "a=b".into(),
                value: "c=d,e\\\u{1b}".into(),
            },
        ),
        (
            "context:k=",
            Caveat::Context {
                key: "k".into(),
                value: "".into(),
            },
        ),
        (
            "third-party=user/a:b:000102030405060708090a0b0c0d0e0f",
            Caveat::ThirdParty {
                principal: "user/a:b".into(),
                ticket: (0..16).collect::<Vec<u8>>().into(),
            },
        ),
    ];
    for (text, caveat) in cases {
        assert_eq!(
            text.parse::<Caveat<'static>>().as_ref(),
            Ok(&caveat),
            "{text}"
        );
        assert_eq!(caveat.to_string(), text);
    }
    let unix: Caveat<'_> = "until=1790000000".parse().unwrap();
    assert_eq!(unix.to_string(), "until=2026-09-21T14:13:20Z");
    let digest = format!("request={}+body", "Ab".repeat(32));
    assert_eq!(
        digest.parse(),
        Ok(Caveat::Request {
            digest: [0xab; 32],
            body: true
        })
    );
}

#[test]
fn what_is_wrong_with_a_text() {
    use CaveatTextError as E;
    for (text, error) in [
        ("", E::Word),
        ("scope", E::Word),
        ("scopes=a", E::Word),
        ("Scope=a", E::Word),
        ("scope=", E::EmptyEntry),
        ("scope=a,", E::EmptyEntry),
        ("scope=,a", E::EmptyEntry),
        (r"scope=\", E::Escape),
        (r"scope=\x", E::Escape),
        (r"scope=\u{110000}", E::Escape),
        (r"scope=\u{+41}", E::Escape),
        (r"scope=\u{}", E::Escape),
        (r"scope=\u41", E::Escape),
        ("until=0", E::Time),
        ("until=", E::Time),
        ("until=-1", E::Time),
        ("until=18446744073709551616", E::Time),
        ("until=2026-02-29T00:00:00Z", E::Time),
        ("until=2100-02-29T00:00:00Z", E::Time),
        ("until=2026-13-01T00:00:00Z", E::Time),
        ("until=2026-01-01T24:00:00Z", E::Time),
        ("until=2026-01-01T00:00:60Z", E::Time),
        ("until=2026-01-01T00:00:00+00:00", E::Time),
        ("until=2026-01-01 00:00:00Z", E::Time),
        ("until=1969-12-31T23:59:59Z", E::Time),
        ("after=5,until=0", E::Time),
        ("after=5,until=4", E::Caveat(CaveatError::EmptyWindow)),
        ("context:k", E::Context),
        ("context:=v", E::Caveat(CaveatError::EmptyKey)),
        ("third-party=user/bob", E::ThirdParty),
        (
            "third-party=bob:00112233445566778899aabbccddeeff",
            E::Caveat(CaveatError::Principal(cattery_core::NameError::NoKind)),
        ),
        (
            "third-party=user/bob:0011",
            E::Caveat(CaveatError::Length { len: 2 }),
        ),
        ("once=00", E::Hex { bytes: "16" }),
        ("once=0", E::Hex { bytes: "16" }),
        ("cert=zz", E::Hex { bytes: "32" }),
        ("path=albums", E::Caveat(CaveatError::Prefix)),
        ("path=/a?b", E::Caveat(CaveatError::Prefix)),
        ("addr=192.0.2.1/24", E::Caveat(CaveatError::Block)),
    ] {
        assert_eq!(text.parse::<Caveat<'static>>(), Err(error), "{text}");
    }
}

#[test]
fn a_hostile_caveat_prints_harmlessly() {
    let caveat = Caveat::Context {
        key: "\u{1b}[2J".into(),
        value: "\u{202e}\r\n\u{0}".into(),
    };
    assert_eq!(
        caveat.to_string(),
        r"context:\u{1b}[2J=\u{202e}\u{d}\u{a}\u{0}"
    );
    assert_eq!(caveat.to_string().parse(), Ok(caveat));
}
