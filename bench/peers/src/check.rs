//! Whether a format does what it is measured for: its tokens pass, and those that are no good do not.

use anyhow::{Context as _, Result, ensure};

use crate::{
    claims::{Claims, ELSEWHERE, LIFETIME, OTHER_PREFIX},
    peer::Peer,
};

/// A token that is a little other than it was, in so many places one after the other.
const PLACES: usize = 40;

/// # Errors
/// It refuses what is good, or lets pass what is not.
pub(crate) fn check(peer: &mut dyn Peer) -> Result<()> {
    let good = Claims::fresh();
    let token = minted(peer, &good)?;
    peer.verify(&token).context("refuses its own token")?;
    ensure!(token != minted(peer, &Claims::fresh())?, "tokens are alike");
    for at in places(&token) {
        let other = tampered(&token, at);
        ensure!(peer.verify(&other).is_err(), "takes a changed token: {at}");
    }
    let mut refused = vec![
        (
            "takes an expired token",
            Claims {
                not_before: good.not_before - 2 * 3_600,
                expires: good.not_before - 2 * 3_600 + LIFETIME,
                ..good
            },
        ),
        (
            "takes another audience's token",
            Claims {
                audience: ELSEWHERE,
                ..good
            },
        ),
    ];
    if peer.about().is_narrowed {
        refused.push((
            "takes a token for another path",
            Claims {
                prefix: OTHER_PREFIX,
                ..good
            },
        ));
    }
    for (what, claims) in refused {
        let token = minted(peer, &claims)?;
        ensure!(peer.verify(&token).is_err(), what);
    }
    Ok(())
}

fn minted(peer: &mut dyn Peer, claims: &Claims) -> Result<String> {
    let mut token = String::new();
    peer.mint(claims, &mut token)?;
    Ok(token)
}

/// All over the token. The last characters are left alone, as they may be padding.
fn places(token: &str) -> impl Iterator<Item = usize> + use<> {
    let last = token.len() - 6;
    (0..=PLACES).map(move |place| last * place / PLACES)
}

/// With another character there, one of base64url.
fn tampered(token: &str, at: usize) -> String {
    let (before, rest) = token.split_at(at);
    let other = if rest.starts_with('A') { 'B' } else { 'A' };
    format!("{before}{other}{}", &rest[1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{self, About};

    /// Takes everything of a format's but what `refuses` says.
    struct Careless(Box<dyn Peer>, fn(&str) -> bool);

    impl Peer for Careless {
        fn about(&self) -> About {
            self.0.about()
        }

        fn mint(&mut self, claims: &Claims, token: &mut String) -> Result<()> {
            self.0.mint(claims, token)
        }

        fn verify(&mut self, token: &str) -> Result<()> {
            ensure!(!(self.1)(token), "refused");
            Ok(())
        }
    }

    #[test]
    fn every_format_does_what_it_is_measured_for() {
        for mut peer in peer::all().unwrap() {
            check(&mut *peer).unwrap();
        }
    }

    #[test]
    fn one_that_takes_or_refuses_everything_is_found_out() {
        let verifiers: [fn(&str) -> bool; 2] = [|_| true, |_| false];
        let said = verifiers.map(|refuses| {
            let cattery = peer::all().unwrap().swap_remove(0);
            check(&mut Careless(cattery, refuses))
                .unwrap_err()
                .to_string()
        });
        assert_eq!(said, ["refuses its own token", "takes a changed token: 0"]);
    }
}
