use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context as _;
use cattery_authority::config::Config;

use super::Place;

/// A health check has to answer soon.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longer than any answer.
const MOST: u64 = 64 * 1024;

/// Asks the authority that runs in a directory whether it is ready.
pub(crate) fn health(place: &Place) -> anyhow::Result<()> {
    let config = Config::load(&place.dir)?;
    let address = config.metrics.filter(|address| address.port() != 0);
    let address = address.context(
        "authority.toml names no fixed port for `metrics`, where health is told: metrics = \"127.0.0.1:9464\", say",
    )?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("no authority answers at {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .with_context(|| format!("what answers at {address} is no authority"))?;
    anyhow::ensure!(
        head.starts_with("HTTP/1.1 200 "),
        "{}",
        body.trim_end().replace('\n', "; ")
    );
    Ok(write!(std::io::stdout(), "{body}")?)
}
