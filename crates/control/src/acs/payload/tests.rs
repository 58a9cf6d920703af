use portcullis_core::Tags;
use serde_json::{Value, json};

use super::*;
use crate::schedule::fixtures;
use crate::world::records::ecs::DefinitionStatus;

fn definition(containers: Value) -> TaskDefinition {
    let shape = json!({
        "family": "web", "revision": 3, "networkMode": "bridge", "containerDefinitions": containers,
        "volumes": [
            { "name": "data", "host": { "sourcePath": "/srv" } },
            { "name": "scratch" },
            { "name": "docker", "dockerVolumeConfiguration": { "scope": "task", "driver": "local" } },
        ],
    });
    TaskDefinition {
        region: "us-east-1".parse().unwrap(),
        family: "web".to_owned(),
        revision: 3,
        arn: "arn:aws:ecs:us-east-1:123456789012:task-definition/web:3"
            .parse()
            .unwrap(),
        status: DefinitionStatus::Active,
        tags: Tags::new(),
        definition: portcullis_wire::json::from_value(&shape).unwrap(),
    }
}

/// The payload as JSON, with Docker's texts opened up.
fn sent(record: &Task, definition: &TaskDefinition) -> Value {
    let sent = task(record, definition, TaskCredentials::default());
    let mut value = portcullis_wire::json::to_value(&sent);
    for container in value["containers"].as_array_mut().unwrap() {
        for name in ["config", "hostConfig"] {
            let text = container["dockerConfig"][name].as_str().unwrap();
            container["dockerConfig"][name] = serde_json::from_str(text).unwrap();
        }
    }
    value
}

#[test]
fn agent_5_2_everything_of_a_definition_reaches_the_agent() {
    let app: Value = serde_json::from_str(include_str!("app.json")).unwrap();
    let mut record = fixtures::task();
    record.containers.truncate(1);
    record.cpu = Some("512".to_owned());
    record.memory = Some("1024".to_owned());
    let overrides = json!({ "containerOverrides": [{
        "name": "app", "command": ["-c", "false"], "environment": [{ "name": "B", "value": "3" }], "memory": 96,
    }] });
    record.overrides = portcullis_wire::json::from_value(&overrides).unwrap();
    let value = sent(&record, &definition(json!([app])));
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn a_plain_definition_asks_docker_for_nothing_special() {
    let plain = json!([{ "name": "app", "image": "local/app:1", "memory": 128 }]);
    let mut record = fixtures::task();
    record.containers.truncate(1);
    let value = sent(&record, &definition(plain));
    let docker = &value["containers"][0]["dockerConfig"];
    assert_eq!(
        *docker,
        json!({ "config": {}, "hostConfig": { "NetworkMode": "bridge" }, "version": "1.21" })
    );
    assert_eq!(
        value["containers"][0]["environment"],
        json!({ "AWS_EXECUTION_ENV": "AWS_ECS_EC2" })
    );
}

#[test]
fn what_a_definition_sets_is_not_overridden_by_what_ecs_adds() {
    let own = json!([{
        "name": "app", "image": "i", "environment": [{ "name": "AWS_EXECUTION_ENV", "value": "mine" }],
    }]);
    let value = sent(&fixtures::task(), &definition(own));
    assert_eq!(value["containers"][0]["environment"]["AWS_EXECUTION_ENV"], "mine");
}

#[test]
fn an_image_whose_digest_is_known_is_sent_by_it() {
    let digests = BTreeMap::from([("app".to_owned(), "sha256:00".to_owned())]);
    for (name, image, sent) in [
        ("app", "registry:5000/app:1", "registry:5000/app@sha256:00"),
        ("app", "registry:5000/app", "registry:5000/app@sha256:00"),
        ("app", "app@sha256:11", "app@sha256:11"),
        ("side", "side:1", "side:1"),
    ] {
        let container = acs::Container {
            name: name.into(),
            image: image.into(),
            ..acs::Container::default()
        };
        let mut shown = acs::Task {
            containers: vec![container],
            ..acs::Task::default()
        };
        pin(&mut shown, &digests);
        assert_eq!(shown.containers[0].image, sent);
    }
}
