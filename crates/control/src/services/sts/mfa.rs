//! MFA codes in STS calls. A code is accepted once; wrong ones in a row make the device pause.

use std::sync::Arc;

use portcullis_store::Vault;

use super::errors::StsError;
use crate::gate::call::Call;
use crate::gate::caller::Identity;
use crate::services::iam::totp;
use crate::world::records::iam::MfaDevice;
use crate::world::{MfaGuesses, Snapshot, Tx};

/// A code that was right, not yet used up.
#[derive(Debug)]
pub struct Accepted {
    device: Arc<MfaDevice>,
    step: i64,
}

/// Verifies the code of a device of the calling user; `None` when neither serial number nor code is given.
pub fn verify(
    view: &Snapshot,
    vault: &Vault,
    guesses: &MfaGuesses,
    call: &Call,
    serial: Option<&str>,
    code: Option<&str>,
) -> Result<Option<Accepted>, StsError> {
    let (serial, code) = match (serial, code) {
        (None, None) => return Ok(None),
        (Some(serial), Some(code)) => (serial, code),
        _ => return Err(StsError::IncompleteMfa),
    };
    let Identity::User { name, .. } = &call.caller.identity else {
        return Err(StsError::InvalidMfaCode);
    };
    let device = view
        .mfa_devices
        .get(serial)
        .filter(|device| device.user.as_ref() == Some(name));
    let device = device.ok_or(StsError::InvalidMfaCode)?;
    let seed = vault.open(
        MfaDevice::SEED_PURPOSE,
        device.serial.as_str().as_bytes(),
        device.seed.ciphertext(),
    );
    let seed = seed.map_err(|_| StsError::Internal)?;
    let step = guesses.attempt(serial, call.now, || {
        totp::verify(&seed, code, call.now, device.last_step, device.drift_steps)
    });
    let step = step.ok_or(StsError::InvalidMfaCode)?;
    Ok(Some(Accepted {
        device: Arc::clone(device),
        step,
    }))
}

/// Makes sure the code is never accepted again.
pub fn use_up(tx: &mut Tx<'_>, accepted: &Accepted) {
    let mut device = MfaDevice::clone(&accepted.device);
    device.last_step = accepted.step;
    tx.put(device);
}
