//! Certificates, as rustls sees them.

use std::sync::Arc;
use std::time::Duration;

use cattery_authority::ca::{Ca, CaError, Issued, RequestedKey, Validity};
use cattery_authority::seal::{MasterKey, Sealer};
use cattery_sdk::tls::AUTHORITY_NAME;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::support::{NOW, csr, plain_csr};

const DAY: Duration = Duration::from_secs(86400);

fn ca() -> Ca {
    Ca::create("example.org", NOW).unwrap()
}

fn day() -> Validity {
    Validity::new(NOW, DAY)
}

fn agent(ca: &Ca, csr: &[u8]) -> Result<Issued, CaError> {
    ca.issue_service(
        &RequestedKey::from_csr(csr)?,
        &"photos".parse().unwrap(),
        "a1b2",
        day(),
    )
}

fn roots(ca: &Ca) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate().clone()).unwrap();
    Arc::new(roots)
}

fn as_client(ca: &Ca, certificate: &CertificateDer<'_>, at: u64) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(ca), provider)
        .build()
        .unwrap();
    verifier
        .verify_client_cert(
            certificate,
            &[],
            UnixTime::since_unix_epoch(Duration::from_secs(at)),
        )
        .map(drop)
}

fn as_server(ca: &Ca, certificate: &CertificateDer<'_>, name: &str) -> Result<(), rustls::Error> {
    behind_server(ca, certificate, &[], NOW, name)
}

/// What a client makes of a server that shows more than its own certificate.
fn behind_server(
    ca: &Ca,
    certificate: &CertificateDer<'_>,
    behind: &[CertificateDer<'_>],
    at: u64,
    name: &str,
) -> Result<(), rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(ca), provider)
        .build()
        .unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier
        .verify_server_cert(
            certificate,
            behind,
            &name,
            &[],
            UnixTime::since_unix_epoch(Duration::from_secs(at)),
        )
        .map(drop)
}

/// All subject alternative names.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = &certificate
        .subject_alternative_name()
        .unwrap()
        .unwrap()
        .value
        .general_names;
    names
        .iter()
        .map(|name| match name {
            GeneralName::URI(uri) => (*uri).to_owned(),
            GeneralName::DNSName(name) => format!("dns:{name}"),
            other => format!("{other:?}"),
        })
        .collect()
}

fn common_name(certificate: &X509Certificate<'_>) -> String {
    certificate
        .subject()
        .iter_common_name()
        .map(|name| name.as_str().unwrap())
        .collect()
}

#[test]
fn clients_and_servers_cannot_be_swapped() {
    let ca = ca();
    let agent = agent(&ca, &plain_csr()).unwrap().certificate;
    let key = RequestedKey::from_csr(&plain_csr()).unwrap();
    let operator = ca
        .issue_operator(&key, "eve", "0f", day())
        .unwrap()
        .certificate;
    let (authority, _) = ca.issue_authority("authority-1", day()).unwrap();
    as_client(&ca, &agent, NOW).unwrap();
    as_client(&ca, &operator, NOW).unwrap();
    as_server(&ca, &authority.certificate, AUTHORITY_NAME).unwrap();
    assert!(as_client(&ca, &authority.certificate, NOW).is_err());
    for client in [&agent, &operator] {
        assert!(as_server(&ca, client, AUTHORITY_NAME).is_err());
    }
    assert!(as_server(&ca, &authority.certificate, "other.example").is_err());
    let other = Ca::create("example.org", NOW).unwrap();
    assert!(as_client(&other, &agent, NOW).is_err());
    assert!(as_server(&other, &authority.certificate, AUTHORITY_NAME).is_err());
}

#[test]
fn a_request_gives_its_key_and_nothing_else() {
    let ca = ca();
    let (key, greedy) = csr(|ask| {
        ask.distinguished_name.push(DnType::CommonName, "admin");
        ask.subject_alt_names = vec![
            SanType::URI("spiffe://example.org/service/billing".try_into().unwrap()),
            SanType::DnsName(AUTHORITY_NAME.try_into().unwrap()),
        ];
        ask.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ask.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        ask.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let issued = agent(&ca, &greedy).unwrap();
    let (_, certificate) = X509Certificate::from_der(&issued.certificate).unwrap();
    assert_eq!(names(&certificate), ["spiffe://example.org/service/photos"]);
    assert_eq!(common_name(&certificate), "a1b2");
    assert!(!certificate.basic_constraints().unwrap().unwrap().value.ca);
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign());
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.client_auth && !extended.server_auth && !extended.any);
    assert_eq!(
        certificate.public_key().subject_public_key.data.as_ref(),
        key.public_key_raw()
    );
    let sha256: [u8; 32] = Sha256::digest(certificate.public_key().raw).into();
    assert_eq!(issued.key_sha256.0, sha256);
    assert_eq!(RequestedKey::from_csr(&greedy).unwrap().sha256().0, sha256);
    assert!(as_server(&ca, &issued.certificate, AUTHORITY_NAME).is_err());
}

#[test]
fn names_say_who_somebody_is() {
    let ca = ca();
    let key = RequestedKey::from_csr(&plain_csr()).unwrap();
    let operator = ca
        .issue_operator(&key, "eve", "0f", day())
        .unwrap()
        .certificate;
    let (_, operator) = X509Certificate::from_der(&operator).unwrap();
    assert_eq!(names(&operator), ["spiffe://example.org/operator/eve"]);
    assert_eq!(common_name(&operator), "0f");
    let (authority, _) = ca.issue_authority("authority-1", day()).unwrap();
    let (_, authority) = X509Certificate::from_der(&authority.certificate).unwrap();
    assert_eq!(
        names(&authority),
        [
            "dns:authority.cattery.internal",
            "spiffe://example.org/authority/authority-1"
        ]
    );
    for bad in ["", "Eve", "a/b", "eve\0", "../x", &"e".repeat(64)] {
        assert!(
            matches!(
                ca.issue_operator(&key, bad, "0f", day()),
                Err(CaError::Name(_))
            ),
            "{bad:?}"
        );
        assert!(
            bad == "Eve"
                || matches!(ca.issue_authority(bad, day()), Err(CaError::Name(_)))
                || bad.len() == 64,
            "{bad:?}"
        );
    }
}

#[test]
fn requests_that_prove_nothing_are_refused() {
    let (_, good) = csr(|_| {});
    assert!(RequestedKey::from_csr(&good).is_ok());
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let p384 = CertificateParams::default()
        .serialize_request(&p384)
        .unwrap()
        .der()
        .to_vec();
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let ed25519 = CertificateParams::default()
        .serialize_request(&ed25519)
        .unwrap()
        .der()
        .to_vec();
    for bad in [
        forged,
        [&good[..], &[0]].concat(),
        good[..100].to_vec(),
        vec![],
        vec![0x30; 9000],
        p384,
        ed25519,
    ] {
        assert!(matches!(
            RequestedKey::from_csr(&bad),
            Err(CaError::Request(_))
        ));
    }
    let whose = RequestedKey::from_csr(&good).unwrap().sha256();
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 0x10;
        // The signature's algorithm can be written in more than one way; whose the request is, in one.
        if let Ok(key) = RequestedKey::from_csr(&changed) {
            assert_eq!(key.sha256(), whose, "byte {at}");
        }
    }
}

#[test]
fn certificates_live_as_long_as_they_should() {
    let ca = ca();
    let issued = agent(&ca, &plain_csr()).unwrap();
    assert_eq!(issued.not_after, NOW + 86400);
    for (at, good) in [
        (NOW - 301, false),
        (NOW - 300, true),
        (NOW + 86400, true),
        (NOW + 86401, false),
    ] {
        assert_eq!(
            as_client(&ca, &issued.certificate, at).is_ok(),
            good,
            "{}",
            at as i64 - NOW as i64
        );
    }
    let late = Validity::new(ca.not_after() - 3600, DAY);
    let key = RequestedKey::from_csr(&plain_csr()).unwrap();
    let capped = ca.issue_operator(&key, "eve", "0f", late).unwrap();
    assert_eq!(capped.not_after, ca.not_after(), "nothing outlives the CA");
    for (now, lifetime) in [
        (ca.not_after() + 600, DAY),
        (u64::MAX, DAY),
        (NOW, Duration::ZERO),
    ] {
        let result = ca.issue_operator(&key, "eve", "0f", Validity::new(now, lifetime));
        assert!(matches!(result, Err(CaError::Lifetime)) || lifetime.is_zero());
    }
}

#[test]
fn serial_numbers_are_long_and_never_the_same() {
    let ca = ca();
    let serials: std::collections::HashSet<String> = (0..50)
        .map(|_| agent(&ca, &plain_csr()).unwrap().serial)
        .collect();
    assert_eq!(serials.len(), 50);
    assert!(serials.iter().all(|serial| serial.len() == 32));
}

#[test]
fn the_ca_signs_certificates_and_nothing_below_it_does() {
    let ca = ca();
    let (_, certificate) = X509Certificate::from_der(ca.certificate()).unwrap();
    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(
        constraints.value.path_len_constraint,
        Some(1),
        "its successor"
    );
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && !usage.value.digital_signature());
    assert!(certificate.name_constraints().unwrap().is_none());
    certificate.verify_signature(None).unwrap();

    let key_id = |certificate: &X509Certificate<'_>, oid: &str| {
        certificate
            .extensions()
            .iter()
            .find(|e| e.oid.to_id_string() == oid)
            .map(|e| e.value.to_vec())
    };
    let subject = key_id(&certificate, "2.5.29.14").expect("a subject key identifier");
    let issued = agent(&ca, &plain_csr()).unwrap().certificate;
    let (_, leaf) = X509Certificate::from_der(&issued).unwrap();
    let issuer = key_id(&leaf, "2.5.29.35").expect("an authority key identifier");
    assert!(issuer.windows(20).any(|part| part == &subject[2..]));
    assert_eq!(leaf.issuer(), certificate.subject());
}

#[test]
fn whoever_knows_a_ca_follows_its_successor() {
    let old = ca();
    let validity = Validity::new(NOW, 20 * 365 * DAY);
    let made = old.successor(2, validity).unwrap();
    let (issued, _) = made.ca.issue_authority("authority-1", day()).unwrap();
    let shown = [&made.cross, old.certificate(), made.ca.certificate()].map(Clone::clone);
    let verifies = |root: &Ca, behind: &[CertificateDer<'_>]| {
        behind_server(root, &issued.certificate, behind, NOW, AUTHORITY_NAME).is_ok()
    };
    assert!(verifies(&made.ca, &[]));
    assert!(verifies(&made.ca, &shown));
    assert!(verifies(&old, &shown));
    assert!(verifies(&old, &shown[..1]));
    assert!(!verifies(&old, &[]));
    assert!(!verifies(&old, &shown[1..]), "each is signed by itself");

    let (_, cross) = X509Certificate::from_der(&made.cross).unwrap();
    let constraints = cross.basic_constraints().unwrap().unwrap().value;
    assert!(constraints.ca && constraints.path_len_constraint == Some(0));
    let ends = cross.validity().not_after.timestamp();
    assert_eq!(u64::try_from(ends).unwrap(), old.not_after());
    assert_eq!(common_name(&cross), "Cattery CA 2");
    let key = |certificate: &[u8]| {
        let (_, certificate) = X509Certificate::from_der(certificate).unwrap();
        certificate.public_key().raw.to_vec()
    };
    assert_eq!(key(&made.cross), key(made.ca.certificate()));

    // Where the way leads over the one before, that one's end is the end.
    let late = Validity::new(old.not_after() + 3600, DAY);
    let (issued, _) = made.ca.issue_authority("authority-1", late).unwrap();
    let at = old.not_after() + 3600;
    let verifies =
        |root: &Ca| behind_server(root, &issued.certificate, &shown, at, AUTHORITY_NAME).is_ok();
    assert!(verifies(&made.ca) && !verifies(&old));
}

#[test]
fn a_ca_is_kept_sealed_and_comes_back() {
    let first = ca();
    let sealer = Sealer::new(&MasterKey::generate().unwrap(), "c1").unwrap();
    let kept = first.encode(&sealer).unwrap();
    let again = Ca::decode(&kept, &sealer).unwrap();
    assert_eq!(
        (again.trust_domain(), again.not_after()),
        ("example.org", NOW + 3650 * 86400)
    );
    assert_eq!(again.fingerprint(), first.fingerprint());
    let issued = agent(&again, &plain_csr()).unwrap();
    as_client(&first, &issued.certificate, NOW).unwrap();
    let second = first.successor(2, day()).unwrap().ca;
    let again = Ca::decode(&second.encode(&sealer).unwrap(), &sealer).unwrap();
    assert_eq!((again.number(), &*again.path()), (2, "ca/2"));
    assert_eq!(again.not_before(), second.not_before());

    let other = Sealer::new(&MasterKey::generate().unwrap(), "c1").unwrap();
    assert!(matches!(Ca::decode(&kept, &other), Err(CaError::Seal(_))));
    let swapped = String::from_utf8(kept).unwrap();
    let theirs = String::from_utf8(ca().encode(&sealer).unwrap()).unwrap();
    let certificate = |text: &str| text.split('"').nth(9).unwrap().to_owned();
    let mixed = swapped.replace(&certificate(&swapped), &certificate(&theirs));
    assert!(matches!(
        Ca::decode(mixed.as_bytes(), &sealer),
        Err(CaError::Damaged)
    ));
    assert!(matches!(Ca::decode(b"{}", &sealer), Err(CaError::Damaged)));
}

#[test]
fn a_trust_domain_is_one() {
    for bad in ["", "Example.org", "a b", "a/b", "ü", &"a".repeat(256)] {
        assert!(
            matches!(Ca::create(bad, NOW), Err(CaError::TrustDomain(_))),
            "{bad}"
        );
    }
}
