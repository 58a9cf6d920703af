//! Hosts as they may be, and what is said of them.

use std::net::IpAddr;

use super::findings::{Level, of};
use super::look::{has_address, parse_date, parse_listening};
use super::picture::{Cgroups, Clock, ConfigFile, Docker, Firewall, Picture, Socket};
use super::version::{Version, containerd_shim_is_open, docker_passes_plugins, runc_lets_out};

const GIB: u64 = 1 << 30;

fn engine(engine: &str, containerd: &str, runc: &str) -> Docker {
    Docker::There {
        engine: engine.to_owned(),
        containerd: Some(containerd.to_owned()),
        runc: Some(runc.to_owned()),
    }
}

/// A host as it should be, with our agent on it.
fn healthy() -> Picture {
    Picture {
        is_root: true,
        docker: engine("29.3.1", "2.1.5", "1.3.3"),
        socket: Some(Socket {
            path: "/var/run/docker.sock".to_owned(),
            mode: 0o140_660,
        }),
        listening: vec![
            ("0.0.0.0".parse().unwrap(), 22),
            ("127.0.0.1".parse().unwrap(), 51678),
        ],
        firewall: Firewall {
            has_nft: true,
            has_iptables: true,
            stands: Some(true),
        },
        cgroups: Cgroups::V2,
        has_network_namespaces: true,
        routes_loopback: false,
        has_task_address: true,
        config: Some(ConfigFile {
            path: "/etc/ecs/ecs.config".to_owned(),
            mode: 0o100_644,
            ..ConfigFile::default()
        }),
        clock: Some(Clock::Ahead(-2)),
        disks: vec![("Docker's images", 40 * GIB, 100 * GIB)],
    }
}

fn told(picture: &Picture) -> String {
    let lines: Vec<String> = of(picture).iter().map(super::findings::Finding::line).collect();
    lines.join("\n")
}

#[test]
fn a_healthy_host_is_good_all_over() {
    insta::assert_snapshot!(told(&healthy()));
    assert!(of(&healthy()).iter().all(|finding| finding.level == Level::Good));
}

#[test]
fn a_host_in_a_bad_way_is_told_what_to_do() {
    let any: IpAddr = "0.0.0.0".parse().unwrap();
    let picture = Picture {
        is_root: true,
        docker: engine("20.10.24+dfsg1", "1.4.1", "1.1.5+ds1-1+deb12u1"),
        socket: Some(Socket {
            path: "/var/run/docker.sock".to_owned(),
            mode: 0o140_666,
        }),
        listening: vec![(any, 2375), (any, 51678), ("::1".parse().unwrap(), 2376)],
        firewall: Firewall {
            has_nft: false,
            has_iptables: true,
            stands: Some(false),
        },
        cgroups: Cgroups::V1 { net_cls: false },
        has_network_namespaces: true,
        routes_loopback: true,
        has_task_address: true,
        config: Some(ConfigFile {
            path: "/etc/ecs/ecs.config".to_owned(),
            mode: 0o100_644,
            holds_secrets: true,
            warnings: vec!["ECS_FOO: this agent knows no such variable".to_owned()],
        }),
        clock: Some(Clock::Ahead(400)),
        disks: vec![
            ("Docker's images", GIB / 2, 100 * GIB),
            ("the agent's state", 5 * GIB, 100 * GIB),
        ],
    };
    insta::assert_snapshot!(told(&picture));
}

#[test]
fn a_host_without_anything_is_told_so() {
    let picture = Picture {
        docker: Docker::Away("No such file or directory".to_owned()),
        clock: Some(Clock::Unknown("no answer in 5 s".to_owned())),
        ..Picture::default()
    };
    insta::assert_snapshot!(told(&picture));
}

#[test]
fn walls_and_address_belong_together() {
    let mut levels = Vec::new();
    for has_task_address in [true, false] {
        for stands in [Some(true), Some(false), None] {
            let mut picture = healthy();
            picture.has_task_address = has_task_address;
            picture.firewall.stands = stands;
            let worst = of(&picture)
                .iter()
                .map(|finding| finding.level as u8)
                .max()
                .unwrap();
            levels.push((has_task_address, stands, worst));
        }
    }
    let expected = [
        (true, Some(true), 0),
        (true, Some(false), 2),
        (true, None, 1),
        (false, Some(true), 1),
        (false, Some(false), 0),
        (false, None, 1),
    ];
    assert_eq!(levels, expected);
}

#[test]
fn versions_are_read_and_judged() {
    let judged = |text: &str, judge: fn(Version) -> bool| Version::parse(text).map(judge);
    let runc = [
        ("1.1.12", Some(true)),
        ("1.2.7", Some(true)),
        ("1.2.8", Some(false)),
        ("1.3.2", Some(true)),
        ("1.3.3", Some(false)),
        ("1.3.3-rc.1", Some(true)),
        ("1.4.0-rc.2", Some(true)),
        ("1.4.0-rc.3", Some(false)),
        ("1.4.0", Some(false)),
        ("1.0.0~rc93", Some(true)),
        ("2.0.0", Some(false)),
        ("none", None),
        ("", None),
    ];
    for (text, expected) in runc {
        assert_eq!(judged(text, runc_lets_out), expected, "runc {text}");
    }
    for (text, expected) in [
        ("29.3.0", true),
        ("29.3.1", false),
        ("30.0", false),
        ("20.10.24+dfsg1", true),
    ] {
        assert_eq!(
            judged(text, docker_passes_plugins),
            Some(expected),
            "docker {text}"
        );
    }
    for (text, expected) in [
        ("1.3.8", true),
        ("1.3.9", false),
        ("1.4.2", true),
        ("v1.7.24", false),
    ] {
        assert_eq!(
            judged(text, containerd_shim_is_open),
            Some(expected),
            "containerd {text}"
        );
    }
    assert!(Version::parse("1.1.5+ds1-1+deb12u1").unwrap().is_distribution);
    assert!(!Version::parse("1.3.3-rc.1").unwrap().is_distribution);
}

#[test]
fn the_kernels_tables_are_read() {
    let table = "  sl  local_address rem_address   st tx_queue\n\
        \x20  0: 00000000:0947 00000000:0000 0A 00000000:00000000\n\
        \x20  1: 0100007F:C9DE 00000000:0000 0A 00000000:00000000\n\
        \x20  2: 0100007F:C9DE 0100007F:1234 01 00000000:00000000\n\
        \x20  x: nonsense\n";
    let wanted: Vec<(IpAddr, u16)> = vec![
        ("0.0.0.0".parse().unwrap(), 2375),
        ("127.0.0.1".parse().unwrap(), 51678),
    ];
    assert_eq!(parse_listening(table), wanted);
    let table = "  sl\n   0: 00000000000000000000000001000000:0948 0:0000 0A 0\n";
    assert_eq!(parse_listening(table), [("::1".parse().unwrap(), 2376)]);
    let trie = "Local:\n     |-- 169.254.170.2\n        /32 host LOCAL\n     |-- 169.254.170.20\n        /32 link UNICAST\n";
    assert!(has_address(trie, "169.254.170.2"));
    assert!(!has_address(trie, "169.254.170.20"));
    assert!(!has_address("", "169.254.170.2"));
    let date = parse_date("Sun, 22 Nov 2026 14:02:11 GMT").unwrap();
    assert_eq!(date.to_iso(), "2026-11-22T14:02:11Z");
    assert_eq!(parse_date("yesterday"), None);
}
