//! Plots: horizontal bars with their spread, as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::Measured;

const WIDTH: i32 = 860;
const ROW: i32 = 30;
const HEAD: i32 = 44;
const LABELS: i32 = 300;
const VALUES: i32 = 110;
const FILL: RGBColor = RGBColor(0x3b, 0x6e, 0xa8);
const OWN: RGBColor = RGBColor(0xd0, 0x6f, 0x1e);

/// One bar.
pub struct Bar {
    label: String,
    value: Measured,
    is_own: bool,
}

impl Bar {
    /// Of a peer.
    pub fn new(label: &str, value: Measured) -> Self {
        Self {
            label: label.to_owned(),
            value,
            is_own: false,
        }
    }

    /// Of Cattery's own, in another colour.
    pub fn own(label: &str, value: Measured) -> Self {
        Self {
            is_own: true,
            ..Self::new(label, value)
        }
    }
}

/// A plot of bars from one zero.
pub struct Bars {
    /// Its file's name, without `.svg`.
    pub file: &'static str,
    /// What is above it.
    pub title: String,
    /// What the values are in.
    pub unit: &'static str,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

impl Bars {
    /// Draws it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn draw(&self, file: &Path) -> Result<()> {
        self.try_draw(file)
            .map_err(|error| anyhow!("{}: {error}", file.display()))
    }

    #[allow(clippy::cast_possible_truncation)] // pixels
    fn try_draw(&self, file: &Path) -> Result<(), Box<dyn std::error::Error + '_>> {
        let rows = i32::try_from(self.bars.len())?;
        let height = u32::try_from(HEAD + rows * ROW + 8)?;
        let root = SVGBackend::new(file, (u32::try_from(WIDTH)?, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let font = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
        let title = format!("{} ({})", self.title, self.unit);
        root.draw(&Text::new(title, (12, 12), font(17)))?;
        let greatest = self.bars.iter().map(|bar| bar.value.high);
        let greatest = greatest.fold(f64::MIN_POSITIVE, f64::max);
        let at = |value: f64| {
            LABELS + (value / greatest * f64::from(WIDTH - LABELS - VALUES)).round() as i32
        };
        for (row, bar) in (0..).zip(&self.bars) {
            let (top, value) = (HEAD + row * ROW, bar.value);
            let middle = top + ROW / 2 - 3;
            let label = font(14).pos(Pos::new(HPos::Right, VPos::Center));
            root.draw(&Text::new(&bar.label[..], (LABELS - 8, middle), label))?;
            let fill = if bar.is_own { OWN } else { FILL };
            let area = [(LABELS, top + 2), (at(value.median), top + ROW - 8)];
            root.draw(&Rectangle::new(area, fill.filled()))?;
            let spread = [(at(value.low), middle), (at(value.high), middle)];
            root.draw(&PathElement::new(spread, BLACK.stroke_width(2)))?;
            let text = font(14).pos(Pos::new(HPos::Left, VPos::Center));
            let place = (at(value.high) + 8, middle);
            root.draw(&Text::new(number(value.median), place, text))?;
        }
        root.present()?;
        Ok(())
    }
}

/// With three digits that say something, and commas between thousands.
pub fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_short() {
        let said = [0.5, 12.34, 352.4, 84_000.0, 1_234_567.0].map(number);
        assert_eq!(said, ["0.50", "12.3", "352", "84,000", "1,234,567"]);
    }
}
