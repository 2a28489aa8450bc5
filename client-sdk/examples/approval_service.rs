//! An approval service: a third party whose word is a file. `approved:NAME` is true as long as a folder has a file of that name.
//!
//! ```text
//! cargo run -p cattery-sdk --example approval_service -- \
//!     iam /run/cattery/iam.sock 127.0.0.1:7700 cert.pem key.pem approvals photos
//! caveat=$(cattery third-party register iam --at 127.0.0.1:7700 --ca ca.pem --predicate approved:deploy --service photos)
//! touch approvals/deploy
//! cattery mint photos --caveat "$caveat" | cattery discharge --at service/iam=127.0.0.1:7700 --ca ca.pem
//! ```
//!
//! The agent of `iam` has to let this process sign (`[mint]` in its `agent.toml`), and `service/iam` needs a grant without conditions
//! for each service that it vouches to.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use cattery_sdk::{
    Client, ConnectOptions, Credentials,
    third_party::{Decide, Decision, Declined, MemoryTickets, Registration, VouchingService},
    verify::{Caller, Verifier, VerifyLayer},
};
use tonic::transport::{Identity, Server, ServerTlsConfig};

const USAGE: &str =
    "usage: approval_service NAME AGENT_SOCKET LISTEN CERT KEY APPROVALS SERVICE...";
/// An approval that is withdrawn is believed for so long.
const AT_MOST: Duration = Duration::from_secs(30);

struct Approvals {
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO) // who was refused, and why
        .init();
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [name, socket, listen, cert, key, approvals, services @ ..] = &args[..] else {
        anyhow::bail!(USAGE);
    };
    let socket = PathBuf::from(socket);
    let verifier = Verifier::through_agent(name, &socket)?;
    let options = ConnectOptions {
        services: services.to_vec(),
        ..ConnectOptions::default()
    };
    let client = Client::connect(Credentials::Agent { socket }, options).await?;
    let folder = PathBuf::from(approvals);
    let service = VouchingService::new(client, Approvals { folder }, MemoryTickets::default());
    let read = |path: &String| std::fs::read(path).with_context(|| format!("reading {path}"));
    let identity = Identity::from_pem(read(cert)?, read(key)?);
    Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))?
        .layer(VerifyLayer::new(verifier)) // who asks
        .add_service(service.into_server())
        .serve_with_shutdown(listen.parse()?, async {
            drop(tokio::signal::ctrl_c().await);
        })
        .await?;
    Ok(())
}

impl Decide for Approvals {
    async fn accept(&self, wanted: &Registration) -> Result<(), Declined> {
        match name(wanted) {
            Some(_) => Ok(()),
            None => Err(Declined(
                "a predicate is approved:NAME, a name of letters, digits and hyphens".to_owned(),
            )),
        }
    }

    async fn decide(&self, asked: &Registration, caller: &Caller) -> Decision {
        let Some(name) = name(asked) else {
            return Decision::No;
        };
        let path = Path::new(&self.folder).join(name);
        match tokio::fs::metadata(path).await {
            Ok(_) => {
                tracing::info!(name, principal = caller.principal, "vouched");
                Decision::Yes {
                    at_most: AT_MOST,
                    caveats: Vec::new(),
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Decision::No,
            Err(error) => Decision::CannotTell(error.to_string()),
        }
    }
}

/// A plain file name, which leads nowhere else.
fn name(registration: &Registration) -> Option<&str> {
    let name = registration.predicate.strip_prefix("approved:")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!name.is_empty() && name.len() <= 64 && name.bytes().all(is_plain)).then_some(name)
}
