//! The program's commands and their options.

mod health;
mod serve;
mod unseal;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cattery_authority::config::Config;
use cattery_authority::seal::{SealError, passphrase_from_file, passphrase_from_standard_input};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use zeroize::Zeroizing;

pub(crate) use health::health;
pub(crate) use serve::serve;
pub(crate) use unseal::unseal;

/// EX_USAGE of sysexits(3).
const USAGE: u8 = 64;

/// Runs the authority of a Cattery cluster: it holds the root keys, enrolls services and issues user keys.
#[derive(Parser)]
#[command(name = "cattery-authority", version)]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve until SIGTERM or Ctrl-C; what is under way then is ended first. A second signal stops at once.
    Run(Run),
    /// Open a sealed authority that runs in DIR: asks for its passphrase, or takes it from standard input.
    Unseal(Place),
    /// Say whether the authority that runs in DIR is ready, and why not: asks where `metrics` in authority.toml says.
    Health(Place),
    /// Look at the configuration without starting.
    Config(ConfigCommand),
    /// Print what a shell needs to complete this command line.
    Completions {
        /// Which one.
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
pub(crate) struct Place {
    /// The authority's directory, which `cattery init` made.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    place: Place,
    /// Listen here instead of where authority.toml says; port 0 takes a free one, and DIR/authority.addr tells which.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Open the store with the passphrase in this file, which others must not be able to read; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Start although the audit log lost records: it was cut short, or moved away because it is damaged. This start records it.
    #[arg(long)]
    accept_audit_loss: bool,
}

#[derive(Args)]
pub(crate) struct ConfigCommand {
    #[command(subcommand)]
    command: ConfigAction,
}

#[derive(Subcommand)]
enum ConfigAction {
    /// Check DIR/authority.toml, and name everything that is wrong with it.
    Check(Place),
}

impl Run {
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(&std::path::absolute(&self.place.dir)?)?;
        if let Some(listen) = &self.listen {
            config.listen_on(listen)?;
        }
        config.accept_audit_loss = self.accept_audit_loss;
        Ok(config)
    }

    pub(crate) fn passphrase(&self) -> Result<Option<Zeroizing<String>>, SealError> {
        self.passphrase_file
            .as_deref()
            .map(|file| match file == Path::new("-") {
                true => passphrase_from_standard_input(unseal::PROMPT),
                false => passphrase_from_file(file),
            })
            .transpose()
    }
}

impl ConfigCommand {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let ConfigAction::Check(place) = &self.command;
        let config = Config::load(&place.dir)?;
        let said = format!(
            "{} is good",
            config.dir.join(cattery_authority::config::FILE).display()
        );
        writeln!(std::io::stdout(), "{said}")?;
        Ok(())
    }
}

pub(crate) fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    let mut command = Program::command();
    clap_complete::generate(shell, &mut command, "cattery-authority", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

/// One line on standard error: what is wrong, with its causes.
pub(crate) fn complain(error: &anyhow::Error) {
    // There is nobody to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "cattery-authority: {error:#}");
}

pub(crate) fn usage(problem: &clap::Error) -> ExitCode {
    let _ = problem.print();
    match problem.use_stderr() {
        true => ExitCode::from(USAGE),
        false => ExitCode::SUCCESS,
    }
}
