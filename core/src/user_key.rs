//! A principal's key for one service: what the authority issues, and a holder narrows and mints with.

use zeroize::Zeroizing;

use crate::caveat::{Caveat, CaveatError, CaveatKind};
use crate::form::FormError;
use crate::key_id::KeyId;
use crate::key_tree::{SecretTag, ServiceKey, TokenKey};
use crate::limits::{
    ID_LEN, KEY_LEN, LEASE_ID_LEN, MAX_CAVEATS, MAX_MESSAGE, MAX_TICKET, MIN_TICKET,
};
use crate::payload::{DischargePayload, Payload, claims_type_is_valid};
use crate::text::{self, Base64, DISCHARGE, KEY, TOKEN};
use crate::token::{KEY_CAVEATS, Signed, allowed_in_discharge, check_caveats, put_caveat};
use crate::wire::{Count, Reader, Repeated, Sink, WireError, put_bytes};

/// UserKey of SPEC section 3: a key id, caveats, and K_m. Secret; wiped on drop.
pub struct UserKey {
    epoch: u32,
    generation: u32,
    version: u32,
    expires_at: u64,
    lease_id: [u8; LEASE_ID_LEN],
    service: String,
    principal: String,
    /// The wire form of the caveats, as in UserKey and SignedToken.
    caveats: Vec<u8>,
    count: usize,
    key: TokenKey,
}

/// Why a key cannot be made: no verifier would accept what it signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A name or a number is wrong, or there are too many caveats, or too much of them.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A caveat can never hold.
    #[error("the caveat can never hold: {0}")]
    Caveat(#[from] CaveatError),
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
    /// Derives the key that `id` names, narrowed by `caveats`. `service_key` has to be the one of the id's epoch,
    /// service and generation, and the lease must not outlive the epoch: the authority sees to both.
    ///
    /// # Errors
    /// No verifier would accept what the key signs.
    pub fn issue(
        service_key: &ServiceKey,
        id: &KeyId<'_>,
        caveats: &[Caveat<'_>],
    ) -> Result<Self, KeyError> {
        id.check()?;
        let mut key = Self {
            epoch: id.epoch,
            generation: id.generation,
            version: id.version,
            expires_at: id.expires_at,
            lease_id: id.lease_id,
            service: id.service.to_owned(),
            principal: id.principal.to_owned(),
            caveats: Vec::new(),
            count: 0,
            key: service_key.user_key(id),
        };
        for caveat in caveats {
            key.narrow(caveat)?;
        }
        Ok(key)
    }

    /// A narrower key, to hand out.
    ///
    /// # Errors
    /// No verifier would accept what the key signs.
    pub fn attenuate(&self, caveat: &Caveat<'_>) -> Result<Self, KeyError> {
        let mut key = Self {
            epoch: self.epoch,
            generation: self.generation,
            version: self.version,
            expires_at: self.expires_at,
            lease_id: self.lease_id,
            service: self.service.clone(),
            principal: self.principal.clone(),
            caveats: self.caveats.clone(),
            count: self.count,
            key: TokenKey::from_bytes(self.key.expose()),
        };
        key.narrow(caveat)?;
        Ok(key)
    }

    /// The same key, narrowed in place: what it was before is gone.
    ///
    /// # Errors
    /// No verifier would accept what the key signs. The key is as it was.
    pub fn narrow(&mut self, caveat: &Caveat<'_>) -> Result<(), KeyError> {
        caveat.check()?;
        if self.count == MAX_CAVEATS {
            return Err(FormError::TooManyCaveats.into());
        }
        let before = self.caveats.len();
        put_caveat(&mut self.caveats, KEY_CAVEATS, caveat);
        if self.encoded_len() > MAX_MESSAGE {
            self.caveats.truncate(before);
            return Err(FormError::TooLong.into());
        }
        self.count += 1;
        self.key = self.key.attenuate_of(|mac| caveat.put(mac));
        Ok(())
    }

    /// Which issued key it is, or was made from.
    pub fn id(&self) -> KeyId<'_> {
        KeyId {
            epoch: self.epoch,
            service: &self.service,
            generation: self.generation,
            principal: &self.principal,
            version: self.version,
            expires_at: self.expires_at,
            lease_id: self.lease_id,
        }
    }

    /// Its caveats in order. One that cannot be read holds for no request.
    pub fn caveats(&self) -> impl Iterator<Item = Result<Caveat<'_>, CaveatError>> {
        Repeated::kept(&self.caveats, KEY_CAVEATS, self.count)
            .iter()
            .map(Caveat::parse)
    }

    /// K_m.
    pub fn token_key(&self) -> &TokenKey {
        &self.key
    }

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
        let first = self.key.token_of(|mac| payload.put(mac));
        self.sign(TOKEN, first, |out| payload.put(out), caveats, out)
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
        if self.count > 0 {
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
        let first = self.key.discharge_of(|mac| payload.put(mac));
        self.sign(DISCHARGE, first, |out| payload.put(out), caveats, out)
            .map(|_| ())
    }

    fn check_window(&self, not_before: u64, not_after: u64) -> Result<(), MintError> {
        if not_before > not_after {
            return Err(MintError::Order);
        }
        if not_after > self.expires_at {
            return Err(MintError::OutlivesKey {
                expires_at: self.expires_at,
            });
        }
        Ok(())
    }

    fn sign(
        &self,
        prefix: &str,
        first: SecretTag,
        payload: impl Fn(&mut dyn Sink),
        caveats: &[Caveat<'_>],
        out: &mut String,
    ) -> Result<Minted, MintError> {
        if caveats.len() > MAX_CAVEATS {
            return Err(FormError::TooManyCaveats.into());
        }
        let mut last: Option<SecretTag> = None;
        for caveat in caveats {
            caveat.check()?;
            last = Some(
                last.as_ref()
                    .unwrap_or(&first)
                    .attenuate_of(|mac| caveat.put(mac)),
            );
        }
        let tag = last.as_ref().unwrap_or(&first).publish();
        let key_id = self.id();
        let signed = Signed {
            key_id: &key_id,
            key_caveats: &self.caveats,
            payload,
            kept: &[],
            added: caveats,
            tag: &tag,
        };
        signed.write(prefix, out)?;
        Ok(Minted { first })
    }

    /// Reads the text form, `catkey1_…`.
    ///
    /// # Errors
    /// It breaks a rule of form (SPEC sections 3 to 5, step 1).
    pub fn parse_text(text: &str) -> Result<Self, FormError> {
        let mut buffer = Zeroizing::new([0; MAX_MESSAGE]);
        let (message, _) = text::decode(KEY, text, buffer.as_mut_slice())?;
        Self::parse_bytes(message)
    }

    /// The text form, `catkey1_…`: secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        // Reserved whole, so that no copy of it stays behind where the string grew.
        let mut out = Zeroizing::new(String::with_capacity(text::encoded_len(
            KEY,
            self.encoded_len(),
        )));
        let mut text = Base64::new(KEY, &mut out);
        self.put(&mut text);
        text.finish();
        out
    }

    /// Reads the encoded message.
    ///
    /// # Errors
    /// It breaks a rule of form (SPEC sections 3 and 5, step 1).
    pub fn parse_bytes(message: &[u8]) -> Result<Self, FormError> {
        if message.len() > MAX_MESSAGE {
            return Err(FormError::TooLong);
        }
        let mut reader = Reader::new(message);
        let id = reader.message(1)?.ok_or(WireError::Missing)?;
        let caveats = reader.repeated(KEY_CAVEATS)?;
        let key = reader.bytes(3)?;
        reader.finish()?;
        check_caveats(caveats)?;
        let key: &[u8; KEY_LEN] = key.try_into().map_err(|_| FormError::Secret(key.len()))?;
        let id = KeyId::decode(id)?;
        Ok(Self {
            epoch: id.epoch,
            generation: id.generation,
            version: id.version,
            expires_at: id.expires_at,
            lease_id: id.lease_id,
            service: id.service.to_owned(),
            principal: id.principal.to_owned(),
            caveats: caveats.region().to_vec(),
            count: caveats.len(),
            key: TokenKey::from_bytes(key),
        })
    }

    /// The encoded message: secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(self.encoded_len()));
        self.put(&mut *out);
        out
    }

    fn encoded_len(&self) -> usize {
        Count::of(|out| self.put(out))
    }

    fn put(&self, out: &mut impl Sink) {
        self.id().put(out);
        out.put(&self.caveats);
        put_bytes(out, 3, self.key.expose());
    }
}
