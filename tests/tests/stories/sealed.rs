//! A store that only a passphrase opens.

use std::{
    io::Write as _,
    process::{Output, Stdio},
};

use anyhow::{Result, ensure};
use cattery_tests::{
    authority::Authority,
    cli::{Cli, one_clear_line},
    programs::Program,
    town::{self, Folder},
    wait,
};

const PASSPHRASE: &str = "correct horse battery staple 7";

#[test]
fn starts_sealed_and_serves_once_it_is_opened() -> Result<()> {
    let folder = Folder::new()?;
    let admin = Cli::new(folder.path(), "admin");
    let authority = Authority::sealed(folder.path(), &admin, PASSPHRASE)?;
    // It is alive and serves nobody.
    admin.refused(&["service", "list"], "", &["running"])?;
    let dir = authority.dir.to_string_lossy().into_owned();
    let wrong = unseal(&dir, "wrong passphrase")?;
    let line = one_clear_line(&String::from_utf8(wrong.stderr)?, &["does not open"])?;
    ensure!(wrong.status.code() == Some(1), "{line}");
    let right = unseal(&dir, PASSPHRASE)?;
    ensure!(right.status.success(), "{right:?}");
    wait::until("the authority serves", || {
        Ok((admin.run(&["service", "list"], "")?.code == 0).then_some(()))
    })?;
    let join_token = town::admit(&admin, "photos")?;
    ensure!(join_token.starts_with("catjoin1_"));
    Ok(())
}

/// `cattery-authority unseal`, with the passphrase on standard input.
pub(crate) fn unseal(dir: &str, passphrase: &str) -> Result<Output> {
    let mut child = Program::Authority
        .command()?
        .args(["unseal", "--dir", dir])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        writeln!(pipe, "{passphrase}")?;
    }
    Ok(child.wait_with_output()?)
}
