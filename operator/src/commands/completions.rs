//! `cattery completions`: what a shell needs to complete the command line.

use clap::{Args as ClapArgs, Command};
use clap_complete::{Shell, generate};

use crate::{exit::Done, out};

#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  cattery completions bash > ~/.local/share/bash-completion/completions/cattery
  cattery completions zsh > ~/.zfunc/_cattery     with `fpath+=~/.zfunc` before compinit in ~/.zshrc
  cattery completions fish > ~/.config/fish/completions/cattery.fish")]
pub(crate) struct Args {
    /// Which one
    shell: Shell,
}

/// Prints the script for `command`, whatever the format.
pub(crate) fn run(args: &Args, mut command: Command) -> anyhow::Result<Done> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(args.shell, &mut command, name, &mut script);
    out::script(&script)?;
    Ok(Done::Well)
}
