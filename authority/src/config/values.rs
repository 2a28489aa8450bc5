//! One function for each type of setting: the value, or what is wrong with it and what would be right.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use toml::Value;

use super::LogFormat;
use crate::records::Hex;

pub(super) fn text(value: &Value) -> Result<String, String> {
    match value.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        Some(_) => Err("is empty".to_owned()),
        None => Err(format!("is of type {}, not a string", value.type_str())),
    }
}

pub(super) fn cluster_id(value: &Value) -> Result<Hex<16>, String> {
    text(value)?
        .parse()
        .map_err(|_| "is not 32 hexadecimal digits: take the line that `cattery init` wrote".into())
}

/// SPIFFE ID, section 2.1: what a URI takes as a host without any escaping, in lower case.
pub(super) fn trust_domain(value: &Value) -> Result<String, String> {
    let name = text(value)?;
    let allowed =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    if name.len() > 255 || !name.bytes().all(allowed) {
        return Err(format!(
            "`{name}` is not a trust domain: up to 255 of a-z 0-9 . - _, as in `example.org`"
        ));
    }
    Ok(name)
}

pub(super) fn authority_id(value: &Value) -> Result<String, String> {
    let name = text(value)?;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.len() > 63 || !name.bytes().all(allowed) {
        return Err(format!("`{name}` is not an id: up to 63 of a-z 0-9 -"));
    }
    Ok(name)
}

pub(super) fn host_port(value: &Value) -> Result<String, String> {
    let address = text(value)?;
    let good = address
        .rsplit_once(':')
        .is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok());
    if !good {
        return Err(format!(
            "`{address}` is not HOST:PORT, as in `127.0.0.1:7443` or `[::]:7443`"
        ));
    }
    Ok(address)
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')) {
        Some(ip) => ip.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains([':', '[', ']', '/', ' ']),
    }
}

pub(super) fn addresses(value: &Value) -> Result<Vec<String>, String> {
    let list = value
        .as_array()
        .ok_or_else(|| format!("is of type {}, not a list of strings", value.type_str()))?;
    let addresses: Vec<String> = list.iter().map(host_port).collect::<Result<_, _>>()?;
    match addresses.iter().find(|address| address.ends_with(":0")) {
        Some(address) => Err(format!("`{address}`: nobody can connect to port 0")),
        None => Ok(addresses),
    }
}

/// Plain HTTP that anybody may ask has no place on a network: the process behind it has the root keys.
pub(super) fn metrics(value: &Value) -> Result<Option<SocketAddr>, String> {
    let address = text(value)?;
    if address == "off" {
        return Ok(None);
    }
    match address.parse::<SocketAddr>() {
        Ok(parsed) if parsed.ip().is_loopback() => Ok(Some(parsed)),
        Ok(_) => Err(format!(
            "`{address}` is not a loopback address: metrics are plain HTTP, without a login; use 127.0.0.1:PORT or [::1]:PORT, and let a \
             collector or a proxy on this machine carry them further"
        )),
        Err(_) => Err(format!(
            "`{address}` is not IP:PORT, as in `127.0.0.1:9464` or `[::1]:9464`, or `off`"
        )),
    }
}

pub(super) fn store_kind(value: &Value) -> Result<String, String> {
    let kind = text(value)?;
    match kind.as_str() {
        "embedded" | "etcd" => Ok(kind),
        _ => Err(format!(
            "`{kind}` is not a kind of store: take `embedded` or `etcd`"
        )),
    }
}

/// HOST:PORT of members, perhaps with the scheme before it.
pub(super) fn endpoints(value: &Value) -> Result<Vec<String>, String> {
    let list = value
        .as_array()
        .ok_or_else(|| format!("is of type {}, not a list of strings", value.type_str()))?;
    if list.is_empty() {
        return Err("is empty: name at least one member".to_owned());
    }
    list.iter()
        .map(|value| {
            let endpoint = text(value)?;
            let address = endpoint.split_once("://").map_or(&*endpoint, |(_, at)| at);
            host_port(&address.into()).map(|_| endpoint)
        })
        .collect()
}

/// Reads `90s`, `12h`, `1h 30m`, `7d`: one or more numbers with units, days being 24 hours.
///
/// # Errors
/// What is wrong with it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("`{text}` is not a length of time, as in `90s`, `12h` or `7d`");
    let span: Span = text.parse().map_err(|_| refused())?;
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| refused())?;
    Duration::try_from(length).map_err(|_| refused())
}

/// A length of time as [`parse_duration`] reads it, in the greatest unit that fits.
pub fn show_duration(length: Duration) -> String {
    let seconds = length.as_secs();
    [(86_400, "d"), (3_600, "h"), (60, "m")]
        .into_iter()
        .find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit))
        .map_or_else(
            || format!("{seconds}s"),
            |(unit, name)| format!("{}{name}", seconds / unit),
        )
}

pub(super) fn duration(value: &Value, least: Duration, most: Duration) -> Result<Duration, String> {
    let length = parse_duration(&text(value)?)?;
    if length < least || length > most || length.subsec_nanos() != 0 {
        return Err(format!(
            "is {}: take whole seconds between {} and {}",
            show_duration(length),
            show_duration(least),
            show_duration(most)
        ));
    }
    Ok(length)
}

pub(super) fn duration_or_off(
    value: &Value,
    least: Duration,
    most: Duration,
) -> Result<Option<Duration>, String> {
    match value.as_str() {
        Some("off") => Ok(None),
        _ => duration(value, least, most)
            .map(Some)
            .map_err(|problem| format!("{problem}, or `off`")),
    }
}

pub(super) fn unseal_method(value: &Value) -> Result<String, String> {
    let method = text(value)?;
    match method.as_str() {
        "key-file" | "passphrase" => Ok(method),
        _ => Err(format!(
            "`{method}` is not a method: take `key-file` or `passphrase`"
        )),
    }
}

pub(super) fn ratio(value: &Value) -> Result<f64, String> {
    let ratio = value.as_float();
    ratio.ok_or_else(|| format!("is of type {}, not a number like 0.1", value.type_str()))
}

pub(super) fn log_format(value: &Value) -> Result<LogFormat, String> {
    match text(value)?.as_str() {
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("`{other}` is not a format: take `human` or `json`")),
    }
}

pub(super) fn log_filter(value: &Value) -> Result<String, String> {
    let filter = text(value)?;
    match filter.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(filter),
        Err(error) => Err(format!("`{filter}` is not a filter: {error}")),
    }
}
