//! `cattery init`: an authority's store, and the first operator.

mod store;

pub(super) use store::StoreArgs;

use std::{
    io::{self, IsTerminal as _},
    path::{self, Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use cattery_authority::{
    config::{DEFAULT_TRUST_DOMAIN, FILE, StoreSettings},
    init::{InitOptions, InitOutcome, InitUnseal, prepare},
    seal::{passphrase_from_file, passphrase_from_standard_input},
};
use cattery_sdk::identity::KeyPair;
use clap::Args as ClapArgs;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Context, operator};
use crate::{
    address::Address,
    clock,
    exit::{Done, Usage},
    home::{Home, OperatorFile},
    shell::quoted,
};

/// The key file, where nobody names another one.
const KEY_FILE: &str = "master.key";

#[derive(ClapArgs)]
#[command(after_help = "\
The store is sealed with a key file, or with a passphrase that has to be given at every start. A key file is made if it is
missing: leave it out of backups of the store, and keep a copy of it elsewhere.

Examples:
  cattery init --dir /var/lib/cattery --address auth.example.org:7443 --trust-domain example.org
  cattery init --dir /var/lib/cattery --key-file /etc/cattery/master.key
  cattery init --dir /var/lib/cattery --passphrase-file - < passphrase
  cattery init --dir /var/lib/cattery --store-etcd 10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379 --store-ca etcd-ca.pem")]
pub(crate) struct Args {
    /// The authority's directory; it must not hold a cluster
    #[arg(long)]
    dir: PathBuf,
    /// The trust domain of SPIFFE IDs
    #[arg(long, value_name = "DOMAIN", default_value = DEFAULT_TRUST_DOMAIN)]
    trust_domain: String,
    /// Where services and users reach the authority; any number of them [default: where it listens]
    #[arg(long, value_name = "HOST:PORT", value_parser = Address::parse_reachable)]
    address: Vec<Address>,
    /// Where the authority listens [default: the first address's port, or 127.0.0.1:7443]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = Address::parse)]
    listen: Option<Address>,
    /// The key file that seals the store [default: DIR/master.key]
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    key_file: Option<PathBuf>,
    /// A file with the passphrase that seals the store, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    store: store::StoreArgs,
    /// The name of the first operator, who is an admin
    #[arg(long, value_name = "NAME", default_value = "root", value_parser = operator::name)]
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
    /// Where the state is, unless that is a file in `dir`.
    store: Option<String>,
    key_file: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Done> {
    let listens_on_all = args.listen.as_ref().is_some_and(Address::is_unspecified);
    if listens_on_all && args.address.is_empty() {
        let what = "an authority that listens on all addresses of this machine needs --address HOST:PORT: where others reach it";
        return Err(Usage(what.to_owned()).into());
    }
    let listen = args
        .listen
        .map_or_else(|| Address::listen_for(args.address.first()), String::from);
    let home = context.home()?;
    let (unseal, key_file) = match (args.passphrase_file, args.key_file) {
        (Some(file), _) => (InitUnseal::Passphrase(passphrase(&file)?), None),
        (None, file) => {
            let file = path::absolute(file.unwrap_or_else(|| args.dir.join(KEY_FILE)))
                .context("the key file has no path")?;
            (InitUnseal::KeyFile(file.clone()), Some(file))
        }
    };
    let new = NewCluster {
        dir: args.dir,
        store: args.store.settings(&args.trust_domain)?,
        trust_domain: args.trust_domain,
        listen,
        addresses: args.address.into_iter().map(String::from).collect(),
        unseal,
        operator: args.operator,
    };
    let InitOutcome { config, operator } = make(new, &home).await?;
    let cluster = operator.cluster.unwrap_or_default();
    let shown = Shown {
        cluster_id: cluster.cluster_id,
        authority_id: config.authority_id,
        operator: operator.subject,
        home: home.dir().to_owned(),
        config: config.dir.join(FILE),
        store: store::describe(&config.store),
        dir: config.dir,
        listen: config.listen,
        addresses: cluster.addresses,
        key_file,
    };
    context.out.show(&shown, |shown| {
        describe(shown, context.home_flag.as_deref())
    })?;
    Ok(Done::Well)
}

/// What a new cluster is to be.
pub(crate) struct NewCluster {
    pub(crate) dir: PathBuf,
    pub(crate) store: StoreSettings,
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
    let dir = new.dir.clone();
    let prepared = prepare(InitOptions {
        dir: new.dir,
        store: new.store,
        trust_domain: new.trust_domain,
        listen: new.listen,
        addresses: new.addresses,
        unseal: new.unseal,
        operator: new.operator,
        operator_csr: keys.csr()?,
        now,
    })
    .await?;
    // Before there is a cluster: the key exists nowhere else, and nobody else can let an operator in.
    let operator = OperatorFile::new(prepared.operator().clone(), &keys.pkcs8(), now)?;
    home.keep_operator(&operator)?;
    match prepared.finish().await {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            if !dir.join(FILE).exists() {
                home.change()?.drop_operator()?;
            }
            Err(error.into())
        }
    }
}

/// From a terminal twice: what was mistyped once would open nothing.
fn passphrase(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    if file != Path::new("-") {
        return Ok(passphrase_from_file(file)?);
    }
    let passphrase = passphrase_from_standard_input("Passphrase: ")?;
    if io::stdin().is_terminal() {
        let again = passphrase_from_standard_input("The same again: ")?;
        ensure!(
            passphrase == again,
            "the two passphrases differ: run this again"
        );
    }
    Ok(passphrase)
}

fn describe(shown: &Shown, home: Option<&Path>) -> String {
    let dir = shown.dir.display();
    let sealed = match &shown.key_file {
        Some(file) if file.starts_with(&shown.dir) => format!(
            "sealed with {}: leave that file out of backups of {dir}, and keep a copy of it elsewhere",
            file.display()
        ),
        Some(file) => format!(
            "sealed with {}: keep a copy of that file where backups of {dir} do not go",
            file.display()
        ),
        None => "sealed with the passphrase, which is needed at every start".to_owned(),
    };
    let place = match &shown.store {
        Some(store) => format!("{store}, and its first authority in {dir}"),
        None => dir.to_string(),
    };
    let mut text = format!(
        "Cluster {} is made in {place}, {sealed}.\n\
         {} is its first operator, with a certificate in {}.\n\
         \n\
         Next:\n",
        shown.cluster_id,
        shown.operator,
        shown.home.display(),
    );
    let next = next(shown, home);
    let width = next
        .iter()
        .map(|(command, _)| command.chars().count())
        .max();
    for (command, about) in &next {
        text += &format!(
            "  {command:<width$}   {about}\n",
            width = width.unwrap_or(0)
        );
    }
    text
}

/// Commands, and what they do.
fn next(shown: &Shown, home: Option<&Path>) -> Vec<(String, String)> {
    let dir = quoted(&shown.dir.to_string_lossy());
    let cattery = match home {
        Some(home) => format!("cattery --home {}", quoted(&home.to_string_lossy())),
        None => "cattery".to_owned(),
    };
    let mut next = vec![(
        format!("cattery-authority run --dir {dir}"),
        format!("start the authority, which listens on {}", shown.listen),
    )];
    if shown.key_file.is_none() {
        next.push((
            format!("cattery-authority unseal --dir {dir}"),
            "open its store, with the passphrase".to_owned(),
        ));
    }
    for (command, about) in [
        ("service add photos", "register a service"),
        ("service join-token photos", "for its agent"),
        ("user add alice --grant photos --api-key", "register a user"),
    ] {
        next.push((format!("{cattery} {command}"), about.to_owned()));
    }
    next
}
