mod naive;

use std::collections::BTreeMap;

use portcullis_core::AccountId;
use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::Strategy as Generator;

use super::*;
use crate::schedule::fixtures;
use crate::world::Snapshot;
use crate::world::records::ecs::{InstanceStatus, RegisteredResources, ZONE_ATTRIBUTE};

/// An instance as a test describes it.
#[derive(Debug, Clone)]
struct Machine {
    connected: bool,
    cpu: i32,
    memory: i32,
    zone: Option<&'static str>,
    capable: bool,
    used_port: Option<u16>,
    in_group: u32,
    tasks: i32,
}

const ROOMY: Machine = Machine {
    connected: true,
    cpu: 1024,
    memory: 1024,
    zone: Some("a"),
    capable: true,
    used_port: None,
    in_group: 0,
    tasks: 0,
};

fn instance(index: usize, machine: &Machine) -> ContainerInstance {
    let zone = machine
        .zone
        .map(|zone| ("zone".to_owned(), Some(zone.to_owned())));
    let capability = machine.capable.then(|| ("capability".to_owned(), None));
    ContainerInstance {
        region: "us-east-1".parse().unwrap(),
        cluster: "c".to_owned(),
        id: index.to_string(),
        arn: format!("arn:aws:ecs:us-east-1:123456789012:container-instance/c/{index}")
            .parse()
            .unwrap(),
        ec2_instance_id: None,
        status: InstanceStatus::Active,
        agent_connected: machine.connected,
        version: 1,
        versions_granted: 1,
        version_info: portcullis_api::ecs::VersionInfo::default(),
        resources: RegisteredResources {
            cpu: machine.cpu,
            memory: machine.memory,
            ..Default::default()
        },
        attributes: zone.into_iter().chain(capability).collect::<BTreeMap<_, _>>(),
        registered_attributes: BTreeSet::new(),
        registered_at: Timestamp::from_seconds(0),
        tags: portcullis_core::Tags::new(),
        client_token: None,
        registered_by: None,
        agent: Default::default(),
        agent_update: None,
    }
}

fn demand(cpu: i32, memory: i32, port: Option<u16>) -> Demand<'static> {
    let ports = port.into_iter().collect();
    Demand {
        zones: Vec::new(),
        reservation: Reservation {
            interfaces: 0,
            cpu,
            memory,
            ports,
            udp_ports: BTreeSet::new(),
        },
        gpu: false,
        attributes: vec![("capability", None)],
        starter: None,
        group: "g",
        constraints: Vec::new(),
        strategies: Vec::new(),
    }
}

/// What comes of it, by the numbers of the machines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Placed {
    placed: Vec<usize>,
    failures: Vec<(usize, Reason)>,
}

/// A cluster of these machines: their tasks are records, so that everything derived is derived by the world itself.
fn picture(machines: &[Machine]) -> Snapshot {
    let account: AccountId = "123456789012".parse().unwrap();
    let mut view = Snapshot::empty(account);
    for (index, machine) in machines.iter().enumerate() {
        view.keep(instance(index, machine));
        let grouped = usize::try_from(machine.in_group).unwrap();
        let tasks = usize::try_from(machine.tasks).unwrap().max(grouped);
        for number in 0..tasks {
            let mut task = fixtures::task();
            task.id = format!("{index}-{number}");
            task.container_instance = index.to_string();
            "c".clone_into(&mut task.cluster);
            task.group = if number < grouped {
                "g".to_owned()
            } else {
                "other".to_owned()
            };
            if number == 0 {
                task.reservation.ports = machine.used_port.into_iter().collect();
            }
            view.keep(task);
        }
        if let (0, Some(port)) = (tasks, machine.used_port) {
            let mut taken = instance(index, machine);
            taken.resources.ports.insert(port);
            view.keep(taken);
        }
    }
    view
}

fn place_on(machines: &[Machine], demand: &Demand<'_>, count: usize) -> Placed {
    let view = picture(machines);
    let hosts = Hosts::Kind(HostKind::Ec2);
    let found = place(&view, "us-east-1/c", &hosts, demand, count, &mut |_| 0);
    let index = |one: &ContainerInstance| one.id.parse::<usize>().unwrap();
    let failures = found.failures.iter().map(|(one, reason)| (index(one), *reason));
    Placed {
        placed: found.placed.iter().map(|one| index(one)).collect(),
        failures: failures.collect(),
    }
}

fn naively(machines: &[Machine], demand: &Demand<'_>, count: usize) -> Placed {
    let view = picture(machines);
    let instances: Vec<_> = (0..machines.len())
        .map(|index| {
            view.ecs
                .container_instances
                .get(&format!("us-east-1/c/{index}"))
                .unwrap()
        })
        .collect();
    let mut candidates: Vec<_> = instances
        .iter()
        .map(|one| Candidate::of(&view, &format!("us-east-1/c/{}", one.id), demand, one))
        .collect();
    let found = naive::place(demand, &mut candidates, count, &mut |_| 0);
    Placed {
        placed: found.placed,
        failures: found.failures,
    }
}

#[test]
fn every_reason_has_its_instance() {
    let cases = [
        (
            Machine {
                connected: false,
                ..ROOMY
            },
            demand(1, 1, None),
            Reason::Agent,
        ),
        (ROOMY, demand(1025, 1, None), Reason::Cpu),
        (ROOMY, demand(1, 1025, None), Reason::Memory),
        (
            Machine {
                used_port: Some(80),
                ..ROOMY
            },
            demand(1, 1, Some(80)),
            Reason::Ports,
        ),
        (
            ROOMY,
            Demand {
                gpu: true,
                ..demand(1, 1, None)
            },
            Reason::Gpu,
        ),
        (
            Machine {
                capable: false,
                ..ROOMY
            },
            demand(1, 1, None),
            Reason::Attribute,
        ),
        (
            ROOMY,
            Demand {
                attributes: vec![("zone", Some("b"))],
                ..demand(1, 1, None)
            },
            Reason::Attribute,
        ),
        (
            Machine { in_group: 1, ..ROOMY },
            Demand {
                constraints: vec![Constraint::DistinctInstance],
                ..demand(1, 1, None)
            },
            Reason::DistinctInstance,
        ),
        (
            ROOMY,
            Demand {
                constraints: vec![member_of("attribute:zone == b")],
                ..demand(1, 1, None)
            },
            Reason::MemberOf,
        ),
    ];
    for (machine, demand, reason) in cases {
        let placement = place_on(&[machine], &demand, 2);
        assert_eq!(
            placement,
            Placed {
                placed: Vec::new(),
                failures: vec![(0, reason), (0, reason)]
            }
        );
    }
}

fn member_of(text: &str) -> Constraint {
    Constraint::MemberOf(Expression::parse(text).unwrap())
}

#[test]
fn strategies_decide_in_their_order() {
    let machines = [
        Machine {
            zone: Some("a"),
            memory: 512,
            in_group: 1,
            ..ROOMY
        },
        Machine {
            zone: Some("a"),
            memory: 256,
            ..ROOMY
        },
        Machine {
            zone: Some("b"),
            memory: 512,
            ..ROOMY
        },
        Machine {
            zone: Some("b"),
            memory: 300,
            cpu: 100,
            ..ROOMY
        },
    ];
    let by_zone = Strategy::SpreadAttribute("zone".to_owned());
    let cases = [
        (vec![Strategy::BinpackMemory], vec![1, 1]),
        (vec![Strategy::BinpackCpu], vec![3, 3]),
        (vec![by_zone.clone(), Strategy::BinpackMemory], vec![3, 3]),
        (
            vec![Strategy::SpreadInstances, Strategy::BinpackMemory],
            vec![1, 3],
        ),
        (vec![by_zone, Strategy::SpreadInstances], vec![2, 1]),
        (vec![Strategy::Random], vec![0, 0]),
        (Vec::new(), vec![1, 2]),
    ];
    for (strategies, expected) in cases {
        let demand = Demand {
            strategies: strategies.clone(),
            ..demand(10, 100, None)
        };
        assert_eq!(place_on(&machines, &demand, 2).placed, expected, "{strategies:?}");
    }
}

#[test]
fn tasks_of_one_call_count_for_each_other() {
    let machines = [ROOMY, ROOMY];
    let distinct = Demand {
        constraints: vec![Constraint::DistinctInstance],
        ..demand(1, 1, None)
    };
    assert_eq!(place_on(&machines, &distinct, 3).placed, [0, 1]);
    let port = demand(1, 1, Some(80));
    assert_eq!(place_on(&machines, &port, 3).placed, [0, 1]);
    let together = Demand {
        constraints: vec![member_of("not(task:group == g)")],
        ..demand(1, 1, None)
    };
    assert_eq!(place_on(&machines, &together, 3).placed, [0, 1]);
}

/// A task counts once for the next one of its call: after the first both have two tasks, and the first of equals wins.
#[test]
fn a_task_just_placed_counts_once_among_the_tasks_of_its_instance() {
    let machine = |cpu, memory, tasks| Machine {
        cpu,
        memory,
        tasks,
        zone: None,
        ..ROOMY
    };
    let machines = [machine(210, 45, 1), machine(70, 15, 2)];
    let demand = demand(1, 1, None);
    assert_eq!(place_on(&machines, &demand, 2).placed, [0, 0]);
    assert_eq!(naively(&machines, &demand, 2).placed, [0, 0]);
    assert_eq!(place_on(&machines, &demand, 3).placed, [0, 0, 1]);
}

/// What is left of each machine, placed upon without any cleverness.
fn naive(machines: &[Machine], demand: &Demand<'_>, count: usize) -> (usize, Vec<(i32, i32, bool)>) {
    let port = demand.reservation.ports.first().copied();
    let mut left: Vec<_> = machines
        .iter()
        .map(|one| (one.cpu, one.memory, port.is_some() && one.used_port == port))
        .collect();
    let mut placed = 0;
    for _ in 0..count {
        let fits = |(machine, left): (&Machine, &mut (i32, i32, bool))| {
            let free = !left.2 && left.0 >= demand.reservation.cpu && left.1 >= demand.reservation.memory;
            (machine.connected && machine.capable && free).then_some(())?;
            left.0 -= demand.reservation.cpu;
            left.1 -= demand.reservation.memory;
            left.2 = port.is_some();
            Some(())
        };
        placed += usize::from(machines.iter().zip(&mut left).find_map(fits).is_some());
    }
    (placed, left)
}

fn any_machine() -> impl Generator<Value = Machine> {
    (
        any::<bool>(),
        0..500_i32,
        0..500_i32,
        0..3_usize,
        prop::bool::weighted(0.8),
        any::<bool>(),
        0..3_u32,
        0..5_i32,
    )
        .prop_map(
            |(connected, cpu, memory, zone, capable, taken, in_group, tasks)| Machine {
                connected,
                cpu,
                memory,
                zone: [None, Some("a"), Some("b")][zone],
                capable,
                used_port: taken.then_some(80),
                in_group,
                tasks,
            },
        )
}

fn any_strategies() -> impl Generator<Value = Vec<Strategy>> {
    let each = prop::sample::select(vec![
        Strategy::Random,
        Strategy::SpreadInstances,
        Strategy::SpreadAttribute("zone".to_owned()),
        Strategy::BinpackCpu,
        Strategy::BinpackMemory,
    ]);
    prop::collection::vec(each, 0..3)
}

proptest! {
    /// With equal tasks every greedy order places equally many, whatever is preferred.
    #[test]
    fn as_many_are_placed_as_the_naive_model_places(
        machines in prop::collection::vec(any_machine(), 0..6),
        cpu in 1..300_i32,
        memory in 1..300_i32,
        port in prop::option::of(Just(80_u16)),
        count in 0..8_usize,
        strategies in any_strategies(),
    ) {
        let demand = Demand { strategies, ..demand(cpu, memory, port) };
        let placement = place_on(&machines, &demand, count);
        let (expected, _) = naive(&machines, &demand, count);
        prop_assert_eq!(placement.placed.len(), expected);
        prop_assert_eq!(placement.failures.len(), (count - expected) * machines.len());
        for (at, machine) in machines.iter().enumerate() {
            let here = placement.placed.iter().filter(|placed| **placed == at).count() as i32;
            prop_assert!(here == 0 || machine.connected && machine.capable);
            prop_assert!(here * cpu <= machine.cpu && here * memory <= machine.memory);
            prop_assert!(port.is_none() || here <= i32::from(machine.used_port.is_none()));
        }
    }

    /// No instance among those that fit is better than the one chosen.
    #[test]
    fn the_choice_is_the_best_by_the_first_strategy(
        machines in prop::collection::vec(any_machine(), 1..6),
        strategies in any_strategies(),
    ) {
        let demand = Demand { strategies: strategies.clone(), ..demand(1, 1, None) };
        let chosen = place_on(&machines, &demand, 1).placed.first().copied();
        let fits = |one: &Machine| one.connected && one.capable && one.cpu >= 1 && one.memory >= 1;
        let in_zone = |zone| machines.iter().filter(|one| one.zone == zone).map(|one| i64::from(one.in_group)).sum::<i64>();
        let measure = |one: &Machine| match strategies.first() {
            None => i64::from(one.tasks).max(i64::from(one.in_group)),
            Some(Strategy::Random) => 0,
            Some(Strategy::SpreadInstances) => i64::from(one.in_group),
            Some(Strategy::SpreadAttribute(_)) => in_zone(one.zone),
            Some(Strategy::BinpackCpu) => i64::from(one.cpu),
            Some(Strategy::BinpackMemory) => i64::from(one.memory),
        };
        let best = machines.iter().filter(|one| fits(one)).map(measure).min();
        prop_assert_eq!(chosen.map(|at| measure(&machines[at])), best);
    }

    /// The quick choice and the plain model agree on every instance and every failure.
    #[test]
    fn the_quick_choice_is_the_one_of_the_plain_model(
        machines in prop::collection::vec(any_machine(), 0..8),
        cpu in 1..300_i32,
        memory in 1..300_i32,
        port in prop::option::of(Just(80_u16)),
        count in 0..8_usize,
        strategies in any_strategies(),
        distinct in any::<bool>(),
        member in prop::option::of(prop::sample::select(vec![
            "attribute:zone == a",
            "not(task:group == g)",
            "runningTasksCount < 2",
            "agentConnected == true and attribute:zone !exists",
        ])),
    ) {
        let mut demand = Demand { strategies, ..demand(cpu, memory, port) };
        demand.constraints.extend(distinct.then_some(Constraint::DistinctInstance));
        demand.constraints.extend(member.map(member_of));
        prop_assert_eq!(place_on(&machines, &demand, count), naively(&machines, &demand, count));
    }
}

#[test]
fn many_instances_that_refuse_are_looked_at_once() {
    let mut machines: Vec<_> = (0..300)
        .map(|number| Machine {
            cpu: 1_000 + number,
            capable: false,
            ..ROOMY
        })
        .collect();
    machines.push(Machine { cpu: 5_000, ..ROOMY });
    let demand = Demand {
        strategies: vec![Strategy::BinpackCpu],
        ..demand(10, 10, None)
    };
    assert_eq!(place_on(&machines, &demand, 2).placed, [300, 300]);
}

#[test]
fn hosts_are_asked_by_kind_and_by_auto_scaling_group() {
    let attributes: [&[(&str, Option<&str>)]; 5] = [
        &[],
        &[("ecs.capability.external", None)],
        &[("portcullis.launch-type", Some("FARGATE"))],
        &[("portcullis.launch-type", Some("FARGATE_SPOT"))],
        &[("portcullis.auto-scaling-group", Some("hosts"))],
    ];
    let mut view = picture(&[]);
    for (index, own) in attributes.iter().enumerate() {
        let mut row = instance(index, &ROOMY);
        let own = own
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)));
        row.attributes.extend(own);
        view.keep(row);
    }
    let cases = [
        (Hosts::Kind(HostKind::Ec2), vec!["0", "4"]),
        (Hosts::Kind(HostKind::External), vec!["1"]),
        (Hosts::Kind(HostKind::Fargate), vec!["2"]),
        (Hosts::Kind(HostKind::FargateSpot), vec!["3"]),
        (Hosts::Group("hosts".to_owned()), vec!["4"]),
        (Hosts::Group("none".to_owned()), vec![]),
    ];
    for (hosts, expected) in cases {
        let distinct = Demand {
            constraints: vec![Constraint::DistinctInstance],
            ..demand(1, 1, None)
        };
        let found = place(&view, "us-east-1/c", &hosts, &distinct, 5, &mut |_| 0);
        let placed: Vec<_> = found.placed.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(placed, expected, "{hosts:?}");
        assert_eq!(
            has_hosts(&view, "us-east-1/c", &hosts),
            !expected.is_empty(),
            "{hosts:?}"
        );
    }
}

#[test]
fn spreading_over_zones_counts_the_tasks_that_are_there() {
    let in_zone = |zone: &str, in_group: u32| {
        let mut row = instance(0, &Machine { in_group, ..ROOMY });
        row.attributes
            .insert(ZONE_ATTRIBUTE.to_owned(), Some(zone.to_owned()));
        row
    };
    let mut view = picture(&[Machine { in_group: 2, ..ROOMY }]);
    for (index, zone) in ["1a", "1b", "1b", "1c"].into_iter().enumerate() {
        let mut row = in_zone(zone, 0);
        row.id = index.to_string();
        view.keep(row);
    }
    let demand = Demand {
        strategies: vec![
            Strategy::SpreadAttribute(ZONE_ATTRIBUTE.to_owned()),
            Strategy::SpreadInstances,
        ],
        ..demand(1, 1, None)
    };
    let found = place(
        &view,
        "us-east-1/c",
        &Hosts::Kind(HostKind::Ec2),
        &demand,
        5,
        &mut |_| 0,
    );
    let placed: Vec<_> = found.placed.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(placed, ["1", "3", "2", "3", "1"]);
}
