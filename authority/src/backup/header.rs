use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::Position;
use crate::records::Hex;
use crate::seal::SealMeta;
use crate::store::Revision;

/// [`Header::cattery_backup`] of this version.
pub const BACKUP_FORMAT: u32 = 1;

/// What a backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The form of the file: [`BACKUP_FORMAT`].
    pub cattery_backup: u32,
    /// The version of the program that made it.
    pub version: String,
    /// The cluster.
    pub cluster_id: Hex<16>,
    /// Its trust domain.
    pub trust_domain: String,
    /// [`ClusterRecord::format`](crate::records::ClusterRecord::format) of its store.
    pub store_format: u32,
    /// How often it was restored, from 1.
    pub incarnation: u64,
    /// The greatest epoch that was ever given out.
    pub last_epoch: u32,
    /// When it was made, Unix seconds.
    pub made_at: u64,
    /// The store's revision: all entries are as they were then.
    pub revision: Revision,
    /// The authorities' audit logs as far as the store knew them, by the authorities' ids.
    pub audit: BTreeMap<String, Position>,
    /// What opens the cluster's secrets.
    pub seal: SealMeta,
}

/// What every version's header says.
#[derive(Deserialize)]
pub(super) struct AnyHeader {
    pub(super) cattery_backup: u32,
    #[serde(default)]
    pub(super) version: String,
}
