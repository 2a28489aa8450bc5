//! Who the agent is: its key, its certificate, and what it knows of the cluster.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cattery_core::ServiceName;
use cattery_proto::v1;
use cattery_sdk::identity::KeyPair;
use serde::{Deserialize, Serialize};

use super::{StateDir, StateError};
use crate::secret_file::{self, SecretFileError};

pub(crate) const KEY: &str = "identity.key";
const IDENTITY: &str = "identity.json";
/// More than a key takes.
const MOST: usize = 4_096;

/// An agent that has enrolled. Public: the key is in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enrolled {
    pub(crate) service: ServiceName,
    pub(crate) agent_id: String,
    /// DER.
    pub(crate) certificate: Vec<u8>,
    /// When the certificate came, Unix seconds.
    pub(crate) obtained_at: u64,
    /// When it ends, Unix seconds.
    pub(crate) not_after: u64,
    pub(crate) cluster: v1::Cluster,
}

/// An answer that makes no identity.
#[derive(Debug, thiserror::Error)]
pub enum BadIdentity {
    /// Something is missing.
    #[error("the authority's answer has no {0}")]
    Missing(&'static str),
    /// An operator's join token, say.
    #[error(
        "the join token is for `{0}`: an agent needs one from `cattery service join-token SERVICE`"
    )]
    NotAService(String),
    /// A join token in the wrong directory.
    #[error(
        "the join token is for service `{offered}`, and this directory is that of an agent of `{own}`: give the agent of `{offered}` a directory of its own"
    )]
    OtherService {
        /// The join token's.
        offered: ServiceName,
        /// The directory's.
        own: ServiceName,
    },
}

impl Enrolled {
    /// Whether the certificate has ended at `now` (Unix seconds).
    pub(crate) fn has_ended(&self, now: u64) -> bool {
        self.not_after <= now
    }

    /// What to do once the certificate has ended.
    pub(crate) fn remedy(&self) -> String {
        format!(
            "get a new join token with `cattery service join-token {}` and start with --join-token-file",
            self.service
        )
    }

    /// Reads an authority's answer.
    pub(crate) fn from_answer(identity: v1::Identity, now: u64) -> Result<Self, BadIdentity> {
        let service = identity
            .subject
            .strip_prefix("service/")
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| BadIdentity::NotAService(identity.subject.escape_debug().collect()))?;
        let cluster = identity.cluster.ok_or(BadIdentity::Missing("cluster"))?;
        for (is_missing, what) in [
            (identity.certificate.is_empty(), "certificate"),
            (cluster.trust_bundle.is_empty(), "trust bundle"),
            (cluster.addresses.is_empty(), "addresses"),
        ] {
            if is_missing {
                return Err(BadIdentity::Missing(what));
            }
        }
        Ok(Self {
            service,
            agent_id: identity.device_id,
            certificate: identity.certificate,
            obtained_at: now,
            not_after: identity.not_after,
            cluster,
        })
    }

    /// Reads an authority's answer to this agent: the next certificate.
    pub(crate) fn renewed(
        &self,
        identity: Option<v1::Identity>,
        now: u64,
    ) -> Result<Self, BadIdentity> {
        let identity = identity.ok_or(BadIdentity::Missing("identity"))?;
        let renewed = Self::from_answer(identity, now)?;
        if (&renewed.service, &renewed.agent_id) != (&self.service, &self.agent_id) {
            return Err(BadIdentity::Missing("certificate for this agent"));
        }
        Ok(renewed)
    }

    /// What is on disk; `None` before enrolment.
    pub(crate) fn load(dir: &StateDir) -> Result<Option<Self>, StateError> {
        let Some(bytes) = dir.read(IDENTITY)? else {
            return Ok(None);
        };
        let stored: Stored =
            serde_json::from_slice(&bytes).map_err(|why| dir.damaged(IDENTITY, why))?;
        stored
            .read()
            .map(Some)
            .map_err(|why| dir.damaged(IDENTITY, why))
    }

    pub(crate) fn save(&self, dir: &StateDir) -> Result<(), StateError> {
        let mut text = serde_json::to_vec_pretty(&Stored::from(self))
            .map_err(|why| dir.damaged(IDENTITY, why))?;
        text.push(b'\n');
        dir.write(IDENTITY, &text)
    }
}

/// The agent's key; `None` where there is none yet.
pub(crate) fn load_key(dir: &StateDir) -> Result<Option<KeyPair>, StateError> {
    match secret_file::read(&dir.path(KEY), MOST) {
        Ok(der) => KeyPair::from_pkcs8(&der)
            .map(Some)
            .map_err(|why| dir.damaged(KEY, why)),
        Err(SecretFileError::Read { why, .. }) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why.into()),
    }
}

/// A fresh key, which is saved before anyone sees its public half.
pub(crate) fn make_key(dir: &StateDir) -> Result<KeyPair, StateError> {
    let key = KeyPair::generate().map_err(|why| StateError::Io {
        what: "make a key for",
        path: dir.path(KEY),
        why: io::Error::other(why),
    })?;
    dir.write(KEY, &key.pkcs8())?;
    Ok(key)
}

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    service: String,
    agent_id: String,
    certificate: String,
    obtained_at: u64,
    not_after: u64,
    cluster_id: String,
    trust_domain: String,
    trust_bundle: Vec<String>,
    addresses: Vec<String>,
}

impl Stored {
    fn read(self) -> Result<Enrolled, Box<dyn std::error::Error>> {
        let bundle = self.trust_bundle.iter().map(|der| STANDARD.decode(der));
        Ok(Enrolled {
            service: self.service.parse()?,
            agent_id: self.agent_id,
            certificate: STANDARD.decode(self.certificate)?,
            obtained_at: self.obtained_at,
            not_after: self.not_after,
            cluster: v1::Cluster {
                cluster_id: self.cluster_id,
                trust_domain: self.trust_domain,
                trust_bundle: bundle.collect::<Result<_, _>>()?,
                addresses: self.addresses,
            },
        })
    }
}

impl From<&Enrolled> for Stored {
    fn from(enrolled: &Enrolled) -> Self {
        let cluster = &enrolled.cluster;
        Self {
            service: enrolled.service.to_string(),
            agent_id: enrolled.agent_id.clone(),
            certificate: STANDARD.encode(&enrolled.certificate),
            obtained_at: enrolled.obtained_at,
            not_after: enrolled.not_after,
            cluster_id: cluster.cluster_id.clone(),
            trust_domain: cluster.trust_domain.clone(),
            trust_bundle: cluster
                .trust_bundle
                .iter()
                .map(|der| STANDARD.encode(der))
                .collect(),
            addresses: cluster.addresses.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn answer() -> v1::Identity {
        v1::Identity {
            subject: "service/photos".into(),
            device_id: "0a".into(),
            certificate: vec![1, 2, 3],
            not_after: 2_000,
            cluster: Some(v1::Cluster {
                trust_bundle: vec![vec![4, 5]],
                addresses: vec!["127.0.0.1:7443".into()],
                ..Default::default()
            }),
        }
    }

    #[test]
    fn an_identity_and_its_key_read_back() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, _lock) = StateDir::open(&temp.path().join("state")).unwrap();
        assert!(Enrolled::load(&dir).unwrap().is_none());
        let enrolled = Enrolled::from_answer(answer(), 1_000).unwrap();
        enrolled.save(&dir).unwrap();
        assert_eq!(Enrolled::load(&dir).unwrap(), Some(enrolled));
        assert!(load_key(&dir).unwrap().is_none());
        let made = make_key(&dir).unwrap().pkcs8();
        assert_eq!(load_key(&dir).unwrap().unwrap().pkcs8(), made);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, _lock) = StateDir::open(&temp.path().join("state")).unwrap();
        make_key(&dir).unwrap();
        let mode = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(dir.path(KEY), mode).unwrap();
        let refused = load_key(&dir).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("identity.key has mode 0640"), "{refused}");
    }

    #[test]
    fn an_operators_join_token_and_an_empty_answer_are_told_apart() {
        let refused = |change: fn(&mut v1::Identity)| {
            let mut answer = answer();
            change(&mut answer);
            Enrolled::from_answer(answer, 0).unwrap_err().to_string()
        };
        assert!(refused(|a| a.subject = "operator/ann".into()).contains("service join-token"));
        assert!(refused(|a| a.cluster = None).contains("no cluster"));
        assert!(refused(|a| a.certificate.clear()).contains("no certificate"));
    }
}
