//! Whether a user is away: one mark in the user's record, in whose sight no key, session or credential of the user works. It
//! takes no room that a quota could refuse. IAM has no operation for it, so that these two are ours; the gate decides
//! them like `iam:UpdateUser` and CloudTrail's history shows them by their names.

use std::sync::LazyLock;

use portcullis_api::iam::UpdateUserRequest;
use portcullis_api::iam::op::UpdateUser;

use super::desk::Desk;
use super::errors::ScimError;
use crate::gate::operation::{Row, write};
use crate::services::iam::presence;

const ACTIONS: &[&str] = &["iam:UpdateUser"];
static LEAVE: LazyLock<Row> =
    LazyLock::new(|| write::<UpdateUser>(ACTIONS, presence::require, presence::leave));
static RETURN: LazyLock<Row> =
    LazyLock::new(|| write::<UpdateUser>(ACTIONS, presence::require, presence::come_back));

/// Marks a user as away. From here on nothing of the user works.
pub(super) async fn leave(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
    change(desk, "DeactivateUser", &LEAVE, name).await
}

/// Takes the mark away. Sessions from before stay ended.
pub(super) async fn come_back(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
    change(desk, "ReactivateUser", &RETURN, name).await
}

async fn change(desk: &Desk<'_>, operation: &'static str, row: &Row, name: &str) -> Result<(), ScimError> {
    let input = UpdateUserRequest {
        user_name: name.to_owned(),
        ..Default::default()
    };
    desk.change::<UpdateUser>(operation, row, &input).await?;
    Ok(())
}
