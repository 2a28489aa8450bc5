//! The CAs that somebody trusts: what goes into trust bundles, and what a server shows.

use cattery_core::epoch::{Line, Parts, Prepared};
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

use super::{Ca, CaError, Successor};
use crate::records::{CaRecord, CasRecord, Der};

/// The CAs of a cluster that are live. Each number of the line has its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cas {
    pub(crate) line: Line,
    /// The one that signs nothing yet.
    pub(crate) prepared: Option<CaRecord>,
    /// The one that signs.
    pub(crate) active: CaRecord,
    /// The one that signs no more.
    pub(crate) draining: Option<CaRecord>,
}

impl Cas {
    /// The first CA, which signs from `now` on (Unix seconds).
    pub(crate) fn first(ca: &Ca, now: u64) -> Self {
        Self {
            line: Line::first(ca.number(), now),
            prepared: None,
            active: CaRecord::of(ca, None),
            draining: None,
        }
    }

    /// Reads what is stored. `incarnation`: the cluster's.
    pub(crate) fn read(record: &CasRecord, incarnation: u64) -> Result<Self, CaError> {
        let line = record.line.to_line().map_err(|_| CaError::Damaged)?;
        let find = |number: u32| {
            let mut all = record.certificates.iter();
            let found = all.find(|certificate| certificate.number == number);
            found.cloned().ok_or(CaError::Damaged)
        };
        let (prepared, draining) = (line.prepared(), line.draining());
        Ok(Self {
            prepared: prepared.map(|ca| find(ca.number)).transpose()?,
            active: find(line.active().number)?,
            draining: draining.map(|ca| find(ca.number)).transpose()?,
            line: match record.incarnation == incarnation {
                true => line,
                false => told_anew(&line)?,
            },
        })
    }

    /// What is stored.
    pub(crate) fn record(&self, incarnation: u64) -> CasRecord {
        CasRecord {
            line: (&self.line).into(),
            incarnation,
            certificates: self.all().cloned().collect(),
        }
    }

    /// After a step to `line`, which made `successor` if it made any.
    pub(crate) fn moved(
        &self,
        line: &Line,
        successor: Option<&Successor>,
    ) -> Result<Self, CaError> {
        let made = successor.map(|made| CaRecord::of(&made.ca, Some(&made.cross)));
        let record = CasRecord {
            line: line.into(),
            incarnation: 0,
            certificates: self.all().cloned().chain(made).collect(),
        };
        Self::read(&record, 0)
    }

    /// Whom clients and authorities trust: DER, oldest first.
    pub(crate) fn bundle(&self) -> Vec<Vec<u8>> {
        let all = self.all();
        all.map(|ca| ca.certificate.0.clone()).collect()
    }

    /// The same, for TLS.
    pub(crate) fn roots(&self) -> Vec<CertificateDer<'static>> {
        self.all().map(|ca| der(&ca.certificate)).collect()
    }

    /// What a server shows behind its own certificate, which the active CA signed. Whoever knows that CA or the draining one,
    /// be it by its fingerprint alone, finds a way from there.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        let mut chain = Vec::new();
        if let (Some(draining), Some(cross)) = (&self.draining, &self.active.cross) {
            chain.extend([der(cross), der(&draining.certificate)]);
        }
        chain.push(der(&self.active.certificate));
        chain
    }

    /// Those that are live, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &CaRecord> {
        let draining = self.draining.iter();
        draining.chain([&self.active]).chain(&self.prepared)
    }
}

impl CaRecord {
    fn of(ca: &Ca, cross: Option<&CertificateDer<'_>>) -> Self {
        Self {
            number: ca.number(),
            certificate: Der(ca.certificate().to_vec()),
            not_before: ca.not_before(),
            not_after: ca.not_after(),
            cross: cross.map(|cross| Der(cross.to_vec())),
        }
    }

    /// SHA-256 of the certificate: what join tokens and API keys carry.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate.0).into()
    }
}

/// After a restore, whoever is told anything is told everything.
fn told_anew(line: &Line) -> Result<Line, CaError> {
    let parts = line.parts();
    let prepared = parts.prepared.map(|prepared| Prepared {
        position: 1,
        ..prepared
    });
    Line::from_parts(Parts { prepared, ..parts }).map_err(|_| CaError::Damaged)
}

fn der(der: &Der) -> CertificateDer<'static> {
    CertificateDer::from(der.0.clone())
}
