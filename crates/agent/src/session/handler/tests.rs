//! The protocol's messages, one by one, against a manager that only answers.

use std::sync::Mutex;

use futures_util::future::BoxFuture;
use portcullis_api::ecs::SubmitTaskStateChangeRequest;
use portcullis_core::SeededRandom;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;

#[derive(Default)]
struct Refusals(Mutex<Vec<String>>);

impl Submit for Refusals {
    fn submit(&self, change: SubmitTaskStateChangeRequest) -> BoxFuture<'_, ()> {
        let line = format!(
            "{} {} {}",
            change.task.unwrap(),
            change.status.unwrap(),
            change.reason.unwrap()
        );
        self.0.lock().unwrap().push(line);
        Box::pin(std::future::ready(()))
    }
}

struct Rig {
    handler: Handler,
    refusals: Arc<Refusals>,
    heard: mpsc::UnboundedReceiver<String>,
}

impl Rig {
    /// The manager knows the task `known` and nothing else.
    fn new() -> Self {
        let (commands, mut receiver) = mpsc::channel(8);
        let (hear, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(command) = receiver.recv().await {
                let line = match command {
                    Command::Accept(tasks, saved) => {
                        let _ = saved.send(());
                        let tasks = tasks.iter().map(|i| {
                            format!(
                                " {}:{}:{}",
                                i.task.arn,
                                i.task.desired.word(),
                                i.credentials.len()
                            )
                        });
                        format!("accept{}", tasks.collect::<String>())
                    }
                    Command::Refresh {
                        task_arn,
                        kind,
                        credentials,
                        known,
                    } => {
                        let _ = known.send(task_arn == "known");
                        format!("refresh {task_arn} {kind:?} {}", credentials.access_key_id)
                    }
                    Command::Stop(arns) => format!("stop {arns:?}"),
                    Command::Secure(changes, done) => {
                        let _ = done.send(());
                        let arns: Vec<_> = changes.into_iter().map(|change| change.task_arn).collect();
                        format!("secure {}", arns.join(" "))
                    }
                    Command::Unstopped(answer) => {
                        let _ = answer.send(vec![("known".into(), "c".into()), ("stray".into(), "c".into())]);
                        "unstopped".to_owned()
                    }
                };
                let _ = hear.send(line);
            }
        });
        let refusals = Arc::<Refusals>::default();
        let submit = Arc::clone(&refusals) as Arc<_>;
        let handler = Handler::new(
            "probe",
            Arc::new(SeededRandom::new(1)),
            commands,
            submit,
            Stager::new(None),
        );
        Self {
            handler,
            refusals,
            heard,
        }
    }

    async fn send(&mut self, kind: &str, message: Value) -> Vec<Value> {
        let frame = json!({"type": kind, "message": message}).to_string();
        let replies = self.handler.handle(frame.as_bytes()).await;
        replies
            .iter()
            .map(|reply| serde_json::from_str(reply).unwrap())
            .collect()
    }

    fn heard(&mut self) -> Option<String> {
        self.heard.try_recv().ok()
    }
}

fn task(arn: &str, desired: &str, role: Option<Value>) -> Value {
    json!({"arn": arn, "desiredStatus": desired, "family": "f", "version": "1", "roleCredentials": role,
        "containers": [{"name": "app", "image": "i", "essential": true, "overrides": "{}"}]})
}

fn role(id: &str) -> Value {
    json!({"credentialsId": id, "roleArn": "r", "accessKeyId": "AK", "secretAccessKey": "sk", "sessionToken": "tok", "expiration": "2026-11-22T05:00:00Z"})
}

fn payload(message_id: &str, tasks: &[Value]) -> Value {
    json!({"clusterArn": "arn:c", "containerInstanceArn": "arn:i", "messageId": message_id, "seqNum": 7, "tasks": tasks})
}

#[tokio::test]
async fn agent_5_2_heartbeats_are_answered() {
    let replies = Rig::new()
        .send("HeartbeatMessage", json!({"healthy": true, "messageId": "m1"}))
        .await;
    assert_eq!(
        replies,
        [json!({"type": "HeartbeatAckRequest", "message": {"messageId": "m1"}})]
    );
}

#[tokio::test]
async fn agent_5_2_a_payload_is_applied_stopped_first_and_acked_with_its_credentials() {
    let mut rig = Rig::new();
    let tasks = [
        task("t1", "RUNNING", Some(role("c1"))),
        task("t2", "STOPPED", None),
    ];
    let replies = rig.send("PayloadMessage", payload("m2", &tasks)).await;
    let ack = json!({"type": "AckRequest", "message": {"cluster": "arn:c", "containerInstance": "arn:i", "messageId": "m2"}});
    let credentials_ack = json!({"type": "IAMRoleCredentialsAckRequest",
        "message": {"messageId": "m2", "credentialsId": "c1", "expiration": "2026-11-22T05:00:00Z"}});
    assert_eq!(replies, [ack, credentials_ack]);
    assert_eq!(rig.heard().as_deref(), Some("accept t2:STOPPED:0 t1:RUNNING:1"));
    assert_eq!(rig.handler.timeline(), 7);
}

#[tokio::test]
async fn agent_5_2_a_bad_task_is_reported_stopped_and_the_payload_not_acked() {
    let mut rig = Rig::new();
    let mut bad = task("bad", "RUNNING", None);
    bad["containers"] = json!([]);
    let replies = rig
        .send(
            "PayloadMessage",
            payload("m3", &[bad, task("good", "RUNNING", None)]),
        )
        .await;
    assert!(replies.is_empty());
    assert_eq!(rig.heard().as_deref(), Some("accept good:RUNNING:0"));
    tokio::task::yield_now().await;
    assert_eq!(
        *rig.refusals.0.lock().unwrap(),
        ["bad STOPPED UnrecognizedTaskError: the task has no containers"]
    );
}

#[tokio::test]
async fn agent_5_2_incomplete_messages_are_dropped_without_an_answer() {
    let refresh = |task: &str, kind: &str, id: &str| json!({"messageId": "m", "taskArn": task, "roleType": kind, "roleCredentials": role(id)});
    let cases = [
        (
            "PayloadMessage",
            json!({"clusterArn": "arn:c", "messageId": "m", "tasks": []}),
        ),
        ("IAMRoleCredentialsMessage", refresh("", "TaskApplication", "c")),
        ("IAMRoleCredentialsMessage", refresh("known", "Other", "c")),
        (
            "IAMRoleCredentialsMessage",
            refresh("known", "TaskApplication", ""),
        ),
        ("SomethingNew", json!({})),
        ("CloseMessage", json!({"message": "bye"})),
    ];
    for (kind, message) in cases {
        let mut rig = Rig::new();
        assert!(
            rig.send(kind, message.clone()).await.is_empty(),
            "{kind} {message}"
        );
        assert_eq!(rig.heard(), None, "{kind} {message}");
    }
    let mut rig = Rig::new();
    assert!(rig.handler.handle(b"{").await.is_empty());
}

#[tokio::test]
async fn agent_1_4_rotation_is_acked_for_known_tasks_only() {
    for (arn, acks) in [("known", 1), ("other", 0)] {
        let mut rig = Rig::new();
        let message = json!({"messageId": "m", "taskArn": arn, "roleType": "TaskExecution", "roleCredentials": role("c")});
        let replies = rig.send("IAMRoleCredentialsMessage", message).await;
        assert_eq!(replies.len(), acks, "{arn}");
        assert_eq!(rig.heard(), Some(format!("refresh {arn} TaskExecution AK")));
    }
}

#[tokio::test]
async fn the_firewalls_of_a_message_are_changed_together_and_answered_once() {
    let mut rig = Rig::new();
    let firewall = |arn: &str| json!({"taskArn": arn, "attachmentArn": "a", "ingress": [], "egress": []});
    let message = json!({"messageId": "f1", "clusterArn": "arn:c", "containerInstanceArn": "arn:i",
        "firewalls": [firewall("t1"), firewall("t2")]});
    let replies = rig.send("PortcullisFirewallMessage", message).await;
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0]["message"]["messageId"], "f1");
    assert_eq!(rig.heard().as_deref(), Some("secure t1 t2"));
    assert_eq!(rig.heard(), None);
}

#[tokio::test]
async fn agent_5_2_a_manifest_stops_nothing_until_its_verification_is_confirmed() {
    let mut rig = Rig::new();
    let manifest = |timeline: i64| json!({"messageId": "m5", "timeline": timeline, "tasks": [{"taskArn": "known", "taskClusterArn": "c", "desiredStatus": "RUNNING"}]});
    let question = rig.send("TaskManifestMessage", manifest(9)).await;
    let candidates = json!([{"taskArn": "stray", "taskClusterArn": "c", "desiredStatus": "STOPPED"}]);
    assert_eq!(
        question,
        [
            json!({"type": "TaskStopVerificationMessage", "message": {"messageId": "m5", "stopCandidates": candidates}})
        ]
    );
    assert_eq!(rig.heard().as_deref(), Some("unstopped"));
    assert!(
        rig.send("TaskManifestMessage", manifest(9)).await.is_empty(),
        "not newer: ignored"
    );
    for (message_id, effect) in [("other", None), ("m5", Some("stop [\"stray\"]")), ("m5", None)] {
        rig.send(
            "TaskStopVerificationAck",
            json!({"messageId": message_id, "stopTasks": candidates}),
        )
        .await;
        tokio::task::yield_now().await;
        assert_eq!(rig.heard().as_deref(), effect, "{message_id}");
    }
}

#[tokio::test]
async fn agent_5_2_updates_are_refused() {
    let message = json!({"clusterArn": "arn:c", "containerInstanceArn": "arn:i", "messageId": "m6"});
    let replies = Rig::new().send("PerformUpdateMessage", message).await;
    let expected = json!({"cluster": "arn:c", "containerInstance": "arn:i", "messageId": "m6", "reason": "Updates are disabled"});
    assert_eq!(replies, [json!({"type": "NackRequest", "message": expected})]);
}
