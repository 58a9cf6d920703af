//! The table: each figure beside its reference, its target and the verdict.

use std::fmt;

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Reached.
    Met,
    /// Not reached.
    Missed,
    /// Not measured here.
    LeftOut,
}

impl Verdict {
    /// Met or missed.
    pub fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::Missed }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::LeftOut => "left out",
        })
    }
}

/// One figure.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub figure: String,
    /// Ours.
    pub ours: String,
    /// The reference, measured in the same run.
    pub reference: String,
    /// What had to be reached.
    pub target: &'static str,
    /// Whether it was.
    pub verdict: Verdict,
}

const TITLES: [&str; 5] = ["figure", "Portcullis", "reference", "target", "verdict"];

impl Row {
    fn cells(&self) -> [String; 5] {
        let Self {
            figure,
            ours,
            reference,
            target,
            verdict,
        } = self;
        [
            figure.clone(),
            ours.clone(),
            reference.clone(),
            (*target).to_owned(),
            verdict.to_string(),
        ]
    }
}

/// The rows as a Markdown table whose columns are aligned.
pub fn render(rows: &[Row]) -> String {
    let titles = TITLES.map(str::to_owned);
    let cells: Vec<[String; 5]> = std::iter::once(titles)
        .chain(rows.iter().map(Row::cells))
        .collect();
    let mut widths = [0; 5];
    for line in &cells {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (number, line) in cells.iter().enumerate() {
        let padded = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!(" {cell:<width$} |"));
        text.push_str(&format!("|{}\n", padded.collect::<String>()));
        if number == 0 {
            let rules = widths.iter().map(|width| format!(" {} |", "-".repeat(*width)));
            text.push_str(&format!("|{}\n", rules.collect::<String>()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = Row {
            figure: "cold start".to_owned(),
            ours: "12 ms".to_owned(),
            reference: "3 ms".to_owned(),
            target: "<= 30 ms",
            verdict: Verdict::Met,
        };
        let table = render(&[row]);
        assert_eq!(
            table,
            "| figure     | Portcullis | reference | target   | verdict |\n\
             | ---------- | ---------- | --------- | -------- | ------- |\n\
             | cold start | 12 ms      | 3 ms      | <= 30 ms | met     |\n"
        );
    }
}
