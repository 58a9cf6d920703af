//! Operations that have no action of their own name, which people write into policies all the same.

use crate::action::ActionId;
use crate::blob::{self, Fields};
use crate::service::{ServiceId, service};

/// An operation of an API that has no action of its own name.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The service.
    pub service: ServiceId,
    /// The operation's name, such as `ListObjectsV2`.
    pub name: &'static str,
    actions: u16,
}

impl Operation {
    /// The actions it needs instead (`s3:ListBucket`); none if the operation is newer than the reference, so that an action of its
    /// name may well exist by now (`ecs:CreateGateway`).
    pub fn actions(self) -> impl ExactSizeIterator<Item = ActionId> + Clone {
        let entries = blob::list(blob::ACTION_LISTS, self.actions, 1);
        entries.iter().map(|id| ActionId(u16::from_le_bytes(*id)))
    }
}

/// Every such operation.
pub fn operations_without_action() -> impl ExactSizeIterator<Item = Operation> + Clone {
    blob::OPERATIONS.iter().map(|record| {
        let mut fields = Fields::new(record, 0);
        Operation {
            name: fields.text().get(),
            service: ServiceId(fields.u16()),
            actions: fields.u16(),
        }
    })
}

/// The operation without an action of its own that this qualified name (`s3:ListObjectsV2`) means, in any case.
pub fn operation_without_action(qualified: &str) -> Option<Operation> {
    let (prefix, name) = qualified.split_once(':')?;
    let of = service(prefix)?;
    operations_without_action().find(|found| found.service == of && found.name.eq_ignore_ascii_case(name))
}
