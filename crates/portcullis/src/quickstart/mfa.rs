//! Act 5: the call that needs a second factor.

use anyhow::{Context as _, Result};
use portcullis_api::{ecs, iam, sts};
use portcullis_control::services::iam::totp;
use portcullis_core::{Clock as _, Secret, SystemClock};

use super::identities::{OTHER_CLUSTER, RICHARD};
use super::stage::{Stage, Wanted};
use super::tell::Tale;
use crate::client::{Client, Credentials};

/// DeleteCluster without and with MFA.
pub async fn act(stage: &Stage, tale: &mut Tale, richard: &Client) -> Result<()> {
    tale.act("DeleteCluster only with MFA");
    let delete = ecs::DeleteClusterRequest {
        cluster: OTHER_CLUSTER.to_owned(),
    };
    let asked = format!("richard-roe: DeleteCluster {OTHER_CLUSTER}, without MFA");
    stage
        .tell::<ecs::op::DeleteCluster>(tale, richard, &asked, &delete, Wanted::Denied)
        .await?;
    let device = Device::enable(&stage.admin).await?;
    let asked = "richard-roe: GetSessionToken with the code of his virtual MFA device";
    let request = sts::GetSessionTokenRequest {
        serial_number: Some(device.serial.clone()),
        token_code: Some(device.code_at(device.next_step)?),
        ..Default::default()
    };
    let session = stage
        .tell::<sts::op::GetSessionToken>(tale, richard, asked, &request, Wanted::Allowed)
        .await?;
    let session = session
        .and_then(|reply| reply.credentials)
        .context("without a session the story cannot go on")?;
    let session = Credentials::new(
        session.access_key_id,
        Secret::new(session.secret_access_key),
        Some(Secret::new(session.session_token)),
    );
    let asked = format!("richard-roe with MFA: DeleteCluster {OTHER_CLUSTER}");
    stage
        .tell::<ecs::op::DeleteCluster>(tale, &richard.with(session), &asked, &delete, Wanted::Allowed)
        .await?;
    Ok(())
}

/// A virtual MFA device, as an app on a phone would hold it.
struct Device {
    serial: String,
    seed: Vec<u8>,
    next_step: i64,
}

impl Device {
    /// Makes a device for richard-roe and proves it with two codes in a row.
    async fn enable(admin: &Client) -> Result<Self> {
        let create = iam::CreateVirtualMFADeviceRequest {
            virtual_mfa_device_name: RICHARD.to_owned(),
            ..Default::default()
        };
        let made = admin
            .expect::<iam::op::CreateVirtualMFADevice>(&create)
            .await?
            .virtual_mfa_device;
        let text = String::from_utf8(made.base32_string_seed.context("the device has no seed")?)?;
        let seed = base32(&text).context("the seed is not in base 32")?;
        // Codes work once, and one step early or late: two for enabling leave the next for the session.
        let now = totp::step_of(SystemClock.now());
        let device = Self {
            serial: made.serial_number,
            seed,
            next_step: now + 1,
        };
        let enable = iam::EnableMFADeviceRequest {
            user_name: RICHARD.to_owned(),
            serial_number: device.serial.clone(),
            authentication_code1: device.code_at(now - 1)?,
            authentication_code2: device.code_at(now)?,
        };
        admin.expect::<iam::op::EnableMFADevice>(&enable).await?;
        Ok(device)
    }

    fn code_at(&self, step: i64) -> Result<String> {
        let code = totp::code(&self.seed, step).context("no code for this time")?;
        Ok(format!("{code:06}"))
    }
}

/// Decodes RFC 4648 base 32, the form in which seeds are shown to people.
fn base32(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::new());
    for letter in text.trim_end_matches('=').chars() {
        let value = u32::try_from(ALPHABET.find(letter)?).ok()?;
        bits = (bits << 5 | value) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4648_vectors() {
        for (text, bytes) in [
            ("", ""),
            ("MY======", "f"),
            ("MZXW6===", "foo"),
            ("MZXW6YTBOI======", "foobar"),
        ] {
            assert_eq!(base32(text).unwrap(), bytes.as_bytes(), "{text}");
        }
        assert!(base32("a1").is_none());
    }
}
