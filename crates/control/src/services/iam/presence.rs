//! A user leaves or comes back: what SCIM says of people and no operation of IAM's does.

use portcullis_api::iam::UpdateUserRequest;
use portcullis_api::iam::op::UpdateUser;
use portcullis_wire::Empty;

use super::checks::{self, Checks};
use super::{entity, service_credentials};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized};
use crate::world::records::iam::{Departure, User};
use crate::world::{Snapshot, Tx};

/// What changing the user needs.
pub(crate) fn require(ask: Ask<'_, UpdateUserRequest>) -> Checks {
    checks::one(checks::on::<User>("iam:UpdateUser", &ask, &ask.input.user_name))
}

/// Everything of the user ends with this change; what worked is remembered. Twice is once.
pub(crate) fn leave(tx: &mut Tx<'_>, auth: Authorized<'_, UpdateUser>) -> Result<Empty, ServiceError> {
    let user = entity::get::<User>(tx.view(), &auth.input().user_name)?;
    if user.left.is_some() {
        return Ok(Empty {});
    }
    let left = Departure {
        access_keys: active_keys(tx.view(), user),
        credentials: active_credentials(tx.view(), user),
    };
    let away = User {
        left: Some(left),
        ..User::clone(user)
    };
    tx.put(away);
    Ok(Empty {})
}

/// Sessions count from now on.
pub(crate) fn come_back(tx: &mut Tx<'_>, auth: Authorized<'_, UpdateUser>) -> Result<Empty, ServiceError> {
    let user = entity::get::<User>(tx.view(), &auth.input().user_name)?;
    let back = User {
        left: None,
        active_since: Some(tx.now),
        ..User::clone(user)
    };
    tx.put(back);
    Ok(Empty {})
}

fn active_keys(view: &Snapshot, user: &User) -> Vec<String> {
    let keys = view.user_keys(Some(&user.name));
    let active = keys.filter(|id| view.access_keys.get(id).is_some_and(|key| key.active));
    active.map(str::to_owned).collect()
}

fn active_credentials(view: &Snapshot, user: &User) -> Vec<String> {
    let all = service_credentials::of_user(view, user).into_iter();
    all.filter(|row| row.active).map(|row| row.id.clone()).collect()
}
