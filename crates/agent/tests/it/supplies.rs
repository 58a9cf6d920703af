//! What a task gets from elsewhere before it starts, on the process engine: the services are the test's own.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_agent::{Config, EngineChoice};
use serde_json::{Value, json};

use crate::plane::{Plane, Question, Registration, Services};
use crate::rig::{Agent, TASK, config, payload, role, shell_task};

const SCRIPT: &str = "env; echo ready; while :; do sleep 0.05; done";
const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf";
const DENIED: &str = "User: arn:aws:sts::111122223333:assumed-role/exec/aaaa is not authorized to perform";

fn process(folder: &Path, plane: &Plane) -> Config {
    let mut config = config(folder, &plane.url);
    config.engine = EngineChoice::Process;
    // No process of a task stays behind.
    config.stop_tasks_on_shutdown = true;
    config
}

fn secret(name: &str, value_from: &str, region: &str) -> Value {
    let provider = if value_from.starts_with("arn:") {
        "asm"
    } else {
        "ssm"
    };
    json!({"name": name, "valueFrom": value_from, "region": region, "provider": provider,
        "type": "ENVIRONMENT_VARIABLE", "target": "CONTAINER"})
}

/// A task that wants everything there is without images.
fn wanting(launch_type: &str, secrets: Vec<Value>, files: &[&str]) -> Value {
    let mut task = shell_task("none", SCRIPT, "RUNNING", None);
    task["executionRoleCredentials"] = role("exec", "AKEXEC");
    task["launchType"] = json!(launch_type);
    let container = &mut task["containers"][0];
    container["environment"] = json!({"MINE": "1"});
    container["secrets"] = json!(secrets);
    let file = |arn: &&str| json!({"value": arn, "type": "s3"});
    container["environmentFiles"] = files.iter().map(file).collect();
    task
}

fn answers(question: &Question) -> (u16, String) {
    let names = || question.body["Names"].as_array().unwrap().clone();
    let text = match question.asked.as_str() {
        "GetParameters" => {
            let one =
                |name: &Value| json!({"Name": name, "Value": format!("canary {}", name.as_str().unwrap())});
            let found: Vec<_> = names().iter().map(one).collect();
            json!({"Parameters": found, "InvalidParameters": []}).to_string()
        }
        "GetSecretValue" => {
            let stage = question.body["VersionStage"].as_str().unwrap_or("AWSCURRENT");
            json!({"ARN": SECRET, "SecretString": json!({"user": format!("canary {stage}"), "port": 5432}).to_string()})
                .to_string()
        }
        "GET /files/a%20b.env" => "MINE=file\nFILE=canary file\nA=file\nTWICE=first\n".to_owned(),
        "GET /files/c.env" => "TWICE=second\nAWS_REGION=mars\n".to_owned(),
        other => panic!("{other}"),
    };
    (200, text)
}

async fn printed(folder: &Path) -> String {
    let path = folder
        .join("tasks")
        .join(TASK.rsplit('/').next().unwrap())
        .join("app/stdout");
    loop {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if text.ends_with("ready\n") {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Every file below but the container's own output.
fn on_disk(folder: &Path) -> String {
    let (mut folders, mut text) = (vec![folder.to_owned()], String::new());
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("stdout") {
                text.push_str(&String::from_utf8_lossy(&fs::read(path).unwrap_or_default()));
            }
        }
    }
    text
}

#[tokio::test]
async fn agent_6_secrets_and_files_become_variables_by_the_execution_role_and_rest_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::with_services(Registration::Echo, Arc::new(answers)).await;
    let agent = Agent::start(process(folder.path(), &plane));
    let (_, mut acs) = plane.acs().await;
    let mut secrets = vec![
        secret("USER", &format!("{SECRET}:user:AWSPREVIOUS:"), "eu-west-1"),
        secret("PORT", &format!("{SECRET}:port::"), "eu-west-1"),
        secret("A", "/elsewhere", "eu-west-1"),
    ];
    secrets.extend(
        (0..12).map(|number| secret(&format!("P{number:02}"), &format!("/p/{number:02}"), "us-west-2")),
    );
    let files = ["arn:aws:s3:::files/a b.env", "arn:aws:s3:::files/c.env"];
    acs.send(
        "PayloadMessage",
        payload("m1", 1, wanting("EC2", secrets, &files)),
    )
    .await;
    let text = printed(folder.path()).await;
    for line in [
        "USER=canary AWSPREVIOUS",
        "PORT=5432",
        "A=canary /elsewhere",
        "P00=canary /p/00",
        "P11=canary /p/11",
        "MINE=1",
        "FILE=canary file",
        "TWICE=first",
        "AWS_REGION=mars",
    ] {
        assert!(text.lines().any(|own| own == line), "no {line} in {text}");
    }
    assert!(!text.contains("AWS_DEFAULT_REGION"), "a file names the region");
    let mut sizes = Vec::new();
    for region in ["eu-west-1", "us-west-2", "us-west-2"] {
        let call = plane.call("GetParameters").await;
        assert_eq!((&call["by"], &call["region"]), (&json!("AKEXEC"), &json!(region)));
        assert_eq!(call["body"]["WithDecryption"], true);
        sizes.push(call["body"]["Names"].as_array().unwrap().len());
    }
    assert_eq!(sizes, [1, 10, 2]);
    assert_eq!(plane.call("GET /files/c.env").await["region"], "us-west-2");
    let disk = on_disk(folder.path());
    assert!(!disk.contains("canary"), "{disk}");
    agent.end().await.unwrap();
}

/// What the task's end says when a question is answered by that.
async fn ends_with(launch_type: &str, refused: &'static str, answer: (u16, String)) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let services: Services = Arc::new(move |question| match question.asked.contains(refused) {
        true => answer.clone(),
        false => answers(question),
    });
    let mut plane = Plane::with_services(Registration::Echo, services).await;
    let agent = Agent::start(process(folder.path(), &plane));
    let (_, mut acs) = plane.acs().await;
    let secrets = vec![
        secret("P", "/p", "us-west-2"),
        secret("S", &format!("{SECRET}:user::"), "eu-west-1"),
    ];
    let task = wanting(launch_type, secrets, &["arn:aws:s3:::files/c.env"]);
    acs.send("PayloadMessage", payload("m1", 1, task)).await;
    let stopped = plane.call("SubmitTaskStateChange").await;
    assert!(!on_disk(folder.path()).contains("canary"));
    agent.end().await.unwrap();
    assert_eq!(stopped["status"], "STOPPED");
    assert_eq!(stopped["containers"][0].get("reason"), None, "the task says why");
    stopped["reason"].clone()
}

fn denied(action: &str) -> (u16, String) {
    let text = json!({"__type": "AccessDeniedException", "message": format!("{DENIED}: {action}")});
    (400, text.to_string())
}

#[tokio::test]
async fn agent_6_what_cannot_be_had_ends_the_task_with_the_missing_permission() {
    let object = format!("<Error><Code>AccessDenied</Code><Message>{DENIED}: s3:GetObject</Message></Error>");
    let mut reasons = Vec::new();
    for launch_type in ["EC2", "FARGATE"] {
        for (refused, answer) in [
            ("GetParameters", denied("ssm:GetParameters")),
            ("GetSecretValue", denied("secretsmanager:GetSecretValue")),
            ("GET /files", (403, object.clone())),
        ] {
            reasons.push(ends_with(launch_type, refused, answer).await);
        }
    }
    insta::assert_json_snapshot!(reasons);
}

#[tokio::test]
async fn agent_6_values_that_are_not_what_they_should_be_end_the_task_and_are_not_shown() {
    let secret = |text: &str| (200, json!({"SecretString": text}).to_string());
    let missing = json!({"__type": "ResourceNotFoundException", "message": "Secrets Manager can't find the specified secret."});
    let mut reasons = Vec::new();
    for (refused, answer) in [
        (
            "GetParameters",
            (
                200,
                json!({"Parameters": [], "InvalidParameters": ["/p"]}).to_string(),
            ),
        ),
        ("GetParameters", (200, "canary".to_owned())),
        ("GetSecretValue", (400, missing.to_string())),
        ("GetSecretValue", secret("canary, no JSON")),
        ("GetSecretValue", secret(r#"{"other": "canary"}"#)),
        (
            "GetSecretValue",
            (200, json!({"SecretBinary": "Y2FuYXJ5"}).to_string()),
        ),
        (
            "GET /files",
            (
                404,
                "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
                    .to_owned(),
            ),
        ),
    ] {
        let reason = ends_with("EC2", refused, answer).await;
        assert!(!reason.as_str().unwrap().contains("canary"), "{reason}");
        reasons.push(reason);
    }
    insta::assert_json_snapshot!(reasons);
}
