//! Times and spans, as people write and read them.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Unix seconds. A clock before 1970 reads as 1970, where no key is good yet.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// `2026-01-31T12:00:00Z (in 5 minutes)`.
pub(crate) fn both(at: u64, now: u64) -> String {
    format!("{} ({})", absolute(at), relative(at, now))
}

/// `2026-01-31T12:00:00Z`.
pub(crate) fn absolute(at: u64) -> String {
    i64::try_from(at)
        .ok()
        .and_then(|at| Timestamp::from_second(at).ok())
        .map_or_else(|| format!("Unix second {at}"), |at| at.to_string())
}

/// `in 5 minutes`, `5 minutes ago`, `now`.
pub(crate) fn relative(at: u64, now: u64) -> String {
    if at == now {
        "now".to_owned()
    } else if at > now {
        format!("in {}", span(at - now))
    } else {
        format!("{} ago", span(now - at))
    }
}

/// A time of the protocol, where 0 stands for none.
pub(crate) fn some(at: u64) -> Option<u64> {
    (at != 0).then_some(at)
}

/// A time in a table: its absolute form, or `-` where there is none.
pub(crate) fn cell(at: impl Into<Option<u64>>) -> String {
    at.into().map_or_else(|| "-".to_owned(), absolute)
}

/// `90 seconds`, `12 hours`: the largest unit of which there are at least two, rounded to the nearest.
pub(crate) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let (size, unit) = UNITS
        .into_iter()
        .find(|(size, _)| seconds >= 2 * size || seconds == *size)
        .unwrap_or((1, "second"));
    let count = seconds.saturating_add(size / 2) / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Reads a span: `90`, `90s`, `15m`, `12h`, `7d`. Never nothing.
pub(crate) fn parse_span(text: &str) -> Result<u64, String> {
    let (digits, size) = match text.as_bytes().last() {
        Some(b's') => (&text[..text.len() - 1], 1),
        Some(b'm') => (&text[..text.len() - 1], 60),
        Some(b'h') => (&text[..text.len() - 1], 3_600),
        Some(b'd') => (&text[..text.len() - 1], 86_400),
        _ => (text, 1),
    };
    digits
        .parse::<u64>()
        .ok()
        .filter(|count| *count > 0 && digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|count| count.checked_mul(size))
        .ok_or_else(|| "a span of time is written like 90s, 15m, 12h or 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_they_are_written() {
        assert_eq!(parse_span("90"), Ok(90));
        assert_eq!(parse_span("15m"), Ok(900));
        assert_eq!(parse_span("7d"), Ok(604_800));
        for bad in [
            "",
            "0",
            "m",
            "-1",
            "+1",
            "1w",
            "1.5h",
            "99999999999999999999",
            "9999999999999999999d",
        ] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_told_both_ways() {
        assert_eq!(
            both(1_790_000_300, 1_790_000_000),
            "2026-09-21T14:18:20Z (in 5 minutes)"
        );
        assert_eq!(relative(10, 100), "90 seconds ago");
        assert_eq!(relative(0, 3_600), "1 hour ago");
        assert_eq!(absolute(u64::MAX), format!("Unix second {}", u64::MAX));
    }
}
