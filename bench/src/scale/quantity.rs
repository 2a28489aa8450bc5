//! Numbers that remember how they came about.

use std::ops::{Add, Div, Mul};

/// A number, and the arithmetic that gave it.
#[derive(Clone)]
pub(super) struct Quantity {
    pub(super) value: f64,
    text: String,
    /// Its text has a plus at the outside.
    is_sum: bool,
}

impl Quantity {
    /// One with a name, which stands beside it in the arithmetic.
    pub(super) fn new(value: f64, name: &str) -> Self {
        Self {
            value,
            text: format!("{} {name}", number(value)),
            is_sum: false,
        }
    }

    /// What was computed becomes something with a name of its own.
    pub(super) fn named(&self, name: &str) -> Self {
        Self::new(self.value, name)
    }

    /// The arithmetic alone.
    pub(super) fn arithmetic(&self) -> &str {
        &self.text
    }

    fn factor(&self) -> String {
        if self.is_sum {
            format!("({})", self.text)
        } else {
            self.text.clone()
        }
    }
}

impl Mul for &Quantity {
    type Output = Quantity;

    fn mul(self, other: Self) -> Quantity {
        Quantity {
            value: self.value * other.value,
            text: format!("{} × {}", self.factor(), other.factor()),
            is_sum: false,
        }
    }
}

/// The divisor is one with a name.
impl Div for &Quantity {
    type Output = Quantity;

    fn div(self, other: Self) -> Quantity {
        Quantity {
            value: self.value / other.value,
            text: format!("{} ÷ {}", self.factor(), other.factor()),
            is_sum: false,
        }
    }
}

impl Add for &Quantity {
    type Output = Quantity;

    fn add(self, other: Self) -> Quantity {
        Quantity {
            value: self.value + other.value,
            text: format!("{} + {}", self.text, other.text),
            is_sum: true,
        }
    }
}

/// With three digits that say something, and commas between thousands.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        small if small < 1e-3 => return format!("{value:.2e}"),
        small if small < 0.01 => 5,
        small if small < 1.0 => 3,
        small if small < 10.0 => 2,
        small if small < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push('.');
        out += fraction;
    }
    out
}

/// The same, and no more digits than three that say something.
pub(super) fn rough(value: f64) -> String {
    let digits = value.abs().max(1.0).log10().floor() - 2.0;
    let unit = 10_f64.powf(digits.max(0.0));
    number((value / unit).round() * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_remembered() {
        let agents = Quantity::new(1e6, "agents");
        let each = Quantity::new(1.5, "ms");
        let cores = Quantity::new(8.0, "cores");
        let work = &agents * &each;
        assert_eq!(work.value, 1.5e6);
        assert_eq!(work.arithmetic(), "1,000,000 agents × 1.5 ms");
        let share = &(&work.named("ms") + &each) / &cores;
        assert_eq!(share.arithmetic(), "(1,500,000 ms + 1.5 ms) ÷ 8 cores");
        assert_eq!(share.value, 1_500_001.5 / 8.0);
    }

    #[test]
    fn numbers_are_short() {
        let said = [0.0, 8.167e-6, 1.07e-3, 0.5, 12.34, 4_440.0, 1e9].map(number);
        assert_eq!(
            said,
            [
                "0",
                "8.17e-6",
                "0.00107",
                "0.5",
                "12.3",
                "4,440",
                "1,000,000,000"
            ]
        );
    }
}
