//! Everything that is needed to find or rebuild a user key (SPEC section 3, KeyId). Public.

use crate::form::FormError;
use crate::limits::LEASE_ID_LEN;
use crate::name::{check_principal, check_service};
use crate::wire::{Count, Reader, Sink, put_bytes, put_header, put_uint};

/// Names one issued key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId<'a> {
    /// Number of the root key, from 1.
    pub epoch: u32,
    /// The audience: the service that can check what the key signs.
    pub service: &'a str,
    /// Number of the service's key inside the epoch.
    pub generation: u32,
    /// Who the key speaks for.
    pub principal: &'a str,
    /// Number of the principal's keys; goes up when all of them are revoked.
    pub version: u32,
    /// When the lease ends, in Unix seconds.
    pub expires_at: u64,
    /// Random name of this one issue.
    pub lease_id: [u8; LEASE_ID_LEN],
}

impl<'a> KeyId<'a> {
    #[inline(always)]
    pub(crate) fn decode(message: &'a [u8]) -> Result<Self, FormError> {
        let mut reader = Reader::new(message);
        let epoch = reader.uint32(1)?;
        let service = reader.string(2)?;
        let generation = reader.uint32(3)?;
        let principal = reader.string(4)?;
        let version = reader.uint32(5)?;
        let expires_at = reader.uint64(6)?;
        let lease_id = reader.bytes(7)?;
        reader.finish()?;
        let lease_id = lease_id
            .try_into()
            .map_err(|_| FormError::LeaseId(lease_id.len()))?;
        let id = Self {
            epoch,
            service,
            generation,
            principal,
            version,
            expires_at,
            lease_id,
        };
        id.check()?;
        Ok(id)
    }

    /// Names and numbers (SPEC section 1).
    ///
    /// # Errors
    /// The epoch is 0, or a name is none.
    pub fn check(&self) -> Result<(), FormError> {
        if self.epoch == 0 {
            return Err(FormError::EpochZero);
        }
        check_service(self.service).map_err(FormError::Service)?;
        check_principal(self.principal).map_err(FormError::Principal)
    }

    /// Field 1 of a UserKey or a SignedToken.
    pub(crate) fn put(&self, out: &mut (impl Sink + ?Sized)) {
        put_header(out, 1, Count::of(|out| self.put_fields(out)));
        self.put_fields(out);
    }

    fn put_fields(&self, out: &mut (impl Sink + ?Sized)) {
        put_uint(out, 1, self.epoch.into());
        put_bytes(out, 2, self.service.as_bytes());
        put_uint(out, 3, self.generation.into());
        put_bytes(out, 4, self.principal.as_bytes());
        put_uint(out, 5, self.version.into());
        put_uint(out, 6, self.expires_at);
        put_bytes(out, 7, &self.lease_id);
    }
}
