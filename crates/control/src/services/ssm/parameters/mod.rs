//! Parameter Store: named values in hierarchies, with versions and labels. Secure strings rest sealed under a KMS key.

mod delete;
mod describe;
mod errors;
mod filters;
mod get;
mod labels;
mod names;
mod paging;
mod path;
mod public;
mod put;
mod rules;
mod sealing;
pub(super) mod tagging;

use portcullis_api::ssm::op;

pub(crate) use delete::{is_due, sweep};
pub use public::{PublicParameters, PublicParametersError};

use crate::gate::operation::{Check, Row, read, write};

/// The operations of Parameter Store.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = reading();
    rows.extend(changing());
    rows
}

fn reading() -> Vec<Row> {
    vec![
        read::<op::DescribeParameters>(
            &["ssm:DescribeParameters"],
            |_| Ok(vec![Check::new("ssm:DescribeParameters", "*")]),
            describe::describe,
        ),
        read::<op::GetParameter>(&["ssm:GetParameter", "kms:Decrypt"], get::require_one, get::one),
        read::<op::GetParameterHistory>(
            &["ssm:GetParameterHistory", "kms:Decrypt"],
            describe::require_history,
            describe::history,
        ),
        read::<op::GetParameters>(
            &["ssm:GetParameters", "kms:Decrypt"],
            get::require_some,
            get::some,
        ),
        read::<op::GetParametersByPath>(
            &["ssm:GetParametersByPath", "kms:Decrypt"],
            path::require,
            path::get,
        ),
    ]
}

fn changing() -> Vec<Row> {
    vec![
        write::<op::DeleteParameter>(&["ssm:DeleteParameter"], delete::require_one, delete::one),
        write::<op::DeleteParameters>(&["ssm:DeleteParameters"], delete::require_some, delete::some),
        write::<op::LabelParameterVersion>(
            &["ssm:LabelParameterVersion"],
            labels::require_label,
            labels::label,
        ),
        write::<op::PutParameter>(
            &[
                "ssm:PutParameter",
                "ssm:AddTagsToResource",
                "kms:Encrypt",
                "kms:GenerateDataKey",
            ],
            put::require,
            put::put,
        ),
        write::<op::UnlabelParameterVersion>(
            &["ssm:UnlabelParameterVersion"],
            labels::require_unlabel,
            labels::unlabel,
        ),
    ]
}
