//! A client of HTTP/1.1 that sends bytes as they are: a library would refuse the raw headers that hostile clients send.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result};

/// A response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as text.
    pub body: String,
}

impl Response {
    /// The first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }
}

/// One GET on a connection of its own. Header values may be any bytes.
///
/// # Errors
/// Where there is no answer, or it is not HTTP.
pub fn get(address: SocketAddr, path: &str, headers: &[(&str, &[u8])]) -> Result<Response> {
    send(address, "GET", path, headers)
}

/// One request without a body, on a connection of its own.
///
/// # Errors
/// Where there is no answer, or it is not HTTP.
pub fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &[u8])],
) -> Result<Response> {
    send_with(address, method, path, headers, b"")
}

/// One request with this behind its headers, as it is; headers have to say how long it is.
///
/// # Errors
/// As [`get`].
pub fn send_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &[u8])],
    body: &[u8],
) -> Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))
        .with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n").into_bytes();
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        request.extend_from_slice(format!("host: {address}\r\n").as_bytes());
    }
    for (name, value) in headers {
        request.extend_from_slice(name.as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request)?;
    // A server that has heard enough answers, and reads no further.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // It closes while there is something that it has not read: what it said before is here.
        Err(error) if error.kind() == ErrorKind::ConnectionReset && !answer.is_empty() => {}
        read => _ = read?,
    }
    parse(&answer).with_context(|| format!("{method} {path} from {address}"))
}

fn parse(answer: &[u8]) -> Result<Response> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").context("no end of headers")?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .context("no status line")?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = |(name, value): &(String, String)| {
        name == "transfer-encoding" && value.eq_ignore_ascii_case("chunked")
    };
    let body = match headers.iter().any(chunked) {
        true => unchunked(body).context("a body in chunks")?,
        false => body.to_owned(),
    };
    Ok(Response {
        status,
        headers,
        body,
    })
}

/// The body of RFC 9112, section 7.1.
fn unchunked(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, more) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(more.get(..size)?);
        rest = more.get(size..)?.strip_prefix("\r\n")?;
    }
}
