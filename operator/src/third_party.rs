//! The way to third parties: calls that are signed with a token of this home's user.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use cattery_core::{Caveat, Principal, PrincipalKind, ServiceName, TokenSpec, request_digest};
use cattery_sdk::third_party::Address;
use clap::Args;
use tonic::{
    Request, Status,
    metadata::AsciiMetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};
use zeroize::Zeroizing;

use crate::{clock, home::Home, random, user_keys};

/// A call that takes longer has failed.
const TTL: u64 = 60;

/// Whom to trust there.
#[derive(Args)]
pub(crate) struct Trust {
    /// The CA certificates, PEM, of which one signed the third party's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// A third party and where it is.
#[derive(Clone)]
pub(crate) struct At {
    /// Who vouches.
    pub(crate) service: ServiceName,
    /// Where.
    pub(crate) address: String,
}

/// Reads `PRINCIPAL=ADDRESS`.
pub(crate) fn parse_at(text: &str) -> Result<At, String> {
    let (principal, address) = text.split_once('=').ok_or(
        "where a third party is, is written PRINCIPAL=ADDRESS, as in service/iam=iam.example.org:7443",
    )?;
    let principal: Principal = principal.parse().map_err(|error| format!("{error}"))?;
    let service = service_of(&principal).ok_or("only a service can be asked for its word")?;
    Ok(At {
        service,
        address: address.to_owned(),
    })
}

/// The service that a third party is.
pub(crate) fn service_of(principal: &Principal) -> Option<ServiceName> {
    match principal.kind() {
        PrincipalKind::Service(name) => name.parse().ok(),
        PrincipalKind::User(_) => None,
    }
}

/// Opens an address.
pub(crate) fn open(address: &str, trust: &Trust) -> anyhow::Result<Address> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    let pem = trust.ca.as_deref().map(read).transpose()?;
    Address::parse(address, pem.as_deref()).map_err(|error| match error {
        cattery_sdk::third_party::AddressError::NoCa(_) => {
            anyhow::anyhow!("{error}: --ca FILE")
        }
        other => other.into(),
    })
}

/// Puts one token into each call.
#[derive(Clone)]
pub(crate) struct Signed(AsciiMetadataValue);

impl Interceptor for Signed {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = self.0.clone();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

/// A channel for one call of `cattery.v1.Vouching`, with a token that is good for that call alone.
pub(crate) async fn channel(
    home: &Home,
    service: &ServiceName,
    address: &Address,
    call: &str,
) -> anyhow::Result<InterceptedService<Channel, Signed>> {
    let now = clock::now();
    let key = user_keys::key_for(home, service, now.saturating_add(TTL))
        .await
        .with_context(|| format!("no token for {service}, which has to know who asks"))?;
    let path = format!("/cattery.v1.Vouching/{call}");
    let digest = request_digest("POST", address.authority(), &path, None);
    let caveats = [Caveat::Request {
        digest,
        body: false,
    }];
    let spec = TokenSpec {
        not_before: now,
        not_after: now.saturating_add(TTL).min(key.id().expires_at),
        token_id: random::id()?,
        caveats: &caveats,
        ..TokenSpec::default()
    };
    let mut token = Zeroizing::new(String::new());
    key.mint(&spec, &mut token)
        .context("the token cannot be signed")?;
    let value = Zeroizing::new(format!("Bearer {}", *token));
    let Ok(mut value) = AsciiMetadataValue::try_from(value.as_str()) else {
        bail!("the token is no header value");
    };
    value.set_sensitive(true);
    Ok(InterceptedService::new(address.channel(), Signed(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_services_are_third_parties() {
        let at = parse_at("service/iam=https://iam.test:1").unwrap();
        assert_eq!(
            (at.service.as_str(), &*at.address),
            ("iam", "https://iam.test:1")
        );
        for bad in ["iam.test:1", "user/alice=iam.test:1", "iam=iam.test:1"] {
            assert!(parse_at(bad).is_err(), "{bad}");
        }
    }
}
