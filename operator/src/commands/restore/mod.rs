//! `cattery restore`: from a backup to a cluster that goes on.

mod key;
mod show;
mod target;

use std::path::PathBuf;

use anyhow::Context as _;
use cattery_authority::{
    backup::Backup,
    restore::{NewOperator, Report, RestoreOptions, prepare},
};
use cattery_sdk::identity::KeyPair;
use clap::Args as ClapArgs;

use super::{Context, backup::Shown as ShownBackup, init::StoreArgs, operator};
use crate::{
    address::Address,
    clock,
    exit::{Done, Usage},
    home::OperatorFile,
};
use key::KeyArgs;
use target::Target;

#[derive(ClapArgs)]
#[command(after_help = "\
Begins a new incarnation of the cluster, in an empty directory or an empty store. What users hold
is void: there is one fresh epoch, numbered above everything that was ever seen, and clients fetch
new keys by themselves. Agents come back by themselves. What the audit logs say was taken away
since the backup (users, API keys, grants, operators, agents, services) is taken away again. What
was given since is gone, and is listed. No authority of the cluster may run meanwhile.

Give the audit log of every authority, DIR/audit/ID.log. Where one is lost, --without-audit-log
goes on without it.

Examples:
  cattery restore --check cattery.backup --key-file master.key
  cattery restore cattery.backup --dir new --key-file master.key --audit-log authority-1.log
  cattery restore cattery.backup --dir new --config old/authority.toml --audit-log authority-1.log
  cattery restore cattery.backup --dir new --key-file master.key --audit-log authority-1.log \\
      --store-etcd 10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379 --store-ca etcd-ca.pem")]
pub(crate) struct Args {
    /// The backup
    file: PathBuf,
    /// Only look whether the backup is whole and as it was made; this takes the key file or passphrase, too
    #[arg(long)]
    check: bool,
    /// The directory of the authority to restore for: an empty one, or that of an authority whose store in etcd is empty
    #[arg(long, required_unless_present = "check", conflicts_with = "check")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
    /// The audit log of an authority; once for each
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    audit_log: Vec<PathBuf>,
    /// Go on although the audit log of an authority is missing: what it took away since the backup is given back
    #[arg(long, conflicts_with = "check")]
    without_audit_log: bool,
    /// Go on with the intact part of an audit log that was changed or cut
    #[arg(long, conflicts_with = "check")]
    accept_audit_loss: bool,
    /// An epoch that an agent or a token shows: the new one is above it
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    above_epoch: u32,
    /// An incarnation that an agent shows: the new one is above it
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    above_incarnation: u64,
    /// The authority.toml that the authority had; without it the settings are the usual ones
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    config: Option<PathBuf>,
    /// Where services and users reach the authority; any number of them [default: where it listens]
    #[arg(long, value_name = "HOST:PORT", value_parser = Address::parse_reachable)]
    address: Vec<Address>,
    /// Where the authority listens [default: the first address's port, or 127.0.0.1:7443]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = Address::parse)]
    listen: Option<Address>,
    #[command(flatten)]
    store: StoreArgs,
    /// Make this operator an admin, with a new certificate here: where no other admin can log in any more
    #[arg(long, value_name = "NAME", value_parser = operator::name, conflicts_with = "check")]
    operator: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Done> {
    let backup = Backup::open(&args.file)?;
    if args.check {
        let sealer = args.key.open(&backup, None).await?;
        let shown = ShownBackup::new(&backup, backup.check(&sealer)?);
        context.out.show(&shown, |shown| {
            let file = shown.file.display();
            format!("{file} is whole and as it was made: {}", shown.sentence())
        })?;
        return Ok(Done::Well);
    }
    let dir = args.dir.clone();
    let dir = dir.ok_or_else(|| Usage("--dir is missing: where to restore to".to_owned()))?;
    let target = Target::new(&args, &dir)?;
    let sealer = args.key.open(&backup, target.unseal()).await?;
    let settings = target.settings(&args, &backup)?;
    let options = RestoreOptions {
        sealer,
        settings,
        audit_logs: args.audit_log,
        without_audit_log: args.without_audit_log,
        accept_audit_loss: args.accept_audit_loss,
        above_epoch: args.above_epoch,
        above_incarnation: args.above_incarnation,
        operator: None,
        store: None,
        now: clock::now(),
        backup,
    };
    let report = match args.operator {
        Some(name) => with_operator(options, name, context).await?,
        None => prepare(options).await?.finish().await?,
    };
    show::show(&report, context)?;
    Ok(Done::Well)
}

/// The new admin's key exists nowhere else: it is kept before there is a cluster.
async fn with_operator(
    mut options: RestoreOptions,
    name: String,
    context: &Context,
) -> anyhow::Result<Report> {
    let home = context.home()?;
    home.expect_no_operator()?;
    home.check_writable()?;
    let keys = KeyPair::generate()?;
    options.operator = Some(NewOperator {
        name,
        csr: keys.csr()?,
    });
    let now = options.now;
    let prepared = prepare(options).await?;
    let identity = prepared.operator().cloned();
    let identity = identity.context("the new operator has no certificate")?;
    home.keep_operator(&OperatorFile::new(identity, &keys.pkcs8(), now)?)?;
    match prepared.finish().await {
        Ok(report) => Ok(report),
        Err(error) => {
            home.change()?.drop_operator()?;
            Err(error.into())
        }
    }
}
