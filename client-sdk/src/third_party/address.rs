//! Where a third party is, and how to know it.

use std::{net::IpAddr, time::Duration};

use http::{Uri, uri::Authority};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

/// How long TCP and TLS may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a third party answers. Clones share the connection, which is made at the first call.
#[derive(Clone)]
pub struct Address {
    authority: Authority,
    channel: Channel,
}

/// An address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is no address.
    #[error(
        "a third party's address is https://HOST:PORT, or http://HOST:PORT on this computer, not `{0}`"
    )]
    Form(String),
    /// Tokens and discharges would travel in the clear.
    #[error("`{0}` is another computer: a third party there is asked over https alone")]
    Plain(String),
    /// Nobody says whom to trust.
    #[error("there is no CA certificate to check `{0}` with: name the file that has it")]
    NoCa(String),
    /// The certificates cannot be read.
    #[error("the CA certificates, PEM, cannot be used: {0}")]
    Ca(String),
}

impl Address {
    /// Reads `https://HOST:PORT`, or `HOST:PORT` for the same; its certificate has to be signed by one of the CAs in `ca_pem`.
    /// `http://` is for this computer alone: a loopback address, or `localhost`.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str, ca_pem: Option<&[u8]>) -> Result<Self, AddressError> {
        let form = || AddressError::Form(text.to_owned());
        let whole = match text.contains("://") {
            true => text.to_owned(),
            false => format!("https://{text}"),
        };
        let uri: Uri = whole.parse().map_err(|_| form())?;
        let authority = uri.authority().ok_or_else(form)?.clone();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        if path != "/" || authority.as_str().contains('@') {
            return Err(form());
        }
        let mut endpoint = Endpoint::from(uri.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT);
        match uri.scheme_str() {
            Some("http") if is_loopback(authority.host()) => {}
            Some("http") => return Err(AddressError::Plain(authority.to_string())),
            Some("https") => {
                let pem = ca_pem.ok_or_else(|| AddressError::NoCa(authority.to_string()))?;
                if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
                    return Err(AddressError::Ca("there is none in it".to_owned()));
                }
                let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
                endpoint = endpoint
                    .tls_config(tls)
                    .map_err(|error| AddressError::Ca(chain(&error)))?;
            }
            _ => return Err(form()),
        }
        Ok(Self {
            channel: endpoint.connect_lazy(),
            authority,
        })
    }

    /// `HOST:PORT`, as requests name it.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The connection, for generated clients.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// An error with what is behind it: a transport's own words say little.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text += ": ";
            text += &more;
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_goes_over_a_network_in_the_clear() {
        let refused = |text: &str| Address::parse(text, None).err().unwrap();
        for loopback in [
            "http://127.0.0.1:80",
            "http://[::1]:80",
            "http://localhost:80/",
        ] {
            assert!(Address::parse(loopback, None).is_ok(), "{loopback}");
        }
        for other in ["http://192.0.2.1:80", "http://localhost.example.org:80"] {
            assert!(matches!(refused(other), AddressError::Plain(_)), "{other}");
        }
        for secure in ["https://iam.example.org:1", "127.0.0.1:1"] {
            assert!(matches!(refused(secure), AddressError::NoCa(_)), "{secure}");
        }
        for none in [
            "",
            "ftp://a:1",
            "http://127.0.0.1:80/x",
            "http://me@127.0.0.1:80",
            "a b",
        ] {
            assert!(matches!(refused(none), AddressError::Form(_)), "{none}");
        }
        let no_pem = Address::parse("a.test:1", Some(b"nothing"));
        assert!(matches!(no_pem.err(), Some(AddressError::Ca(_))));
    }
}
