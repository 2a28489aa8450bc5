use std::time::Duration;

use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};
use tonic::transport::Endpoint;
use zeroize::Zeroizing;

use super::super::StoreError;
use super::keys::Keys;

/// Where etcd is, and what it is to be told.
pub struct EtcdOptions {
    /// `HOST:PORT` or a URL of each member; whichever answers is used.
    pub endpoints: Vec<String>,
    /// What every key of this cluster begins with, such as `/cattery/NAME/`. No cluster's may begin with another's.
    pub prefix: String,
    /// TLS, or `None` for connections in the clear.
    pub tls: Option<EtcdTls>,
    /// Whom to log in as, where etcd asks for that.
    pub user: Option<EtcdUser>,
    /// How long to wait.
    pub timeouts: EtcdTimeouts,
}

/// What a TLS connection to etcd takes.
pub struct EtcdTls {
    /// The CA certificates that etcd's has to come from, PEM.
    pub ca: Vec<u8>,
    /// What this side shows, where etcd asks for that.
    pub client: Option<EtcdCertificate>,
}

/// A client certificate.
pub struct EtcdCertificate {
    /// The chain, PEM.
    pub certificate: Vec<u8>,
    /// Its private key, PEM.
    pub key: Zeroizing<Vec<u8>>,
}

/// A user of etcd.
pub struct EtcdUser {
    /// Their name.
    pub name: String,
    /// Their password.
    pub password: Zeroizing<String>,
}

/// How long to wait for etcd.
#[derive(Clone, Copy, Debug)]
pub struct EtcdTimeouts {
    /// For one answer of one member to what can be asked again, and for a new connection to be good for use.
    pub attempt: Duration,
    /// For what a caller wants, members that do not answer included. After it the store is unavailable.
    pub call: Duration,
}

impl Default for EtcdTimeouts {
    /// A member that hangs costs two seconds; etcd elects a new leader within the five.
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(2),
            call: Duration::from_secs(5),
        }
    }
}

/// etcd takes pings of a client every 5 s at the most, and none of one that has nothing under way.
const PING: Duration = Duration::from_secs(6);
const PONG: Duration = Duration::from_secs(3);

impl EtcdOptions {
    /// The members' URLs, and the keys below the prefix.
    pub(super) fn check(&self) -> Result<(Vec<String>, Keys), StoreError> {
        let settings = |setting, problem: String| StoreError::Settings { setting, problem };
        if self.endpoints.is_empty() {
            let problem = "is empty: name at least one member of etcd, HOST:PORT";
            return Err(settings("endpoints", problem.to_owned()));
        }
        let keys = Keys::below(&self.prefix).map_err(|problem| settings("prefix", problem))?;
        let mut urls = Vec::with_capacity(self.endpoints.len());
        for endpoint in &self.endpoints {
            let url = self
                .url(endpoint)
                .map_err(|problem| settings("endpoints", problem))?;
            let parsed = Endpoint::from_shared(url.clone());
            let parsed = parsed
                .map_err(|_| settings("endpoints", format!("`{endpoint}` is not HOST:PORT")))?;
            if let Some(tls) = self.tls_options() {
                parsed.tls_config(tls).map_err(|error| {
                    let why = std::error::Error::source(&error).map(ToString::to_string);
                    let why = why.unwrap_or_else(|| error.to_string());
                    settings(
                        "ca_file, cert_file, key_file",
                        format!("are not PEM that fits together: {why}"),
                    )
                })?;
            }
            urls.push(url);
        }
        Ok((urls, keys))
    }

    /// What one connection takes.
    pub(super) fn connect(&self) -> ConnectOptions {
        let mut options = ConnectOptions::new()
            .with_connect_timeout(self.timeouts.attempt)
            .with_keep_alive(PING, PONG)
            .with_keep_alive_while_idle(false)
            .with_require_leader(true);
        if let Some(tls) = self.tls_options() {
            options = options.with_tls(tls);
        }
        if let Some(user) = &self.user {
            options = options.with_user(user.name.as_str(), user.password.as_str());
        }
        options
    }

    fn tls_options(&self) -> Option<TlsOptions> {
        let tls = self.tls.as_ref()?;
        let options = TlsOptions::new().ca_certificate(Certificate::from_pem(&tls.ca));
        Some(match &tls.client {
            Some(client) => options.identity(Identity::from_pem(&client.certificate, &*client.key)),
            None => options,
        })
    }

    fn url(&self, endpoint: &str) -> Result<String, String> {
        let (scheme, rest) = endpoint.split_once("://").unwrap_or_else(|| {
            let scheme = if self.tls.is_some() { "https" } else { "http" };
            (scheme, endpoint)
        });
        match (scheme, self.tls.is_some()) {
            ("http", false) | ("https", true) => Ok(format!("{scheme}://{rest}")),
            ("https", false) => Err(format!(
                "`{endpoint}` is spoken to over TLS: name the CA with ca_file"
            )),
            ("http", true) => Err(format!(
                "`{endpoint}` is spoken to in the clear: write https, or remove ca_file"
            )),
            _ => Err(format!("`{endpoint}` is no address of etcd: HOST:PORT")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(endpoint: &str, tls: bool) -> EtcdOptions {
        let signed = rcgen::generate_simple_self_signed(["etcd".to_owned()]).unwrap();
        EtcdOptions {
            endpoints: vec![endpoint.to_owned()],
            prefix: "/cattery/a/".to_owned(),
            tls: tls.then(|| EtcdTls {
                ca: signed.cert.pem().into_bytes(),
                client: None,
            }),
            user: None,
            timeouts: EtcdTimeouts::default(),
        }
    }

    #[test]
    fn an_endpoint_has_the_scheme_that_it_needs() {
        let url = |endpoint, tls| options(endpoint, tls).check().map(|(urls, _)| urls);
        assert_eq!(url("a:2379", false).unwrap(), ["http://a:2379"]);
        assert_eq!(url("a:2379", true).unwrap(), ["https://a:2379"]);
        assert_eq!(url("https://a:1", true).unwrap(), ["https://a:1"]);
        for (endpoint, tls) in [
            ("https://a:1", false),
            ("http://a:1", true),
            ("ftp://a:1", false),
            ("a b", false),
        ] {
            let error = url(endpoint, tls).unwrap_err().to_string();
            assert!(error.starts_with("endpoints: `"), "{error}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_said_at_once() {
        let mut wrong = options("a:1", true);
        wrong.tls.as_mut().unwrap().client = Some(EtcdCertificate {
            certificate: b"no".to_vec(),
            key: Zeroizing::new(b"nor this".to_vec()),
        });
        let error = wrong.check().err().unwrap().to_string();
        assert!(error.contains("key_file"), "{error}");
        wrong.endpoints.clear();
        assert!(wrong.check().is_err());
    }
}
