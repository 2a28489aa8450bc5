//! The program itself: its options, signals and exits.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cattery_authority::app::ADDRESS_FILE;
use cattery_authority::init::InitUnseal;
use cattery_proto::v1::*;
use cattery_sdk::connect::Connector;
use cattery_sdk::tls::Trust;

use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{Cluster, PASSPHRASE, passphrase, refused};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cattery-authority"))
}

fn run(dir: &Path) -> Command {
    let mut command = program();
    command.arg("run").arg("--dir").arg(dir);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Ends with the test.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Kept {
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }

    fn wait(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }

    /// Reads the log up to a line with these words.
    fn until(&mut self, words: &str) {
        let log = BufReader::new(self.0.stderr.take().unwrap());
        let (said, hears) = mpsc::channel();
        // Reads on after that, so that the log never has to wait for a reader.
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        let mut log = String::new();
        loop {
            let line = hears.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("no `{words}` in: {log}"));
            if line.contains(words) {
                return;
            }
            log.push_str(&line);
        }
    }
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

async fn list(cluster: &Cluster) {
    let address = fs::read_to_string(cluster.authority_dir().join(ADDRESS_FILE)).unwrap();
    let trust = Trust::Bundle(cluster.bundle.clone());
    let addresses = vec![address.trim().to_owned()];
    let connector = Connector::new(addresses, &trust, Some(&cluster.root)).unwrap();
    let mut calls = admin_client::AdminClient::new(connector.channel());
    calls.list_services(ListServicesRequest {}).await.unwrap();
}

fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_until_a_signal() {
    let cluster = Cluster::made(|dir| InitUnseal::KeyFile(dir.join("k"))).await;
    let dir = cluster.authority_dir();
    for signal in ["TERM", "INT", "KILL", "TERM"] {
        let mut child = Kept(run(&dir).spawn().unwrap());
        child.until("listening on");
        list(&cluster).await;
        child.signal(signal);
        let expected = (signal != "KILL").then_some(0);
        assert_eq!(child.wait(), expected, "{signal}");
    }
    assert!(!dir.join(ADDRESS_FILE).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_unsealed_from_standard_input() {
    let cluster = Cluster::made(|_| InitUnseal::Passphrase(passphrase())).await;
    let dir = cluster.authority_dir();
    let unseal = |passphrase: &str| {
        let mut child = program()
            .args(["unseal", "--dir"])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        // Nobody reads it where the program ends before it needs it.
        match writeln!(input, "{passphrase}") {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written.unwrap(),
        }
        drop(input);
        child.wait_with_output().unwrap()
    };
    let said = failed(&unseal(PASSPHRASE));
    assert!(
        said.contains("no authority that takes a passphrase runs in"),
        "{said}"
    );

    let mut child = Kept(run(&dir).spawn().unwrap());
    child.until("sealed: unseal with `cattery-authority unseal --dir");
    let said = failed(&unseal("wrong horse battery staple"));
    assert!(
        said.contains("the passphrase does not open this store"),
        "{said}"
    );
    let output = unseal(PASSPHRASE);
    assert!(output.status.success(), "{output:?}");
    eventually("it is open", || dir.join(ADDRESS_FILE).exists());
    list(&cluster).await;
    child.signal("TERM");
    assert_eq!(child.wait(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_file_is_for_its_owner_alone() {
    let cluster = Cluster::made(|_| InitUnseal::Passphrase(passphrase())).await;
    let dir = cluster.authority_dir();
    let file = cluster.dir.path().join("passphrase");
    fs::write(&file, format!("{PASSPHRASE}\n")).unwrap();
    let with_mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    with_mode(0o644);
    let mut command = run(&dir);
    command.arg("--passphrase-file").arg(&file);
    let said = failed(&command.output().unwrap());
    assert!(said.contains("can be read by others (mode 0644)"), "{said}");
    with_mode(0o600);
    let mut child = Kept(command.spawn().unwrap());
    child.until("listening on");
    child.signal("TERM");
    assert_eq!(child.wait(), Some(0));
}

/// The limit on the size of files stands in for a full disk.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_does_not_happen() {
    let mut cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    cluster.add_user("alice").await;
    cluster.grant("user/alice", "photos", &[], 0).await.unwrap();
    let (_, api_key) = cluster.api_key("alice").await;
    cluster.running.take().unwrap().shutdown().await;

    let dir = cluster.authority_dir();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" run --dir \"$1\""]);
    command
        .arg(env!("CARGO_BIN_EXE_cattery-authority"))
        .arg(&dir);
    let mut child = Kept(command.stderr(Stdio::piped()).spawn().unwrap());
    child.until("listening on");
    let address = fs::read_to_string(dir.join(ADDRESS_FILE)).unwrap();
    let address = address.trim().to_owned();
    let limit = |limit: &str| {
        let limit = format!("--fsize={limit}:unlimited");
        let pid = format!("--pid={}", child.0.id());
        let status = Command::new("prlimit").args([pid, limit]).status();
        assert!(status.unwrap().success());
    };
    let keys = async || {
        cluster
            .user_keys_at(&address, &api_key, &["photos"], 0)
            .await
    };
    assert_eq!(keys().await.unwrap().len(), 1);
    let log = dir
        .join("audit")
        .join(format!("{}.log", cluster.config().authority_id));
    limit(&fs::metadata(log).unwrap().len().to_string());
    let issued = cluster.audited("user_keys_issued");
    let trust = Trust::Bundle(cluster.bundle.clone());
    let anybody = Connector::new(vec![address.clone()], &trust, None).unwrap();
    let mut health = HealthClient::new(anybody.channel());
    let watched = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watched = watched.into_inner();
    let mut status = async || watched.message().await.unwrap().unwrap().status();
    assert_eq!(status().await, ServingStatus::Serving);
    for _ in 0..2 {
        let result = keys().await.map(drop);
        refused(result, Code::Unavailable, "cannot do that now");
    }
    assert_eq!(status().await, ServingStatus::NotServing);
    assert_eq!(cluster.audited("user_keys_issued"), issued);
    limit("unlimited");
    assert_eq!(status().await, ServingStatus::Serving);
    assert_eq!(keys().await.unwrap().len(), 1);
    assert_eq!(cluster.audited("user_keys_issued"), issued + 1);
}

#[test]
fn mistakes_are_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let said = failed(&run(dir.path()).output().unwrap());
    assert!(said.contains("run `cattery init` first"), "{said}");
    fs::write(dir.path().join("authority.toml"), "listen = 1\nfoo = 2\n").unwrap();
    let check = || {
        let mut command = program();
        command.args(["config", "check", "--dir"]).arg(dir.path());
        command.output().unwrap()
    };
    let said = failed(&check());
    for name in [
        "cluster_id: is missing",
        "listen: ",
        "foo: there is no such setting",
    ] {
        assert!(said.contains(name), "{said}");
    }
    let good =
        "cluster_id = \"00112233445566778899aabbccddeeff\"\nunseal.method = \"passphrase\"\n";
    fs::write(dir.path().join("authority.toml"), good).unwrap();
    assert!(check().status.success());
    let output = program().args(["run", "--nonsense"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let output = program().arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}
