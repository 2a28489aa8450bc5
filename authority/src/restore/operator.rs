use cattery_core::ServiceName;
use cattery_proto::v1::{Cluster, Identity};

use super::{RestoreError, RestoreOptions};
use crate::ca::{Ca, RequestedKey, Validity};
use crate::init;
use crate::records::OperatorRecord;
use crate::seal::SealError;
use crate::store::Store;

/// An operator who becomes an admin, with a new device.
pub struct NewOperator {
    /// Their name.
    pub name: String,
    /// Their certificate request (PKCS #10, DER).
    pub csr: Vec<u8>,
}

impl NewOperator {
    /// Their record and their certificate, by the CA that is in the store.
    pub(super) async fn admit(
        &self,
        options: &RestoreOptions,
        store: &dyn Store,
    ) -> Result<(OperatorRecord, Identity), RestoreError> {
        let requested = RequestedKey::from_csr(&self.csr)?;
        let name: ServiceName = self.name.parse().map_err(RestoreError::Operator)?;
        let config = &options.settings.config;
        let ca = Ca::load(store, &options.sealer).await?;
        let mut device_id = [0; 16];
        getrandom::fill(&mut device_id).map_err(SealError::Random)?;
        let device_id = hex::encode(device_id);
        let validity = Validity::new(options.now, config.operator_certificate_lifetime);
        let issued = ca.issue_operator(&requested, name.as_str(), &device_id, validity)?;
        let record = init::operator(name.as_str(), &device_id, &issued, options.now);
        let identity = Identity {
            subject: format!("operator/{name}"),
            device_id,
            certificate: issued.certificate.to_vec(),
            not_after: issued.not_after,
            cluster: Some(Cluster {
                cluster_id: config.cluster_id.to_string(),
                trust_domain: config.trust_domain.clone(),
                trust_bundle: vec![ca.certificate().to_vec()],
                addresses: match config.addresses.as_slice() {
                    [] => vec![config.listen.clone()],
                    addresses => addresses.to_vec(),
                },
            }),
        };
        Ok((record, identity))
    }
}
