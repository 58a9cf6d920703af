//! Virtual MFA devices: create, enable, deactivate, resynchronise, show, list, delete.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::Secret;
use portcullis_store::Vault;
use portcullis_wire::Empty;

use super::base32;
use super::checks::{self, Whose, one};
use super::entity;
use super::errors::IamError;
use super::paging::Paging;
use super::{names, qr, shapes, tags, totp};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Check, Row, read, write};
use crate::world::records::Sealed;
use crate::world::records::iam::{MfaDevice, User};
use crate::world::{Snapshot, Tx};

/// Bytes of a seed: 64 letters in base 32, as AWS's.
const SEED_BYTES: usize = 40;
/// Devices a user may have.
const DEVICES_PER_USER: usize = 8;

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    [device_rows(), user_rows()].into_iter().flatten().collect()
}

fn device_rows() -> Vec<Row> {
    vec![
        write::<op::CreateVirtualMFADevice>(
            &["iam:CreateVirtualMFADevice", "iam:TagMFADevice"],
            |ask| {
                let input = ask.input;
                let path = input.path.as_deref().unwrap_or("/");
                let serial = checks::arn(ask.call, "mfa", path, &input.virtual_mfa_device_name);
                let check = Check::new("iam:CreateVirtualMFADevice", serial.as_str());
                checks::creating(check, "iam:TagMFADevice", false, input.tags.as_ref())
            },
            create,
        ),
        read::<op::ListVirtualMFADevices>(
            &["iam:ListVirtualMFADevices"],
            |ask| one(checks::on_list("iam:ListVirtualMFADevices", &ask, "mfa", None)),
            list_virtual,
        ),
        write::<op::DeleteVirtualMFADevice>(
            &["iam:DeleteVirtualMFADevice"],
            |ask| {
                one(checks::on_device(
                    "iam:DeleteVirtualMFADevice",
                    &ask,
                    &ask.input.serial_number,
                ))
            },
            delete,
        ),
    ]
}

fn user_rows() -> Vec<Row> {
    vec![
        write::<op::EnableMFADevice>(
            &["iam:EnableMFADevice"],
            |ask| {
                one(checks::on::<User>(
                    "iam:EnableMFADevice",
                    &ask,
                    &ask.input.user_name,
                ))
            },
            enable,
        ),
        write::<op::ResyncMFADevice>(
            &["iam:ResyncMFADevice"],
            |ask| {
                one(checks::on::<User>(
                    "iam:ResyncMFADevice",
                    &ask,
                    &ask.input.user_name,
                ))
            },
            resync,
        ),
        write::<op::DeactivateMFADevice>(
            &["iam:DeactivateMFADevice"],
            |ask| checks::on_own("iam:DeactivateMFADevice", &ask, ask.input.user_name.as_ref()),
            deactivate,
        ),
        read::<op::GetMFADevice>(
            &["iam:GetMFADevice"],
            |ask| checks::on_own("iam:GetMFADevice", &ask, ask.input.user_name.as_ref()),
            show,
        ),
        read::<op::ListMFADevices>(
            &["iam:ListMFADevices"],
            |ask| checks::on_own("iam:ListMFADevices", &ask, ask.input.user_name.as_ref()),
            list,
        ),
    ]
}

/// The device with that serial number.
pub(super) fn get<'a>(view: &'a Snapshot, serial: &str) -> Result<&'a MfaDevice, IamError> {
    let device = view.mfa_devices.get(serial).map(AsRef::as_ref);
    device.ok_or_else(|| IamError::NoMfaDevice(serial.to_owned()))
}

fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateVirtualMFADevice>,
) -> Result<api::CreateVirtualMFADeviceResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let path = names::path(input.path.as_ref())?;
    let serial = checks::arn(call, "mfa", &path, &input.virtual_mfa_device_name);
    if tx.view().mfa_devices.get(serial.as_str()).is_some() {
        return Err(IamError::MfaDeviceExists.into());
    }
    let mut seed = [0_u8; SEED_BYTES];
    tx.random.fill(&mut seed);
    let sealed = tx
        .vault
        .seal(MfaDevice::SEED_PURPOSE, serial.as_str().as_bytes(), &seed)
        .map_err(|error| {
            tracing::error!(%error, "an MFA seed could not be sealed");
            IamError::Internal
        })?;
    let letters = Secret::new(base32::encode(&seed));
    let name = &input.virtual_mfa_device_name;
    let uri = Secret::new(format!(
        "otpauth://totp/{name}@{}?secret={}",
        call.account,
        letters.expose()
    ));
    let device = MfaDevice {
        serial,
        created: tx.now,
        seed: Sealed::new(sealed),
        user: None,
        enabled: None,
        last_step: 0,
        drift_steps: 0,
        tags: tags::accept(input.tags.as_ref())?,
    };
    let shown = api::VirtualMFADevice {
        base32_string_seed: Some(letters.expose().as_bytes().to_vec()),
        qr_code_png: qr::png_of(uri.expose()),
        tags: shapes::tags(&device.tags),
        ..shapes::virtual_device(tx.view(), &device)
    };
    tx.put(device);
    Ok(api::CreateVirtualMFADeviceResponse {
        virtual_mfa_device: shown,
    })
}

fn enable(tx: &mut Tx<'_>, auth: Authorized<'_, op::EnableMFADevice>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let user = entity::get::<User>(tx.view(), &input.user_name)?.name.clone();
    let device = get(tx.view(), &input.serial_number)?.clone();
    if device.user.is_some() {
        return Err(IamError::MfaDeviceInUse.into());
    }
    if tx.view().user_devices(&user).count() >= DEVICES_PER_USER {
        return Err(IamError::Quota("MFADevicesPerUser", DEVICES_PER_USER).into());
    }
    let codes = [
        input.authentication_code1.as_str(),
        input.authentication_code2.as_str(),
    ];
    let device = synchronised(tx, device, codes)?;
    let enabled = Some(tx.now);
    tx.put(MfaDevice {
        user: Some(user),
        enabled,
        ..device
    });
    Ok(Empty {})
}

fn resync(tx: &mut Tx<'_>, auth: Authorized<'_, op::ResyncMFADevice>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let device = of_user(tx.view(), &input.serial_number, &input.user_name)?;
    let codes = [
        input.authentication_code1.as_str(),
        input.authentication_code2.as_str(),
    ];
    let device = synchronised(tx, device, codes)?;
    tx.put(device);
    Ok(Empty {})
}

/// The device with the drift that two consecutive codes of it show.
fn synchronised(tx: &Tx<'_>, device: MfaDevice, codes: [&str; 2]) -> Result<MfaDevice, IamError> {
    let seed = open_seed(tx.vault, &device)?;
    let found = tx.guesses.attempt(device.serial.as_str(), tx.now, || {
        totp::synchronise(&seed, codes, tx.now, device.last_step)
    });
    let (last_step, drift_steps) = found.ok_or(IamError::AuthenticationCode)?;
    Ok(MfaDevice {
        last_step,
        drift_steps,
        ..device
    })
}

fn open_seed(
    vault: &Vault,
    device: &MfaDevice,
) -> Result<impl std::ops::Deref<Target = Vec<u8>> + use<>, IamError> {
    let opened = vault.open(
        MfaDevice::SEED_PURPOSE,
        device.serial.as_str().as_bytes(),
        device.seed.ciphertext(),
    );
    opened.map_err(|error| {
        tracing::error!(%error, device = %device.serial, "an MFA seed could not be opened");
        IamError::Internal
    })
}

/// A user's enabled device.
fn of_user(view: &Snapshot, serial: &str, user: &str) -> Result<MfaDevice, IamError> {
    let user = entity::get::<User>(view, user)?;
    let device = get(view, serial)?;
    if device.user.as_deref() == Some(user.name.as_str()) {
        Ok(device.clone())
    } else {
        Err(IamError::NotUsersMfaDevice)
    }
}

/// The last accepted code stays known: it must not work again when the device comes back.
fn deactivate(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeactivateMFADevice>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let whose = Whose::of(auth.call(), input.user_name.as_ref())?;
    let user = whose.user().ok_or(IamError::NotUsersMfaDevice)?;
    let device = of_user(tx.view(), &input.serial_number, user)?;
    tx.put(MfaDevice {
        user: None,
        enabled: None,
        drift_steps: 0,
        ..device
    });
    Ok(Empty {})
}

fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeleteVirtualMFADevice>) -> Result<Empty, ServiceError> {
    let serial = &auth.input().serial_number;
    if get(tx.view(), serial)?.user.is_some() {
        return Err(IamError::MfaDeviceAssigned.into());
    }
    tx.delete::<MfaDevice>(serial);
    Ok(Empty {})
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListMFADevices>,
) -> Result<api::ListMFADevicesResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let devices = match Whose::of(auth.call(), input.user_name.as_ref())? {
        Whose::Root => Vec::new(),
        Whose::User(name) => view
            .user_devices(&entity::get::<User>(view, &name)?.name)
            .collect(),
    };
    let devices = devices
        .into_iter()
        .filter_map(|serial| view.mfa_devices.get(serial));
    let page = paging.sorted(devices.map(|device| (device.serial.to_string(), users_device(device))));
    Ok(api::ListMFADevicesResponse {
        is_truncated: page.is_truncated(),
        mfa_devices: page.items,
        marker: page.marker,
    })
}

/// Of virtual devices nothing is certified.
fn show(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetMFADevice>,
) -> Result<api::GetMFADeviceResponse, ServiceError> {
    let input = auth.input();
    let whose = Whose::of(auth.call(), input.user_name.as_ref())?;
    let user = whose.user().ok_or(IamError::NotUsersMfaDevice)?;
    let device = of_user(view, &input.serial_number, user)?;
    Ok(api::GetMFADeviceResponse {
        user_name: device.user,
        serial_number: device.serial.to_string(),
        enable_date: device.enabled,
        certifications: None,
    })
}

fn users_device(device: &MfaDevice) -> api::MFADevice {
    api::MFADevice {
        user_name: device.user.clone().unwrap_or_default(),
        serial_number: device.serial.to_string(),
        enable_date: device.enabled.unwrap_or_default(),
    }
}

fn list_virtual(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListVirtualMFADevices>,
) -> Result<api::ListVirtualMFADevicesResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let wanted = |device: &MfaDevice| match input.assignment_status.as_deref() {
        Some("Assigned") => device.user.is_some(),
        Some("Unassigned") => device.user.is_none(),
        _ => true,
    };
    let devices = view
        .mfa_devices
        .after("", paging.after())
        .filter(|(_, device)| wanted(device));
    let page = paging.rows(devices.map(|(key, device)| (key, shapes::virtual_device(view, device))));
    Ok(api::ListVirtualMFADevicesResponse {
        is_truncated: page.is_truncated(),
        virtual_mfa_devices: page.items,
        marker: page.marker,
    })
}
