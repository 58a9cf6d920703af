//! Secrets Manager: named values with versions, which staging labels tell apart. Values rest sealed under a KMS key.
//!
//! Rotation functions and replicas are not here: RotateSecret answers as AWS does without a function, and what is about
//! replication is unsupported (docs/secrets.md).

mod batch;
mod content;
mod create;
mod deletion;
mod describe;
mod errors;
mod filters;
pub(crate) mod for_services;
mod keys;
mod names;
mod paging;
mod password;
mod policies;
mod rotation;
mod stages;
pub(crate) mod sweep;
mod tagging;
mod values;
mod versions;

use portcullis_api::secretsmanager::op;

use crate::gate::operation::{Check, Row, read, write};

/// The operations of the service.
pub fn table() -> Vec<Row> {
    let mut rows = of_secrets();
    rows.extend(of_values());
    rows.extend(of_policies());
    rows
}

fn of_values() -> Vec<Row> {
    vec![
        read::<op::BatchGetSecretValue>(
            &[
                "secretsmanager:BatchGetSecretValue",
                "secretsmanager:ListSecrets",
                "secretsmanager:GetSecretValue",
                "kms:Decrypt",
            ],
            batch::require,
            batch::get,
        ),
        read::<op::GetRandomPassword>(
            &["secretsmanager:GetRandomPassword"],
            |_| Ok(vec![Check::new("secretsmanager:GetRandomPassword", "*")]),
            password::get,
        ),
        read::<op::GetSecretValue>(
            &["secretsmanager:GetSecretValue", "kms:Decrypt"],
            values::require_get,
            values::get,
        ),
        read::<op::ListSecretVersionIds>(
            &["secretsmanager:ListSecretVersionIds"],
            stages::require_list,
            stages::list,
        ),
        write::<op::PutSecretValue>(
            &[
                "secretsmanager:PutSecretValue",
                "kms:GenerateDataKey",
                "kms:Decrypt",
            ],
            values::require_put,
            values::put,
        ),
        write::<op::UpdateSecret>(
            &[
                "secretsmanager:UpdateSecret",
                "kms:GenerateDataKey",
                "kms:Decrypt",
            ],
            values::require_update,
            values::update,
        ),
        write::<op::UpdateSecretVersionStage>(
            &["secretsmanager:UpdateSecretVersionStage"],
            stages::require_update,
            stages::update,
        ),
    ]
}

fn of_secrets() -> Vec<Row> {
    vec![
        write::<op::CancelRotateSecret>(
            &["secretsmanager:CancelRotateSecret"],
            rotation::require_cancel,
            rotation::cancel,
        ),
        write::<op::CreateSecret>(
            &[
                "secretsmanager:CreateSecret",
                "secretsmanager:TagResource",
                "kms:GenerateDataKey",
                "kms:Decrypt",
            ],
            create::require,
            create::create,
        ),
        write::<op::DeleteSecret>(
            &["secretsmanager:DeleteSecret"],
            deletion::require_delete,
            deletion::delete,
        ),
        read::<op::DescribeSecret>(
            &["secretsmanager:DescribeSecret"],
            describe::require_describe,
            describe::describe,
        ),
        read::<op::ListSecrets>(
            &["secretsmanager:ListSecrets"],
            |_| Ok(vec![Check::new("secretsmanager:ListSecrets", "*")]),
            describe::list,
        ),
        write::<op::RestoreSecret>(
            &["secretsmanager:RestoreSecret"],
            deletion::require_restore,
            deletion::restore,
        ),
        write::<op::RotateSecret>(
            &["secretsmanager:RotateSecret"],
            rotation::require_rotate,
            rotation::rotate,
        ),
        write::<op::TagResource>(
            &["secretsmanager:TagResource"],
            tagging::require_tag,
            tagging::tag,
        ),
        write::<op::UntagResource>(
            &["secretsmanager:UntagResource"],
            tagging::require_untag,
            tagging::untag,
        ),
    ]
}

fn of_policies() -> Vec<Row> {
    vec![
        write::<op::DeleteResourcePolicy>(
            &["secretsmanager:DeleteResourcePolicy"],
            policies::require_delete,
            policies::delete,
        ),
        read::<op::GetResourcePolicy>(
            &["secretsmanager:GetResourcePolicy"],
            policies::require_get,
            policies::get,
        ),
        write::<op::PutResourcePolicy>(
            &["secretsmanager:PutResourcePolicy"],
            policies::require_put,
            policies::put,
        ),
        read::<op::ValidateResourcePolicy>(
            &["secretsmanager:ValidateResourcePolicy"],
            policies::require_validate,
            policies::validate,
        ),
    ]
}
