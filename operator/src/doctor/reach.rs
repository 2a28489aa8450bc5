//! Whether an authority can be reached from here: name, connection, TLS, and whether it serves.

use std::{io, sync::Arc, time::Duration};

use cattery_sdk::{
    connect::Connector,
    tls::{AUTHORITY_NAME, Trust, client_config},
};
use rustls::{CertificateError, Error as TlsError, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use tonic::{Response, Status, metadata::MetadataMap};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{finding::Finding, moments};
use crate::clock;

/// For each step. An authority answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// How far one came.
enum Reached {
    /// No connection, and why.
    Nothing(io::Error),
    /// It takes connections and closes them.
    Closes,
    /// TLS failed on this side.
    Tls(TlsError),
    /// Something that speaks no TLS of ours.
    Strange(String),
    /// TLS is as it should be; what its health service says, and its clock.
    Answers {
        health: Result<ServingStatus, Status>,
        clock: Option<u64>,
    },
}

/// Looks at one address, without a client certificate.
pub(super) async fn check(address: &str, bundle: &[Vec<u8>]) -> Vec<Finding> {
    let reached = reach(address, bundle).await;
    judge(address, &reached, clock::now())
}

async fn reach(address: &str, bundle: &[Vec<u8>]) -> Reached {
    let tcp = timeout(PATIENCE, TcpStream::connect(address)).await;
    let tcp = match tcp.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(tcp) => tcp,
        Err(why) => return Reached::Nothing(why),
    };
    let trust = Trust::Bundle(bundle.to_vec());
    let config = match client_config(&trust, None) {
        Ok(config) => Arc::new(config),
        Err(why) => return Reached::Tls(why),
    };
    let name = match ServerName::try_from(AUTHORITY_NAME) {
        Ok(name) => name,
        Err(why) => return Reached::Strange(why.to_string()),
    };
    let shaken = timeout(PATIENCE, TlsConnector::from(config).connect(name, tcp)).await;
    match shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(_) => ask(address, &trust).await,
        Err(why) => broken(&why),
    }
}

fn broken(why: &io::Error) -> Reached {
    let tls = why.get_ref().and_then(|inner| inner.downcast_ref());
    match (tls, why.kind()) {
        (Some(tls), _) => Reached::Tls(TlsError::clone(tls)),
        (
            None,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe,
        ) => Reached::Closes,
        (None, io::ErrorKind::TimedOut) => {
            Reached::Strange("it takes the connection, and does not answer".to_owned())
        }
        (None, _) => Reached::Strange(why.to_string()),
    }
}

async fn ask(address: &str, trust: &Trust) -> Reached {
    let connector = match Connector::new(vec![address.to_owned()], trust, None) {
        Ok(connector) => connector,
        Err(why) => return Reached::Strange(why.to_string()),
    };
    let mut health = HealthClient::new(connector.channel());
    let asked = timeout(PATIENCE, health.check(HealthCheckRequest::default())).await;
    let answer = asked.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
    Reached::Answers {
        clock: answer.as_ref().ok().map(Response::metadata).and_then(date),
        health: answer.map(|answer| answer.into_inner().status()),
    }
}

/// The sender's clock (RFC 9110, section 6.6.1), Unix seconds.
pub(super) fn date(headers: &MetadataMap) -> Option<u64> {
    let text = headers.get("date")?.to_str().ok()?;
    let at = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(at.timestamp().as_second()).ok()
}

fn judge(address: &str, reached: &Reached, now: u64) -> Vec<Finding> {
    let subject = format!("the authority at {address}");
    let tls = |found: String, remedy: &str| Finding::error("tls", &subject, found, remedy);
    let finding = match reached {
        Reached::Nothing(why) => nothing(&subject, why),
        Reached::Closes => Finding::error(
            "sealed",
            &subject,
            "takes connections and closes them: it is sealed, and waits for its passphrase",
            "on its machine: `cattery-authority unseal --dir DIR`; its log says if it is something else",
        ),
        Reached::Tls(TlsError::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => tls(
            "its certificate is not good at this time".to_owned(),
            "compare this machine's clock with the authority's (`timedatectl`); if both are right, its log says why it did not renew",
        ),
        Reached::Tls(TlsError::InvalidCertificate(why)) => tls(
            format!(
                "is not trusted ({why:?}): it is another cluster's, or the CA has changed since this side was last in touch"
            ),
            "correct the address; if it is the right cluster, log in or enrol again with a new join token",
        ),
        Reached::Tls(why) => tls(
            format!("does not speak TLS as an authority does: {why}"),
            "is something else listening there, or a proxy in between? Nothing may end TLS before the authority",
        ),
        Reached::Strange(why) => tls(
            format!("does not speak TLS as an authority does: {why}"),
            "is something else listening there, a proxy in between, or is the authority stopped (SIGSTOP, a debugger)?",
        ),
        Reached::Answers { health, .. } => serving(&subject, health),
    };
    let mut findings = vec![finding];
    if let Reached::Answers {
        clock: Some(theirs),
        ..
    } = reached
    {
        findings.push(moments::clocks(&subject, *theirs, now));
    }
    findings
}

fn nothing(subject: &str, why: &io::Error) -> Finding {
    let (found, remedy) = match why.kind() {
        io::ErrorKind::ConnectionRefused => (
            "no authority answers (connection refused)".to_owned(),
            "start it: `systemctl start cattery-authority`; if it runs, does it listen there (`listen` in authority.toml)?",
        ),
        io::ErrorKind::TimedOut => (
            "no authority answers (timed out)".to_owned(),
            "look at routes and firewalls from here to there, and whether the address is right",
        ),
        _ => (
            format!("cannot be reached: {why}"),
            "correct the address or the name service, and look at routes and firewalls",
        ),
    };
    Finding::error("authority", subject, found, remedy)
}

fn serving(subject: &str, health: &Result<ServingStatus, Status>) -> Finding {
    match health {
        Ok(ServingStatus::Serving) => Finding::ok("authority", subject, "answers, and serves"),
        Ok(_) => Finding::error(
            "authority",
            subject,
            "answers, and does not serve: its store or its audit log fails",
            "its log says why; `cattery doctor --authority-dir DIR` on its machine looks at store, disk and etcd",
        ),
        Err(status) => Finding::error(
            "authority",
            subject,
            format!("does not say whether it serves: {}", status.message()),
            "look at its log",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn a_clock_is_read_from_an_answer() {
        let mut headers = MetadataMap::new();
        assert_eq!(date(&headers), None);
        headers.insert("date", "Mon, 21 Sep 2026 14:13:20 GMT".parse().unwrap());
        assert_eq!(date(&headers), Some(1_790_000_000));
    }

    #[test]
    fn an_authority_that_serves_with_a_wrong_clock_is_two_findings() {
        let reached = Reached::Answers {
            health: Ok(ServingStatus::Serving),
            clock: Some(2_000),
        };
        let states: Vec<_> = judge("a:1", &reached, 1_000)
            .iter()
            .map(Finding::state)
            .collect();
        assert_eq!(states, [State::Ok, State::Error]);
    }
}
