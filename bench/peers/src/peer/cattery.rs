//! Cattery itself: from the text to the principal, with the core that the agent has.

use anyhow::{Result, anyhow};
use cattery_core::{
    Caveat, KeyId, Keyring, NoRevocations, NoSingleUse, Policy, RequestFacts, RootKey, Scratch,
    ServiceKey, TokenSpec, UserKey, Verifier,
};

use super::{About, Peer};
use crate::claims::{AUDIENCE, Claims, ELSEWHERE, METHOD, PATH, SCOPE, USER, check_user, now};

/// So long is the user's key good, in seconds.
const LEASE: u64 = 86_400;

pub(super) struct Cattery {
    key: UserKey,
    /// The same user's at another service.
    elsewhere: UserKey,
    keys: Keyring<Box<ServiceKey>>,
    /// None, or three: the last is the path's.
    caveats: Vec<Caveat<'static>>,
    scratch: Scratch,
}

impl Cattery {
    pub(super) fn new(is_narrowed: bool) -> Result<Self> {
        let root = RootKey::from_bytes(rand::random());
        let issue = |service: &'static str| {
            let service_key = root.service_key(&service.parse()?, 0);
            let id = KeyId {
                epoch: 1,
                service,
                generation: 0,
                principal: USER,
                version: 0,
                expires_at: now() + LEASE,
                lease_id: rand::random(),
            };
            let key = UserKey::issue(&service_key, &id, &[])?;
            anyhow::Ok((key, service_key))
        };
        let (key, service_key) = issue(AUDIENCE)?;
        let (elsewhere, _) = issue(ELSEWHERE)?;
        let mut keys = Keyring::new();
        keys.insert(1, 0, Box::new(service_key));
        let caveats = if is_narrowed {
            vec![
                format!("scope={SCOPE}").parse()?,
                format!("method={METHOD}").parse()?,
                Caveat::PathPrefix("/".into()),
            ]
        } else {
            Vec::new()
        };
        Ok(Self {
            key,
            elsewhere,
            keys,
            caveats,
            scratch: Scratch::new(),
        })
    }
}

impl Peer for Cattery {
    fn about(&self) -> About {
        let is_narrowed = !self.caveats.is_empty();
        About {
            name: if is_narrowed {
                "Cattery, 3 caveats"
            } else {
                "Cattery"
            },
            is_narrowed,
            is_own: true,
            package: "cattery-core",
            backend: Some("sha2"),
            how: "HMAC-SHA-256; the user's key is rebuilt for each token",
        }
    }

    fn mint(&mut self, claims: &Claims, token: &mut String) -> Result<()> {
        if let Some(path) = self.caveats.last_mut() {
            *path = Caveat::PathPrefix(claims.prefix.into());
        }
        let spec = TokenSpec {
            not_before: claims.not_before,
            not_after: claims.expires,
            token_id: claims.id,
            caveats: &self.caveats,
            ..TokenSpec::default()
        };
        let key = if claims.audience == AUDIENCE {
            &self.key
        } else {
            &self.elsewhere
        };
        key.mint(&spec, token)?;
        Ok(())
    }

    fn verify(&mut self, token: &str) -> Result<()> {
        let verifier = Verifier {
            service: AUDIENCE,
            keys: &self.keys,
            revocations: NoRevocations,
            single_use: NoSingleUse,
            policy: Policy::default(),
        };
        let facts = RequestFacts {
            method: Some(METHOD),
            path_and_query: Some(PATH),
            scope: Some(SCOPE),
            ..RequestFacts::default()
        };
        let verified = verifier
            .verify(token, &facts, now(), &mut self.scratch)
            .map_err(|denied| anyhow!("{}", denied.code))?;
        check_user(verified.principal())
    }
}
