//! How many tests passed and failed, read from what the runners print at their end.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// A sum over all runners.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Where a runner writes its summary; the other stream stays on the terminal.
#[derive(Clone, Copy)]
pub enum SummaryOn {
    Stdout,
    Stderr,
}

impl Tally {
    /// A part that failed without a test failing (a format check, a build) still closes as a failure.
    pub fn count_failed_part(&mut self) {
        self.failed = self.failed.max(1);
    }

    /// Runs a test runner, showing its output as it comes, and adds up its summary lines.
    pub fn run(&mut self, command: &mut Command, summary: SummaryOn) -> Result<()> {
        let line = shell::describe(command);
        match summary {
            SummaryOn::Stdout => command.stdout(Stdio::piped()),
            SummaryOn::Stderr => command.stderr(Stdio::piped()),
        };
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))?;
        let stream: Option<Box<dyn std::io::Read>> = match summary {
            SummaryOn::Stdout => child.stdout.take().map(|stream| Box::new(stream) as _),
            SummaryOn::Stderr => child.stderr.take().map(|stream| Box::new(stream) as _),
        };
        let before = self.passed + self.failed;
        if let Some(stream) = stream {
            self.read(stream)?;
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("`{line}` ended with {status}");
        }
        if self.passed + self.failed == before {
            bail!("`{line}` ran no test");
        }
        Ok(())
    }

    fn read(&mut self, stream: impl std::io::Read) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        for line in BufReader::new(stream).split(b'\n') {
            let line = line?;
            stdout.write_all(&line)?;
            stdout.write_all(b"\n")?;
            stdout.flush()?;
            self.add(&String::from_utf8_lossy(&line));
        }
        Ok(())
    }

    fn add(&mut self, line: &str) {
        if is_summary(line) {
            self.passed += number_before(line, "passed");
            self.failed += number_before(line, "failed") + number_before(line, "timed out");
            self.failed += number_before(line, "errors").max(number_before(line, "error"));
        }
    }
}

/// nextest's `Summary [...]`, libtest's `test result: ...`, pytest's `=== 3 passed in 1.2s ===`.
fn is_summary(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("Summary [")
        || line.starts_with("test result: ")
        || (line.starts_with("==") && line.ends_with("==") && line.contains(" in "))
}

/// The number in front of the first `word` of the line, 0 without one.
fn number_before(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let wanted: Vec<&str> = word.split(' ').collect();
    let found = words
        .windows(wanted.len() + 1)
        .find(|window| window.get(1..) == Some(&wanted));
    found
        .and_then(|window| window.first())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_lines_of_all_runners_add_up() {
        let mut tally = Tally::default();
        for line in [
            "     Summary [   1.204s] 12 tests run: 9 passed (1 slow), 1 failed, 2 timed out, 4 skipped",
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.50s",
            "============ 1 failed, 20 passed, 3 skipped, 2 errors in 12.01s (0:00:12) ============",
            "a test that prints 100 passed",
        ] {
            tally.add(line);
        }
        assert_eq!(
            tally,
            Tally {
                passed: 34,
                failed: 6
            }
        );
        assert_eq!(tally.to_string(), "34 passed, 6 failed");
    }

    #[test]
    fn a_part_that_fails_without_a_test_counts_as_one() {
        let mut tally = Tally { passed: 3, failed: 0 };
        tally.count_failed_part();
        assert_eq!(tally, Tally { passed: 3, failed: 1 });
    }
}
