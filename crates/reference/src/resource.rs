//! Resource types and the form of their ARNs.

use std::fmt;

use crate::blob::{self, Fields};
use crate::key::KeyId;
use crate::service::ServiceId;

/// A resource type of a service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceTypeId(pub(crate) u16);

impl ResourceTypeId {
    /// How many resource types there are.
    pub const COUNT: usize = blob::RESOURCE_TYPES.len();

    /// Every resource type, by service and name.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + DoubleEndedIterator + Clone {
        (0..Self::COUNT as u16).map(Self)
    }

    /// The resource type's number, below [`ResourceTypeId::COUNT`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    fn fields(self, skip: usize) -> Fields<'static> {
        let record = blob::RESOURCE_TYPES.get(self.index()).unwrap_or(&[0; 12]);
        Fields::new(record, skip)
    }

    /// `task-definition`.
    pub fn name(self) -> &'static str {
        self.fields(0).text().get()
    }

    /// `arn:${Partition}:ecs:${Region}:${Account}:task/${ClusterName}/${TaskId}`.
    pub fn arn_format(self) -> &'static str {
        self.fields(4).text().get()
    }

    /// The service whose resource type it is.
    pub fn service(self) -> ServiceId {
        ServiceId(self.fields(8).u16())
    }

    /// The condition keys listed for the resource type.
    pub fn keys(self) -> impl ExactSizeIterator<Item = KeyId> + Clone {
        KeyId::list(self.fields(10).u16())
    }
}

impl fmt::Debug for ResourceTypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service(), self.name())
    }
}
