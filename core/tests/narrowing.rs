//! A million random pairs of (caveats added, request): whatever the narrowed token may do, the wider one may do. And caveats from
//! random text never widen.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::time::{SystemTime, UNIX_EPOCH};

use cattery_core::{
    Caveat, Code, KeyId, Keyring, NoRevocations, NoSingleUse, Policy, RequestFacts, RootKey,
    Scratch, TokenSpec, UserKey, Verifier, attenuate_token, request_digest,
};

const NOW: u64 = 1_790_000_000;
const PAIRS: usize = 1_000_000;

/// SplitMix64 (Steele, Lea and Flood, 2014): quick, and the same for the same seed.
struct Random(u64);

impl Random {
    /// The seed is `CATTERY_SEED`, or the clock; it is printed.
    fn new(test: &str) -> Self {
        let given = std::env::var("CATTERY_SEED").ok();
        let seed = given.map_or_else(
            || {
                u64::try_from(
                    SystemTime::now()
                        .duration_since(UNIX_EPOCH)
                        .unwrap()
                        .as_micros(),
                )
                .unwrap()
            },
            |seed| seed.parse().unwrap(),
        );
        eprintln!("{test}: CATTERY_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    /// None in one of four cases.
    fn perhaps<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> Option<&'a T> {
        (self.below(4) > 0).then(|| self.of(all))
    }
}

const METHODS: [&str; 3] = ["GET", "POST", "get"];
const AUTHORITIES: [&str; 2] = ["photos.example", "Photos.example"];
const PATHS: [&str; 8] = [
    "/", "/a", "/a/b?c", "/ab", "/a/../b", "/pkg.S/M", "/%2e", "/a%20b/c",
];
const ADDRESSES: [&str; 4] = [
    "192.0.2.7",
    "192.0.2.200",
    "::ffff:192.0.2.7",
    "2001:db8::7",
];
const SCOPES: [&str; 3] = ["read", "write", ""];
const CONTEXTS: [&[(&str, &str)]; 3] = [
    &[],
    &[("tenant", "acme")],
    &[("tenant", "other"), ("zone", "")],
];
const TEXTS: [&str; 24] = [
    "scope=read",
    "scope=read,write",
    "scope=\\e",
    "method=GET",
    "method=GET,POST",
    "method=/pkg.S/M",
    "path=/",
    "path=/a",
    "path=/a/",
    "path=/a/b",
    "path=/a%20b",
    "addr=192.0.2.0/25",
    "addr=192.0.2.0/24,2001:db8::/32",
    "addr=::/0",
    "after=1790000000",
    "until=1790000050",
    "after=1789999990,until=1790000050",
    "context:tenant=acme",
    "context:zone=",
    "revocation=00112233445566778899aabbccddeeff",
    "once=00112233445566778899aabbccddeeff",
    "third-party=service/iam:00112233445566778899aabbccddeeff",
    "cert=1111111111111111111111111111111111111111111111111111111111111111",
    "request=2222222222222222222222222222222222222222222222222222222222222222",
];

/// A request of which some is known, and when it comes.
fn request(random: &mut Random) -> (RequestFacts<'static>, u64) {
    let facts = RequestFacts {
        method: random.perhaps(&METHODS),
        authority: random.perhaps(&AUTHORITIES),
        path_and_query: random.perhaps(&PATHS),
        source_addr: random.perhaps(&ADDRESSES).map(|text| text.parse().unwrap()),
        client_cert_sha256: (random.below(4) > 0).then_some(&[0x11; 32]),
        scope: random.perhaps(&SCOPES),
        body_sha256: (random.below(2) > 0).then_some([0x22; 32]),
        context: random.of(&CONTEXTS),
    };
    let now = NOW + u64::try_from(random.below(160)).unwrap();
    (facts, now)
}

fn caveat(random: &mut Random, facts: &RequestFacts<'_>) -> Caveat<'static> {
    // Sometimes bound to the very request, or to nearly the same.
    if random.below(12) == 0 {
        let body = facts.body_sha256.filter(|_| random.below(2) > 0);
        let method = random.of(&METHODS);
        let [authority, path] = [
            facts.authority.unwrap_or("x"),
            facts.path_and_query.unwrap_or("/"),
        ];
        let digest = request_digest(method, authority, path, body.as_ref());
        return Caveat::Request {
            digest,
            body: body.is_some(),
        };
    }
    random.of(&TEXTS).parse().unwrap()
}

struct Place {
    verifier: Verifier<'static, Keyring<Box<cattery_core::ServiceKey>>, NoRevocations, NoSingleUse>,
    key: UserKey,
    scratch: Scratch,
}

impl Place {
    fn new() -> Self {
        let service_key = RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0);
        let id = KeyId {
            epoch: 1,
            service: "photos",
            generation: 0,
            principal: "user/alice",
            version: 0,
            expires_at: NOW + 3_600,
            lease_id: [1; 8],
        };
        let key = UserKey::issue(&service_key, &id, &[]).unwrap();
        let mut keys = Keyring::new();
        keys.insert(1, 0, Box::new(service_key));
        let verifier = Verifier {
            service: "photos",
            keys,
            revocations: NoRevocations,
            single_use: NoSingleUse,
            policy: Policy::default(),
        };
        Self {
            verifier,
            key,
            scratch: Scratch::new(),
        }
    }

    fn mint(key: &UserKey, caveats: &[Caveat<'_>]) -> String {
        let mut token = String::new();
        let spec = TokenSpec {
            not_before: NOW,
            not_after: NOW + 100,
            token_id: [2; 16],
            caveats,
            ..TokenSpec::default()
        };
        key.mint(&spec, &mut token).unwrap();
        token
    }

    fn verdict(&mut self, token: &str, facts: &RequestFacts<'_>, now: u64) -> Result<(), Code> {
        let verified = self.verifier.verify(token, facts, now, &mut self.scratch);
        verified.map(drop).map_err(|denied| denied.code)
    }

    /// The verdicts on a token with `base`, and on one that was narrowed by `added`: as a token, or through a narrower key.
    fn pair(
        &mut self,
        random: &mut Random,
        [base, added]: [&[Caveat<'_>]; 2],
        facts: &RequestFacts<'_>,
        now: u64,
    ) -> [Result<(), Code>; 2] {
        let (of_key, of_token) = base.split_at(random.below(base.len() + 1));
        let mut key = UserKey::parse_bytes(&self.key.to_bytes()).unwrap();
        for caveat in of_key {
            key.narrow(caveat).unwrap();
        }
        let wide = Self::mint(&key, of_token);
        let narrow = if random.below(2) == 0 {
            for caveat in added {
                key.narrow(caveat).unwrap();
            }
            Self::mint(&key, of_token)
        } else {
            added.iter().fold(wide.clone(), |token, caveat| {
                let mut narrower = String::new();
                attenuate_token(&token, caveat, &mut narrower).unwrap();
                narrower
            })
        };
        [
            self.verdict(&wide, facts, now),
            self.verdict(&narrow, facts, now),
        ]
    }
}

#[test]
fn whatever_a_narrowed_token_may_do_the_wider_one_may_do() {
    let mut random = Random::new("narrowing");
    let mut place = Place::new();
    let (mut wide_passes, mut both_pass) = (0, 0);
    for _ in 0..PAIRS {
        let (facts, now) = request(&mut random);
        let base: Vec<_> = (0..random.below(3))
            .map(|_| caveat(&mut random, &facts))
            .collect();
        let added: Vec<_> = (0..=random.below(2))
            .map(|_| caveat(&mut random, &facts))
            .collect();
        let [wide, narrow] = place.pair(&mut random, [&base, &added], &facts, now);
        assert!(
            wide.is_ok() || narrow.is_err(),
            "{base:?} refuses what {added:?} added to it accepts: {facts:?} at {now}"
        );
        wide_passes += usize::from(wide.is_ok());
        both_pass += usize::from(narrow.is_ok());
    }
    eprintln!("{PAIRS} pairs: {wide_passes} pass before, {both_pass} of those after");
    // It would be easy to hold where nothing passes, or nothing narrows.
    assert!(
        both_pass > PAIRS / 50 && both_pass < wide_passes / 2,
        "{both_pass} of {wide_passes}"
    );
}

#[test]
fn caveats_from_random_text_never_widen() {
    let mut random = Random::new("random text");
    let mut place = Place::new();
    let (mut parsed, mut passed) = (0, 0);
    for _ in 0..PAIRS / 4 {
        let mut text: Vec<char> = random.of(&TEXTS).chars().collect();
        for _ in 0..random.below(4) {
            let other: char = random
                .of(&[
                    "/", ",", "\\", "=", "a", "0", "9", ".", ":", "\u{0}", "é", "%", "+body",
                ])
                .chars()
                .next()
                .unwrap();
            let at = random.below(text.len());
            match random.below(3) {
                0 => text[at] = other,
                1 => text.insert(at, other),
                _ => drop(text.remove(at)),
            }
            if text.is_empty() {
                break;
            }
        }
        let text: String = text.into_iter().collect();
        let Ok(added) = text.parse::<Caveat<'static>>() else {
            continue;
        };
        parsed += 1;
        assert_eq!(added.to_string().parse().as_ref(), Ok(&added), "{text}");
        let (facts, now) = request(&mut random);
        let base: Vec<_> = (0..random.below(2))
            .map(|_| caveat(&mut random, &facts))
            .collect();
        let [wide, narrow] = place.pair(&mut random, [&base, &[added]], &facts, now);
        assert!(
            wide.is_ok() || narrow.is_err(),
            "{text:?} widens {base:?}: {facts:?} at {now}"
        );
        passed += usize::from(narrow.is_ok());
    }
    eprintln!(
        "{} texts: {parsed} are caveats, {passed} requests pass them",
        PAIRS / 4
    );
    assert!(
        parsed > PAIRS / 40 && passed > PAIRS / 400,
        "{parsed}, {passed}"
    );
}
