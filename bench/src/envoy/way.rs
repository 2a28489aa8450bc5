//! The ways of authentication that are compared, as what stands in the shipped configuration for the filter that asks the agent.

use anyhow::{Context as _, Result};
use cattery_tests::shipped;

use super::{PRINCIPAL, SERVICE, TOKEN_ID, jwt};

/// A way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Everybody may pass.
    Open,
    /// Envoy's own filter, and tokens signed with ECDSA on P-256.
    Es256,
    /// The same, and RSA of 2,048 bits.
    Rs256,
    /// The shipped filter, and a service that says that all may pass.
    Echo,
    /// The shipped filter, and the agent.
    Agent,
}

impl Way {
    /// All of them. The first is what the others are compared with.
    pub(super) const ALL: [Self; 5] = [
        Self::Open,
        Self::Es256,
        Self::Rs256,
        Self::Echo,
        Self::Agent,
    ];

    /// As it is called on the page.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "no authentication",
            Self::Es256 => "jwt_authn, ES256",
            Self::Rs256 => "jwt_authn, RS256",
            Self::Echo => "ext_authz, bare echo",
            Self::Agent => "ext_authz, cattery-agent",
        }
    }

    /// Whether it tells a good token from a bad one.
    pub(super) fn refuses(self) -> bool {
        !matches!(self, Self::Open | Self::Echo)
    }

    /// Whether the service is told who is calling.
    pub(super) fn tells(self) -> bool {
        self != Self::Open
    }
}

/// The filter that asks the agent, as it is shipped.
pub(super) fn shipped_filter() -> Result<String> {
    let file = shipped::changed("envoy/envoy.yaml", [])?;
    let begin = file.find("                  - name: envoy.filters.http.ext_authz");
    let end = file.find("                  - name: envoy.filters.http.router");
    let filter = begin.zip(end).and_then(|(begin, end)| file.get(begin..end));
    Ok(filter
        .context("a filter in front of the router")?
        .to_owned())
}

/// Envoy's own filter with the public keys in it. It tells the service what the agent tells it, and takes the token away as well.
pub(super) fn jwt_filter(jwks: &str) -> String {
    let issuer = jwt::ISSUER;
    format!(
        r#"                  - name: envoy.filters.http.jwt_authn
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
                      providers:
                        issuer:
                          issuer: {issuer}
                          audiences: [{SERVICE}]
                          local_jwks: {{ inline_string: '{jwks}' }}
                          claim_to_headers:
                            - {{ header_name: {PRINCIPAL}, claim_name: sub }}
                            - {{ header_name: {TOKEN_ID}, claim_name: jti }}
                      rules:
                        - match: {{ prefix: / }}
                          requires: {{ provider_name: issuer }}
"#
    )
}
