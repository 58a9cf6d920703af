//! Which build runs, and what happens to it. Pure: the supervisor of `portcullis agent --supervise` does what comes out.

use std::path::PathBuf;

/// The genuine agent ends with this to be replaced by what it staged.
const EXIT_UPDATE: i32 = 42;
/// Starting again cannot help.
const EXIT_FINAL: i32 = 5;

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one that was installed: the supervisor's own.
    Installed,
    /// A staged build.
    Build(PathBuf),
}

/// What happened to the program that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// It is connected to the control plane: it is healthy.
    Connected,
    /// It ended, with that exit code unless a signal ended it.
    Ended(Option<i32>),
    /// It did not connect in time.
    TookTooLong,
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// Remember that this build is the one to start from now on.
    Keep(PathBuf),
    /// End the program that runs.
    Kill,
    /// Start [`Supervision::running`] at once.
    Start,
    /// Start it after a pause.
    StartLater,
    /// End, with that exit code.
    End(i32),
}

/// The program in use, and the one on trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervision {
    current: Which,
    trial: Option<PathBuf>,
}

impl Supervision {
    /// Starts with a program that has proved its health, or that there is no other than.
    pub fn new(current: Which) -> Self {
        Self { current, trial: None }
    }

    /// What shall run.
    pub fn running(&self) -> Which {
        match &self.trial {
            Some(build) => Which::Build(build.clone()),
            None => self.current.clone(),
        }
    }

    /// Whether it has to prove its health.
    pub fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// What an event means. `staged` is asked only when the program ended to be replaced.
    pub fn on(&mut self, happened: Happened, staged: impl FnOnce() -> Option<PathBuf>) -> Then {
        match (happened, self.trial.take()) {
            (Happened::Connected, Some(build)) => {
                self.current = Which::Build(build.clone());
                Then::Keep(build)
            }
            (Happened::Connected | Happened::TookTooLong, None) => Then::Nothing,
            (Happened::TookTooLong, trial) => {
                // On trial until it has ended: what runs then is the one before.
                self.trial = trial;
                Then::Kill
            }
            (Happened::Ended(_), Some(_)) => Then::Start,
            (Happened::Ended(Some(EXIT_UPDATE)), None) => {
                self.trial = staged();
                match self.trial {
                    Some(_) => Then::Start,
                    None => Then::StartLater,
                }
            }
            (Happened::Ended(Some(code @ (0 | EXIT_FINAL))), None) => Then::End(code),
            (Happened::Ended(_), None) => Then::StartLater,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed() -> Supervision {
        Supervision::new(Which::Installed)
    }

    fn two() -> Option<PathBuf> {
        Some(PathBuf::from("two"))
    }

    fn none() -> Option<PathBuf> {
        None
    }

    #[test]
    fn agent_5_2_exit_42_starts_the_staged_build_which_stays_when_it_connects() {
        let mut supervision = installed();
        assert_eq!(supervision.on(Happened::Connected, none), Then::Nothing);
        assert_eq!(supervision.on(Happened::Ended(Some(42)), two), Then::Start);
        assert!(supervision.is_trial());
        assert_eq!(supervision.running(), Which::Build("two".into()));
        assert_eq!(
            supervision.on(Happened::Connected, none),
            Then::Keep("two".into())
        );
        assert!(!supervision.is_trial());
        // Later crashes are crashes, and no reason to go back.
        assert_eq!(supervision.on(Happened::TookTooLong, none), Then::Nothing);
        assert_eq!(supervision.on(Happened::Ended(None), none), Then::StartLater);
        assert_eq!(supervision.running(), Which::Build("two".into()));
    }

    #[test]
    fn agent_5_2_a_build_that_does_not_prove_its_health_makes_room_for_the_one_before() {
        for code in [Some(0), Some(1), Some(5), Some(42), None] {
            let mut supervision = installed();
            supervision.on(Happened::Ended(Some(42)), two);
            assert_eq!(
                supervision.on(Happened::Ended(code), two),
                Then::Start,
                "{code:?}"
            );
            assert_eq!(supervision, installed());
        }
        let mut supervision = installed();
        supervision.on(Happened::Ended(Some(42)), two);
        assert_eq!(supervision.on(Happened::TookTooLong, none), Then::Kill);
        assert_eq!(supervision.on(Happened::Ended(None), none), Then::Start);
        assert_eq!(supervision, installed());
    }

    #[test]
    fn agent_7_exit_codes_without_an_update() {
        for (code, then) in [
            (Some(0), Then::End(0)),
            (Some(5), Then::End(5)),
            (Some(1), Then::StartLater),
            (Some(42), Then::StartLater),
            (None, Then::StartLater),
        ] {
            assert_eq!(installed().on(Happened::Ended(code), none), then, "{code:?}");
        }
    }
}
