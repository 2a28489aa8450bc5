//! Minting: tokens and discharges, signed with a user key and no help from anyone.

use crate::caveat::{Caveat, CaveatError, CaveatKind};
use crate::form::FormError;
use crate::key_tree::{SecretTag, Signed, SignedPayload};
use crate::limits::{ID_LEN, KEY_LEN, MAX_CAVEATS, MAX_MESSAGE, MAX_TICKET, MIN_TICKET};
use crate::payload::{DischargePayload, Encoded, Payload, claims_type_is_valid};
use crate::text::{Base64, DISCHARGE, TOKEN, encoded_len, make_room};
use crate::token::{PAYLOAD, allowed_in_discharge, put_end};
use crate::user_key::UserKey;
use crate::wire::{Sink, element_len, put_header};

/// What a token is to say. Times are Unix seconds; the id is 16 random bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenSpec<'a> {
    /// First second.
    pub not_before: u64,
    /// First second after; not beyond the key's lease.
    pub not_after: u64,
    /// Random, so that the token can be revoked alone.
    pub token_id: [u8; ID_LEN],
    /// Full name of the message in `claims`, or empty.
    pub claims_type: &'a str,
    /// What the signer says of themselves; grants nothing.
    pub claims: &'a [u8],
    /// The token's own caveats.
    pub caveats: &'a [Caveat<'a>],
}

/// What a discharge is to say (SPEC section 7). Times are Unix seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct DischargeSpec<'a> {
    /// First second.
    pub not_before: u64,
    /// First second after; not beyond the key's lease.
    pub not_after: u64,
    /// The caveat's ticket.
    pub ticket: &'a [u8],
    /// The token that it is for ([`Minted::binding`]); `None` is any that asks for the ticket.
    pub bound_to: Option<&'a [u8; 32]>,
    /// The discharge's own caveats.
    pub caveats: &'a [Caveat<'a>],
}

/// What only the minter of a token knows of it, besides its text.
pub struct Minted {
    first: SecretTag,
}

impl Minted {
    /// SHA-256 of T_0: what a discharge for this token alone is `bound_to`. Not secret.
    pub fn binding(&self) -> [u8; 32] {
        self.first.digest()
    }
}

impl UserKey {
    /// Mints a token: writes its text to `out`, in place of what is there.
    ///
    /// # Errors
    /// No verifier would accept the token. `out` is empty then.
    pub fn mint(&self, spec: &TokenSpec<'_>, out: &mut String) -> Result<Minted, MintError> {
        out.clear();
        self.check_window(spec.not_before, spec.not_after)?;
        if !claims_type_is_valid(spec.claims_type) {
            return Err(MintError::ClaimsType);
        }
        let TokenSpec {
            not_before,
            not_after,
            ref token_id,
            claims_type,
            claims,
            caveats,
        } = *spec;
        let payload = Payload {
            not_before,
            not_after,
            token_id,
            claims_type,
            claims,
        };
        let payload = payload.encode();
        self.sign(TOKEN, &payload, caveats, out)
    }

    /// Mints a discharge: writes its text to `out`, in place of what is there.
    ///
    /// # Errors
    /// No verifier would accept the discharge. `out` is empty then.
    pub fn discharge(&self, spec: &DischargeSpec<'_>, out: &mut String) -> Result<(), MintError> {
        out.clear();
        self.check_window(spec.not_before, spec.not_after)?;
        if !(MIN_TICKET..=MAX_TICKET).contains(&spec.ticket.len()) {
            return Err(MintError::Ticket(spec.ticket.len()));
        }
        if self.is_narrowed() {
            return Err(MintError::NarrowedKey);
        }
        for caveat in spec.caveats {
            allowed_in_discharge(caveat).map_err(MintError::InDischarge)?;
        }
        let DischargeSpec {
            not_before,
            not_after,
            ticket,
            bound_to,
            caveats,
        } = *spec;
        let payload = DischargePayload {
            not_before,
            not_after,
            ticket,
            bound_to: bound_to.map_or(&[], |digest| digest),
        };
        let payload = payload.encode();
        self.sign(DISCHARGE, &payload, caveats, out).map(|_| ())
    }

    fn check_window(&self, not_before: u64, not_after: u64) -> Result<(), MintError> {
        if not_before > not_after {
            return Err(MintError::Order);
        }
        match self.expires_at() {
            expires_at if not_after > expires_at => Err(MintError::OutlivesKey { expires_at }),
            _ => Ok(()),
        }
    }

    fn sign(
        &self,
        prefix: &str,
        payload: &Encoded<'_>,
        caveats: &[Caveat<'_>],
        out: &mut String,
    ) -> Result<Minted, MintError> {
        if caveats.len() > MAX_CAVEATS {
            return Err(FormError::TooManyCaveats.into());
        }
        let mut len = self.head().len() + field_len(payload.len()) + element_len(KEY_LEN);
        for caveat in caveats {
            caveat.check()?;
            len += element_len(caveat.encoded_len());
        }
        if len > MAX_MESSAGE {
            return Err(FormError::TooLong.into());
        }
        let of = if prefix == DISCHARGE {
            Signed::Discharge
        } else {
            Signed::Token
        };
        let mut signed = SignedPayload::blank();
        signed.set(of, payload.front(), payload.claims());
        make_room(out, encoded_len(prefix, len));
        out.push_str(prefix);
        let mut text = Base64::behind(self.head(), out);
        if payload.len() > 0 {
            put_header(&mut text, PAYLOAD, payload.len());
            text.put(payload.front());
            text.put(payload.claims());
        }
        let first = self.token_key().state().sign(&signed);
        let mut last: Option<SecretTag> = None;
        for caveat in caveats {
            let tag = last.as_ref().unwrap_or(&first);
            last = Some(tag.attenuate_of(|mac| caveat.put(mac)));
        }
        let tag = last.as_ref().unwrap_or(&first).publish();
        put_end(&mut text, caveats, &tag);
        text.finish();
        Ok(Minted { first })
    }
}

/// Nothing where it is empty.
fn field_len(len: usize) -> usize {
    if len == 0 { 0 } else { element_len(len) }
}

/// Why a token or a discharge cannot be minted: no verifier would accept it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// not_before > not_after.
    #[error("the token ends before it begins")]
    Order,
    /// not_after > the key's expires_at.
    #[error("the token ends after its key, at {expires_at}")]
    OutlivesKey {
        /// When the key's lease ends, in Unix seconds.
        expires_at: u64,
    },
    /// The claims type has more than 200 bytes, or one that is not in `[A-Za-z0-9_.]`.
    #[error("the claims type is not the full name of a message")]
    ClaimsType,
    /// A caveat can never hold.
    #[error("the caveat can never hold: {0}")]
    Caveat(#[from] CaveatError),
    /// More than 16 caveats, or more than 8,192 bytes.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A discharge's ticket has not 16 to 64 bytes.
    #[error("a ticket has 16 to 64 bytes, not {0}")]
    Ticket(usize),
    /// A key with caveats cannot sign discharges (SPEC section 7).
    #[error("a narrowed key cannot sign discharges")]
    NarrowedKey,
    /// This kind of caveat fails inside a discharge.
    #[error("a caveat `{0}` fails inside a discharge")]
    InDischarge(CaveatKind),
}
