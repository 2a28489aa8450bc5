use cattery_core::{KeyId, RootKey, TokenSpec, UserKey};

use super::*;
use crate::MintOptions;

const NOW: u64 = 1_790_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn built(narrowing: &Narrowing) -> Result<Vec<String>, NarrowingError> {
    let narrowed = narrowing.build_at(at(NOW), [[0xaa; 16], [0xbb; 16]])?;
    Ok(narrowed.caveats.iter().map(Caveat::to_string).collect())
}

fn key(ends: u64) -> UserKey {
    let service_key = RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0);
    let id = KeyId {
        epoch: 1,
        service: "photos",
        generation: 0,
        principal: "user/alice",
        version: 0,
        expires_at: ends,
        lease_id: [3; 8],
    };
    UserKey::issue(&service_key, &id, &[]).unwrap()
}

#[test]
fn each_kind_is_what_its_text_says() {
    let narrowing = Narrowing::new()
        .scopes(["photos.read", "a,b"])
        .methods(["GET", "/pkg.Svc/M"])
        .path("/app")
        .source_addrs(["192.0.2.0/24"])
        .client_cert([0xcc; 32])
        .context("tenant", "7")
        .third_party("service/iam", [0xdd; 16])
        .caveat("scope=photos.read".parse().unwrap())
        .after(at(NOW + 10))
        .until(at(NOW + 900))
        .lasting(Duration::from_secs(60))
        .once()
        .revocable();
    let texts = built(&narrowing).unwrap();
    assert_eq!(
        texts,
        [
            r"scope=photos.read,a\,b".to_owned(),
            "method=GET,/pkg.Svc/M".into(),
            "path=/app".into(),
            "addr=192.0.2.0/24".into(),
            format!("cert={}", "cc".repeat(32)),
            "context:tenant=7".into(),
            format!("third-party=service/iam:{}", "dd".repeat(16)),
            "scope=photos.read".into(),
            "after=2026-09-21T14:13:30Z,until=2026-09-21T14:14:20Z".into(),
            format!("once={}", "aa".repeat(16)),
            format!("revocation={}", "bb".repeat(16)),
        ]
    );
}

#[test]
fn what_can_never_hold_is_refused() {
    let never = |narrowing: Narrowing| built(&narrowing).unwrap_err();
    let kind = |narrowing| match never(narrowing) {
        NarrowingError::Never { kind, .. } => kind,
        other => panic!("{other}"),
    };
    assert_eq!(kind(Narrowing::new().path("app")), CaveatKind::PathPrefix);
    assert_eq!(kind(Narrowing::new().methods([""; 0])), CaveatKind::Methods);
    assert_eq!(
        kind(Narrowing::new().source_addrs(["192.0.2.7/24"])),
        CaveatKind::SourceAddr
    );
    assert_eq!(
        kind(Narrowing::new().third_party("service/iam", [1; 15])),
        CaveatKind::ThirdParty
    );
    for over in [
        Narrowing::new().until(at(NOW)),
        Narrowing::new().after(at(NOW + 9)).until(at(NOW + 9)),
        Narrowing::new()
            .after(at(NOW + 60))
            .lasting(Duration::from_secs(60)),
        Narrowing::new().path("/").lasting(Duration::ZERO),
    ] {
        assert_eq!(never(over), NarrowingError::Over);
    }
    assert_eq!(
        never(Narrowing::new().request("GET", "/albums", None).path("/")),
        NarrowingError::Request(RequestError::Url)
    );
    assert_eq!(never(Narrowing::new()), NarrowingError::Empty);
}

#[test]
fn what_is_handed_out_ends_with_its_lease_or_earlier_and_has_an_id_of_its_own() {
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    let key = key(now + 600);
    let narrowing = Narrowing::new().path("/app").revocable();
    let handed_out = [(); 2].map(|()| narrowing.narrow_key(&key).unwrap());
    assert_ne!(handed_out[0].revocation_id, handed_out[1].revocation_id);
    assert_eq!(handed_out[0].expires_at, now + 600);
    assert!(!format!("{handed_out:?}").contains("catkey1_"));
    let read = UserKey::parse_text(handed_out[0].text()).unwrap();
    let caveats: Vec<_> = read
        .caveats()
        .map(|caveat| caveat.unwrap().into_owned())
        .collect();
    let id = handed_out[0].revocation_id.unwrap();
    assert_eq!(
        caveats,
        ["path=/app".parse().unwrap(), Caveat::RevocationId { id }]
    );

    let spec = TokenSpec {
        not_before: now,
        not_after: now + 60,
        token_id: [9; 16],
        ..TokenSpec::default()
    };
    let mut token = String::new();
    key.mint(&spec, &mut token).unwrap();
    let wide = Narrowing::new().path("/app").narrow_token(&token).unwrap();
    assert_eq!((wide.expires_at, wide.revocation_id), (now + 60, None));
    let short = Narrowing::new().until(at(now + 30)).narrow_token(&token);
    assert_eq!(short.unwrap().expires_at, now + 30);
    for none in ["", "cat1_AAAA", &key.to_text()] {
        assert!(
            Narrowing::new().path("/").narrow_token(none).is_err(),
            "{none}"
        );
    }
}

#[test]
fn tokens_are_minted_narrower() {
    let narrowing = Narrowing::new().path("/app").once().revocable();
    let options = MintOptions::default().narrowed_by(&narrowing).unwrap();
    assert!(options.single_use, "each token gets an id of its own");
    let kinds: Vec<_> = options.caveats.iter().map(Caveat::kind).collect();
    assert_eq!(kinds, [CaveatKind::PathPrefix, CaveatKind::RevocationId]);
    assert!(
        MintOptions::default()
            .narrowed_by(&Narrowing::new().path("x"))
            .is_err()
    );
}
