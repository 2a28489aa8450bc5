use super::Enrolled;

/// As what an agent is enrolled. Nothing of it is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// The service's name.
    pub service: String,
    /// Its own stable id, lower-case hex.
    pub agent_id: String,
    /// When its certificate ends, Unix seconds.
    pub not_after: u64,
    /// Where the authorities are, HOST:PORT.
    pub addresses: Vec<String>,
    /// CA certificates to trust, DER.
    pub trust_bundle: Vec<Vec<u8>>,
}

impl From<Enrolled> for Enrolment {
    fn from(enrolled: Enrolled) -> Self {
        Self {
            service: enrolled.service.to_string(),
            agent_id: enrolled.agent_id,
            not_after: enrolled.not_after,
            addresses: enrolled.cluster.addresses,
            trust_bundle: enrolled.cluster.trust_bundle,
        }
    }
}
