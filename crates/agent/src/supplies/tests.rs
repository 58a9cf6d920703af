//! What needs no control plane.

use portcullis_core::{SeededRandom, SystemClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::credentials::RoleKind;
use crate::plane::InstanceCredentialsProvider;
use crate::{CredentialsSource, InstanceCredentials};

const ARN: &str = "arn:aws:ecs:us-west-2:111122223333:task/probe/aaaa";

fn supplies(cache: &Arc<CredentialCache>, given: GivenLogins) -> Arc<Supplies> {
    supplies_of("http://127.0.0.1:1", cache, given, None)
}

fn supplies_of(
    url: &str,
    cache: &Arc<CredentialCache>,
    given: GivenLogins,
    door: Option<Door>,
) -> Arc<Supplies> {
    let credentials = CredentialsSource::Static(InstanceCredentials {
        access_key_id: "AK".into(),
        secret_access_key: Secret::new("sk"),
        session_token: None,
    });
    let credentials = Arc::new(InstanceCredentialsProvider::new(credentials).unwrap());
    let plane = ControlPlane::new(url, "us-west-2", credentials, Arc::new(SystemClock));
    let random = Arc::new(SeededRandom::new(1));
    Arc::new(Supplies::new(
        plane.unwrap(),
        Arc::clone(cache),
        random,
        given,
        door,
    ))
}

fn customer(is_fargate: bool) -> Customer {
    Customer {
        arn: ARN.into(),
        execution_credentials_id: Some("exec".into()),
        is_fargate,
        wants: vec![("app".into(), Wants::default())],
    }
}

fn keys() -> RoleCredentials {
    RoleCredentials {
        id: "exec".into(),
        role_arn: "arn:aws:iam::111122223333:role/exec".into(),
        access_key_id: "AKEXEC".into(),
        secret_access_key: Secret::new("sk"),
        session_token: Secret::new("tok"),
        expiration: "2126-11-22T05:00:00Z".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn agent_6_the_execution_roles_credentials_are_waited_for_up_to_a_minute() {
    let cache = Arc::<CredentialCache>::default();
    cache.expect("exec", ARN, RoleKind::TaskExecution);
    let began = tokio::time::Instant::now();
    let failed = supplies(&cache, GivenLogins::default())
        .fetch(&customer(false))
        .await;
    assert_eq!(
        failed.unwrap_err(),
        "ResourceInitializationError: unable to find execution role credentials"
    );
    assert_eq!(began.elapsed(), Duration::from_secs(60));

    let supplies = supplies(&cache, GivenLogins::default());
    let customer = customer(false);
    let coming = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        cache.put(ARN, RoleKind::TaskExecution, keys());
    };
    let (fetched, ()) = tokio::join!(supplies.fetch(&customer), coming);
    assert_eq!(fetched, Ok(()));
}

#[tokio::test]
async fn who_has_no_execution_role_is_told_so_at_once() {
    let cache = Arc::<CredentialCache>::default();
    let roleless = Customer {
        execution_credentials_id: None,
        ..customer(false)
    };
    let failed = supplies(&cache, GivenLogins::default()).fetch(&roleless).await;
    assert_eq!(
        failed.unwrap_err(),
        "ResourceInitializationError: unable to find execution role credentials: the task definition has no \
         executionRoleArn"
    );
}

#[tokio::test]
async fn the_operators_logins_are_never_for_tasks_of_fargate() {
    let cache = Arc::<CredentialCache>::default();
    let data = r#"{"r.example":{"username":"me","password":"canary"}}"#;
    let given = RegistryLogins {
        kind: "docker".into(),
        data: Secret::new(data),
    };
    let supplies = supplies(&cache, given.read().unwrap());
    for (is_fargate, user) in [(false, Some("me")), (true, None)] {
        let access = ImageAccess::new(&supplies, customer(is_fargate), "app");
        let login = access.get("r.example/app:1").await.unwrap().login;
        assert_eq!(login.as_ref().map(|login| login.user.as_str()), user);
    }
    assert!(!format!("{supplies:?}").contains("canary"));
}

#[tokio::test]
async fn a_login_at_ecr_that_cannot_be_had_is_the_images_failure() {
    let cache = Arc::<CredentialCache>::default();
    let supplies = supplies(&cache, GivenLogins::default());
    let mut customer = customer(false);
    customer.wants[0].1.login = Some(WantedLogin::Ecr {
        region: "us-west-2".into(),
        registry: "111122223333".into(),
        by_execution_role: false,
    });
    let access = ImageAccess::new(&supplies, customer, "app");
    let refused = access
        .get("111122223333.dkr.ecr.us-west-2.amazonaws.com/app")
        .await;
    let reason = refused.unwrap_err().to_string();
    assert!(
        reason.starts_with("CannotPullECRContainerError: the control plane does not answer"),
        "{reason}"
    );
}

/// A control plane that answers whether it has images of ECR Public, and gives everybody a login at ECR; what it was asked.
async fn plane(of_public: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0_u8; 16 * 1024];
            let length = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let first = head.lines().next().unwrap_or_default().to_owned();
            let is_of_public = first.contains("/v2/public.ecr.aws/");
            noted.lock().unwrap().push(first);
            let token = r#"{"authorizationData":[{"authorizationToken":"QVdTOmNhbmFyeQ==","expiresAt":4102444800.0}]}"#;
            let (status, body) = match is_of_public {
                true => (of_public, ""),
                false => ("200 OK", token),
            };
            let reply = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    (url, asked)
}

#[tokio::test]
async fn images_of_ecr_public_come_from_the_control_plane_that_has_them_and_else_by_the_engine() {
    const IMAGE: &str = "public.ecr.aws/docker/library/busybox:1";
    for (of_public, image, user, questions) in [
        ("401 Unauthorized", IMAGE, Some("AWS"), 2),
        ("404 Not Found", IMAGE, None, 1),
        (
            "401 Unauthorized",
            "registry.example.com/public.ecr.aws/app",
            None,
            0,
        ),
    ] {
        let (url, asked) = plane(of_public).await;
        let cache = Arc::<CredentialCache>::default();
        let door = Door::open(url.parse().unwrap()).await.unwrap();
        let address = door.address();
        let supplies = supplies_of(&url, &cache, GivenLogins::default(), Some(door));
        let access = ImageAccess::new(&supplies, customer(true), "app");
        let found = access.get(image).await.unwrap();
        assert_eq!(found.login.map(|login| login.user).as_deref(), user, "{image}");
        assert_eq!(found.door, user.map(|_| address), "{image}");
        assert_eq!(asked.lock().unwrap().len(), questions, "{image}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_control_plane_cannot_say_so_no_other_registry_is_asked() {
    let cache = Arc::<CredentialCache>::default();
    let door = Door::open("http://127.0.0.1:1".parse().unwrap()).await.unwrap();
    let supplies = supplies_of("http://127.0.0.1:1", &cache, GivenLogins::default(), Some(door));
    let access = ImageAccess::new(&supplies, customer(false), "app");
    let refused = access.get("public.ecr.aws/team/app:1").await;
    let reason = refused.unwrap_err().to_string();
    assert!(
        reason.starts_with("CannotPullContainerError: the control plane does not answer"),
        "{reason}"
    );
}
