//! JSON Web Tokens (RFC 7519) for Envoy's own filter, with the claims that a Cattery token has.

use anyhow::{Result, anyhow};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{self, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cattery_core::TokenSpec;
use serde_json::{Value, json};

/// Who signs.
pub(super) const ISSUER: &str = "https://issuer.example";
const KEY_ID: &str = "bench";
/// Uncompressed, in front of both coordinates (SEC 1, section 2.3.3).
const POINT: u8 = 4;

/// A key, of one of the two algorithms that most issuers use.
pub(super) enum Signer {
    Es256(EcdsaKeyPair),
    Rs256(rsa::KeyPair),
}

impl Signer {
    pub(super) fn es256() -> Result<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        key.map(Self::Es256).map_err(failed)
    }

    /// Of 2,048 bits, the least that RFC 7518 allows.
    pub(super) fn rs256() -> Result<Self> {
        let key = rsa::KeyPair::generate(KeySize::Rsa2048);
        key.map(Self::Rs256).map_err(failed)
    }

    /// The name of the algorithm (RFC 7518).
    fn name(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::Rs256(_) => "RS256",
        }
    }

    /// The public key, as a set of one (RFC 7517).
    pub(super) fn jwks(&self) -> Result<String> {
        let mut key = match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref().strip_prefix(&[POINT]);
                let point = point.ok_or_else(|| anyhow!("a point that is compressed"))?;
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y) })
            }
            Self::Rs256(pair) => {
                let public = pair.public_key();
                let n = base64(public.modulus().big_endian_without_leading_zero());
                let e = base64(public.exponent().big_endian_without_leading_zero());
                json!({ "kty": "RSA", "n": n, "e": e })
            }
        };
        key["kid"] = KEY_ID.into();
        key["alg"] = self.name().into();
        Ok(json!({ "keys": [key] }).to_string())
    }

    /// A token that says what a Cattery token of this principal and service with `spec` says.
    pub(super) fn mint(
        &self,
        principal: &str,
        service: &str,
        spec: &TokenSpec<'_>,
    ) -> Result<String> {
        let header = json!({ "alg": self.name(), "kid": KEY_ID, "typ": "JWT" });
        let claims = json!({
            "iss": ISSUER,
            "sub": principal,
            "aud": service,
            "nbf": spec.not_before,
            "exp": spec.not_after,
            "jti": base64(&spec.token_id),
        });
        let of = |value: &Value| base64(value.to_string().as_bytes());
        let signed = format!("{}.{}", of(&header), of(&claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Es256(pair) => {
                let signature = pair.sign(&random, signed.as_bytes()).map_err(failed)?;
                base64(signature.as_ref())
            }
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    signed.as_bytes(),
                    &mut signature,
                )
                .map_err(failed)?;
                base64(&signature)
            }
        };
        Ok(format!("{signed}.{signature}"))
    }
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The library does not say why.
fn failed(_: aws_lc_rs::error::Unspecified) -> anyhow::Error {
    anyhow!("a key cannot be made, or cannot sign")
}
