//! What is to be reached, beside what was: for `docs/performance.md`. A missed target is reported, and fails nothing.

use super::{ours::Decisions, shown};

/// The worst figure of each target.
#[derive(Default)]
pub struct Reached {
    ratio_at_10: Option<f64>,
    ratio_at_1000: Option<f64>,
    decision_ns: f64,
    bounded_ns: f64,
    compile_ns: f64,
    explain_ns: f64,
}

impl Reached {
    /// Takes note of a case with so many statements.
    pub fn decided(&mut self, count: usize, ours: &Decisions, ratio: Option<f64>) {
        match count {
            10 => self.ratio_at_10 = least(self.ratio_at_10, ratio),
            100 => self.explain_ns = self.explain_ns.max(ours.explain),
            1_000 => {
                self.ratio_at_1000 = least(self.ratio_at_1000, ratio);
                self.decision_ns = self.decision_ns.max(ours.authorize);
                self.bounded_ns = self.bounded_ns.max(ours.with_boundary_and_session);
            }
            _ => {}
        }
    }

    /// Takes note of what compiling a statement takes.
    pub fn compiled(&mut self, ns: f64) {
        self.compile_ns = self.compile_ns.max(ns);
    }

    /// The table of targets, the worst case of each.
    pub fn table(&self) -> String {
        let at_least = |what: &str, ratio: Option<f64>, target: f64| {
            let is_met = ratio.map(|ratio| ratio >= target);
            row(what, &format!("{} x", shown(ratio)), is_met)
        };
        let at_most = |what: &str, ns: f64, target: f64| {
            row(what, &format!("{} ns", shown(Some(ns))), Some(ns <= target))
        };
        [
            "| target | reached, the worst case | verdict |\n| --- | --- | --- |".to_owned(),
            at_least("N = 10: 50 x Cedar's better form", self.ratio_at_10, 50.0),
            at_least("N = 1,000: 5,000 x", self.ratio_at_1000, 5_000.0),
            at_most("N = 1,000: <= 150 ns", self.decision_ns, 150.0),
            at_most(
                "N = 1,000 with boundary and session: <= 250 ns",
                self.bounded_ns,
                250.0,
            ),
            at_most("compile: <= 10 us per statement", self.compile_ns, 10_000.0),
            at_most("explain at N = 100: <= 200 us", self.explain_ns, 200_000.0),
        ]
        .join("\n")
    }
}

fn least(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        _ => one.or(other),
    }
}

fn row(what: &str, reached: &str, is_met: Option<bool>) -> String {
    let verdict = match is_met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "not measured",
    };
    format!("| {what} | {reached} | {verdict} |")
}
