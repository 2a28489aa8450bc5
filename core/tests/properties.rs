//! What holds for every token, key and caveat, and for every byte that is none.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use cattery_core::{
    AnyOf, Caveat, Code, DischargeSpec, ForwardHeader, KeyId, Keyring, MemorySince, NoRevocations,
    Policy, RequestFacts, RootKey, Scratch, ServiceKey, SingleUse, TokenSpec, Use, UseRefused,
    UserKey, Verifier, attenuate_token, authorization, inspect, request_digest,
};
use proptest::prelude::*;
use support::raw;

const NOW: u64 = 1_790_000_000;
const SERVICE: &str = "photos";

fn service_key() -> ServiceKey {
    RootKey::from_bytes([7; 32]).service_key(&SERVICE.parse().unwrap(), 2)
}

fn id(principal: &str) -> KeyId<'_> {
    KeyId {
        epoch: 3,
        service: SERVICE,
        generation: 2,
        principal,
        version: 1,
        expires_at: NOW + 86_400,
        lease_id: *b"lease-id",
    }
}

/// The request that the generators of caveats know.
fn facts() -> RequestFacts<'static> {
    RequestFacts {
        method: Some("GET"),
        authority: Some("Photos.example"),
        path_and_query: Some("/albums/7?size=l"),
        source_addr: Some("192.0.2.7".parse().unwrap()),
        client_cert_sha256: Some(&[0x11; 32]),
        scope: Some("read"),
        body_sha256: Some([0x22; 32]),
        context: &[("tenant", "acme"), ("empty", "")],
    }
}

/// A memory that has seen nothing, or everything.
#[derive(Clone, Copy)]
struct Memory {
    seen: bool,
}

impl SingleUse for Memory {
    fn since(&self) -> MemorySince {
        MemorySince::Always
    }
    fn use_once(&self, _: &Use<'_>) -> Result<(), UseRefused> {
        if self.seen {
            Err(UseRefused::Replayed)
        } else {
            Ok(())
        }
    }
}

fn verifier(policy: Policy) -> Verifier<'static, Keyring, NoRevocations, Memory> {
    let mut keys = Keyring::new();
    keys.insert(3, 2, Box::new(service_key()));
    Verifier {
        service: SERVICE,
        keys,
        revocations: NoRevocations,
        single_use: Memory { seen: false },
        policy,
    }
}

fn verify(presentation: &str, facts: &RequestFacts<'_>, now: u64) -> Result<(), Code> {
    let mut scratch = Scratch::new();
    let answer = verifier(Policy::default()).verify(presentation, facts, now, &mut scratch);
    answer.map(|_| ()).map_err(|denied| denied.code)
}

fn spec<'a>(caveats: &'a [Caveat<'a>]) -> TokenSpec<'a> {
    TokenSpec {
        not_before: NOW,
        not_after: NOW + 300,
        token_id: [9; 16],
        caveats,
        ..TokenSpec::default()
    }
}

fn mint(key: &UserKey, spec: &TokenSpec<'_>) -> String {
    let mut token = String::new();
    key.mint(spec, &mut token).unwrap();
    token
}

fn list(with: Option<&'static str>) -> impl Strategy<Value = AnyOf<'static>> {
    (
        prop::collection::vec("[ -~é]{0,8}", 0..4),
        any::<prop::sample::Index>(),
    )
        .prop_map(move |(mut entries, at)| {
            if let Some(with) = with {
                entries.insert(at.index(entries.len() + 1), with.to_owned());
            } else if entries.is_empty() {
                entries.push("x".to_owned());
            }
            AnyOf::from(entries)
        })
}

/// Caveats that hold for `facts` at NOW.
fn holding() -> impl Strategy<Value = Caveat<'static>> {
    let request = |body: bool| Caveat::Request {
        digest: request_digest(
            "GET",
            "photos.EXAMPLE",
            "/albums/7?size=l",
            body.then_some(&[0x22; 32]),
        ),
        body,
    };
    prop_oneof![
        (
            prop_oneof![Just(0), 1..=NOW],
            prop_oneof![Just(0), NOW + 1..=u64::MAX]
        )
            .prop_map(|(not_before, not_after)| Caveat::TimeWindow {
                not_before,
                not_after
            }),
        list(Some("read")).prop_map(Caveat::Scopes),
        list(Some("GET")).prop_map(Caveat::Methods),
        list(Some("/albums/7")).prop_map(Caveat::Methods),
        prop::sample::select(vec!["/", "/albums", "/albums/", "/albums/7"])
            .prop_map(|p| Caveat::PathPrefix(p.into())),
        Just(Caveat::SourceAddr(
            ["192.0.2.0/24", "2001:db8::/32"].into_iter().collect()
        )),
        Just(Caveat::ClientCert([0x11; 32])),
        any::<bool>().prop_map(request),
        Just(Caveat::Context {
            key: "tenant".into(),
            value: "acme".into()
        }),
        Just(Caveat::Context {
            key: "empty".into(),
            value: "".into()
        }),
        any::<[u8; 16]>().prop_map(|id| Caveat::SingleUse { id }),
        any::<[u8; 16]>().prop_map(|id| Caveat::RevocationId { id }),
    ]
}

fn block() -> impl Strategy<Value = String> {
    prop_oneof![
        (any::<u32>(), 0..=32u32).prop_map(|(bits, len)| {
            let base = bits & u32::MAX.checked_shl(32 - len).unwrap_or(0);
            format!("{}/{len}", std::net::Ipv4Addr::from(base))
        }),
        (any::<u128>(), 0..=128u32).prop_map(|(bits, len)| {
            let base = (bits | 1 << 127) & u128::MAX.checked_shl(128 - len).unwrap_or(0);
            format!("{}/{len}", std::net::Ipv6Addr::from(base))
        }),
    ]
}

/// Any caveat that some request could pass.
fn possible() -> impl Strategy<Value = Caveat<'static>> {
    let third_party = (
        "user/[a-z]{1,9}(/[A-Z:]{1,9})?",
        prop::collection::vec(any::<u8>(), 16..=64),
    )
        .prop_map(|(principal, ticket)| Caveat::ThirdParty {
            principal: principal.into(),
            ticket: ticket.into(),
        });
    prop_oneof![
        4 => holding(),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(a, b)| Caveat::TimeWindow { not_before: a.min(b), not_after: a.max(b) }),
        1 => list(None).prop_map(Caveat::Scopes),
        1 => list(None).prop_map(Caveat::Methods),
        1 => "(/[a-z%+=,~]{0,6}){1,3}".prop_filter("an escape", |p| !p.contains('%')).prop_map(|p| Caveat::PathPrefix(p.into())),
        1 => prop::collection::vec(block(), 1..4).prop_map(|blocks| Caveat::SourceAddr(blocks.into())),
        1 => (any::<[u8; 32]>(), any::<bool>()).prop_map(|(digest, body)| Caveat::Request { digest, body }),
        1 => ("\\PC{1,9}|[\u{0}-\u{1f}\\\\=,]{1,4}", any::<String>())
            .prop_map(|(key, value)| Caveat::Context { key: key.into(), value: value.into() }),
        1 => third_party,
    ]
}

fn caveats(
    of: impl Strategy<Value = Caveat<'static>>,
) -> impl Strategy<Value = Vec<Caveat<'static>>> {
    prop::collection::vec(of, 0..5)
}

fn principal() -> impl Strategy<Value = String> {
    "service/[a-z0-9][a-z0-9._-]{0,62}|user/[A-Za-z0-9._@+=:~-]{1,20}(/[A-Za-z0-9_@+=:~-]{1,20}){0,3}"
        .prop_filter("dots", |name| !name.split('/').any(|segment| matches!(segment, "." | "..")))
}

proptest! {
    /// Whatever is minted verifies, and says what it was minted with.
    #[test]
    fn what_is_minted_verifies(
        principal in principal(),
        key_caveats in caveats(holding()),
        own in caveats(holding()),
        token_id: [u8; 16],
        window in (0..=30u64, 1..=3_000u64),
        claims_type in "[A-Za-z0-9_.]{0,200}",
        claims in prop::collection::vec(any::<u8>(), 0..1_000),
    ) {
        let key = UserKey::issue(&service_key(), &id(&principal), &key_caveats).unwrap();
        let (not_before, not_after) = (NOW + window.0, NOW + window.0 + window.1);
        let spec = TokenSpec { not_before, not_after, token_id, claims_type: &claims_type, claims: &claims, caveats: &own };
        let token = mint(&key, &spec);
        let mut scratch = Scratch::new();
        let verifier = verifier(Policy::default());
        let verified = verifier.verify(&token, &facts(), NOW, &mut scratch).unwrap_or_else(|denied| panic!("{denied}"));
        prop_assert_eq!(verified.principal(), principal.as_str());
        prop_assert_eq!(verified.key_id(), id(&principal));
        prop_assert_eq!(verified.token_id(), token_id);
        prop_assert_eq!((verified.not_before(), verified.not_after()), (not_before, not_after));
        prop_assert_eq!((verified.claims_type(), verified.claims()), (claims_type.as_str(), claims.as_slice()));
        let all: Vec<_> = key_caveats.iter().chain(&own).cloned().collect();
        prop_assert_eq!(verified.caveats().collect::<Vec<_>>(), all);
        let lists: Vec<_> = key_caveats.iter().chain(&own)
            .filter_map(|caveat| match caveat { Caveat::Scopes(list) => Some(list), _ => None }).collect();
        match verified.scopes() {
            None => prop_assert!(lists.is_empty()),
            Some(left) => for scope in left {
                prop_assert!(lists.iter().all(|list| list.contains(scope)));
            },
        }
        prop_assert_eq!(verified.scopes().map(|mut left| left.any(|s| s == "read")), (!lists.is_empty()).then_some(true));
    }

    /// A text form has one spelling, and the plain implementation of the tests makes the same bytes.
    #[test]
    fn another_implementation_agrees(key_caveats in caveats(possible()), own in caveats(possible())) {
        let key = UserKey::issue(&service_key(), &id("user/alice"), &key_caveats).unwrap();
        let token = mint(&key, &spec(&own));
        let encode = |caveats: &[Caveat<'_>]| caveats.iter().map(|caveat| {
            let mut out = Vec::new();
            caveat.encode(&mut out).unwrap();
            out
        }).collect::<Vec<_>>();
        let fields = raw::fields(&raw::bytes(&token));
        let user_key = *service_key().user_key(&id("user/alice")).expose();
        let payload = [raw::int(1, NOW), raw::int(2, NOW + 300), raw::len(3, &[9; 16])].concat();
        let again = raw::signed(
            raw::TOKEN, &raw::content(&fields[0]), &user_key, &encode(&key_caveats), &payload, &encode(&own));
        prop_assert_eq!(token, again);
    }

    /// One bit anywhere, of the message or of the text, and it is refused.
    #[test]
    fn one_changed_bit_is_refused(
        key_caveats in caveats(holding()), own in caveats(holding()), at: prop::sample::Index, bit in 0..8u8,
    ) {
        let key = UserKey::issue(&service_key(), &id("user/alice"), &key_caveats).unwrap();
        let token = mint(&key, &spec(&own));
        prop_assert_eq!(verify(&token, &facts(), NOW), Ok(()));
        let mut message = raw::bytes(&token);
        let at_byte = at.index(message.len());
        message[at_byte] ^= 1 << bit;
        prop_assert!(verify(&raw::text("cat1_", &message), &facts(), NOW).is_err());
        let mut text = token.into_bytes();
        let at_byte = at.index(text.len());
        text[at_byte] ^= 1 << (bit % 7);
        prop_assert!(verify(&String::from_utf8(text).unwrap(), &facts(), NOW).is_err());
    }

    /// Who holds one key cannot sign as any other: every field of its id counts.
    #[test]
    fn another_id_is_another_key(field in 0..4, delta in 1..100u32) {
        let mut claimed = id("user/alice");
        match field {
            0 => claimed.version += delta,
            1 => claimed.expires_at += u64::from(delta),
            2 => claimed.lease_id[0] ^= 1,
            _ => claimed.principal = "user/alicf",
        }
        let key = UserKey::issue(&service_key(), &id("user/alice"), &[]).unwrap();
        let stolen = raw::fields(&key.to_bytes());
        let other = UserKey::issue(&service_key(), &claimed, &[]).unwrap();
        let mut fields = raw::fields(&other.to_bytes());
        fields[1] = stolen[1].clone();
        let forged = UserKey::parse_bytes(&raw::join(&fields)).unwrap();
        prop_assert_eq!(verify(&mint(&forged, &spec(&[])), &facts(), NOW), Err(Code::BadTag));
        prop_assert_eq!(verify(&mint(&other, &spec(&[])), &facts(), NOW), Ok(()));
    }

    /// A request that a narrowed token or key passes, the wider one passes as well.
    #[test]
    fn narrowing_only_narrows(
        wide in caveats(possible()), more in possible(), known in any::<[bool; 8]>(), now in NOW - 100..NOW + 400,
    ) {
        let all = facts();
        let facts = RequestFacts {
            method: all.method.filter(|_| known[0]),
            authority: all.authority.filter(|_| known[1]),
            path_and_query: all.path_and_query.filter(|_| known[2]),
            source_addr: all.source_addr.filter(|_| known[3]),
            client_cert_sha256: all.client_cert_sha256.filter(|_| known[4]),
            scope: all.scope.filter(|_| known[5]),
            body_sha256: all.body_sha256.filter(|_| known[6]),
            context: if known[7] { all.context } else { &[] },
        };
        let key = UserKey::issue(&service_key(), &id("user/alice"), &wide).unwrap();
        let token = mint(&key, &spec(&[]));
        let mut narrow_token = String::new();
        attenuate_token(&token, &more, &mut narrow_token).unwrap();
        let narrow_key = key.attenuate(&more).unwrap();
        prop_assert_eq!(narrow_key.caveats().count(), wide.len() + 1);
        let before = verify(&token, &facts, now);
        for narrower in [narrow_token, mint(&narrow_key, &spec(&[]))] {
            let after = verify(&narrower, &facts, now);
            prop_assert!(before.is_ok() || after == before, "{before:?} became {after:?}");
        }
    }

    /// Nobody takes a caveat off again.
    #[test]
    fn a_caveat_cannot_be_removed(own in prop::collection::vec(holding(), 1..5), at: prop::sample::Index) {
        let key = UserKey::issue(&service_key(), &id("user/alice"), &own).unwrap();
        let at = at.index(own.len());
        for (token, field) in [(mint(&key, &spec(&[])), 2), (mint(&UserKey::issue(&service_key(), &id("user/alice"), &[]).unwrap(), &spec(&own)), 4)] {
            let mut fields = raw::fields(&raw::bytes(&token));
            let first = fields.iter().position(|(number, _, _)| *number == field).unwrap();
            fields.remove(first + at);
            prop_assert_eq!(verify(&raw::text("cat1_", &raw::join(&fields)), &facts(), NOW), Err(Code::BadTag));
        }
    }

    /// No part of `x-cat-forward` is lost or goes to another token, wherever lines end.
    #[test]
    fn forwarded_parts_stay_where_they_are(
        parts in prop::collection::vec("(cat1_|catd1_|x|)[A-Ca-c _]{0,3}", 1..12), lines in prop::collection::vec(any::<bool>(), 12),
    ) {
        let parts: Vec<_> = parts.iter().map(|part| part.trim()).collect();
        let mut header = vec![parts[0].to_owned()];
        for (part, is_line) in parts[1..].iter().zip(lines) {
            match header.last_mut() {
                Some(line) if !is_line => line.extend([" ,\t", part]),
                _ => header.push((*part).to_owned()),
            }
        }
        let mut want = vec![vec![parts[0]]];
        for &part in &parts[1..] {
            match want.last_mut() {
                Some(last) if part.starts_with("catd1_") => last.push(part),
                _ => want.push(vec![part]),
            }
        }
        if want.len() > 8 {
            want = vec![vec![""]];
        }
        let header = ForwardHeader::read(header.iter().map(String::as_bytes)).unwrap();
        let got = header.presentations().map(|one| one.split(',').map(str::trim).collect::<Vec<_>>());
        prop_assert_eq!(got.collect::<Vec<_>>(), want);
    }

    /// Steps 5 and 6 against the same rules on unbounded integers, at the ends of the range as well.
    #[test]
    fn times_are_exact(
        expires_at in edge(), not_before in edge(), not_after in edge(), now in edge(), leeway in edge(),
        max_lifetime in edge(), window in (edge(), edge()),
    ) {
        let mut key_id = id("user/alice");
        key_id.expires_at = expires_at;
        let key = UserKey::issue(&service_key(), &key_id, &[]).unwrap();
        let id_bytes = raw::content(&raw::fields(&key.to_bytes())[0]);
        let int = |field, value| if value == 0 { Vec::new() } else { raw::int(field, value) };
        let payload = [int(1, not_before), int(2, not_after), raw::len(3, &[9; 16])].concat();
        let window_caveat = raw::len(1, &[int(1, window.0), int(2, window.1)].concat());
        let token = raw::signed(raw::TOKEN, &id_bytes, key.token_key().expose(), &[], &payload, &[window_caveat]);
        let wide = |x: u64| i128::from(x);
        let begun = |t| wide(t) <= wide(now) + wide(leeway);
        let not_over = |t| wide(t) > wide(now) - wide(leeway);
        let want = if !not_over(expires_at) {
            Err(Code::KeyExpired)
        } else if not_before > not_after || not_after > expires_at {
            Err(Code::Malformed)
        } else if !begun(not_before) {
            Err(Code::NotYetValid)
        } else if !not_over(not_after) {
            Err(Code::Expired)
        } else if wide(not_after) - wide(not_before) > wide(max_lifetime) {
            Err(Code::LifetimeTooLong)
        } else if (window.0 != 0 && window.1 != 0 && window.1 < window.0)
            || (window.0 != 0 && !begun(window.0)) || (window.1 != 0 && !not_over(window.1)) {
            Err(Code::CaveatFailed)
        } else {
            Ok(())
        };
        let mut scratch = Scratch::new();
        let got = verifier(Policy { leeway, max_lifetime, ..Policy::default() }).verify(&token, &facts(), now, &mut scratch);
        prop_assert_eq!(got.map(|_| ()).map_err(|denied| denied.code), want);
    }

    /// Rightly signed nonsense: no panic, and no pass unless the payload is one.
    #[test]
    fn signed_nonsense_is_refused(
        payload in prop::collection::vec(any::<u8>(), 0..60), caveats in prop::collection::vec(almost_caveat(), 0..4),
    ) {
        let key = UserKey::issue(&service_key(), &id("user/alice"), &[]).unwrap();
        let id_bytes = raw::content(&raw::fields(&key.to_bytes())[0]);
        let token = raw::signed(raw::TOKEN, &id_bytes, key.token_key().expose(), &[], &payload, &[]);
        prop_assert_eq!(verify(&token, &facts(), NOW), Err(Code::Malformed));
        let payload = raw::bytes(&mint(&key, &spec(&[])));
        let payload = raw::content(&raw::fields(&payload)[1]);
        let token = raw::signed(raw::TOKEN, &id_bytes, key.token_key().expose(), &[], &payload, &caveats);
        let readable = caveats.iter().all(|caveat| Caveat::parse(caveat).is_ok());
        let answer = verify(&token, &facts(), NOW);
        prop_assert!(answer == Err(Code::CaveatFailed) || answer.is_ok() && readable);
    }

    /// Bytes and texts from anywhere never panic.
    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text: String, prefix in "(cat1_|catd1_|catkey1_)?") {
        let (_, _) = (Caveat::parse(&bytes).is_ok(), UserKey::parse_bytes(&bytes).is_ok());
        let mut scratch = Scratch::new();
        for text in [text.clone(), format!("{prefix}{text}"), raw::text(&prefix, &bytes), format!("{text},{text}, {prefix}")] {
            prop_assert!(verify(&text, &facts(), NOW).is_err());
            prop_assert!(UserKey::parse_text(&text).is_err());
            prop_assert!(inspect::parse(&text, &mut scratch).is_err());
            let caveat = Caveat::RevocationId { id: [0; 16] };
            prop_assert!(attenuate_token(&text, &caveat, &mut String::new()).is_err());
            let _ = text.parse::<Caveat<'static>>();
            let _ = authorization([text.as_bytes(), &bytes]);
        }
    }

    /// What is decoded and encoded again is the same bytes, so no two texts are one message.
    #[test]
    fn every_accepted_encoding_is_the_only_one(
        caveats in prop::collection::vec(possible(), 1..4), at: prop::sample::Index, edit in edit(),
    ) {
        let key = UserKey::issue(&service_key(), &id("user/alice"), &caveats).unwrap();
        let mut message = key.to_bytes().to_vec();
        edit.apply(&mut message, at);
        if let Ok(key) = UserKey::parse_bytes(&message) {
            prop_assert_eq!(&*key.to_bytes(), &message);
        }
        let mut encoded = Vec::new();
        caveats[0].encode(&mut encoded).unwrap();
        prop_assert_eq!(Caveat::parse(&encoded).unwrap(), caveats[0].clone());
        edit.apply(&mut encoded, at);
        if let Ok(caveat) = Caveat::parse(&encoded) {
            let mut again = Vec::new();
            if caveat.encode(&mut again).is_ok() {
                prop_assert_eq!(again, encoded);
            }
        }
    }

    /// Fields swapped, doubled, written with their default, or with a number longer than needed, at each level.
    #[test]
    fn what_is_not_canonical_is_refused(
        caveats in prop::collection::vec(possible(), 1..3), generation in 0..2u32, version in 0..2u32,
        at: prop::sample::Index, how in 0..4,
    ) {
        let id = KeyId { generation, version, ..id("user/alice") };
        let key = UserKey::issue(&service_key(), &id, &caveats).unwrap();
        let outer = raw::fields(&key.to_bytes());
        let id_fields = raw::fields(&raw::content(&outer[0]));

        let mut changed = outer.clone();
        if break_message(&mut changed, at, how, (4, &[])) {
            prop_assert!(UserKey::parse_bytes(&raw::join(&changed)).is_err());
        }
        let mut changed = id_fields;
        if break_message(&mut changed, at, how, (8, &[1, 3, 5, 6])) {
            let mut outer = outer;
            outer[0].2 = raw::len(1, &raw::join(&changed));
            prop_assert!(UserKey::parse_bytes(&raw::join(&outer)).is_err());
        }
        let mut encoded = Vec::new();
        caveats[0].encode(&mut encoded).unwrap();
        let kind = raw::fields(&encoded);
        let mut changed = raw::fields(&raw::content(&kind[0]));
        // Elements of any_of may be swapped, doubled, and empty.
        let is_list = matches!(caveats[0], Caveat::Scopes(_) | Caveat::Methods(_) | Caveat::SourceAddr(_));
        let numbers: &[u8] = match caveats[0] {
            Caveat::TimeWindow { .. } => &[1, 2],
            Caveat::Request { .. } => &[2],
            _ => &[],
        };
        if (!is_list || how == 3) && break_message(&mut changed, at, how, (3, numbers)) {
            prop_assert!(Caveat::parse(&raw::len(kind[0].0, &raw::join(&changed))).is_err());
        }
    }

    /// A third-party caveat holds with the right discharge and no other.
    #[test]
    fn discharges(ticket in prop::collection::vec(any::<u8>(), 16..=64), bound: bool, by_key: bool, own in caveats(possible()), at: prop::sample::Index, bit in 0..8u8) {
        let demand = [Caveat::ThirdParty { principal: "user/iam".into(), ticket: ticket.as_slice().into() }];
        let (key_caveats, token_caveats) = if by_key { (&demand[..], &[][..]) } else { (&[][..], &demand[..]) };
        let key = UserKey::issue(&service_key(), &id("user/alice"), key_caveats).unwrap();
        let mut token = String::new();
        let binding = key.mint(&spec(token_caveats), &mut token).unwrap().binding();
        let iam = UserKey::issue(&service_key(), &id("user/iam"), &[]).unwrap();
        let own: Vec<_> = own.into_iter()
            .filter(|caveat| !matches!(caveat, Caveat::ThirdParty { .. } | Caveat::SingleUse { .. })).collect();
        let plain = DischargeSpec {
            not_before: NOW, not_after: NOW + 300, ticket: &ticket, bound_to: bound.then_some(&binding), caveats: &own };
        let discharge = |key: &UserKey, spec: &DischargeSpec<'_>| {
            let mut text = String::new();
            key.discharge(spec, &mut text).map(|()| text)
        };
        let with = |discharge: &str| verify(&format!("{token} \t,\t {discharge}"), &facts(), NOW);

        prop_assert_eq!(verify(&token, &facts(), NOW), Err(Code::CaveatFailed));
        let good = discharge(&iam, &plain).unwrap();
        // It passes just where a token with the same caveats would.
        let own_hold = verify(&mint(&iam, &spec(&own)), &facts(), NOW);
        prop_assert_eq!(with(&good), own_hold);
        prop_assert_eq!(verify(&good, &facts(), NOW), Err(Code::Malformed));
        prop_assert_eq!(verify(&good.replace("catd1_", "cat1_"), &facts(), NOW), Err(Code::BadTag));

        let other = UserKey::issue(&service_key(), &id("user/ian"), &[]).unwrap();
        prop_assert_eq!(with(&discharge(&other, &plain).unwrap()), Err(Code::CaveatFailed));
        let elsewhere = [1; 32];
        let other_token = DischargeSpec { bound_to: Some(&elsewhere), ..plain };
        prop_assert_eq!(with(&discharge(&iam, &other_token).unwrap()), Err(Code::CaveatFailed));
        let other_ticket = DischargeSpec { ticket: &[0xa5; 17], ..plain };
        prop_assert_eq!(with(&discharge(&iam, &other_ticket).unwrap()), Err(Code::CaveatFailed));
        prop_assert!(discharge(&iam.attenuate(&"scope=read".parse().unwrap()).unwrap(), &plain).is_err());
        let single = [Caveat::SingleUse { id: [1; 16] }];
        let single = DischargeSpec { caveats: &single, ..plain };
        prop_assert!(discharge(&iam, &single).is_err());

        let mut message = raw::bytes(&good);
        let byte = at.index(message.len());
        message[byte] ^= 1 << bit;
        prop_assert!(with(&raw::text("catd1_", &message)).is_err());
    }

    /// The text form of a caveat comes back the same, and prints.
    #[test]
    fn caveats_as_text(caveat in possible()) {
        let text = caveat.to_string();
        prop_assert!(!text.chars().any(char::is_control), "{text:?}");
        prop_assert_eq!(text.parse::<Caveat<'static>>().unwrap_or_else(|error| panic!("{text:?}: {error}")), caveat);
    }

    /// The text form of a key comes back the same, and no other text is that key.
    #[test]
    fn keys_as_text(principal in principal(), own in caveats(possible()), at: prop::sample::Index, with in "[A-Za-z0-9_=-]") {
        let key = UserKey::issue(&service_key(), &id(&principal), &own).unwrap();
        let text = key.to_text();
        let again = UserKey::parse_text(&text).unwrap();
        prop_assert_eq!(&*again.to_text(), &*text);
        prop_assert_eq!(again.caveats().collect::<Result<Vec<_>, _>>().unwrap(), own);
        let mut changed = text.to_string();
        let at = at.index(changed.len());
        changed.replace_range(at..=at, &with);
        if let Ok(key) = UserKey::parse_text(&changed) {
            prop_assert_eq!(&*key.to_text(), &changed);
        }
    }
}

/// Times near the ends of the range and near each other.
fn edge() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        0..5u64,
        NOW - 2..NOW + 2,
        u64::MAX - 5..=u64::MAX,
        any::<u64>()
    ]
}

/// Encodings of caveats, some of them broken.
fn almost_caveat() -> impl Strategy<Value = Vec<u8>> {
    let broken =
        (possible(), any::<prop::sample::Index>(), edit()).prop_map(|(caveat, at, edit)| {
            let mut encoded = Vec::new();
            caveat.encode(&mut encoded).unwrap();
            edit.apply(&mut encoded, at);
            encoded
        });
    let body = (1..13u8, prop::collection::vec(any::<u8>(), 0..20))
        .prop_map(|(kind, body)| raw::len(kind, &body));
    prop_oneof![broken, body, prop::collection::vec(any::<u8>(), 0..20)]
}

#[derive(Clone, Debug)]
enum Edit {
    Set(u8),
    Insert(u8),
    Remove,
    Double,
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>, at: prop::sample::Index) {
        if bytes.is_empty() {
            return;
        }
        let at = at.index(bytes.len());
        match *self {
            Self::Set(byte) => bytes[at] = byte,
            Self::Insert(byte) => bytes.insert(at, byte),
            Self::Remove => drop(bytes.remove(at)),
            Self::Double => bytes.insert(at, bytes[at]),
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        any::<u8>().prop_map(Edit::Set),
        any::<u8>().prop_map(Edit::Insert),
        Just(Edit::Remove),
        Just(Edit::Double)
    ]
}

/// Makes one message's fields other than canonical, if this way of doing it applies: a singular field swapped with its
/// neighbour, doubled, added with its default (fields below `fields`, of which these are varints), or with a length or
/// number that is not minimal.
fn break_message(
    message: &mut Vec<raw::Field>,
    at: prop::sample::Index,
    how: i32,
    (fields, varints): (u8, &[u8]),
) -> bool {
    if message.is_empty() {
        return false;
    }
    let at = at.index(message.len());
    match how {
        0 => {
            let Some(next) = message.get(at + 1) else {
                return false;
            };
            if next.0 == message[at].0 {
                return false; // elements of one list
            }
            message.swap(at, at + 1);
        }
        1 => {
            if message[at].0 == 2 && fields == 4 {
                return false; // a key's caveats
            }
            let twice = message[at].clone();
            message.insert(at, twice);
        }
        2 => {
            let missing = (1..fields).find(|number| message.iter().all(|field| field.0 != *number));
            let Some(missing) = missing else { return false };
            let place = message
                .iter()
                .position(|field| field.0 > missing)
                .unwrap_or(message.len());
            let wire = if varints.contains(&missing) { 0 } else { 2 };
            message.insert(place, (missing, wire, vec![missing * 8 + wire, 0]));
        }
        _ => {
            let bytes = &mut message[at].2;
            let last = bytes[1..].iter().position(|byte| *byte < 128).unwrap() + 1;
            bytes[last] |= 128;
            bytes.insert(last + 1, 0);
        }
    }
    true
}
