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

/// Who prints the summary. What a failed test printed is shown by its runner too, and may look like another runner's.
#[derive(Clone, Copy)]
pub enum Runner {
    Nextest,
    Libtest,
    Pytest,
}

impl Runner {
    /// The stream that holds the summary; the other one stays on the terminal.
    fn writes_to_stderr(self) -> bool {
        matches!(self, Self::Nextest)
    }

    fn is_summary(self, line: &str) -> bool {
        match self {
            Self::Nextest => line.trim_start().starts_with("Summary ["),
            Self::Libtest => line.starts_with("test result: "),
            Self::Pytest => line.starts_with("==") && line.ends_with("==") && line.contains(" in "),
        }
    }
}

impl Tally {
    /// A part that failed without a test failing (a format check, a build) still closes as a failure.
    pub fn count_failed_part(&mut self) {
        self.failed = self.failed.max(1);
    }

    /// Runs a test runner, showing its output as it comes, and adds up its summary lines.
    pub fn run(&mut self, command: &mut Command, runner: Runner) -> Result<()> {
        let line = shell::describe(command);
        if runner.writes_to_stderr() {
            command.stderr(Stdio::piped());
        } else {
            command.stdout(Stdio::piped());
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))?;
        let before = self.passed + self.failed;
        if let Some(stream) = child.stdout.take() {
            self.read(stream, runner)?;
        }
        if let Some(stream) = child.stderr.take() {
            self.read(stream, runner)?;
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

    fn read(&mut self, stream: impl std::io::Read, runner: Runner) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        for line in BufReader::new(stream).split(b'\n') {
            let line = line?;
            stdout.write_all(&line)?;
            stdout.write_all(b"\n")?;
            stdout.flush()?;
            self.add(&String::from_utf8_lossy(&line), runner);
        }
        Ok(())
    }

    fn add(&mut self, line: &str, runner: Runner) {
        if runner.is_summary(line) {
            self.passed += number_before(line, "passed");
            self.failed += number_before(line, "failed") + number_before(line, "timed out");
            self.failed += number_before(line, "errors").max(number_before(line, "error"));
        }
    }
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
        for (runner, line) in [
            (
                Runner::Nextest,
                "     Summary [   1.204s] 12 tests run: 9 passed (1 slow), 1 failed, 2 timed out, 4 skipped",
            ),
            (
                Runner::Nextest,
                "    test result: FAILED. 0 passed; 1 failed; 0 ignored; finished in 0.13s",
            ),
            (
                Runner::Libtest,
                "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; finished in 0.50s",
            ),
            (
                Runner::Pytest,
                "============ 1 failed, 20 passed, 3 skipped, 2 errors in 12.01s ============",
            ),
            (Runner::Pytest, "a test that prints 100 passed"),
        ] {
            tally.add(line, runner);
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
