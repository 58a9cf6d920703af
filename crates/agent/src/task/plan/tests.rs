//! The life-cycle rules of agent.md 8, one table row or short story each.

use proptest::prelude::*;

use super::super::model::Definition;
use super::super::namespaces::Namespaces;
use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_000);

pub(crate) fn container(name: &str, essential: bool, depends_on: &[(&str, Condition)]) -> Container {
    let depends_on = depends_on
        .iter()
        .map(|(container, condition)| Dependency {
            container: (*container).to_owned(),
            condition: *condition,
        })
        .collect();
    Container {
        definition: Definition {
            name: name.to_owned(),
            essential,
            depends_on,
            ..Definition::default()
        },
        // Most rules are about what comes after the image is here.
        resolved: true,
        pulled: true,
        ..Container::default()
    }
}

pub(crate) fn task(containers: Vec<Container>) -> Task {
    Task {
        arn: "arn:aws:ecs:us-west-2:111122223333:task/probe/aaaa".into(),
        cluster_arn: None,
        family: "fam".into(),
        version: "1".into(),
        desired: Desired::Running,
        launch_type: None,
        network_mode: None,
        cpu: None,
        memory: None,
        service_name: None,
        interface: None,
        namespaces: Namespaces::default(),
        volumes: Vec::new(),
        containers,
        credentials_id: None,
        execution_credentials_id: None,
        failure: None,
        pull_started_at: None,
        pull_stopped_at: None,
        execution_stopped_at: None,
        stopped_at: None,
        cleanup_at: None,
        pending_reported: false,
        ran: false,
        reported: Known::None,
    }
}

fn start(name: &str) -> Step {
    Step::Start(name.to_owned())
}

fn stop(name: &str) -> Step {
    Step::Stop(name.to_owned())
}

fn runs(task: &mut Task, name: &str) {
    let container = task.container_mut(name).unwrap();
    (container.known, container.started, container.started_at) = (Known::Running, true, Some(NOW));
}

fn ends(task: &mut Task, name: &str, exit_code: i32) {
    let container = task.container_mut(name).unwrap();
    (container.known, container.exit_code, container.finished_at) =
        (Known::Stopped, Some(exit_code), Some(NOW));
}

#[test]
fn agent_8_independent_containers_start_together_and_busy_ones_are_left_alone() {
    let mut task = task(vec![container("a", true, &[]), container("b", false, &[])]);
    assert_eq!(advance(&mut task, NOW, Pulls::InOrder), [start("a"), start("b")]);
    task.container_mut("a").unwrap().busy = true;
    assert_eq!(advance(&mut task, NOW, Pulls::InOrder), [start("b")]);
}

#[test]
fn agent_8_conditions_hold_the_dependent_back_until_met() {
    type Change = fn(&mut Task);
    let cases: [(Condition, Change, bool); 8] = [
        (Condition::Start, |_| {}, false),
        (Condition::Start, |task| runs(task, "dep"), true),
        (Condition::Start, |task| ends(task, "dep", 1), true),
        (Condition::Complete, |task| runs(task, "dep"), false),
        (Condition::Complete, |task| ends(task, "dep", 3), true),
        (Condition::Success, |task| ends(task, "dep", 0), true),
        (Condition::Healthy, |task| runs(task, "dep"), false),
        (
            Condition::Healthy,
            |task| {
                runs(task, "dep");
                task.container_mut("dep").unwrap().health = Health::Healthy;
            },
            true,
        ),
    ];
    for (condition, change, starts) in cases {
        let mut task = task(vec![
            container("main", true, &[("dep", condition)]),
            container("dep", false, &[]),
        ]);
        change(&mut task);
        assert_eq!(
            advance(&mut task, NOW, Pulls::InOrder).contains(&start("main")),
            starts,
            "{condition:?}"
        );
    }
}

#[test]
fn agent_8_failed_dependency_ends_the_dependent_with_143_and_the_task_with_it() {
    let mut task = task(vec![
        container("main", true, &[("init", Condition::Success)]),
        container("init", false, &[]),
    ]);
    runs(&mut task, "init");
    ends(&mut task, "init", 9);
    assert_eq!(advance(&mut task, NOW, Pulls::InOrder), []);
    let main = task.container("main").unwrap();
    assert_eq!(main.exit_code, Some(143));
    assert!(
        main.reason
            .as_ref()
            .unwrap()
            .ends_with("as dependency did not exit successfully.")
    );
    assert_eq!((task.known(), task.ran), (Known::Stopped, false));
}

#[test]
fn agent_8_start_timeout_of_the_dependency_applies() {
    let mut task = task(vec![
        container("main", true, &[("init", Condition::Complete)]),
        container("init", false, &[]),
    ]);
    runs(&mut task, "init");
    task.container_mut("init").unwrap().definition.start_timeout = Some(10);
    assert_eq!(advance(&mut task, NOW.plus_seconds(9), Pulls::InOrder), []);
    assert_eq!(task.container("main").unwrap().known, Known::None);
    assert_eq!(
        advance(&mut task, NOW.plus_seconds(10), Pulls::InOrder),
        [stop("init")]
    );
    assert!(
        task.container("main")
            .unwrap()
            .reason
            .as_ref()
            .unwrap()
            .ends_with("has timed out.")
    );
}

#[test]
fn agent_8_essential_end_stops_the_others_in_reverse_order() {
    let mut task = task(vec![
        container("db", false, &[]),
        container("web", false, &[("db", Condition::Start)]),
        container("main", true, &[]),
    ]);
    for name in ["db", "web", "main"] {
        runs(&mut task, name);
    }
    assert_eq!(advance(&mut task, NOW, Pulls::InOrder), []);
    assert!(task.ran);
    ends(&mut task, "main", 7);
    assert_eq!(advance(&mut task, NOW, Pulls::InOrder), [stop("web")]);
    assert_eq!((task.desired, task.known()), (Desired::Stopped, Known::Running));
    ends(&mut task, "web", 143);
    assert_eq!(advance(&mut task, NOW, Pulls::InOrder), [stop("db")]);
    ends(&mut task, "db", 143);
    assert_eq!(advance(&mut task, NOW, Pulls::InOrder), []);
    assert_eq!(
        (task.known(), task.stopped_at, task.execution_stopped_at),
        (Known::Stopped, Some(NOW), Some(NOW))
    );
}

#[test]
fn agent_8_all_images_are_looked_up_before_any_is_pulled_and_pulls_keep_the_order() {
    let build = || {
        let mut task = task(vec![
            container("main", true, &[("init", Condition::Success)]),
            container("init", false, &[]),
        ]);
        for container in &mut task.containers {
            (container.resolved, container.pulled) = (false, false);
        }
        task
    };
    let mut task = build();
    let resolve = |name: &str| Step::Resolve(name.to_owned());
    let pull = |name: &str| Step::Pull(name.to_owned());
    let steps = advance(&mut task, NOW, Pulls::InOrder);
    assert_eq!(steps, [resolve("main"), resolve("init")]);
    task.container_mut("main").unwrap().resolved = true;
    task.container_mut("init").unwrap().busy = true;
    assert_eq!(advance(&mut task, NOW, Pulls::InOrder), []);
    let init = task.container_mut("init").unwrap();
    (init.busy, init.resolved) = (false, true);
    assert_eq!(advance(&mut task.clone(), NOW, Pulls::InOrder), [pull("init")]);
    assert_eq!(
        advance(&mut task.clone(), NOW, Pulls::Upfront),
        [pull("main"), pull("init")]
    );
    task.container_mut("main").unwrap().pulled = true;
    task.container_mut("init").unwrap().pulled = true;
    assert_eq!(advance(&mut task, NOW, Pulls::Upfront), [start("init")]);
}

#[test]
fn agent_8_a_pull_is_cut_short_when_the_task_is_to_stop() {
    let mut task = task(vec![container("main", true, &[])]);
    let main = task.container_mut("main").unwrap();
    (main.pulled, main.busy) = (false, true);
    let of = |has_failed| Brought {
        arn: "ARN",
        is_fargate: false,
        has_failed,
    };
    assert!(cut_pull(main, &of(false), NOW));
    assert_eq!(
        main.reason.as_deref(),
        Some("TaskStoppedBeforePullBeginError: Task stopped before image pull could begin for task: ARN")
    );
    (main.known, main.pulled, main.busy) = (Known::None, true, true);
    assert!(!cut_pull(main, &of(false), NOW), "a start is waited for");
    (main.pulled, main.reason) = (false, None);
    assert!(cut_pull(main, &of(true), NOW));
    assert_eq!(main.reason, None, "the task says why");
}

#[test]
fn what_the_engine_may_have_started_is_stopped_and_not_given_up() {
    let mut task = task(vec![container("main", true, &[])]);
    task.desired = Desired::Stopped;
    task.container_mut("main").unwrap().attempted = true;
    assert_eq!(advance(&mut task, NOW, Pulls::InOrder), [stop("main")]);
    let main = task.container_mut("main").unwrap();
    (main.known, main.doubtful) = (Known::Stopped, true);
    assert_eq!(advance(&mut task, NOW, Pulls::InOrder), [stop("main")]);
}

#[test]
fn agent_8_non_essential_end_changes_nothing() {
    let mut task = task(vec![container("main", true, &[]), container("side", false, &[])]);
    runs(&mut task, "main");
    runs(&mut task, "side");
    ends(&mut task, "side", 1);
    assert_eq!(advance(&mut task, NOW, Pulls::InOrder), []);
    assert_eq!(
        (task.desired, task.known(), task.ran),
        (Desired::Running, Known::Running, true)
    );
}

#[test]
fn agent_8_stop_before_start_ends_without_an_exit_code() {
    let mut task = task(vec![container("main", true, &[])]);
    task.desired = Desired::Stopped;
    assert_eq!(advance(&mut task, NOW, Pulls::InOrder), []);
    let main = task.container("main").unwrap();
    assert_eq!(
        (main.known, main.exit_code, main.reason.as_ref()),
        (Known::Stopped, None, None)
    );
    assert!(!task.ran);
}

#[test]
fn agent_8_circles_and_unknown_names_cannot_be_resolved() {
    let with = |a: &[(&str, Condition)], b: &[(&str, Condition)]| {
        dependencies_resolvable(&task(vec![container("a", true, a), container("b", true, b)]))
    };
    assert!(with(&[], &[("a", Condition::Start)]));
    assert!(!with(&[("b", Condition::Start)], &[("a", Condition::Start)]));
    assert!(!with(&[("ghost", Condition::Start)], &[]));
}

/// Containers may only depend on those before them; each has a condition per dependency, an exit code, and may fail
/// to start or end by itself.
#[derive(Debug, Clone)]
struct Life {
    essential: bool,
    depends_on: Vec<(prop::sample::Index, Condition)>,
    exit_code: i32,
    starts: bool,
    ends_by_itself: bool,
    wants: bool,
}

fn life() -> impl Strategy<Value = Life> {
    let condition = prop::sample::select(vec![Condition::Start, Condition::Complete, Condition::Success]);
    let depends_on = prop::collection::vec((any::<prop::sample::Index>(), condition), 0..3);
    (
        any::<bool>(),
        depends_on,
        0..2_i32,
        prop::bool::weighted(0.9),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(essential, depends_on, exit_code, starts, ends_by_itself, wants)| Life {
                essential,
                depends_on,
                exit_code,
                starts,
                ends_by_itself,
                wants,
            },
        )
}

fn build(lives: &[Life]) -> Task {
    let names: Vec<_> = (0..lives.len()).map(|index| format!("c{index}")).collect();
    let containers = lives.iter().enumerate().map(|(index, life)| {
        let on = life.depends_on.iter().filter(|_| index > 0);
        let on: Vec<_> = on
            .map(|(which, condition)| (names[which.index(index)].as_str(), *condition))
            .collect();
        Container {
            resolved: false,
            pulled: false,
            ..container(&names[index], life.essential, &on)
        }
    });
    let mut task = task(containers.collect());
    for (name, _) in names.iter().zip(lives).filter(|(_, life)| life.wants) {
        wanting(&mut task, name);
    }
    task
}

fn life_of<'a>(lives: &'a [Life], name: &str) -> &'a Life {
    &lives[name.trim_start_matches('c').parse::<usize>().unwrap()]
}

/// Whether the rules of agent.md 8 allow this step now, said again in the plainest way.
fn is_allowed(task: &Task, step: &Step) -> bool {
    let looked_up = |c: &Container| c.resolved || c.known != Known::None;
    match step {
        Step::Restart(_) => true,
        Step::Supply(name) => !task.container(name).unwrap().resolved,
        Step::Resolve(name) => !task.awaits_supplies(task.container(name).unwrap()),
        Step::Pull(_) | Step::Start(_) if !task.containers.iter().all(looked_up) => false,
        Step::Start(name) if !task.container(name).unwrap().pulled => false,
        Step::Pull(name) | Step::Start(name) => task
            .container(name)
            .unwrap()
            .definition
            .depends_on
            .iter()
            .all(|on| {
                let other = task.container(&on.container).unwrap();
                match on.condition {
                    Condition::Start => other.known != Known::None,
                    Condition::Complete => other.known == Known::Stopped,
                    Condition::Success => other.known == Known::Stopped && other.exit_code == Some(0),
                    Condition::Healthy => false,
                }
            }),
        Step::Stop(name) => {
            let depends =
                |other: &&Container| other.definition.depends_on.iter().any(|on| on.container == *name);
            task.containers
                .iter()
                .filter(depends)
                .all(|other| other.known == Known::Stopped)
        }
    }
}

proptest! {
    #[test]
    fn agent_8_every_life_ends_and_no_step_is_out_of_order(
        lives in prop::collection::vec(life(), 1..6),
        stop_after in 0..8_usize,
    ) {
        let mut task = build(&lives);
        for round in 0..40 {
            if round == stop_after {
                task.desired = Desired::Stopped;
            }
            for step in advance(&mut task, NOW, Pulls::InOrder) {
                prop_assert!(is_allowed(&task, &step), "{step:?} in {task:?}");
                let name = step.container();
                let life = life_of(&lives, name);
                let container = task.container_mut(name).unwrap();
                match &step {
                    Step::Supply(_) => container.supplied = true,
                    Step::Resolve(_) => container.resolved = true,
                    Step::Pull(_) => container.pulled = true,
                    Step::Start(_) if life.starts => runs(&mut task, name),
                    Step::Start(_) => container.known = Known::Stopped,
                    Step::Stop(_) => ends(&mut task, name, 143),
                    Step::Restart(_) => panic!("nobody asked for it"),
                }
            }
            let over: Vec<_> = task
                .containers
                .iter()
                .filter(|c| c.known == Known::Running)
                .map(|c| c.definition.name.clone())
                .filter(|name| life_of(&lives, name).ends_by_itself)
                .take(1)
                .collect();
            for name in over {
                let code = life_of(&lives, &name).exit_code;
                ends(&mut task, &name, code);
            }
        }
        prop_assert_eq!(task.known(), Known::Stopped);
        prop_assert!(advance(&mut task, NOW, Pulls::InOrder).is_empty());
    }
}

fn wanting(task: &mut Task, name: &str) {
    let login = crate::supplies::WantedLogin::Secret {
        arn: "arn".into(),
        region: "us-west-2".into(),
    };
    task.container_mut(name).unwrap().definition.supplies.login = Some(login);
}

#[test]
fn agent_6_what_is_fetched_comes_before_any_image() {
    let mut task = task(vec![container("main", true, &[]), container("side", false, &[])]);
    for one in &mut task.containers {
        (one.resolved, one.pulled) = (false, false);
    }
    wanting(&mut task, "main");
    assert_eq!(
        advance(&mut task, NOW, Pulls::InOrder),
        [Step::Supply("main".into()), Step::Resolve("side".into())]
    );
    (task.containers[0].supplied, task.containers[1].resolved) = (true, true);
    assert_eq!(
        advance(&mut task, NOW, Pulls::InOrder),
        [Step::Resolve("main".into())],
        "nothing is pulled before"
    );
}

#[test]
fn a_container_that_starts_again_gets_its_values_anew_where_they_are_gone() {
    let mut task = task(vec![container("main", true, &[])]);
    wanting(&mut task, "main");
    let main = task.container_mut("main").unwrap();
    (main.known, main.restart_due) = (Known::Running, true);
    assert_eq!(
        advance(&mut task, NOW, Pulls::InOrder),
        [Step::Supply("main".into())]
    );
    task.container_mut("main").unwrap().supplied = true;
    assert_eq!(
        advance(&mut task, NOW, Pulls::InOrder),
        [Step::Restart("main".into())]
    );
}
