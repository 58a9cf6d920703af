//! Sessions that are logged and encrypted as their cluster's configuration says.

use portcullis_api::{ecs, kms, logs};
use portcullis_core::{Clock as _, SystemClock};
use portcullis_wire::sigv4::Signer;

use super::*;

const LOGGING: [&str; 5] = [
    "logs:DescribeLogGroups",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "s3:PutObject",
    "s3:GetEncryptionConfiguration",
];
const ROLE: &str = "logged";
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

impl Stage {
    async fn configure(&self, exec: ecs::ExecuteCommandConfiguration) {
        let update = ecs::UpdateClusterRequest {
            cluster: CLUSTER.to_owned(),
            configuration: Some(ecs::ClusterConfiguration {
                execute_command_configuration: Some(exec),
                ..Default::default()
            }),
            ..Default::default()
        };
        let admin = &self.town.admin;
        admin.expect::<ecs::op::UpdateCluster>(&update).await.unwrap();
    }

    /// The role may open channels and do this.
    async fn allow(&self, actions: &[&str]) {
        let actions = [&CHANNELS[..], actions].concat();
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": actions, "Resource": "*" }] });
        let put = iam::PutRolePolicyRequest {
            role_name: ROLE.to_owned(),
            policy_name: "p".to_owned(),
            policy_document: policy.to_string(),
        };
        let admin = &self.town.admin;
        admin.expect::<iam::op::PutRolePolicy>(&put).await.unwrap();
    }

    /// A request to S3 by the administrator: status and body.
    async fn s3(&self, method: &str, path: &str) -> (u16, String) {
        let key = self.town.server.administrator.as_ref().unwrap();
        let signer = Signer {
            access_key_id: key.access_key_id(),
            secret_access_key: key.secret(),
            session_token: None,
            region: "us-east-1",
            service: "s3",
        };
        let address = self.town.server.address;
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", address.to_string())
            .header("x-amz-content-sha256", EMPTY_SHA256);
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        signer.sign(&mut parts, b"", SystemClock.now()).unwrap();
        let mut text = format!("{method} {path} HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n");
        for (name, value) in &parts.headers {
            text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        text.push_str("\r\n");
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn group(&self, name: &str) {
        let create = logs::CreateLogGroupRequest {
            log_group_name: name.to_owned(),
            ..Default::default()
        };
        let admin = &self.town.admin;
        admin.expect::<logs::op::CreateLogGroup>(&create).await.unwrap();
    }

    /// All messages of a stream.
    async fn stream(&self, group: &str, stream: &str) -> String {
        let get = logs::GetLogEventsRequest {
            log_group_name: Some(group.to_owned()),
            log_stream_name: stream.to_owned(),
            start_from_head: Some(true),
            ..Default::default()
        };
        let admin = &self.town.admin;
        let found = admin.expect::<logs::op::GetLogEvents>(&get).await.unwrap();
        let messages = found.events.into_iter().flatten().filter_map(|one| one.message);
        messages.collect::<Vec<_>>().join("\n")
    }

    /// A session, once an earlier one has made room.
    async fn begin(&self, task: &ecs::Task, command: &str) -> ecs::ExecuteCommandResponse {
        let room = async {
            loop {
                match self.execute(task, command).await {
                    Ok(made) => return made,
                    Err(refusal) => assert!(refusal.contains("limit of 2 sessions"), "{refusal}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, room).await.expect("sessions end")
    }

    /// How a session that must not begin ends: its words, and what was shown.
    async fn refused(&self, task: &ecs::Task) -> String {
        let made = self.begin(task, "echo ran").await;
        let mut script = Script::new(Vec::new());
        let ended = play(&self.town.admin, &made, &mut script).await;
        assert_eq!((script.shown.as_str(), ended.exit_code), ("", None));
        ended.words
    }
}

fn id(made: &ecs::ExecuteCommandResponse) -> String {
    made.session.as_ref().unwrap().session_id.clone().unwrap()
}

fn everywhere() -> ecs::ExecuteCommandLogConfiguration {
    ecs::ExecuteCommandLogConfiguration {
        cloud_watch_log_group_name: Some("exec".to_owned()),
        s3_bucket_name: Some("exec-logs".to_owned()),
        s3_key_prefix: Some("a/b".to_owned()),
        s3_encryption_enabled: Some(true),
        ..Default::default()
    }
}

fn demanded(log: ecs::ExecuteCommandLogConfiguration) -> ecs::ExecuteCommandConfiguration {
    ecs::ExecuteCommandConfiguration {
        logging: Some("OVERRIDE".to_owned()),
        log_configuration: Some(log),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_logged_by_its_tasks_role_or_does_not_begin() {
    let stage = Stage::set().await;
    stage.group("exec").await;
    stage.group("exec-other").await;
    assert_eq!(stage.s3("PUT", "/exec-logs").await.0, 200);
    stage.configure(demanded(everywhere())).await;
    let task = stage.task(ROLE, &CHANNELS, "RUNNING").await;
    stage.allow(&LOGGING).await;
    let command = "sh -c 'echo ready; read line; echo got:$line; seq 1 3000; exit 3'";
    let made = stage.begin(&task, command).await;
    let mut script = Script::new(vec![("ready", typed("hello\r"))]);
    let ended = play(&stage.town.admin, &made, &mut script).await;
    assert_eq!((ended.exit_code, ended.words.as_str()), (Some(3), ""));
    let object = format!("/exec-logs/a/b/{}.log", id(&made));
    let (status, kept) = stage.s3("GET", &object).await;
    assert_eq!(status, 200, "{kept}");
    assert!(kept.contains(&script.shown), "{kept}");
    let told = stage.stream("exec", &id(&made)).await;
    for wanted in [
        "Script started on ",
        "got:hello\n1\n2\n",
        "\n2999\n3000",
        "Script done on ",
    ] {
        assert!(told.contains(wanted), "{wanted} in {told}");
    }
    a_client_that_goes_leaves_a_whole_log(&stage, &task).await;
    each_permission_is_needed(&stage, &task).await;
    a_log_that_cannot_be_kept_as_demanded_lets_nothing_run(&stage, &task).await;
    stage.strike().await;
}

async fn each_permission_is_needed(stage: &Stage, task: &ecs::Task) {
    let by_whom = "assumed-role/logged/";
    for (missing, words) in [
        (
            "logs:DescribeLogGroups",
            "the log group exec: AccessDeniedException: ",
        ),
        (
            "logs:CreateLogStream",
            "the log group exec: AccessDeniedException: ",
        ),
        (
            "logs:PutLogEvents",
            "the log group exec does not take the log: AccessDeniedException: ",
        ),
        ("s3:PutObject", "the bucket exec-logs: AccessDenied: "),
        (
            "s3:GetEncryptionConfiguration",
            "validate encryption on Amazon S3 bucket. Error: AccessDenied: ",
        ),
    ] {
        let left: Vec<_> = LOGGING.into_iter().filter(|one| *one != missing).collect();
        stage.allow(&left).await;
        let refused = stage.refused(task).await;
        assert!(
            refused.starts_with("Couldn't start the session because "),
            "{refused}"
        );
        assert!(
            refused.contains(words) && refused.contains(by_whom),
            "{missing}: {refused}"
        );
    }
}

async fn a_log_that_cannot_be_kept_as_demanded_lets_nothing_run(stage: &Stage, task: &ecs::Task) {
    stage.allow(&LOGGING).await;
    stage
        .configure(demanded(ecs::ExecuteCommandLogConfiguration {
            cloud_watch_encryption_enabled: Some(true),
            ..everywhere()
        }))
        .await;
    let refused = stage.refused(task).await;
    assert!(
        refused.starts_with(
            "We couldn't start the session because encryption is not set up on the selected CloudWatch"
        ),
        "{refused}"
    );
    for (log, words) in [
        (
            ecs::ExecuteCommandLogConfiguration {
                cloud_watch_log_group_name: Some("exe".to_owned()),
                ..Default::default()
            },
            "the log group exe: it does not exist",
        ),
        (
            ecs::ExecuteCommandLogConfiguration {
                s3_bucket_name: Some("nobodys-logs".to_owned()),
                ..Default::default()
            },
            "the bucket nobodys-logs: NoSuchBucket: ",
        ),
    ] {
        stage.configure(demanded(log)).await;
        let refused = stage.refused(task).await;
        assert!(refused.contains(words), "{refused}");
    }
}

async fn a_client_that_goes_leaves_a_whole_log(stage: &Stage, task: &ecs::Task) {
    let made = stage.begin(task, "cat").await;
    let object = format!("/exec-logs/a/b/{}.log", id(&made));
    let playing = cat(&stage.town.admin, made).await;
    playing.abort();
    let look = async {
        loop {
            let (status, kept) = stage.s3("GET", &object).await;
            if status == 200 {
                return kept;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let kept = tokio::time::timeout(PATIENCE, look)
        .await
        .expect("the log is written");
    assert!(
        kept.contains("hello") && kept.contains("Script done on "),
        "{kept}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_encrypted_with_the_clusters_key_or_does_not_begin() {
    let stage = Stage::set().await;
    let admin = &stage.town.admin;
    let created = admin.expect::<kms::op::CreateKey>(&Default::default()).await;
    let key = created.unwrap().key_metadata.unwrap().key_id;
    let exec = ecs::ExecuteCommandConfiguration {
        kms_key_id: Some(key),
        logging: Some("NONE".to_owned()),
        ..Default::default()
    };
    stage.configure(exec).await;
    let task = stage.task(ROLE, &CHANNELS, "RUNNING").await;
    let refused = stage.refused(&task).await;
    assert!(
        refused.starts_with("Fetching data key failed: ") && refused.contains("kms:Decrypt"),
        "{refused}"
    );
    stage.allow(&["kms:Decrypt"]).await;
    let made = stage
        .begin(&task, "sh -c 'echo ready; read line; echo got:$line; exit 4'")
        .await;
    let mut script = Script::new(vec![("ready", typed("hello\r"))]);
    let ended = play(admin, &made, &mut script).await;
    assert_eq!((ended.exit_code, ended.words.as_str()), (Some(4), ""));
    assert!(script.shown.contains("got:hello"), "{}", script.shown);
    assert!(script.notices[0].starts_with("This session is encrypted using AWS KMS."));
    // Who may execute the command and not use the key.
    let user = iam::CreateUserRequest {
        user_name: "mia".to_owned(),
        ..Default::default()
    };
    admin.expect::<iam::op::CreateUser>(&user).await.unwrap();
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "ecs:*", "Resource": "*" }] });
    let put = iam::PutUserPolicyRequest {
        user_name: "mia".to_owned(),
        policy_name: "p".to_owned(),
        policy_document: policy.to_string(),
    };
    admin.expect::<iam::op::PutUserPolicy>(&put).await.unwrap();
    let mia = stage.town.key_of("mia").await;
    let made = stage.begin(&task, "echo ran").await;
    let mut script = Script::new(Vec::new());
    let ended = play(&mia, &made, &mut script).await;
    let start =
        "KMSEncryption failed on client with status 2 error: Failed to process action KMSEncryption: ";
    assert!(
        ended.words.starts_with(start) && ended.words.contains("kms:GenerateDataKey"),
        "{ended:?}"
    );
    assert_eq!(script.shown, "");
    stage.strike().await;
}
