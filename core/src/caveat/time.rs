//! Times in the text form of caveats: Unix seconds, or RFC 3339 in UTC with whole seconds.

use std::fmt;

const DAY: u64 = 86_400;
/// 10000-01-01T00:00:00Z, the first second that RFC 3339 cannot write.
const YEAR_10000: u64 = 253_402_300_800;

/// Unix seconds, from either form.
pub(super) fn read(text: &str) -> Option<u64> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    let shape = |(at, b): (usize, u8)| match at {
        4 | 7 => b == b'-',
        10 => b == b'T',
        13 | 16 => b == b':',
        19 => b == b'Z',
        _ => b.is_ascii_digit(),
    };
    if text.len() != 20 || !text.bytes().enumerate().all(shape) {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let days: u64 = days_before_year(year)
        + (1..month)
            .map(|month| days_in_month(year, month))
            .sum::<u64>()
        + day
        - 1;
    Some(days * DAY + hour * 3_600 + minute * 60 + second)
}

/// Days from 1970-01-01 to the first of January of a year from 1970.
fn days_before_year(year: u64) -> u64 {
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969)
}

fn days_in_month(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Writes RFC 3339, or Unix seconds for 0 and beyond the year 9999.
pub(super) struct Text(pub(super) u64);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 || self.0 >= YEAR_10000 {
            return write!(f, "{}", self.0);
        }
        let (days, second) = (self.0 / DAY, self.0 % DAY);
        // A year has at least 365 days, so the guess is never too low, and at most a few years too high.
        let mut year = 1970 + days / 365;
        while days_before_year(year) > days {
            year -= 1;
        }
        let mut day = days - days_before_year(year);
        let mut month = 1;
        while day >= days_in_month(year, month) {
            day -= days_in_month(year, month);
            month += 1;
        }
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
            day + 1
        )
    }
}
