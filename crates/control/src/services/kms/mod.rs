//! AWS KMS, as far as the services of this server and their users need it: symmetric and HMAC keys, aliases, key policies,
//! grants, encryption, rotation and deletion. What is left out answers KMS's unsupported error (docs/kms.md).

mod aliases;
mod aws_managed;
pub(crate) mod by_services;
mod checks;
mod ciphers;
mod crypto;
mod data_keys;
mod errors;
pub(crate) mod for_services;
mod grant_tokens;
mod grants;
mod keys;
mod macs;
mod paging;
mod policies;
mod resolve;
mod rotation;
mod states;
mod sweep;
mod tags;
pub(crate) mod visits;

use portcullis_api::kms::op;

pub use sweep::{run, sweep};

use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Check, Row, read, write};

/// The operations of the service.
pub fn table() -> Vec<Row> {
    [
        keys_and_states(),
        policies_and_names(),
        uses(),
        grants_and_rotation(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn keys_and_states() -> Vec<Row> {
    vec![
        write::<op::CreateKey>(
            &["kms:CreateKey", "kms:TagResource"],
            keys::require_create,
            keys::create,
        ),
        read::<op::DescribeKey>(&["kms:DescribeKey"], keys::require_describe, keys::describe),
        read::<op::ListKeys>(
            &["kms:ListKeys"],
            |ask| on_everything(ask, "kms:ListKeys"),
            keys::list,
        ),
        write::<op::UpdateKeyDescription>(
            &["kms:UpdateKeyDescription"],
            keys::require_update_description,
            keys::update_description,
        ),
        write::<op::EnableKey>(&["kms:EnableKey"], states::require_enable, states::enable),
        write::<op::DisableKey>(&["kms:DisableKey"], states::require_disable, states::disable),
        write::<op::ScheduleKeyDeletion>(
            &["kms:ScheduleKeyDeletion"],
            states::require_schedule,
            states::schedule,
        ),
        write::<op::CancelKeyDeletion>(&["kms:CancelKeyDeletion"], states::require_cancel, states::cancel),
    ]
}

fn policies_and_names() -> Vec<Row> {
    vec![
        read::<op::GetKeyPolicy>(&["kms:GetKeyPolicy"], policies::require_get, policies::get),
        write::<op::PutKeyPolicy>(&["kms:PutKeyPolicy"], policies::require_put, policies::put),
        read::<op::ListKeyPolicies>(&["kms:ListKeyPolicies"], policies::require_list, policies::list),
        write::<op::CreateAlias>(&["kms:CreateAlias"], aliases::require_create, aliases::create),
        write::<op::UpdateAlias>(&["kms:UpdateAlias"], aliases::require_update, aliases::update),
        write::<op::DeleteAlias>(&["kms:DeleteAlias"], aliases::require_delete, aliases::delete),
        read::<op::ListAliases>(
            &["kms:ListAliases"],
            |ask| on_everything(ask, "kms:ListAliases"),
            aliases::list,
        ),
        write::<op::TagResource>(&["kms:TagResource"], tags::require_tag, tags::tag),
        write::<op::UntagResource>(&["kms:UntagResource"], tags::require_untag, tags::untag),
        read::<op::ListResourceTags>(&["kms:ListResourceTags"], tags::require_list, tags::list),
    ]
}

fn uses() -> Vec<Row> {
    vec![
        read::<op::Encrypt>(&["kms:Encrypt"], ciphers::require_encrypt, ciphers::encrypt),
        read::<op::Decrypt>(&["kms:Decrypt"], ciphers::require_decrypt, ciphers::decrypt),
        read::<op::ReEncrypt>(
            &["kms:ReEncryptFrom", "kms:ReEncryptTo"],
            ciphers::require_re_encrypt,
            ciphers::re_encrypt,
        ),
        read::<op::GenerateDataKey>(
            &["kms:GenerateDataKey"],
            data_keys::require_data_key,
            data_keys::data_key,
        ),
        read::<op::GenerateDataKeyWithoutPlaintext>(
            &["kms:GenerateDataKeyWithoutPlaintext"],
            data_keys::require_data_key_without_plaintext,
            data_keys::data_key_without_plaintext,
        ),
        read::<op::GenerateRandom>(
            &["kms:GenerateRandom"],
            |ask| on_everything(ask, "kms:GenerateRandom"),
            data_keys::random,
        ),
        read::<op::GenerateMac>(&["kms:GenerateMac"], macs::require_generate, macs::generate),
        read::<op::VerifyMac>(&["kms:VerifyMac"], macs::require_verify, macs::verify),
    ]
}

fn grants_and_rotation() -> Vec<Row> {
    vec![
        write::<op::CreateGrant>(&["kms:CreateGrant"], grants::require_create, grants::create),
        read::<op::ListGrants>(&["kms:ListGrants"], grants::require_list, grants::list),
        read::<op::ListRetirableGrants>(
            &["kms:ListRetirableGrants"],
            |ask| on_everything(ask, "kms:ListRetirableGrants"),
            grants::list_retirable,
        ),
        write::<op::RetireGrant>(&["kms:RetireGrant"], grants::require_retire, grants::retire),
        write::<op::RevokeGrant>(&["kms:RevokeGrant"], grants::require_revoke, grants::revoke),
        write::<op::EnableKeyRotation>(
            &["kms:EnableKeyRotation"],
            rotation::require_enable,
            rotation::enable,
        ),
        write::<op::DisableKeyRotation>(
            &["kms:DisableKeyRotation"],
            rotation::require_disable,
            rotation::disable,
        ),
        read::<op::GetKeyRotationStatus>(
            &["kms:GetKeyRotationStatus"],
            rotation::require_status,
            rotation::status,
        ),
        write::<op::RotateKeyOnDemand>(
            &["kms:RotateKeyOnDemand"],
            rotation::require_on_demand,
            rotation::on_demand,
        ),
        read::<op::ListKeyRotations>(&["kms:ListKeyRotations"], rotation::require_list, rotation::list),
    ]
}

/// A check on everything.
fn on_everything<I>(ask: Ask<'_, I>, action: &'static str) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![checks::on_everything(ask.call, action)])
}
