//! A cluster with an approval service, `iam`: the SDK's own server on real TLS, beside an agent that signs for it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use cattery_sdk::{
    Client, ConnectOptions, Credentials,
    third_party::{Decide, Decision, Declined, MemoryTickets, Registration, VouchingService},
    verify::{Caller, Verifier, VerifyLayer},
};
use cattery_tests::{
    agent::{Agent, CONFIG},
    cli::{Cli, Output},
    town::{Setting, Town, admit, welcome},
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};

/// The longest that a "yes" is believed.
const AT_MOST: Duration = Duration::from_secs(2);

/// All of it. alice and bob may both call `photos` and `iam`.
pub(super) struct Place {
    pub(super) town: Town,
    pub(super) bob: Cli,
    approvals: Arc<Approvals>,
    /// `127.0.0.1:PORT`.
    pub(super) address: String,
    /// The CA of its certificate.
    pub(super) ca: PathBuf,
    pub(super) runtime: Runtime,
    _iam: Agent,
}

/// One predicate, `approved`, whose truth is a switch.
struct Approvals {
    stands: AtomicBool,
    /// How often somebody asked whether it does.
    asked: AtomicU32,
}

impl Decide for Approvals {
    async fn accept(&self, wanted: &Registration) -> Result<(), Declined> {
        match wanted.predicate.as_str() {
            "approved" => Ok(()),
            other => Err(Declined(format!("`{other}` means nothing here"))),
        }
    }

    async fn decide(&self, _: &Registration, _: &Caller) -> Decision {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.stands.load(Ordering::SeqCst) {
            true => Decision::Yes {
                at_most: AT_MOST,
                caveats: Vec::new(),
            },
            false => Decision::No,
        }
    }
}

impl Place {
    pub(super) fn new() -> Result<Self> {
        let leeway = format!("{CONFIG}[verify]\nleeway_seconds = 1\n");
        let town = Town::with(&Setting {
            agent: leeway.clone(),
            ..Setting::default()
        })?;
        let admin = &town.admin;
        let uid = rustix::process::getuid().as_raw();
        let config = format!("{leeway}[mint]\nallow_uids = [{uid}]\n");
        let mut iam = Agent::new(town.folder(), "iam", &config)?;
        iam.start(Some(&admit(admin, "iam")?))?;
        admin.ok(&["grant", "add", "service/iam", "photos"], "")?;
        // With a narrowed key it cannot vouch.
        admin.ok(&["service", "add", "docs"], "")?;
        let narrowing = ["--caveat", "path=/pages"];
        admin.ok(
            &[&["grant", "add", "service/iam", "docs"][..], &narrowing].concat(),
            "",
        )?;
        for service in ["iam", "docs"] {
            admin.ok(&["grant", "add", "user/alice", service], "")?;
        }
        let bob = Cli::new(town.folder(), "bob");
        welcome(admin, &bob, "bob", "photos")?;
        admin.ok(&["grant", "add", "user/bob", "iam"], "")?;

        let ca = town.folder().join("ca.pem");
        let key = rcgen::KeyPair::generate()?;
        let own = rcgen::CertificateParams::new(["127.0.0.1".to_owned()])?.self_signed(&key)?;
        std::fs::write(&ca, own.pem())?;
        let tls =
            ServerTlsConfig::new().identity(Identity::from_pem(own.pem(), key.serialize_pem()));
        let approvals = Arc::new(Approvals {
            stands: AtomicBool::new(true),
            asked: AtomicU32::new(0),
        });
        let runtime = Runtime::new()?;
        let address = runtime.block_on(async {
            let options = ConnectOptions {
                services: vec!["photos".to_owned()],
                ..ConnectOptions::default()
            };
            let socket = iam.socket.clone();
            let client = Client::connect(Credentials::Agent { socket }, options).await?;
            let decide = Arc::clone(&approvals);
            let service = VouchingService::new(client, decide, MemoryTickets::default());
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let server = Server::builder()
                .tls_config(tls)?
                .layer(VerifyLayer::new(Verifier::through_agent(
                    "iam",
                    &iam.socket,
                )?))
                .add_service(service.into_server());
            tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
            anyhow::Ok(address.to_string())
        })?;
        Ok(Self {
            town,
            bob,
            approvals,
            address,
            ca,
            runtime,
            _iam: iam,
        })
    }

    pub(super) fn approve(&self, is_approved: bool) {
        self.approvals.stands.store(is_approved, Ordering::SeqCst);
    }

    /// How often the approval service had to decide.
    pub(super) fn asked(&self) -> u32 {
        self.approvals.asked.load(Ordering::SeqCst)
    }

    /// Registers `approved` as alice: the caveat.
    pub(super) fn register(&self, more: &[&str]) -> Result<String> {
        let at = ["--at", &self.address, "--ca", self.ca()?];
        let what = ["third-party", "register", "iam", "--predicate", "approved"];
        self.town.alice.ok(&[&what, &at[..], more].concat(), "")
    }

    /// `cattery discharge` as somebody.
    pub(super) fn discharge(&self, who: &Cli, token: &str) -> Result<Output> {
        let at = format!("service/iam={}", self.address);
        who.run(&["discharge", "--at", &at, "--ca", self.ca()?], token)
    }

    /// The same where it has to work.
    pub(super) fn vouched(&self, who: &Cli, token: &str) -> Result<String> {
        let output = self.discharge(who, token)?;
        anyhow::ensure!(output.code == 0, "{output:?}");
        Ok(output.out.trim_end().to_owned())
    }

    /// What forward-auth says to a presentation.
    pub(super) fn status(&self, presentation: &str) -> Result<u16> {
        Ok(self.town.agent.forward_auth(presentation)?.status)
    }

    pub(super) fn ca(&self) -> Result<&str> {
        self.ca.to_str().context("a path in UTF-8")
    }
}
