//! The key tree (SPEC section 2): every key and tag there is, and how each one comes from the one above it.
//!
//! ```text
//! service key   S   = HMAC(R, "cat1.svc" || 00 || be32(generation) || service)
//! user key      U   = HMAC(S, "cat1.usr" || 00 || be32(version) || be64(expires_at) || lease_id || principal)
//! attenuated    K_0 = U ; K_i = HMAC(K_{i-1}, "cat1.att" || 00 || caveat_i)
//! token         T_0 = HMAC(K_m, "cat1.tok" || 00 || payload)          a discharge: "cat1.dis"
//!               T_j = HMAC(T_{j-1}, "cat1.att" || 00 || caveat_j)
//! tag           the last T
//! ```
//!
//! Each stage is a type, and each arrow a method of the type above: nothing else makes a key. None of them can be
//! printed, compared, copied or serialised, and each one is wiped on drop, with its keyed HMAC state.

use constant_time_eq::constant_time_eq_32;

use crate::compress::{Block, Words};
use crate::key_id::KeyId;
use crate::limits::KEY_LEN;
use crate::mac::{Keyed, Mac, Message, Output, Secret, block_of, blocks, lay_out};
use crate::name::ServiceName;
use crate::wire::Sink;

/// What a MAC is for. The labels of one length, with a zero byte behind each, keep the rows apart. Reserved:
/// `cat1.sea` (encrypted tokens), `cat1.sig` (HTTP message signatures).
#[derive(Clone, Copy)]
enum Label {
    Service,
    User,
    Attenuate,
    Token,
    Discharge,
}

impl Label {
    const fn bytes(self) -> &'static [u8; LABEL] {
        match self {
            Self::Service => b"cat1.svc\0",
            Self::User => b"cat1.usr\0",
            Self::Attenuate => b"cat1.att\0",
            Self::Token => b"cat1.tok\0",
            Self::Discharge => b"cat1.dis\0",
        }
    }
}

#[inline]
fn mac(key: &Keyed, label: Label, message: impl FnOnce(&mut Mac<'_>)) -> Output {
    let mut mac = key.begin(label.bytes());
    message(&mut mac);
    mac.finish()
}

/// R, the root key of one epoch: 32 bytes from the operating system's CSPRNG. The authority alone holds it.
pub struct RootKey(Secret);

impl RootKey {
    /// Takes the 32 bytes.
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(Secret(bytes))
    }

    /// The bytes, to seal them. Secret.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0.0
    }

    /// S, the key of one service in this epoch.
    pub fn service_key(&self, service: &ServiceName, generation: u32) -> ServiceKey {
        let root = Keyed::new(&Output::of(&self.0.0));
        ServiceKey::keyed(&mac(&root, Label::Service, |mac| {
            mac.put(&generation.to_be_bytes());
            mac.put(service.as_str().as_bytes());
        }))
    }
}

/// S, one service's key in one epoch and generation. With its keyed state, so that a user key costs two compressions (three
/// from a principal of 27 bytes on).
pub struct ServiceKey {
    bytes: Secret,
    state: Keyed,
}

impl ServiceKey {
    pub(crate) fn keyed_state(&self) -> &Keyed {
        &self.state
    }

    /// Takes a copy of the 32 bytes; wiping the original is the caller's.
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        Self::keyed(&Output::of(bytes))
    }

    fn keyed(key: &Output) -> Self {
        Self {
            bytes: Secret(key.to_bytes()),
            state: Keyed::new(key),
        }
    }

    /// The bytes, to seal them. Secret.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.bytes.0
    }

    /// U, the key of the lease that `id` names. Its epoch, service and generation are this key's own, and not looked at.
    pub fn user_key(&self, id: &KeyId<'_>) -> TokenKey {
        TokenKey::keyed(&self.state.mac(&LeaseRow::of(id).0))
    }

    /// The state of the same.
    pub fn user_state(&self, id: &KeyId<'_>) -> TokenState {
        self.user_state_by(&LeaseRow::of(id))
    }

    #[inline]
    pub(crate) fn user_state_by(&self, row: &LeaseRow<'_>) -> TokenState {
        TokenState(self.state.key(&row.0))
    }
}

/// A message of the chain, for those who hash several at a time.
#[derive(Clone, Copy)]
pub(crate) enum Row<'m> {
    /// What U is the MAC of.
    Lease(&'m KeyId<'m>),
    /// What an encoded caveat adds.
    Caveat(&'m [u8]),
    /// A token's encoded payload.
    Payload(&'m [u8]),
}

impl Row<'_> {
    /// Lays it out in one block, if it fits.
    #[inline]
    pub(crate) fn lay_out(&self, block: &mut Block) -> bool {
        match self {
            Self::Lease(id) => lay_out(&user_head(id), id.principal.as_bytes(), block),
            Self::Caveat(caveat) => lay_out(Label::Attenuate.bytes(), caveat, block),
            Self::Payload(payload) => lay_out(Label::Token.bytes(), payload, block),
        }
    }

    /// How many blocks it fills.
    pub(crate) fn blocks(&self) -> usize {
        match self {
            Self::Lease(id) => blocks(USER_HEAD + id.principal.len()),
            Self::Caveat(tail) | Self::Payload(tail) => blocks(LABEL + tail.len()),
        }
    }

    /// One of them.
    pub(crate) fn block(&self, number: usize) -> Block {
        match self {
            Self::Lease(id) => block_of(&user_head(id), id.principal.as_bytes(), number),
            Self::Caveat(caveat) => block_of(Label::Attenuate.bytes(), caveat, number),
            Self::Payload(payload) => block_of(Label::Token.bytes(), payload, number),
        }
    }
}

const LABEL: usize = 9;
const USER_HEAD: usize = 29;

/// What U is the MAC of.
pub(crate) struct LeaseRow<'m>(Message<'m, USER_HEAD>);

impl<'m> LeaseRow<'m> {
    #[inline]
    pub(crate) fn blank() -> Self {
        Self(Message::blank())
    }

    #[inline]
    pub(crate) fn set(&mut self, id: &KeyId<'m>) {
        self.0.set(&user_head(id), id.principal.as_bytes(), &[]);
    }

    #[inline]
    fn of(id: &KeyId<'m>) -> Self {
        let mut row = Self::blank();
        row.set(id);
        row
    }
}

#[inline]
fn user_head(id: &KeyId<'_>) -> [u8; USER_HEAD] {
    let mut head = [0; USER_HEAD];
    head[..LABEL].copy_from_slice(Label::User.bytes());
    head[9..13].copy_from_slice(&id.version.to_be_bytes());
    head[13..21].copy_from_slice(&id.expires_at.to_be_bytes());
    head[21..].copy_from_slice(&id.lease_id);
    head
}

/// What an encoded caveat adds to the chain.
pub(crate) struct Attenuation<'m>(Message<'m, LABEL>);

impl<'m> Attenuation<'m> {
    #[inline]
    pub(crate) fn blank() -> Self {
        Self(Message::blank())
    }

    #[inline]
    fn set(&mut self, caveat: &'m [u8]) {
        self.0.set(Label::Attenuate.bytes(), caveat, &[]);
    }

    /// Takes the next caveat, and says whether there was one.
    #[inline]
    pub(crate) fn set_next(&mut self, caveats: &mut impl Iterator<Item = &'m [u8]>) -> bool {
        match caveats.next() {
            Some(caveat) => self.set(caveat),
            None => return false,
        }
        true
    }

    #[inline]
    fn by(caveat: &'m [u8]) -> Self {
        let mut row = Self::blank();
        row.set(caveat);
        row
    }
}

/// What T_0 is the MAC of.
pub(crate) struct SignedPayload<'m>(Message<'m, LABEL>);

/// Whose payload it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    Token,
    Discharge,
}

impl<'m> SignedPayload<'m> {
    #[inline]
    pub(crate) fn blank() -> Self {
        Self(Message::blank())
    }

    /// An encoded payload; its last bytes may be somewhere else, in `claims`.
    #[inline]
    pub(crate) fn set(&mut self, of: Signed, payload: &'m [u8], claims: &'m [u8]) {
        let label = match of {
            Signed::Token => Label::Token,
            Signed::Discharge => Label::Discharge,
        };
        self.0.set(label.bytes(), payload, claims);
    }

    #[inline]
    fn of(of: Signed, payload: &'m [u8]) -> Self {
        let mut row = Self::blank();
        row.set(of, payload, &[]);
        row
    }
}

/// The keyed state of a [`TokenKey`]: it signs and narrows as the key does, and does not say the key's bytes. What a verifier rebuilds, and
/// may keep.
pub struct TokenState(Keyed);

impl TokenState {
    pub(crate) fn keyed_state(&self) -> &Keyed {
        &self.0
    }

    fn of(key: &Output) -> Self {
        Self(Keyed::new(key))
    }

    /// That of K_{i+1}: this key, narrowed by an encoded caveat.
    #[must_use]
    pub fn attenuate(&self, caveat: &[u8]) -> Self {
        Self(self.0.key(&Attenuation::by(caveat).0))
    }

    /// T_0 of a token with this encoded payload.
    pub fn token(&self, payload: &[u8]) -> SecretTag {
        self.sign(&SignedPayload::of(Signed::Token, payload))
    }

    /// T_0 of a discharge with this encoded payload.
    pub fn discharge(&self, payload: &[u8]) -> SecretTag {
        self.sign(&SignedPayload::of(Signed::Discharge, payload))
    }

    #[inline]
    pub(crate) fn sign(&self, signed: &SignedPayload<'_>) -> SecretTag {
        SecretTag(self.0.mac(&signed.0))
    }
}

/// K_i, what signs tokens: a user key U (K_0), or one narrowed by caveats. With its state.
pub struct TokenKey {
    bytes: Secret,
    state: TokenState,
}

impl TokenKey {
    /// Takes a copy of the 32 bytes; wiping the original is the caller's.
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        Self::keyed(&Output::of(bytes))
    }

    fn keyed(key: &Output) -> Self {
        Self {
            bytes: Secret(key.to_bytes()),
            state: TokenState::of(key),
        }
    }

    /// The bytes, to seal or write them. Secret.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.bytes.0
    }

    /// What signs.
    pub fn state(&self) -> &TokenState {
        &self.state
    }

    /// K_{i+1}: this key, narrowed by an encoded caveat.
    #[must_use]
    pub fn attenuate(&self, caveat: &[u8]) -> Self {
        self.attenuate_of(|mac| mac.put(caveat))
    }

    /// T_0 of a token with this encoded payload.
    pub fn token(&self, payload: &[u8]) -> SecretTag {
        self.state.token(payload)
    }

    /// T_0 of a discharge with this encoded payload.
    pub fn discharge(&self, payload: &[u8]) -> SecretTag {
        self.state.discharge(payload)
    }

    pub(crate) fn attenuate_of(&self, caveat: impl FnOnce(&mut Mac<'_>)) -> Self {
        Self::keyed(&mac(&self.state.0, Label::Attenuate, caveat))
    }
}

/// T_j while it is secret: with it, caveats j+1 and on could be left out. The last one becomes the tag.
pub struct SecretTag(Output);

impl SecretTag {
    /// What a chain came to that was hashed elsewhere.
    pub(crate) fn of(words: &Words) -> Self {
        Self(Output::of_words(words))
    }

    /// T_{j+1}: this token, narrowed by an encoded caveat.
    #[must_use]
    pub fn attenuate(&self, caveat: &[u8]) -> Self {
        self.attenuate_by(&Attenuation::by(caveat))
    }

    #[inline]
    pub(crate) fn attenuate_by(&self, attenuation: &Attenuation<'_>) -> Self {
        Self(Keyed::new(&self.0).mac(&attenuation.0))
    }

    pub(crate) fn attenuate_of(&self, caveat: impl FnOnce(&mut Mac<'_>)) -> Self {
        Self(mac(&Keyed::new(&self.0), Label::Attenuate, caveat))
    }

    /// SHA-256 of this T: names it without giving it away. Of T_0, it is what a discharge is `bound_to` (SPEC section 7).
    pub fn digest(&self) -> [u8; KEY_LEN] {
        self.0.sha256()
    }

    /// Makes the last T the tag, for all who see the token.
    pub fn publish(&self) -> PublicTag {
        PublicTag(self.0.to_bytes())
    }

    /// Whether a token's tag is this one; in constant time.
    pub fn matches(&self, tag: &[u8; KEY_LEN]) -> bool {
        constant_time_eq_32(&self.0.to_bytes(), tag)
    }
}

/// The tag as it is on the wire: known to whoever holds the token, and nothing for a log.
pub struct PublicTag([u8; KEY_LEN]);

impl PublicTag {
    pub(crate) fn from_wire(bytes: &[u8; KEY_LEN]) -> Self {
        Self(*bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// What a holder of the token does to narrow it: the tag is the next T's key.
    pub(crate) fn attenuate_of(&self, caveat: impl FnOnce(&mut Mac<'_>)) -> SecretTag {
        SecretTag(Output::of(&self.0)).attenuate_of(caveat)
    }
}
