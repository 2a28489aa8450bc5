//! `cattery init`: an authority's store, and the first operator.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use cattery_authority::{
    config::{DEFAULT_LISTEN, DEFAULT_TRUST_DOMAIN, FILE},
    init::{InitOptions, InitOutcome, InitUnseal, initialize},
};
use cattery_sdk::identity::KeyPair;
use clap::Args as ClapArgs;
use serde::Serialize;
use zeroize::Zeroizing;

use super::Context;
use crate::{
    clock,
    exit::Done,
    home::{Home, OperatorFile},
    input,
};

/// The key file, where nobody names another one.
const KEY_FILE: &str = "master.key";

#[derive(ClapArgs)]
#[command(after_help = "\
The store is sealed with a key file, or with a passphrase that has to be given at every start. A key file is made if it is
missing: keep it where backups of the store do not go.

Examples:
  cattery init --dir /var/lib/cattery --address auth.example.org:7443 --trust-domain example.org
  cattery init --dir /var/lib/cattery --key-file /etc/cattery/master.key
  cattery init --dir /var/lib/cattery --passphrase-file - < passphrase")]
pub(crate) struct Args {
    /// The authority's directory; it must not hold a cluster
    #[arg(long)]
    dir: PathBuf,
    /// The trust domain of SPIFFE IDs
    #[arg(long, value_name = "DOMAIN", default_value = DEFAULT_TRUST_DOMAIN)]
    trust_domain: String,
    /// Where services and users reach the authority; any number of them [default: where it listens]
    #[arg(long, value_name = "HOST:PORT")]
    address: Vec<String>,
    /// Where the authority listens [default: the first address's port, or 127.0.0.1:7443]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The key file that seals the store [default: DIR/master.key]
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    key_file: Option<PathBuf>,
    /// A file with the passphrase that seals the store, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The name of the first operator, who is an admin
    #[arg(long, value_name = "NAME", default_value = "root")]
    operator: String,
}

#[derive(Serialize)]
struct Shown {
    cluster_id: String,
    authority_id: String,
    operator: String,
    home: PathBuf,
    dir: PathBuf,
    config: PathBuf,
    listen: String,
    addresses: Vec<String>,
    key_file: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Done> {
    let listen = args
        .listen
        .unwrap_or_else(|| listen_for(args.address.first()));
    let (unseal, key_file) = match (args.passphrase_file, args.key_file) {
        (Some(file), _) => (InitUnseal::Passphrase(passphrase(&file)?), None),
        (None, file) => {
            let file = file.unwrap_or_else(|| args.dir.join(KEY_FILE));
            (InitUnseal::KeyFile(file.clone()), Some(file))
        }
    };
    let new = NewCluster {
        dir: args.dir,
        trust_domain: args.trust_domain,
        listen,
        addresses: args.address,
        unseal,
        operator: args.operator,
    };
    let InitOutcome { config, operator } = make(new, &context.home).await?;
    let cluster = operator.cluster.unwrap_or_default();
    let shown = Shown {
        cluster_id: cluster.cluster_id,
        authority_id: config.authority_id,
        operator: operator.subject,
        home: context.home.dir().to_owned(),
        config: config.dir.join(FILE),
        dir: config.dir,
        listen: config.listen,
        addresses: cluster.addresses,
        key_file,
    };
    context.out.show(&shown, describe)?;
    Ok(Done::Well)
}

/// What a new cluster is to be.
pub(crate) struct NewCluster {
    pub(crate) dir: PathBuf,
    pub(crate) trust_domain: String,
    pub(crate) listen: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) unseal: InitUnseal,
    pub(crate) operator: String,
}

/// Makes a cluster, whose first operator is at home in `home`.
pub(crate) async fn make(new: NewCluster, home: &Home) -> anyhow::Result<InitOutcome> {
    // Where there is a cluster already, that is what to say.
    if !new.dir.join(FILE).exists() {
        home.expect_no_operator()?;
        home.check_writable()?;
    }
    let keys = KeyPair::generate()?;
    let now = clock::now();
    let outcome = initialize(InitOptions {
        dir: new.dir,
        trust_domain: new.trust_domain,
        listen: new.listen,
        addresses: new.addresses,
        unseal: new.unseal,
        operator: new.operator,
        operator_csr: keys.csr()?,
        now,
    })
    .await?;
    home.keep_operator(&OperatorFile::new(
        outcome.operator.clone(),
        &keys.pkcs8(),
        now,
    )?)?;
    Ok(outcome)
}

/// An authority whose address others use listens for them; one without an address is for this machine alone.
fn listen_for(address: Option<&String>) -> String {
    let Some((host, port)) = address.and_then(|address| address.rsplit_once(':')) else {
        return DEFAULT_LISTEN.to_owned();
    };
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    if host == "localhost" || ip.as_ref().is_ok_and(IpAddr::is_loopback) {
        format!(
            "{}:{port}",
            if host == "localhost" {
                "127.0.0.1"
            } else {
                host
            }
        )
    } else {
        format!("0.0.0.0:{port}")
    }
}

fn passphrase(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    if file == Path::new("-") {
        return input::read_text("a passphrase");
    }
    let bytes = crate::home::read_private(file)?;
    let bytes = bytes.with_context(|| {
        format!(
            "{} does not exist: it has to hold the passphrase",
            file.display()
        )
    })?;
    let text = std::str::from_utf8(&bytes).ok();
    let text = text
        .with_context(|| format!("{} is not text", file.display()))?
        .trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        bail!("{} is empty: it has to hold the passphrase", file.display());
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn describe(shown: &Shown) -> String {
    let dir = shown.dir.display();
    let sealed = match &shown.key_file {
        Some(file) => format!(
            "sealed with {}: keep a copy of that file where backups of {dir} do not go",
            file.display()
        ),
        None => "sealed with the passphrase, which is needed at every start".to_owned(),
    };
    format!(
        "Cluster {} is made in {dir}, {sealed}.\n\
         {} is its first operator, with a certificate in {}.\n\
         \n\
         Next:\n\
         \x20 cattery-authority run --dir {dir}     start the authority, which listens on {}\n\
         \x20 cattery service add photos            register a service\n\
         \x20 cattery service join-token photos     for its agent\n\
         \x20 cattery user add alice --grant photos --api-key     register a user\n",
        shown.cluster_id,
        shown.operator,
        shown.home.display(),
        shown.listen
    )
}
