//! A store that only a passphrase opens.

use anyhow::{Result, ensure};
use cattery_tests::{
    authority::Authority,
    cli::Cli,
    ports,
    town::{self, Folder},
    wait,
};

const PASSPHRASE: &str = "correct horse battery staple 7";

#[test]
fn starts_sealed_and_serves_once_it_is_opened() -> Result<()> {
    let folder = Folder::new()?;
    let admin = Cli::new(folder.path(), "admin");
    let mut authority = Authority::init_at(
        folder.path(),
        &admin,
        ports::free()?,
        &["--passphrase-file", "-"],
        PASSPHRASE,
    )?;
    authority.spawn()?;
    let socket = authority.dir.join("authority.sock");
    wait::until("the authority.socket", || Ok(socket.exists().then_some(())))?;
    let sealed = admin.run(&["service", "list"], "")?;
    ensure!(
        sealed.code == 1,
        "a sealed authority serves nobody: {sealed:?}"
    );
    let dir = authority.dir.to_string_lossy().into_owned();
    unseal(&dir, "wrong passphrase")?
        .then_some(())
        .map_or(Ok(()), |()| anyhow::bail!("a wrong passphrase opened it"))?;
    ensure!(unseal(&dir, PASSPHRASE)?, "the passphrase opens it");
    wait::until("the authority serves", || {
        Ok((admin.run(&["service", "list"], "")?.code == 0).then_some(()))
    })?;
    let join_token = town::admit(&admin, "photos")?;
    ensure!(join_token.starts_with("catjoin1_"));
    Ok(())
}

/// `cattery-authority unseal`, with the passphrase on standard input: whether it worked.
fn unseal(dir: &str, passphrase: &str) -> Result<bool> {
    use std::{io::Write as _, process::Stdio};
    let mut child = cattery_tests::programs::Program::Authority
        .command()?
        .args(["unseal", "--dir", dir])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        writeln!(pipe, "{passphrase}")?;
    }
    Ok(child.wait()?.success())
}
