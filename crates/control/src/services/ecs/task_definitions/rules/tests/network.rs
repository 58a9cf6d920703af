//! Network modes and ports.

use serde_json::json;

use super::{check_all, plain, set, verdict};

#[test]
fn ports_are_checked() {
    let ports = "containerDefinitions.0.portMappings";
    check_all(
        plain,
        vec![
            (
                ports,
                json!([{ "containerPort": 80 }, { "containerPortRange": "100-200" }]),
                "",
            ),
            (
                ports,
                json!([{}]),
                "containerPort or containerPortRange must be specified.",
            ),
            (
                ports,
                json!([{ "containerPort": 0 }]),
                "Invalid port '0'. Ports are numbers from 1 to 65535.",
            ),
            (
                ports,
                json!([{ "containerPort": 1, "hostPort": 65536 }]),
                "Invalid port '65536'. Ports are numbers from 1 to 65535.",
            ),
            (
                ports,
                json!([{ "containerPort": 80, "containerPortRange": "1-2" }]),
                "cannot specify both single port and port range",
            ),
            (
                ports,
                json!([{ "containerPortRange": "2-1" }]),
                "Invalid containerPortRange '2-1'.",
            ),
            (
                ports,
                json!([{ "containerPort": 80 }, { "containerPort": 80, "protocol": "udp" }]),
                "Port '80' is mapped more than once in container 'app'.",
            ),
            (
                ports,
                json!([{ "containerPort": 80, "name": "-a" }]),
                "port mapping name contains invalid characters: -a",
            ),
            (
                ports,
                json!([{ "containerPort": 80, "name": "a" }, { "containerPort": 81, "name": "a" }]),
                "port mapping name is already used: a",
            ),
        ],
    );
}

#[test]
fn host_ports_match_the_network_mode() {
    let ports = "containerDefinitions.0.portMappings";
    let with_mode = |mode: &str, host: i32| {
        let mut definition = plain();
        set(&mut definition, "networkMode", json!(mode));
        set(
            &mut definition,
            ports,
            json!([{ "containerPort": 80, "hostPort": host }]),
        );
        verdict(&definition)
    };
    assert_eq!(with_mode("bridge", 8080), Ok(()));
    for mode in ["host", "awsvpc"] {
        assert_eq!(with_mode(mode, 80), Ok(()), "{mode}");
        let text = format!(
            "When networkMode={mode}, the host ports and container ports in port mappings must match."
        );
        assert_eq!(with_mode(mode, 8080), Err(text));
    }
    assert_eq!(
        with_mode("none", 80),
        Err("When networkMode=none, port mappings are not supported.".to_owned())
    );
}

#[test]
fn awsvpc_containers_have_no_network_of_their_own() {
    let awsvpc = || {
        let mut definition = plain();
        set(&mut definition, "networkMode", json!("awsvpc"));
        definition
    };
    check_all(
        awsvpc,
        vec![
            (
                "containerDefinitions.0.dnsServers",
                json!(["1.1.1.1"]),
                "DNS servers are not supported on container when networkMode=awsvpc",
            ),
            (
                "containerDefinitions.0.disableNetworking",
                json!(true),
                "Disable Networking is not supported on container when networkMode=awsvpc",
            ),
            (
                "containerDefinitions.0.links",
                json!(["side"]),
                "Links are not supported on container when networkMode=awsvpc",
            ),
            (
                "requiresCompatibilities",
                json!(["EXTERNAL"]),
                "Tasks using the External launch type do not support network mode 'awsvpc'.",
            ),
            (
                "proxyConfiguration",
                json!({ "containerName": "app", "properties": [{ "name": "IgnoredUID", "value": "1" }] }),
                "APPMESH proxy configuration requires the property 'AppPorts'.",
            ),
        ],
    );
}
