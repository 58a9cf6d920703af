//! Restart policies, and what becomes of tries that nobody saw the end of.

use proptest::prelude::*;

use super::super::model::RestartPolicy;
use super::super::plan::tests::container;
use super::*;

const START: Timestamp = Timestamp::from_seconds(1_000);

fn exit(code: Option<i32>, seconds: i64) -> Observed {
    Observed::Exited(Exit {
        code,
        finished_at: Some(START.plus_seconds(seconds)),
        ..Exit::default()
    })
}

fn restarting(ignored: &[i32]) -> Container {
    let mut container = container("app", true, &[]);
    (container.known, container.started, container.started_at) = (Known::Running, true, Some(START));
    container.definition.restart_policy = Some(RestartPolicy {
        ignored_exit_codes: ignored.to_vec(),
        attempt_period: 60,
    });
    container
}

#[test]
fn agent_8_restart_policy_looks_at_the_code_the_time_and_what_is_wanted() {
    let cases = [
        (Some(1), 60, Desired::Running, true),
        (Some(0), 600, Desired::Running, true),
        (Some(1), 59, Desired::Running, false),
        (Some(3), 60, Desired::Running, false),
        (None, 60, Desired::Running, false),
        (Some(1), 60, Desired::Stopped, false),
    ];
    for (code, seconds, desired, again) in cases {
        let mut container = restarting(&[3]);
        let now = START.plus_seconds(seconds + 5);
        assert!(observed(&mut container, exit(code, seconds), desired, now));
        assert_eq!(container.restart_due, again, "{code:?} {seconds} {desired:?}");
        let expected = if again { Known::Running } else { Known::Stopped };
        assert_eq!(container.known, expected, "{code:?} {seconds} {desired:?}");
    }
}

/// The start is noted when the engine's answer has come: a program may have ended before.
#[test]
fn agent_8_an_end_before_its_start_was_noted_is_no_less_than_no_time() {
    for (period, again) in [(0, true), (60, false)] {
        let mut container = restarting(&[]);
        container.definition.restart_policy = Some(RestartPolicy {
            ignored_exit_codes: Vec::new(),
            attempt_period: period,
        });
        observed(&mut container, exit(Some(1), -1), Desired::Running, START);
        assert_eq!(container.restart_due, again, "{period}");
    }
}

#[test]
fn agent_8_one_end_is_one_restart_however_often_it_is_seen() {
    let mut container = restarting(&[]);
    let now = START.plus_seconds(100);
    observed(&mut container, exit(Some(1), 90), Desired::Running, now);
    container.busy = true;
    assert!(!observed(
        &mut container,
        exit(Some(1), 90),
        Desired::Running,
        now
    ));
    let launched = Launched {
        runtime_id: "id".into(),
    };
    restarted(&mut container, Ok(launched), now);
    assert_eq!((container.restart_count, container.restart_due), (1, false));
    assert!(
        !observed(&mut container, exit(Some(1), 90), Desired::Running, now),
        "seen late"
    );
    assert!(observed(
        &mut container,
        exit(Some(1), 101),
        Desired::Running,
        now
    ));
    assert_eq!(
        container.known,
        Known::Stopped,
        "it ran too short to be started a second time"
    );
}

/// The restart may have been withdrawn (nothing could be saved), or its agent killed, before the task was stopped.
#[test]
fn agent_8_a_stop_ends_a_container_whose_restart_never_came_about() {
    let mut container = restarting(&[]);
    let now = START.plus_seconds(100);
    observed(&mut container, exit(Some(1), 90), Desired::Running, now);
    assert!(container.restart_due && !container.busy);
    let seen_before = observed(&mut container, exit(Some(1), 90), Desired::Stopped, now);
    assert!(
        !seen_before,
        "a look from before a restart that is under way ends nothing"
    );
    stopped(&mut container, exit(Some(1), 90), now);
    assert_eq!((container.known, container.exit_code), (Known::Stopped, Some(1)));
    assert!(!container.restart_due);
}

#[test]
fn a_restart_that_fails_ends_the_container_with_its_reason() {
    let mut container = restarting(&[]);
    observed(
        &mut container,
        exit(Some(1), 90),
        Desired::Running,
        START.plus_seconds(90),
    );
    container.busy = true;
    let refused = EngineError::Refused("CannotStartContainerError: no".into());
    restarted(&mut container, Err(refused), START.plus_seconds(91));
    assert_eq!(container.known, Known::Stopped);
    assert_eq!(container.reason.as_deref(), Some("CannotStartContainerError: no"));
}

#[test]
fn agent_8_what_timed_out_is_in_doubt_until_it_was_stopped() {
    let mut container = container("app", true, &[]);
    (container.busy, container.attempted) = (true, true);
    let late = EngineError::TimedOut("DockerTimeoutError: x".into());
    launched(&mut container, Err(late), START);
    assert_eq!((container.known, container.doubtful), (Known::Stopped, true));
    stopped(&mut container, exit(Some(137), 9), START);
    assert!(!container.doubtful);
    assert_eq!(
        container.reason.as_deref(),
        Some("DockerTimeoutError: x"),
        "what was told stands"
    );
}

#[test]
fn a_stop_finds_out_whether_an_unseen_start_came_about() {
    for (seen, started, code) in [
        (exit(Some(143), 1), true, Some(143)),
        (Observed::Missing, false, None),
        (Observed::Created, false, None),
    ] {
        let mut container = container("app", true, &[]);
        container.attempted = true;
        stopped(&mut container, seen, START);
        assert_eq!(
            (
                container.known,
                container.started,
                container.exit_code,
                container.reason
            ),
            (Known::Stopped, started, code, None)
        );
    }
}

proptest! {
    /// Whatever order ends, starts and looks come in, a container never comes back from STOPPED, and it restarts
    /// exactly as often as the plain rule says.
    #[test]
    fn agent_8_restarts_follow_the_plain_rule(
        ends in prop::collection::vec((0..4_i32, 1..200_i64, 0..3_usize), 1..8),
    ) {
        let mut container = restarting(&[3]);
        let (mut now, mut expected) = (START, 0_u32);
        for (code, ran, looks) in ends {
            now = now.plus_seconds(ran);
            let end = Observed::Exited(Exit { code: Some(code), finished_at: Some(now), ..Exit::default() });
            for _ in 0..=looks {
                observed(&mut container, end.clone(), Desired::Running, now);
            }
            let again = code != 3 && ran >= 60;
            prop_assert_eq!(container.restart_due, again);
            if !again {
                prop_assert_eq!(container.known, Known::Stopped);
                break;
            }
            container.busy = true;
            restarted(&mut container, Ok(Launched { runtime_id: "id".into() }), now);
            expected += 1;
            for _ in 0..looks {
                observed(&mut container, end.clone(), Desired::Running, now);
            }
            prop_assert_eq!(container.known, Known::Running);
        }
        prop_assert_eq!(container.restart_count, expected);
    }
}
