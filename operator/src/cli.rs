//! The command line itself: what there is to type.

use std::{env, ffi::OsStr, path::PathBuf, process::ExitCode};

use clap::{ArgAction, CommandFactory as _, Parser, Subcommand, error::ErrorKind};

use crate::{
    commands::{
        Context, agent, api_key, audit, backup, ca, completions, discharge, epoch, grant, group,
        init, inspect, key, lease, login, mint, operator, own_api_key, restore, revoke, service,
        status, third_party, token, user, verify,
    },
    dev, doctor,
    exit::{self, Done},
    out::{self, Format},
};

/// Crypto auth tokens: run a cluster, get keys, sign and check tokens.
#[derive(Parser)]
#[command(
    name = "cattery",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "\
Examples:
  cattery dev                        a whole cluster in one process, to try things out
  cattery login < alice.api-key      become a user here, and get keys
  curl -H \"Authorization: Bearer $(cattery mint photos)\" https://photos.example.org/

Exit codes: 0 done, 1 refused or failed, 64 the command line makes no sense.
Secrets never go on a command line: commands read them from standard input."
)]
pub(crate) struct Cli {
    /// Where credentials and keys are kept [default: $CATTERY_HOME, or cattery in $XDG_CONFIG_HOME or ~/.config]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Who reads the output
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        hide_possible_values = false
    )]
    output: Format,
    /// Log more: -v, -vv, -vvv
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A whole cluster in one process, with a user and a service, to try things out
    Dev(dev::Args),
    /// Make an authority's store, and the first operator
    Init(init::Args),
    /// The people who run the cluster
    #[command(
        subcommand,
        after_help = "\
Examples:
  (umask 077; cattery operator add carol > carol.join-token)
  cattery operator list"
    )]
    Operator(operator::Command),
    /// The services that tokens are for
    #[command(
        subcommand,
        after_help = "\
Examples:
  cattery service add photos
  cattery service show photos"
    )]
    Service(service::Command),
    /// The sidecars that verify beside each service
    #[command(
        subcommand,
        after_help = "\
Examples:
  cattery agent list photos
  cattery agent evict 0123456789abcdef"
    )]
    Agent(agent::Command),
    /// The people and scripts that call services, and their API keys
    #[command(
        subcommand,
        after_help = "\
Examples:
  cattery user add alice --grant photos
  (umask 077; cattery user api-key create alice > alice.api-key)"
    )]
    User(user::Command),
    /// Who may call which service
    #[command(
        subcommand,
        after_help = "\
Examples:
  cattery grant add user/alice photos
  cattery grant explain user/alice photos"
    )]
    Grant(grant::Command),
    /// Users who are granted something together
    #[command(
        subcommand,
        after_help = "\
Examples:
  cattery group add oncall
  cattery group member add oncall alice"
    )]
    Group(group::Command),
    /// The root keys' lives
    #[command(
        subcommand,
        after_help = "\
Examples:
  cattery epoch list
  cattery epoch rotate --wait"
    )]
    Epoch(epoch::Command),
    /// The cluster's certificate authorities (CAs)
    #[command(
        subcommand,
        after_help = "\
Examples:
  cattery ca show
  cattery ca rotate"
    )]
    Ca(ca::Command),
    /// The issues of user keys
    #[command(
        subcommand,
        after_help = "\
Examples:
  cattery lease list --user alice
  cattery lease revoke --user alice 9f3c2a1b0d4e5f60"
    )]
    Lease(lease::Command),
    /// Take back one token, one handed-out key or one lease
    Revoke(revoke::Args),
    /// Become a user (with an API key) or an operator (with a join token) here
    Login(login::Args),
    /// Sign a token for a service
    Mint(mint::Args),
    /// User keys
    #[command(
        subcommand,
        after_help = "\
Example:
  (umask 077; cattery key export photos | cattery key attenuate --method GET > reader.key)"
    )]
    Key(key::Command),
    /// Your own API keys: narrower ones, for a dashboard or a script, made without an operator
    #[command(
        subcommand,
        after_help = "\
Example:
  (umask 077; cattery api-key create --method GET --path /metrics --ttl 30d > dashboard.api-key)"
    )]
    ApiKey(own_api_key::Command),
    /// Tokens
    #[command(
        subcommand,
        after_help = "\
Example:
  cattery mint photos | cattery token attenuate --method GET"
    )]
    Token(token::Command),
    /// Get a token vouched for by the third parties that it names
    Discharge(discharge::Args),
    /// Those who vouch for others' tokens
    #[command(
        subcommand,
        after_help = "\
Example:
  cattery third-party register iam --at iam.example.org:7443 --ca ca.pem --predicate approved:deploy-42 --service photos"
    )]
    ThirdParty(third_party::Command),
    /// Ask an agent whether a token is good
    Verify(verify::Args),
    /// Tell what a token or a key says, in sentences, without checking it
    Inspect(inspect::Args),
    /// Tell how the cluster, the agent and this home do
    Status(status::Args),
    /// Look for what is broken in an installation, and say what to do about it
    Doctor(doctor::Args),
    /// The audit log
    #[command(
        subcommand,
        after_help = "\
Example:
  cattery audit verify"
    )]
    Audit(audit::Command),
    /// Keep all that the cluster has in a file
    Backup(backup::Args),
    /// Begin a new incarnation of a cluster from a backup
    Restore(restore::Args),
    /// Print what a shell needs to complete this command line
    Completions(completions::Args),
}

/// Reads the command line, or says why it makes no sense.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    if let Some(prefix) = env::args_os().skip(1).find_map(|arg| secret_in(&arg)) {
        out::failure(&format!(
            "an argument holds `{prefix}…`, and everybody on this machine can read arguments: give it on standard input \
             (`cattery … < FILE`), and replace it if that matters"
        ));
        return Err(ExitCode::from(exit::USAGE));
    }
    Cli::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed stream leaves nobody to tell.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(exit::USAGE)
        }
        _ => {
            out::failure(&one_line(&error.to_string()));
            ExitCode::from(exit::USAGE)
        }
    })
}

/// clap's message of several paragraphs as one line, which names the help that goes with it.
fn one_line(message: &str) -> String {
    let paragraphs = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let said: Vec<_> = paragraphs
        .take_while(|line| {
            !line.starts_with("Usage: ") && !line.starts_with("For more information")
        })
        .map(|line| line.trim_start_matches("error: "))
        .collect();
    format!("{}; see `{} --help`", said.join(" "), command_meant())
}

/// The command that the arguments name, as far as they name one.
fn command_meant() -> String {
    let cli = Cli::command();
    let mut meant = &cli;
    let mut path = cli.get_name().to_owned();
    for arg in env::args_os().skip(1) {
        if let Some(command) = meant.find_subcommand(&arg) {
            path = format!("{path} {}", command.get_name());
            meant = command;
        }
    }
    path
}

/// The prefix of a secret in an argument, alone or behind `=`.
fn secret_in(arg: &OsStr) -> Option<&'static str> {
    let arg = arg.to_str()?;
    let value = arg.rsplit('=').next().unwrap_or(arg);
    let bare = inspect::without_scheme(value);
    [
        "catapi1_",
        "catjoin1_",
        "catkey1_",
        "catmaster1_",
        "cat1_",
        "catd1_",
    ]
    .into_iter()
    .find(|prefix| bare.starts_with(prefix) || arg.starts_with(prefix))
}

impl Cli {
    pub(crate) async fn run(self) -> anyhow::Result<Done> {
        let context = Context {
            home_flag: self.home,
            out: self.output,
        };
        match self.command {
            Command::Dev(args) => dev::run(args, &context).await,
            Command::Init(args) => init::run(args, &context).await,
            Command::Operator(command) => operator::run(command, &context).await,
            Command::Service(command) => service::run(command, &context).await,
            Command::Agent(command) => agent::run(command, &context).await,
            Command::User(user::Command::ApiKey(command)) => api_key::run(command, &context).await,
            Command::User(command) => user::run(command, &context).await,
            Command::Grant(command) => grant::run(command, &context).await,
            Command::Group(command) => group::run(command, &context).await,
            Command::Epoch(command) => epoch::run(command, &context).await,
            Command::Ca(command) => ca::run(command, &context).await,
            Command::Lease(command) => lease::run(command, &context).await,
            Command::Revoke(args) => revoke::run(args, &context).await,
            Command::Login(args) => login::run(args, &context).await,
            Command::Mint(args) => mint::run(args, &context).await,
            Command::Key(command) => key::run(command, &context).await,
            Command::ApiKey(command) => own_api_key::run(command, &context).await,
            Command::Token(command) => token::run(command, &context),
            Command::Discharge(args) => discharge::run(args, &context).await,
            Command::ThirdParty(command) => third_party::run(command, &context).await,
            Command::Verify(args) => verify::run(args, &context).await,
            Command::Inspect(args) => inspect::run(args, &context),
            Command::Status(args) => status::run(args, &context).await,
            Command::Doctor(args) => doctor::run(args, &context).await,
            Command::Audit(command) => audit::run(command, &context).await,
            Command::Backup(args) => backup::run(args, &context).await,
            Command::Restore(args) => restore::run(args, &context).await,
            Command::Completions(args) => completions::run(&args, Self::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_makes_sense() {
        Cli::command().debug_assert();
    }
}
