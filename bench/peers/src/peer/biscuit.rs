//! Biscuit: facts and checks in a logic language, in blocks that are signed one behind the other.

use std::time::Duration;

use anyhow::Result;
use biscuit_auth::{
    Algorithm, AuthorizerBuilder, AuthorizerLimits, KeyPair, PublicKey,
    builder::Rule,
    macros::{biscuit, block},
};

use super::{About, Peer};
use crate::claims::{AUDIENCE, Claims, METHOD, PATH, SCOPE, USER, check_user};

pub(super) struct Biscuit {
    keys: KeyPair,
    public: PublicKey,
    /// What all requests have in common.
    authorizer: AuthorizerBuilder,
    user: Rule,
    is_narrowed: bool,
}

impl Biscuit {
    pub(super) fn new(is_narrowed: bool) -> Result<Self> {
        let keys = KeyPair::new_with_algorithm(Algorithm::Ed25519);
        let mut authorizer = AuthorizerBuilder::new()
            .policy(&*format!("allow if audience(\"{AUDIENCE}\")"))?
            // The default is a millisecond, in which a busy machine may do something else.
            .set_limits(AuthorizerLimits {
                max_time: Duration::from_secs(10),
                ..AuthorizerLimits::default()
            });
        if is_narrowed {
            authorizer = authorizer
                .fact(&*format!("scope(\"{SCOPE}\")"))?
                .fact(&*format!("method(\"{METHOD}\")"))?
                .fact(&*format!("path(\"{PATH}\")"))?;
        }
        Ok(Self {
            public: keys.public(),
            keys,
            authorizer,
            user: "is($user) <- user($user)".try_into()?,
            is_narrowed,
        })
    }
}

impl Peer for Biscuit {
    fn about(&self) -> About {
        About {
            name: if self.is_narrowed {
                "biscuit, a second block"
            } else {
                "biscuit"
            },
            is_narrowed: self.is_narrowed,
            is_own: false,
            package: "biscuit-auth",
            backend: None,
            how: "Ed25519 and Datalog; policy, facts of the request and query are parsed once; what narrows it is three checks in a block of their own",
        }
    }

    fn mint(&mut self, claims: &Claims, token: &mut String) -> Result<()> {
        let mut made = biscuit!(
            r#"
            user({user});
            audience({audience});
            id({id});
            check if time($t), $t >= {begin}, $t < {end};
            "#,
            user = USER,
            audience = claims.audience,
            id = claims.id.to_vec(),
            begin = time(claims.not_before),
            end = time(claims.expires),
        )
        .build(&self.keys)?;
        if self.is_narrowed {
            made = made.append(block!(
                r#"
                check if scope({scope});
                check if method({method});
                check if path($p), $p.starts_with({prefix});
                "#,
                scope = SCOPE,
                method = METHOD,
                prefix = claims.prefix,
            ))?;
        }
        *token = made.to_base64()?;
        Ok(())
    }

    fn verify(&mut self, token: &str) -> Result<()> {
        let read = biscuit_auth::Biscuit::from_base64(token, self.public)?;
        let mut authorizer = self.authorizer.clone().time().build(&read)?;
        authorizer.authorize()?;
        let users: Vec<(String,)> = authorizer.query(self.user.clone())?;
        let [(user,)] = &users[..] else {
            anyhow::bail!("not one user");
        };
        check_user(user)
    }
}

fn time(seconds: u64) -> std::time::SystemTime {
    std::time::UNIX_EPOCH + Duration::from_secs(seconds)
}
