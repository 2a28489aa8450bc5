use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use cattery_authority::app::socket_path;
use cattery_proto::v1::UnsealRequest;
use cattery_proto::v1::unseal_client::UnsealClient;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::Endpoint;
use zeroize::{Zeroize as _, Zeroizing};

use super::Place;

/// Nobody types more, and a buffer that does not grow leaves no copies behind.
const LONGEST: usize = 1024;

/// Opens the authority that runs in a directory.
pub(crate) async fn unseal(place: &Place) -> anyhow::Result<()> {
    let path = socket_path(&place.dir);
    let stream = UnixStream::connect(&path).await.with_context(|| {
        format!(
            "no authority that takes a passphrase runs in {}: start it with `cattery-authority run --dir {}`",
            place.dir.display(),
            place.dir.display()
        )
    })?;
    let mut stream = Some(stream);
    let connector = tower::service_fn(move |_| {
        let stream = stream.take().map(TokioIo::new);
        std::future::ready(stream.ok_or(io::Error::from(io::ErrorKind::NotConnected)))
    });
    // Only fills `:authority`: the stream is the one above.
    let channel = Endpoint::from_static("http://authority.cattery.internal")
        .connect_with_connector(connector)
        .await?;
    let mut passphrase = match io::stdin().is_terminal() {
        true => Zeroizing::new(rpassword::prompt_password("Passphrase: ")?),
        false => from_standard_input()?,
    };
    let request = UnsealRequest {
        passphrase: std::mem::take(&mut *passphrase),
    };
    match UnsealClient::new(channel).unseal(request).await {
        Ok(_) => Ok(()),
        Err(status) => anyhow::bail!("{}", status.message()),
    }
}

/// The first line of standard input.
pub(crate) fn from_standard_input() -> anyhow::Result<Zeroizing<String>> {
    // Not through `Stdin`, whose buffer would keep it.
    let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    first_line(file, "standard input")
}

/// The first line of a file that nobody but its owner can read.
pub(crate) fn from_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let shown = path.display();
    let file =
        File::open(path).with_context(|| format!("cannot read the passphrase file {shown}"))?;
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o7777;
    // A pipe is nobody's to read twice.
    anyhow::ensure!(
        !metadata.is_file() || mode & 0o077 == 0,
        "the passphrase file {shown} can be read by others (mode {mode:04o}): chmod 600 it, and think about who may have read it"
    );
    first_line(file, &format!("the passphrase file {shown}"))
}

fn first_line(from: impl Read, what: &str) -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut reader = BufReader::with_capacity(1, from).take(LONGEST as u64);
    reader
        .read_until(b'\n', &mut line)
        .with_context(|| format!("cannot read {what}"))?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    anyhow::ensure!(!line.is_empty(), "{what} holds no passphrase");
    String::from_utf8(std::mem::take(&mut *line))
        .map(Zeroizing::new)
        .map_err(|error| {
            error.into_bytes().zeroize();
            anyhow::anyhow!("{what} is not UTF-8")
        })
}
