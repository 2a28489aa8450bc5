//! Who is calling, proved, and lent instead of copied.

use cattery_core::Verified;

use super::Caller;

/// Who is calling, as [`Verifier::verify_with`](super::Verifier::verify_with) lends it: what a [`Caller`] says, without a copy of it.
#[derive(Clone, Copy, Debug)]
pub struct CallerRef<'a>(Of<'a>);

#[derive(Clone, Copy, Debug)]
enum Of<'a> {
    Verified(&'a Verified<'a>),
    Caller(&'a Caller),
}

impl<'a> CallerRef<'a> {
    pub(super) fn verified(verified: &'a Verified<'a>) -> Self {
        Self(Of::Verified(verified))
    }

    /// `user/NAME` or `service/NAME`.
    pub fn principal(&self) -> &'a str {
        match self.0 {
            Of::Verified(verified) => verified.principal(),
            Of::Caller(caller) => &caller.principal,
        }
    }

    /// Names the token, in logs and for revocation.
    pub fn token_id(&self) -> [u8; 16] {
        match self.0 {
            Of::Verified(verified) => verified.token_id(),
            Of::Caller(caller) => caller.token_id,
        }
    }

    /// The scopes that the token is narrowed to; `None` where nothing limits them.
    pub fn scopes(&self) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        let (verified, caller) = match self.0 {
            Of::Verified(verified) => (Some(verified.scopes()?), None),
            Of::Caller(caller) => (None, Some(caller.scopes.as_ref()?)),
        };
        let owned = caller.into_iter().flatten().map(String::as_str);
        Some(verified.into_iter().flatten().chain(owned))
    }

    /// Full name of the message in `claims`, or empty.
    pub fn claims_type(&self) -> &'a str {
        match self.0 {
            Of::Verified(verified) => verified.claims_type(),
            Of::Caller(caller) => &caller.claims_type,
        }
    }

    /// What the signer says of themselves: it grants nothing.
    pub fn claims(&self) -> &'a [u8] {
        match self.0 {
            Of::Verified(verified) => verified.claims(),
            Of::Caller(caller) => &caller.claims,
        }
    }

    /// The epoch of the key that signed.
    pub fn epoch(&self) -> u32 {
        match self.0 {
            Of::Verified(verified) => verified.key_id().epoch,
            Of::Caller(caller) => caller.epoch,
        }
    }

    /// When the token ends, Unix seconds.
    pub fn not_after(&self) -> u64 {
        match self.0 {
            Of::Verified(verified) => verified.not_after(),
            Of::Caller(caller) => caller.not_after,
        }
    }

    /// The lease of the key that signed.
    pub fn lease_id(&self) -> [u8; 8] {
        match self.0 {
            Of::Verified(verified) => verified.key_id().lease_id,
            Of::Caller(caller) => caller.lease_id,
        }
    }
}

impl<'a> From<&'a Caller> for CallerRef<'a> {
    fn from(caller: &'a Caller) -> Self {
        Self(Of::Caller(caller))
    }
}

/// A copy, to keep.
impl From<CallerRef<'_>> for Caller {
    fn from(caller: CallerRef<'_>) -> Self {
        Self {
            principal: caller.principal().to_owned(),
            token_id: caller.token_id(),
            scopes: caller
                .scopes()
                .map(|scopes| scopes.map(str::to_owned).collect()),
            claims_type: caller.claims_type().to_owned(),
            claims: caller.claims().to_vec(),
            epoch: caller.epoch(),
            not_after: caller.not_after(),
            lease_id: caller.lease_id(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_what_is_lent_is_the_same() {
        let mut caller = Caller::for_tests("user/alice");
        assert_eq!(Caller::from(CallerRef::from(&caller)), caller);
        caller.scopes = Some(vec!["a".to_owned(), "b".to_owned()]);
        caller.claims_type = "x.Y".to_owned();
        caller.claims = vec![1, 2];
        assert_eq!(Caller::from(CallerRef::from(&caller)), caller);
    }
}
