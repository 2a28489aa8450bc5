//! Times of a condition: as the text form has them, or as a span from now.

use std::str::FromStr;

use cattery_core::Caveat;

use crate::{clock, exit::Usage};

/// A time, or so long from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Unix seconds.
    At(u64),
    /// Seconds.
    In(u64),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A number alone is a time, as in the text form.
        if text.ends_with(['s', 'm', 'h', 'd']) {
            return clock::parse_span(text).map(Self::In);
        }
        match format!("until={text}").parse() {
            Ok(Caveat::TimeWindow { not_after, .. }) => Ok(Self::At(not_after)),
            _ => Err(
                "a time is like 2026-01-31T12:00:00Z, or Unix seconds, or a span from now like 90s, 15m, 12h or 7d"
                    .to_owned(),
            ),
        }
    }
}

impl When {
    fn at(self, now: u64) -> u64 {
        match self {
            Self::At(time) => time,
            Self::In(span) => now.saturating_add(span),
        }
    }
}

/// Both as one condition.
///
/// # Errors
/// [`Usage`]: it would never hold.
pub(super) fn window(
    after: Option<When>,
    until: Option<When>,
    now: u64,
) -> Result<Option<Caveat<'static>>, Usage> {
    let begin = after.map_or(0, |after| after.at(now));
    let Some(end) = until.map(|until| until.at(now)) else {
        return Ok((begin != 0).then_some(Caveat::TimeWindow {
            not_before: begin,
            not_after: 0,
        }));
    };
    if end <= now {
        return Err(Usage(format!(
            "--until {} is over, so this would never hold",
            clock::absolute(end)
        )));
    }
    if end <= begin {
        return Err(Usage(format!(
            "--until {} is no later than --after {}, so this would never hold",
            clock::absolute(end),
            clock::absolute(begin)
        )));
    }
    Ok(Some(Caveat::TimeWindow {
        not_before: begin,
        not_after: end,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn text(after: Option<&str>, until: Option<&str>) -> Result<String, String> {
        let when = |text: Option<&str>| text.map(str::parse).transpose();
        let window = window(when(after)?, when(until)?, NOW).map_err(|usage| usage.0)?;
        Ok(window.map_or_else(String::new, |caveat| caveat.to_string()))
    }

    #[test]
    fn two_times_make_one_window_and_spans_count_from_now() {
        for (after, until, expected) in [
            (None, None, ""),
            (Some("10m"), None, "after=2026-09-21T14:23:20Z"),
            (None, Some("1d"), "until=2026-09-22T14:13:20Z"),
            (
                Some("1790000001"),
                Some("2026-09-21T14:13:22Z"),
                "after=2026-09-21T14:13:21Z,until=2026-09-21T14:13:22Z",
            ),
        ] {
            assert_eq!(text(after, until).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_never_holds_or_is_no_time_is_refused() {
        for (after, until, word) in [
            (None, Some("1790000000"), "is over"),
            (Some("2h"), Some("1h"), "no later than --after"),
            (Some("1h"), Some("1h"), "no later than --after"),
            (None, Some("soon"), "7d"),
            (None, Some("0"), "7d"),
            (None, Some("0d"), "7d"),
            (Some("2026-13-01T00:00:00Z"), None, "7d"),
        ] {
            let why = text(after, until).unwrap_err();
            assert!(why.contains(word), "{after:?} {until:?}: {why}");
        }
    }
}
