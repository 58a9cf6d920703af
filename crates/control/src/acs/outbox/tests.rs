use super::*;
use crate::schedule::fixtures::{BEGINNING, task};

fn after(seconds: i64) -> Timestamp {
    BEGINNING.plus_seconds(seconds)
}

fn issued(at: Timestamp) -> Issued {
    Issued {
        id: "id".to_owned(),
        expiration: at.plus_seconds(6 * 3_600).to_iso(),
        at,
        rotate: at.plus_seconds(3 * 3_600),
        acknowledged: false,
    }
}

/// What is due for one task, in words.
fn due(outbox: &Outbox, task: &Task, now: Timestamp) -> Vec<String> {
    let word = |work: Work| match work {
        Work::Payload(task) => format!("payload {}", task.desired.as_str()),
        Work::Credentials(_, role_type) => role_type.as_str().to_owned(),
    };
    outbox
        .due_of(Arc::new(task.clone()), now)
        .into_iter()
        .map(word)
        .collect()
}

#[test]
fn a_task_is_sent_once_again_when_late_and_not_after_its_acknowledgement() {
    let (mut outbox, task) = (Outbox::default(), task());
    assert_eq!(due(&outbox, &task, BEGINNING), ["payload RUNNING"]);
    outbox.sent_payload(&task, "m1", BEGINNING);
    for role_type in RoleType::ALL {
        outbox.sent_credentials(&task, role_type, issued(BEGINNING));
    }
    assert!(due(&outbox, &task, after(59)).is_empty());
    assert_eq!(due(&outbox, &task, after(60)), ["payload RUNNING"]);
    outbox.acknowledge("other");
    assert_eq!(due(&outbox, &task, after(60)), ["payload RUNNING"]);
    outbox.acknowledge("m1");
    assert_eq!(
        due(&outbox, &task, after(60)),
        ["TaskApplication", "TaskExecution"]
    );
    outbox.acknowledge_credentials("id", &issued(BEGINNING).expiration);
    assert!(due(&outbox, &task, after(3 * 3_600 - 1)).is_empty());
    assert_eq!(
        due(&outbox, &task, after(3 * 3_600)),
        ["TaskApplication", "TaskExecution"]
    );
}

#[test]
fn stopping_is_sent_without_credentials_until_acknowledged() {
    let (mut outbox, mut task) = (Outbox::default(), task());
    outbox.sent_payload(&task, "m1", BEGINNING);
    outbox.acknowledge("m1");
    task.desired = DesiredStatus::Stopped;
    assert_eq!(due(&outbox, &task, after(1)), ["payload STOPPED"]);
    outbox.sent_payload(&task, "m2", after(1));
    assert!(due(&outbox, &task, after(2)).is_empty());
    assert_eq!(due(&outbox, &task, after(61)), ["payload STOPPED"]);
    outbox.acknowledge("m2");
    assert!(due(&outbox, &task, after(7 * 3_600)).is_empty());
}

#[test]
fn a_new_connection_repeats_what_was_under_way() {
    let (mut outbox, mut task) = (Outbox::default(), task());
    outbox.sent_payload(&task, "m1", BEGINNING);
    outbox.acknowledge("m1");
    outbox.sent_credentials(
        &task,
        RoleType::TaskApplication,
        Issued {
            acknowledged: true,
            ..issued(BEGINNING)
        },
    );
    outbox.connect(false, 0);
    assert_eq!(due(&outbox, &task, after(1)), ["payload RUNNING"]);
    task.last = LastStatus::Running;
    assert_eq!(
        due(&outbox, &task, after(1)),
        ["TaskExecution"],
        "the agent of a running task has it"
    );
    // Sent into a connection that was cut.
    outbox.sent_credentials(&task, RoleType::TaskExecution, issued(after(1)));
    assert!(due(&outbox, &task, after(2)).is_empty());
    outbox.connect(false, 0);
    assert_eq!(due(&outbox, &task, after(2)), ["TaskExecution"]);
    outbox.connect(true, 0);
    assert_eq!(
        due(&outbox, &task, after(2)),
        ["TaskApplication", "TaskExecution"]
    );
}

#[test]
fn a_task_without_roles_gets_no_credentials() {
    let mut task = task();
    (task.task_role, task.execution_role, task.last) = (None, None, LastStatus::Running);
    assert!(due(&Outbox::default(), &task, BEGINNING).is_empty());
}

#[test]
fn agent_5_2_numbers_grow_over_restarts_and_with_a_clock_that_stands_still() {
    let mut outbox = Outbox::default();
    let first = outbox.next_number(BEGINNING);
    assert_eq!(first, BEGINNING.as_millis());
    assert_eq!(outbox.next_number(BEGINNING), first + 1);
    let mut restarted = Outbox::default();
    restarted.connect(false, first + 100);
    assert_eq!(
        restarted.next_number(BEGINNING),
        first + 101,
        "the clock was set back"
    );
}

#[test]
fn of_a_firewall_that_changes_all_the_time_one_version_is_under_way() {
    let (mut outbox, mut task) = (Outbox::default(), task());
    task.last = LastStatus::Running;
    assert!(outbox.needs_firewall(&task, 1, BEGINNING));
    outbox.sent_firewall(&task, 1, "m1", BEGINNING);
    for version in 1..100 {
        assert!(!outbox.needs_firewall(&task, version, after(59)), "{version}");
    }
    assert!(
        outbox.needs_firewall(&task, 99, after(60)),
        "late: sent again as it is by now"
    );
    outbox.sent_firewall(&task, 99, "m2", after(60));
    assert!(!outbox.acknowledge("m1"), "of the one before");
    assert!(!outbox.needs_firewall(&task, 100, after(61)));
    assert!(outbox.acknowledge("m2"));
    assert!(!outbox.needs_firewall(&task, 99, after(600)));
    assert!(outbox.needs_firewall(&task, 100, after(61)));
}
