//! Time: states, rotation, deletion, and what a restart finds.

use std::sync::Arc;

use portcullis_api::kms::{self as api, op};
use portcullis_control::services::kms::sweep;
use portcullis_core::{FixedClock, SeededRandom};
use portcullis_store::{Opened, open_in_memory};

use super::{ciphertext, decrypt, encrypt, key, plaintext};
use crate::harness::{BEGINNING, Client, Server};

const DAY: i64 = 24 * 3_600;

async fn material(client: &Client, key: &str) -> String {
    let describe = api::DescribeKeyRequest {
        key_id: key.to_owned(),
        ..Default::default()
    };
    let shown = client
        .ok::<op::DescribeKey>(&describe)
        .await
        .key_metadata
        .unwrap();
    shown.current_key_material_id.unwrap()
}

#[tokio::test]
async fn a_disabled_key_does_nothing_until_it_is_enabled() {
    let server = Server::start().await;
    let root = &server.root;
    let (id, arn) = key(root).await;
    let blob = ciphertext(root, &id, &[]).await;
    root.ok::<op::DisableKey>(&api::DisableKeyRequest { key_id: id.clone() })
        .await;
    let disabled = format!("DisabledException: {arn} is disabled.");
    assert_eq!(root.err::<op::Encrypt>(&encrypt(&id, &[])).await, disabled);
    assert_eq!(root.err::<op::Decrypt>(&decrypt(&blob, &[])).await, disabled);
    root.ok::<op::EnableKey>(&api::EnableKeyRequest { key_id: id.clone() })
        .await;
    assert_eq!(plaintext(root, &blob, &[]).await, b"plain");
}

#[tokio::test]
async fn a_key_is_destroyed_when_its_window_is_over_with_all_that_hangs_on_it() {
    let server = Server::start().await;
    let root = &server.root;
    let (id, arn) = key(root).await;
    let alias = api::CreateAliasRequest {
        alias_name: "alias/app".to_owned(),
        target_key_id: id.clone(),
    };
    root.ok::<op::CreateAlias>(&alias).await;
    let blob = ciphertext(root, &id, &[]).await;
    let schedule = |days| api::ScheduleKeyDeletionRequest {
        key_id: id.clone(),
        pending_window_in_days: days,
    };
    for days in [6, 31] {
        let refused = root.err::<op::ScheduleKeyDeletion>(&schedule(Some(days))).await;
        assert!(refused.starts_with("ValidationException: "), "{refused}");
    }
    let scheduled = root.ok::<op::ScheduleKeyDeletion>(&schedule(Some(7))).await;
    assert_eq!(scheduled.key_state.as_deref(), Some("PendingDeletion"));
    let pending = format!("KMSInvalidStateException: {arn} is pending deletion.");
    assert_eq!(root.err::<op::Decrypt>(&decrypt(&blob, &[])).await, pending);
    assert_eq!(
        root.err::<op::ScheduleKeyDeletion>(&schedule(None)).await,
        pending
    );
    assert_eq!(
        root.err::<op::EnableKey>(&api::EnableKeyRequest { key_id: id.clone() })
            .await,
        pending
    );

    // Kept after all: disabled, and everything is there.
    let cancel = api::CancelKeyDeletionRequest { key_id: id.clone() };
    root.ok::<op::CancelKeyDeletion>(&cancel).await;
    let not_pending = root.err::<op::CancelKeyDeletion>(&cancel).await;
    assert_eq!(
        not_pending,
        format!("KMSInvalidStateException: {arn} is not pending deletion.")
    );
    root.ok::<op::EnableKey>(&api::EnableKeyRequest { key_id: id.clone() })
        .await;
    assert_eq!(plaintext(root, &blob, &[]).await, b"plain");

    root.ok::<op::ScheduleKeyDeletion>(&schedule(Some(7))).await;
    server.clock.advance_seconds(7 * DAY - 1);
    sweep(server.gate.world()).await;
    root.ok::<op::CancelKeyDeletion>(&cancel).await;
    root.ok::<op::ScheduleKeyDeletion>(&schedule(Some(7))).await;
    server.clock.advance_seconds(7 * DAY);
    // Gone from that moment on, and cleared away by the next sweep.
    let gone = format!("NotFoundException: Key '{arn}' does not exist");
    assert_eq!(root.err::<op::CancelKeyDeletion>(&cancel).await, gone);
    sweep(server.gate.world()).await;
    assert_eq!(root.err::<op::CancelKeyDeletion>(&cancel).await, gone);
    let view = server.gate.world().view();
    assert!(view.kms.keys.is_empty() && view.kms.aliases.is_empty() && view.kms.grants.is_empty());
    let rows = server.gate.world().store().range(b"kms-", None, 10).unwrap();
    assert!(rows.entries.is_empty(), "its material is in the store");
    let refused = root.err::<op::Decrypt>(&decrypt(&blob, &[])).await;
    assert!(refused.starts_with("AccessDeniedException: "), "{refused}");
}

#[tokio::test]
async fn old_material_goes_on_to_decrypt_after_each_rotation() {
    let server = Server::start().await;
    let root = &server.root;
    let (id, _) = key(root).await;
    let enable = |days| api::EnableKeyRotationRequest {
        key_id: id.clone(),
        rotation_period_in_days: days,
    };
    for days in [89, 2561] {
        let refused = root.err::<op::EnableKeyRotation>(&enable(Some(days))).await;
        assert!(refused.starts_with("ValidationException: "), "{refused}");
    }
    let status = api::GetKeyRotationStatusRequest { key_id: id.clone() };
    assert_eq!(
        root.ok::<op::GetKeyRotationStatus>(&status)
            .await
            .key_rotation_enabled,
        Some(false)
    );
    root.ok::<op::EnableKeyRotation>(&enable(Some(90))).await;
    let shown = root.ok::<op::GetKeyRotationStatus>(&status).await;
    assert_eq!(shown.rotation_period_in_days, Some(90));
    assert_eq!(shown.next_rotation_date, Some(root.now().plus_seconds(90 * DAY)));

    let mut blobs = vec![ciphertext(root, &id, &[]).await];
    let mut materials = vec![material(root, &id).await];
    for round in 0..3 {
        if round == 1 {
            let on_demand = api::RotateKeyOnDemandRequest { key_id: id.clone() };
            root.ok::<op::RotateKeyOnDemand>(&on_demand).await;
        } else {
            server.clock.advance_seconds(90 * DAY);
            sweep(server.gate.world()).await;
        }
        blobs.push(ciphertext(root, &id, &[]).await);
        materials.push(material(root, &id).await);
    }
    assert_eq!(
        materials.iter().collect::<std::collections::BTreeSet<_>>().len(),
        4
    );
    for (blob, material) in blobs.iter().zip(&materials) {
        let opened = root.ok::<op::Decrypt>(&decrypt(blob, &[])).await;
        assert_eq!(opened.plaintext.unwrap(), b"plain");
        assert_eq!(opened.key_material_id.as_ref(), Some(material));
    }
    let list = api::ListKeyRotationsRequest {
        key_id: id.clone(),
        ..Default::default()
    };
    let rotations = root.ok::<op::ListKeyRotations>(&list).await.rotations.unwrap();
    let types: Vec<_> = rotations
        .iter()
        .filter_map(|one| one.rotation_type.as_deref())
        .collect();
    assert_eq!(types, ["AUTOMATIC", "ON_DEMAND", "AUTOMATIC"]);
    let all = api::ListKeyRotationsRequest {
        include_key_material: Some("ALL_KEY_MATERIAL".to_owned()),
        ..list
    };
    assert_eq!(
        root.ok::<op::ListKeyRotations>(&all)
            .await
            .rotations
            .unwrap()
            .len(),
        4
    );
}

#[tokio::test]
async fn without_a_period_nothing_rotates_and_a_long_time_is_one_rotation() {
    let server = Server::start().await;
    let root = &server.root;
    let (id, _) = key(root).await;
    let first = material(root, &id).await;
    server.clock.advance_seconds(400 * DAY);
    sweep(server.gate.world()).await;
    assert_eq!(material(root, &id).await, first);
    let enable = api::EnableKeyRotationRequest {
        key_id: id.clone(),
        rotation_period_in_days: None,
    };
    root.ok::<op::EnableKeyRotation>(&enable).await;
    server.clock.advance_seconds(4_000 * DAY);
    sweep(server.gate.world()).await;
    let list = api::ListKeyRotationsRequest {
        key_id: id,
        ..Default::default()
    };
    let rotations = root.ok::<op::ListKeyRotations>(&list).await.rotations.unwrap();
    assert_eq!(rotations.len(), 1);
}

#[tokio::test]
async fn a_key_is_rotated_on_demand_a_number_of_times_and_no_more() {
    let server = Server::start().await;
    let (id, _) = key(&server.root).await;
    let on_demand = api::RotateKeyOnDemandRequest { key_id: id };
    for _ in 0..25 {
        server.root.ok::<op::RotateKeyOnDemand>(&on_demand).await;
    }
    let refused = server.root.err::<op::RotateKeyOnDemand>(&on_demand).await;
    assert!(refused.starts_with("LimitExceededException: "), "{refused}");
}

#[tokio::test]
async fn a_restart_finds_keys_as_they_were() {
    let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
    let opened = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(1))).unwrap();
    let (store, vault) = (opened.store.clone(), opened.vault.clone());
    let server = Server::over(opened, clock.clone()).await;
    let (id, arn) = key(&server.root).await;
    let blob = ciphertext(&server.root, &id, &[("a", "b")]).await;
    let row = store.range(b"kms-key/", None, 10).unwrap().entries.remove(0);
    let row: serde_json::Value = serde_json::from_slice(&row.value).unwrap();
    assert_eq!(row["arn"], arn);
    let server = Server::over_again(Opened { store, vault }, clock, 2).await;
    assert_eq!(plaintext(&server.root, &blob, &[("a", "b")]).await, b"plain");
}
