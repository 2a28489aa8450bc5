//! The formats, each with what its own documentation tells a server to do: keys are read once, everything is validated.

mod biscuit;
mod cattery;
mod fernet;
mod jwt;
mod macaroon;
mod pasetors;
mod rusty_paseto;

use anyhow::Result;

use crate::claims::Claims;

/// A format, and the crate that speaks it.
pub(crate) struct About {
    pub(crate) name: &'static str,
    /// Whether its tokens are narrowed by three caveats more.
    pub(crate) is_narrowed: bool,
    pub(crate) is_own: bool,
    pub(crate) package: &'static str,
    /// The package that has its algorithms, where it is another one; a direct dependency.
    pub(crate) backend: Option<&'static str>,
    pub(crate) how: &'static str,
}

/// What can make tokens and verify them.
pub(crate) trait Peer {
    fn about(&self) -> About;

    /// Puts a new token in place of what is there.
    fn mint(&mut self, claims: &Claims, token: &mut String) -> Result<()>;

    /// # Errors
    /// The token is not good for this audience, now.
    fn verify(&mut self, token: &str) -> Result<()>;
}

/// All of them, with keys of their own.
pub(crate) fn all() -> Result<Vec<Box<dyn Peer>>> {
    Ok(vec![
        Box::new(cattery::Cattery::new(false)?),
        Box::new(fernet::Fernet::new()?),
        Box::new(jwt::Jwt::hs256()?),
        Box::new(jwt::Jwt::eddsa()?),
        Box::new(jwt::Jwt::es256()?),
        Box::new(jwt::Jwt::rs256()?),
        Box::new(macaroon::Macaroon::new(false)?),
        Box::new(pasetors::Local::new()?),
        Box::new(rusty_paseto::Local::new()?),
        Box::new(pasetors::Public::new()?),
        Box::new(rusty_paseto::Public::new()?),
        Box::new(biscuit::Biscuit::new(false)?),
        Box::new(cattery::Cattery::new(true)?),
        Box::new(macaroon::Macaroon::new(true)?),
        Box::new(biscuit::Biscuit::new(true)?),
    ])
}
