//! What a client remembers about the authorities, and refreshes whenever it hears from one.

use cattery_proto::v1;

/// Which authorities to trust and where they are. Public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Tells clusters apart, lower-case hex.
    pub cluster_id: String,
    /// The trust domain of SPIFFE IDs.
    pub trust_domain: String,
    /// CA certificates that may have signed an authority's certificate, DER.
    pub trust_bundle: Vec<Vec<u8>>,
    /// Where the authorities listen, `HOST:PORT`.
    pub addresses: Vec<String>,
}

impl From<v1::Cluster> for Cluster {
    fn from(cluster: v1::Cluster) -> Self {
        let v1::Cluster {
            cluster_id,
            trust_domain,
            trust_bundle,
            addresses,
        } = cluster;
        Self {
            cluster_id,
            trust_domain,
            trust_bundle,
            addresses,
        }
    }
}
