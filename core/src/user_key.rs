//! A principal's key for one service: what the authority issues, and a holder narrows and mints with.

use zeroize::Zeroizing;

use crate::caveat::{Caveat, CaveatError};
use crate::form::FormError;
use crate::key_id::KeyId;
use crate::key_tree::{ServiceKey, TokenKey};
use crate::limits::{KEY_LEN, LEASE_ID_LEN, MAX_CAVEATS, MAX_MESSAGE};
use crate::text::{self, Base64, Head, KEY};
use crate::token::{KEY_CAVEATS, check_caveats, put_caveat};
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
    /// What its tokens begin with: the key id and the caveats.
    head: Head,
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
        let mut key = Self::from_parts(id, Vec::new(), 0, service_key.user_key(id));
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
        let copy = TokenKey::from_bytes(self.key.expose());
        let mut key = Self::from_parts(&self.id(), self.caveats.clone(), self.count, copy);
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
        self.head = head(&self.id(), &self.caveats);
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
        out.push_str(KEY);
        let mut text = Base64::new(&mut out);
        self.put(&mut text);
        text.finish_and_wipe();
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
        Ok(Self::from_parts(
            &id,
            caveats.region().to_vec(),
            caveats.len(),
            TokenKey::from_bytes(key),
        ))
    }

    /// The encoded message: secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(self.encoded_len()));
        self.put(&mut *out);
        out
    }

    pub(crate) fn is_narrowed(&self) -> bool {
        self.count > 0
    }

    pub(crate) fn expires_at(&self) -> u64 {
        self.expires_at
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    fn from_parts(id: &KeyId<'_>, caveats: Vec<u8>, count: usize, key: TokenKey) -> Self {
        let KeyId {
            epoch,
            service,
            generation,
            principal,
            version,
            expires_at,
            lease_id,
        } = *id;
        let head = head(id, &caveats);
        let (service, principal) = (service.to_owned(), principal.to_owned());
        Self {
            epoch,
            generation,
            version,
            expires_at,
            lease_id,
            service,
            principal,
            caveats,
            count,
            key,
            head,
        }
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

fn head(id: &KeyId<'_>, caveats: &[u8]) -> Head {
    let mut message = Vec::new();
    id.put(&mut message);
    message.put(caveats);
    Head::of(&message)
}
