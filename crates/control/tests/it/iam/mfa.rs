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
    let session = |code: String| sts::GetSessionTokenRequest {
        serial_number: Some(SERIAL.to_owned()),
        token_code: Some(code),
        ..Default::default()
    };
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
    let session = |code: String| sts::GetSessionTokenRequest {
        serial_number: Some(SERIAL.to_owned()),
        token_code: Some(code),
        ..Default::default()
    };
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
