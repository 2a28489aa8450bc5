//! JWT: the claims in JSON, signed.

use anyhow::Result;
use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::Deserialize;

use super::{About, Peer};
use crate::claims::{AUDIENCE, Claims, Json, check_user, id_text};

pub(super) struct Jwt {
    name: &'static str,
    how: &'static str,
    header: Header,
    signs: EncodingKey,
    verifies: DecodingKey,
    validation: Validation,
}

/// What the application reads. The crate has validated the other claims by then.
#[derive(Deserialize)]
struct Read {
    sub: String,
    #[serde(rename = "jti")]
    _id: String,
}

impl Jwt {
    pub(super) fn hs256() -> Result<Self> {
        let key: [u8; 32] = rand::random();
        let verifies = DecodingKey::from_secret(&key)?;
        let signs = EncodingKey::from_secret(&key)?;
        Ok(Self::new(
            Algorithm::HS256,
            signs,
            verifies,
            "JWT HS256",
            "HMAC-SHA-256",
        ))
    }

    pub(super) fn eddsa() -> Result<Self> {
        let pair = Ed25519KeyPair::generate()?;
        let signs = EncodingKey::from_ed_der(pair.to_pkcs8v1()?.as_ref());
        let verifies = DecodingKey::from_ed_der(pair.public_key().as_ref());
        Ok(Self::new(
            Algorithm::EdDSA,
            signs,
            verifies,
            "JWT EdDSA",
            "Ed25519; the crate parses the private key for each token",
        ))
    }

    pub(super) fn es256() -> Result<Self> {
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(kind, &SystemRandom::new())?;
        let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref())?;
        let signs = EncodingKey::from_ec_der(document.as_ref());
        let verifies = DecodingKey::from_ec_der(pair.public_key().as_ref());
        Ok(Self::new(
            Algorithm::ES256,
            signs,
            verifies,
            "JWT ES256",
            "ECDSA over P-256; the crate parses the private key for each token",
        ))
    }

    pub(super) fn rs256() -> Result<Self> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
        let document = BASE64_STANDARD.encode(pair.as_der()?.as_ref());
        let document =
            format!("-----BEGIN PRIVATE KEY-----\n{document}\n-----END PRIVATE KEY-----\n");
        let signs = EncodingKey::from_rsa_pem(document.as_bytes())?;
        let verifies = DecodingKey::from_rsa_der(pair.public_key().as_ref());
        Ok(Self::new(
            Algorithm::RS256,
            signs,
            verifies,
            "JWT RS256",
            "RSA with 2,048 bits, PKCS #1 v1.5; the crate parses the private key for each token",
        ))
    }

    fn new(
        algorithm: Algorithm,
        signs: EncodingKey,
        verifies: DecodingKey,
        name: &'static str,
        how: &'static str,
    ) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud"]);
        validation.validate_nbf = true;
        Self {
            name,
            how,
            header: Header::new(algorithm),
            signs,
            verifies,
            validation,
        }
    }
}

impl Peer for Jwt {
    fn about(&self) -> About {
        About {
            name: self.name,
            is_narrowed: false,
            is_own: false,
            package: "jsonwebtoken",
            backend: Some("aws-lc-rs"),
            how: self.how,
        }
    }

    fn mint(&mut self, claims: &Claims, token: &mut String) -> Result<()> {
        let id = id_text(claims.id);
        *token = encode(&self.header, &Json::new(claims, &id), &self.signs)?;
        Ok(())
    }

    fn verify(&mut self, token: &str) -> Result<()> {
        let data = decode::<Read>(token, &self.verifies, &self.validation)?;
        check_user(&data.claims.sub)
    }
}
