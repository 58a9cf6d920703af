//! IAM Toolbox: why a request was refused (policy-language R175).

mod details;
mod errors;
mod policy;

use portcullis_api::iam_toolbox::op;

use crate::gate::operation::{Row, read};

/// The operations of the service.
pub fn table() -> Vec<Row> {
    vec![
        read::<op::GetRequestAuthorizationDetails>(&[details::ACTION], details::require, details::get),
        read::<op::GetRequestAuthorizationPolicy>(&[policy::ACTION], policy::require, policy::get),
    ]
}
