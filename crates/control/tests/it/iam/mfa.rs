//! Virtual MFA devices.

use portcullis_api::iam::{self as api, op};
use portcullis_api::sts;
use portcullis_control::services::iam::totp;
use portcullis_core::Clock as _;

use crate::harness::{ACCOUNT, Server, allow};

const SERIAL: &str = "arn:aws:iam::123456789012:mfa/phone";

/// Decodes RFC 4648 base 32.
fn base32(text: &[u8]) -> Vec<u8> {
    let value = |letter: &u8| {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
            .iter()
            .position(|known| known == letter)
            .unwrap()
    };
    let bits: Vec<u8> = text
        .iter()
        .flat_map(|l| (0..5).rev().map(move |n| (value(l) >> n & 1) as u8))
        .collect();
    bits.chunks_exact(8)
        .map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit))
        .collect()
}

async fn device(server: &Server) -> Vec<u8> {
    let create = api::CreateVirtualMFADeviceRequest {
        virtual_mfa_device_name: "phone".to_owned(),
        ..Default::default()
    };
    let made = server
        .root
        .ok::<op::CreateVirtualMFADevice>(&create)
        .await
        .virtual_mfa_device;
    assert_eq!(made.serial_number, SERIAL);
    assert!(made.qr_code_png.unwrap().starts_with(b"\x89PNG"));
    let seed = made.base32_string_seed.unwrap();
    assert_eq!(seed.len(), 64);
    base32(&seed)
}

fn shown(server: &Server, seed: &[u8], offset: i64) -> String {
    let step = totp::step_of(server.clock.now()) + offset;
    format!("{:06}", totp::code(seed, step).unwrap())
}

fn enable(server: &Server, user: &str, seed: &[u8], offset: i64) -> api::EnableMFADeviceRequest {
    api::EnableMFADeviceRequest {
        user_name: user.to_owned(),
        serial_number: SERIAL.to_owned(),
        authentication_code1: shown(server, seed, offset - 1),
        authentication_code2: shown(server, seed, offset),
    }
}

fn session(code: String) -> sts::GetSessionTokenRequest {
    sts::GetSessionTokenRequest {
        serial_number: Some(SERIAL.to_owned()),
        token_code: Some(code),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_device_is_enabled_with_two_codes_in_a_row_and_used_once_per_code() {
    let server = Server::start().await;
    let user = server.user("u", &allow("*", "*")).await;
    let seed = device(&server).await;
    let mut wrong = enable(&server, "u", &seed, 0);
    std::mem::swap(&mut wrong.authentication_code1, &mut wrong.authentication_code2);
    let refused = server.root.err::<op::EnableMFADevice>(&wrong).await;
    assert_eq!(
        refused,
        "InvalidAuthenticationCode: Authentication code for device is not valid."
    );
    server
        .root
        .ok::<op::EnableMFADevice>(&enable(&server, "u", &seed, 0))
        .await;
    let devices = user
        .ok::<op::ListMFADevices>(&Default::default())
        .await
        .mfa_devices;
    assert_eq!(
        (devices[0].user_name.as_str(), devices[0].serial_number.as_str()),
        ("u", SERIAL)
    );
    let used = session(shown(&server, &seed, 0));
    assert!(user.call::<sts::op::GetSessionToken>(&used).await.is_err());
    let next = session(shown(&server, &seed, 1));
    user.ok::<sts::op::GetSessionToken>(&next).await;
    assert!(user.call::<sts::op::GetSessionToken>(&next).await.is_err());
}

#[tokio::test]
async fn a_device_serves_one_user_and_leaves_before_it_goes() {
    let server = Server::start().await;
    server.user("u", "").await;
    server.user("v", "").await;
    let (root, seed) = (&server.root, device(&server).await);
    root.ok::<op::EnableMFADevice>(&enable(&server, "u", &seed, 0))
        .await;
    let refused = root
        .err::<op::EnableMFADevice>(&enable(&server, "v", &seed, 1))
        .await;
    assert!(refused.starts_with("EntityAlreadyExists: "), "{refused}");
    let delete = api::DeleteVirtualMFADeviceRequest {
        serial_number: SERIAL.to_owned(),
    };
    let refused = root.err::<op::DeleteVirtualMFADevice>(&delete).await;
    assert_eq!(
        refused,
        "DeleteConflict: MFA VirtualDevice in use. Must deactivate first."
    );
    let deactivate = |user: &str| api::DeactivateMFADeviceRequest {
        user_name: Some(user.to_owned()),
        serial_number: SERIAL.to_owned(),
    };
    let refused = root.err::<op::DeactivateMFADevice>(&deactivate("v")).await;
    assert_eq!(refused, "NoSuchEntity: MFA Device invalid for user.");
    root.ok::<op::DeactivateMFADevice>(&deactivate("u")).await;
    let replayed = root
        .err::<op::EnableMFADevice>(&enable(&server, "v", &seed, 0))
        .await;
    assert!(replayed.starts_with("InvalidAuthenticationCode: "), "{replayed}");
    root.ok::<op::DeleteVirtualMFADevice>(&delete).await;
    let refused = root.err::<op::DeleteVirtualMFADevice>(&delete).await;
    assert_eq!(
        refused,
        format!("NoSuchEntity: VirtualMFADevice with serial number {SERIAL} doesn't exist.")
    );
}

#[tokio::test]
async fn resync_follows_a_slow_clock() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let seed = device(&server).await;
    server
        .root
        .ok::<op::EnableMFADevice>(&enable(&server, "u", &seed, 0))
        .await;
    server.clock.advance_seconds(3_600);
    let late = session(shown(&server, &seed, -8));
    assert!(user.call::<sts::op::GetSessionToken>(&late).await.is_err());
    let request = enable(&server, "u", &seed, -10);
    let resync = api::ResyncMFADeviceRequest {
        user_name: request.user_name,
        serial_number: request.serial_number,
        authentication_code1: request.authentication_code1,
        authentication_code2: request.authentication_code2,
    };
    server.root.ok::<op::ResyncMFADevice>(&resync).await;
    let late = session(shown(&server, &seed, -9));
    user.ok::<sts::op::GetSessionToken>(&late).await;
}

#[tokio::test]
async fn devices_are_listed_by_assignment_and_their_seeds_recorded_nowhere() {
    let server = Server::start().await;
    server.user("u", "").await;
    let seed = device(&server).await;
    let list = |status: &str| api::ListVirtualMFADevicesRequest {
        assignment_status: Some(status.to_owned()),
        ..Default::default()
    };
    assert!(
        server
            .root
            .ok::<op::ListVirtualMFADevices>(&list("Assigned"))
            .await
            .virtual_mfa_devices
            .is_empty()
    );
    server
        .root
        .ok::<op::EnableMFADevice>(&enable(&server, "u", &seed, 0))
        .await;
    let assigned = server
        .root
        .ok::<op::ListVirtualMFADevices>(&list("Assigned"))
        .await
        .virtual_mfa_devices;
    assert_eq!(
        assigned[0].user.as_ref().unwrap().arn,
        format!("arn:aws:iam::{ACCOUNT}:user/u")
    );
    assert!(assigned[0].base32_string_seed.is_none());
    let records = server.records().await;
    let created = records
        .iter()
        .find(|record| record["eventName"] == "CreateVirtualMFADevice")
        .unwrap();
    let device = &created["responseElements"]["virtualMFADevice"];
    assert_eq!(device["serialNumber"], SERIAL);
    assert!(device.get("base32StringSeed").is_none() && device.get("qRCodePNG").is_none());
}

#[tokio::test]
async fn five_wrong_codes_in_a_row_make_a_device_refuse_right_ones_for_30_seconds_and_then_for_longer() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let seed = device(&server).await;
    server
        .root
        .ok::<op::EnableMFADevice>(&enable(&server, "u", &seed, 0))
        .await;
    server.clock.advance_seconds(60);
    let wrong = || session(shown(&server, &seed, 100));
    let right = || session(shown(&server, &seed, 0));
    let text = user.err::<sts::op::GetSessionToken>(&wrong()).await;
    for _ in 0..4 {
        user.err::<sts::op::GetSessionToken>(&wrong()).await;
    }
    for (pause, then_right) in [(30, false), (60, true)] {
        server.clock.advance_seconds(pause - 1);
        let paused = user.err::<sts::op::GetSessionToken>(&right()).await;
        assert_eq!(paused, text, "a pause reads like a wrong code");
        server.clock.advance_seconds(1);
        if then_right {
            user.ok::<sts::op::GetSessionToken>(&right()).await;
        } else {
            user.err::<sts::op::GetSessionToken>(&wrong()).await;
        }
    }
    server.clock.advance_seconds(60);
    user.err::<sts::op::GetSessionToken>(&wrong()).await;
    user.ok::<sts::op::GetSessionToken>(&right()).await;
}

#[tokio::test]
async fn wrong_codes_count_whichever_call_they_are_given_to() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let seed = device(&server).await;
    server
        .root
        .ok::<op::EnableMFADevice>(&enable(&server, "u", &seed, 0))
        .await;
    server.clock.advance_seconds(60);
    let assume = sts::AssumeRoleRequest {
        role_arn: format!("arn:aws:iam::{ACCOUNT}:role/r"),
        role_session_name: "session".to_owned(),
        serial_number: Some(SERIAL.to_owned()),
        token_code: Some(shown(&server, &seed, 100)),
        ..Default::default()
    };
    let request = enable(&server, "u", &seed, 100);
    let resync = api::ResyncMFADeviceRequest {
        user_name: request.user_name,
        serial_number: request.serial_number,
        authentication_code1: request.authentication_code1,
        authentication_code2: request.authentication_code2,
    };
    for _ in 0..2 {
        user.err::<sts::op::AssumeRole>(&assume).await;
        server.root.err::<op::ResyncMFADevice>(&resync).await;
    }
    let wrong = session(shown(&server, &seed, 100));
    user.err::<sts::op::GetSessionToken>(&wrong).await;
    let right = session(shown(&server, &seed, 0));
    assert!(user.call::<sts::op::GetSessionToken>(&right).await.is_err());
    server.clock.advance_seconds(30);
    let right = session(shown(&server, &seed, 0));
    user.ok::<sts::op::GetSessionToken>(&right).await;
}

#[tokio::test]
async fn a_device_is_shown_to_its_user_only() {
    let server = Server::start().await;
    let own = allow("iam:GetMFADevice", &format!("arn:aws:iam::{ACCOUNT}:user/u"));
    let user = server.user("u", &own).await;
    server.user("v", "").await;
    let seed = device(&server).await;
    server
        .root
        .ok::<op::EnableMFADevice>(&enable(&server, "u", &seed, 0))
        .await;
    let get = |serial: &str, user: Option<&str>| api::GetMFADeviceRequest {
        serial_number: serial.to_owned(),
        user_name: user.map(str::to_owned),
    };
    let found = user.ok::<op::GetMFADevice>(&get(SERIAL, None)).await;
    assert_eq!(
        (
            found.user_name.as_deref(),
            found.serial_number.as_str(),
            found.enable_date
        ),
        (Some("u"), SERIAL, Some(server.clock.now()))
    );
    let root = &server.root;
    assert_eq!(
        root.ok::<op::GetMFADevice>(&get(SERIAL, Some("U")))
            .await
            .serial_number,
        SERIAL
    );
    assert_eq!(
        root.err::<op::GetMFADevice>(&get(SERIAL, Some("v"))).await,
        "NoSuchEntity: MFA Device invalid for user."
    );
    let lost = "arn:aws:iam::123456789012:mfa/lost";
    assert_eq!(
        user.err::<op::GetMFADevice>(&get(lost, None)).await,
        format!("NoSuchEntity: VirtualMFADevice with serial number {lost} doesn't exist.")
    );
    let refused = user.err::<op::GetMFADevice>(&get(SERIAL, Some("v"))).await;
    assert!(
        refused.contains("not authorized to perform: iam:GetMFADevice on resource: user v"),
        "{refused}"
    );
}
