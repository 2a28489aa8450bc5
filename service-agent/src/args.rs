//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// What secrets begin with.
const PREFIXES: [&str; 5] = ["catjoin1_", "catapi1_", "catkey1_", "cat1_", "catd1_"];

/// The prefix of a secret in one of these arguments.
pub(crate) fn secret_in(args: impl Iterator<Item = OsString>) -> Option<&'static str> {
    let begins_with = |part: &[u8]| {
        PREFIXES
            .into_iter()
            .find(|prefix| part.starts_with(prefix.as_bytes()))
    };
    let is_break = |byte: &u8| b"= '\",:\n".contains(byte);
    args.into_iter()
        .find_map(|arg| arg.as_encoded_bytes().split(is_break).find_map(begins_with))
}

/// The agent of a service: enrols once, holds the service's keys, and verifies the service's callers locally.
#[derive(Parser)]
#[command(name = "cattery-agent", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Enrol if need be, and serve until SIGTERM or Ctrl-C
    Run(Run),
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Ask a running agent how it does
    Status(Settings),
    /// Print what a shell needs to complete this command line
    Completions {
        /// Which one
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read the configuration and say all that is wrong with it
    Check(Settings),
}

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Where the join token is, for the first start or once the certificate has ended: a file, or - for standard input
    #[arg(long, value_name = "FILE|-")]
    pub(crate) join_token_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Settings {
    /// The agent's own directory, made if missing; DIR/agent.toml is read where there is one
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// The configuration, in place of DIR/agent.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The Unix socket of gRPC [default: DIR/agent.sock]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Where HTTP listens: loopback, port 0 for any free one [default: 127.0.0.1:0]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) http: Option<SocketAddr>,
}

const EXAMPLES: &str = "\
Examples:
  cattery service join-token photos | cattery-agent run --dir /var/lib/cattery-agent --join-token-file -
  cattery-agent run --dir /var/lib/cattery-agent --socket /run/cattery/photos.sock --http 127.0.0.1:7480
  cattery-agent status --dir /var/lib/cattery-agent

Once it listens, it prints one line, `listening: socket PATH, http ADDRESS`, and writes DIR/agent.addr.";
