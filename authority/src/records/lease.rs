use serde::{Deserialize, Serialize};

use super::Hex;

/// `lease/PRINCIPAL//TIME-ID`: user keys that were issued in one call. It is written before they leave, and rests on what the principal proved
/// who they are with: so whoever reads these records after that was revoked finds every lease that was ever issued with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasesRecord {
    /// `user/NAME` or `service/NAME`.
    pub principal: String,
    /// `api-key/ID` or `agent/ID`.
    pub proof: String,
    /// `api-key/ID` of the API key that that one was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<String>,
    /// When they were issued.
    pub issued_at: u64,
    /// One for each service.
    pub leases: Vec<Leased>,
}

/// One lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// Its id.
    pub id: Hex<8>,
    /// The service that the key is for.
    pub service: String,
    /// When it ends.
    pub expires_at: u64,
    /// The grant that it was issued under, where that is not the principal's own for the service itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<LeaseGrant>,
}

/// A grant that a lease was issued under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseGrant {
    /// [`GrantRecord::principal`](super::GrantRecord::principal).
    pub principal: String,
    /// [`GrantRecord::service`](super::GrantRecord::service).
    pub service: String,
}

impl LeasesRecord {
    /// Whether they were issued on this proof, or on one that hangs on it.
    pub fn hang_on(&self, proof: &str) -> bool {
        self.proof == proof || self.under.as_deref() == Some(proof)
    }

    /// When the last one ends.
    pub fn ends_at(&self) -> u64 {
        let ends = self.leases.iter().map(|lease| lease.expires_at);
        ends.max().unwrap_or(0)
    }
}
