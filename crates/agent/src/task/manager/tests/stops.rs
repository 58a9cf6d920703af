//! What a stop does not wait for, and what ends with it.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    rig.ready.send_replace(false);
    rig.accept(simple(&[("app", true), ("side", false)])).await;
    rig.commands
        .send(Command::Stop(vec![ARN.to_owned()]))
        .await
        .unwrap();
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED side=STOPPED");
    assert!(rig.engine.log().is_empty(), "the engine never heard of it");
    rig.ready.send_replace(true);
    tokio::time::advance(Duration::from_secs(5)).await;
    tokio::task::yield_now().await;
    assert!(rig.engine.log().is_empty());
}

/// Nor does one for a container that is to be started again.
#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_the_network_of_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    let mut task = simple(&[("app", true)]);
    task.containers[0].definition.restart_policy = Some(crate::task::model::RestartPolicy::default());
    rig.accept(task).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    rig.ready.send_replace(false);
    rig.engine.stays.store(true, std::sync::atomic::Ordering::SeqCst);
    rig.happens("app", exited("app", 3)).await;
    while !rig.tasks.get(ARN).unwrap().containers[0].busy {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    rig.commands
        .send(Command::Stop(vec![ARN.to_owned()]))
        .await
        .unwrap();
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(3)");
    assert!(!rig.engine.log().contains(&"restart app".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn agent_1_4_an_id_that_a_refresh_replaced_ends_with_its_task() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(folder.path(), Arc::default());
    rig.accept(simple(&[("app", true)])).await;
    assert_eq!(rig.report().await, "RUNNING: app=RUNNING");
    let (known, is_known) = oneshot::channel();
    let refresh = Command::Refresh {
        task_arn: ARN.into(),
        kind: RoleKind::TaskApplication,
        credentials: RoleCredentials {
            id: "NEW".into(),
            role_arn: "role".into(),
            access_key_id: "AK2".into(),
            secret_access_key: Secret::new("s"),
            session_token: Secret::new("t"),
            expiration: "later".into(),
        },
        known,
    };
    rig.commands.send(refresh).await.unwrap();
    assert_eq!(is_known.await, Ok(true));
    assert!(
        rig.cache.keys("CRED").is_some(),
        "the containers that run ask by it"
    );
    rig.commands
        .send(Command::Stop(vec![ARN.to_owned()]))
        .await
        .unwrap();
    assert_eq!(rig.report().await, "STOPPED: app=STOPPED(143)");
    for id in ["CRED", "NEW"] {
        assert!(rig.cache.get(id).is_none(), "{id}");
    }
}
