//! A KDC of MIT Kerberos with users of its own, as Debian ships it.

use std::{
    fmt::Write as _,
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::available_parallelism,
};

use anyhow::{Context as _, Result, ensure};
use cattery_report::process::children;
use cattery_tests::{ports, process::Process, town::Folder, wait};
use rustix::process::Signal;

const REALM: &str = "BENCH.INTERNAL";
/// What users get tickets for.
pub(super) const SERVICE: &str = "photos/bench";

/// Whether a KDC notes when somebody logged in, or failed to: as it does by itself, each time and on the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::authority) enum Notes {
    Logins,
    Nothing,
}

/// All of it, in a folder that goes when it does.
pub(super) struct Kdc {
    process: Process,
    folder: Folder,
}

impl Kdc {
    /// Starts one with a process for each core, and these users.
    ///
    /// # Errors
    /// A program of `krb5-kdc` or `krb5-admin-server` is missing or fails.
    pub(super) fn start(notes: Notes, users: &[String]) -> Result<Self> {
        let folder = Folder::new()?;
        let (path, address) = (folder.path(), ports::free()?);
        fs::write(path.join("krb5.conf"), client_settings(address))?;
        fs::write(path.join("kdc.conf"), settings(path, address, notes))?;
        let create = ["create", "-s", "-P", "not a secret", "-r", REALM];
        run(path, "kdb5_util", &create, "")?;
        let mut orders = format!("addprinc -randkey {SERVICE}\n");
        let keytab = path.join("users.keytab");
        for user in users {
            let _ = writeln!(orders, "addprinc -randkey {user}");
            let _ = writeln!(orders, "ktadd -norandkey -k {} {user}", keytab.display());
        }
        run(path, "kadmin.local", &[], &orders)?;
        ensure!(keytab.exists(), "kadmin.local wrote no keytab");
        let mut command = command(path, "krb5kdc");
        command.args(["-n", "-w", &available_parallelism()?.to_string()]);
        let mut process = Process::start("krb5kdc", command, &path.join("logs"), None)?;
        wait::until("the KDC listens", || {
            process.expect_running()?;
            Ok(TcpStream::connect(address).ok().map(drop))
        })?;
        Ok(Self { process, folder })
    }

    /// Its processes.
    ///
    /// # Errors
    /// Where it has ended.
    pub(super) fn ids(&self) -> Result<Vec<u32>> {
        let mut ids = children(self.process.id())?;
        ids.push(self.process.id());
        Ok(ids)
    }

    /// Where the users' keys are.
    pub(super) fn keytab(&self) -> PathBuf {
        self.folder.path().join("users.keytab")
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Kdc {
    /// Its processes end with their supervisor only if that is told to end them.
    fn drop(&mut self) {
        let _ = self.process.signal(Signal::TERM);
        let _ = self.process.wait_exit(wait::PATIENCE);
    }
}

/// A program that finds this realm and no other.
pub(super) fn command(folder: &Path, program: &str) -> Command {
    // Debian's are where only root looks.
    let installed = Path::new("/usr/sbin").join(program);
    let mut command = match installed.exists() {
        true => Command::new(installed),
        false => Command::new(program),
    };
    command
        .env("KRB5_CONFIG", folder.join("krb5.conf"))
        .env("KRB5_KDC_PROFILE", folder.join("kdc.conf"));
    command
}

fn run(folder: &Path, program: &str, args: &[&str], stdin: &str) -> Result<()> {
    let input = folder.join("orders");
    fs::write(&input, stdin)?;
    let output = command(folder, program)
        .args(args)
        .stdin(Stdio::from(fs::File::open(&input)?))
        .output()
        .with_context(|| {
            format!("starting {program}: Debian's krb5-kdc and krb5-admin-server have it")
        })?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {said}");
    Ok(())
}

fn client_settings(address: SocketAddr) -> String {
    format!(
        "[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n \
         dns_canonicalize_hostname = false\n[realms]\n {REALM} = {{\n  kdc = {address}\n }}\n"
    )
}

/// What Debian's kdc.conf says, but for where things are; that one asks for encrypted timestamps as well.
fn settings(folder: &Path, address: SocketAddr, notes: Notes) -> String {
    let folder = folder.display();
    let notes = match notes {
        Notes::Logins => "",
        Notes::Nothing => "  disable_last_success = true\n  disable_lockout = true\n",
    };
    format!(
        "[kdcdefaults]\n kdc_listen = {address}\n kdc_tcp_listen = {address}\n\
         [realms]\n {REALM} = {{\n  database_module = users\n  key_stash_file = {folder}/stash\n  acl_file = {folder}/acl\n  \
         default_principal_flags = +preauth\n }}\n\
         [dbmodules]\n users = {{\n  db_library = db2\n  database_name = {folder}/principal\n{notes} }}\n\
         [logging]\n kdc = FILE:{folder}/kdc.log\n"
    )
}
