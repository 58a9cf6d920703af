//! What users, groups, roles and instance profiles have in common.

use std::sync::Arc;

use portcullis_core::{Arn, Tags};

use super::errors::IamError;
use crate::world::records::Record;
use crate::world::records::credentials::ServerCertificate;
use crate::world::records::iam::{Group, InstanceProfile, Permissions, Role, User};
use crate::world::{Snapshot, Table};

/// Something IAM finds by its name, without case.
pub(super) trait Entity: Record + Clone {
    /// How refusals name it: `user NAME`.
    const WORD: &'static str;
    /// How its ARN names it: `user/NAME`.
    const ARN_TYPE: &'static str;
    /// Whether `iam:ResourceTag` shows its tags beside `aws:ResourceTag` (R112).
    const HAS_IAM_RESOURCE_TAG: bool = false;
    /// Whether tag keys that differ in case alone are different keys.
    const EXACT_TAG_KEYS: bool = false;

    /// The entity of that name.
    fn find<'a>(view: &'a Snapshot, name: &str) -> Option<&'a Arc<Self>>;
    /// The error when there is none.
    fn missing(name: &str) -> IamError;
    /// Its ARN.
    fn arn(&self) -> &Arn;
    /// Its tags; groups have none.
    fn tags(&self) -> Option<&Tags>;
    /// The same, to change them.
    fn tags_mut(&mut self) -> Option<&mut Tags>;
    /// Refuses changes by customers to what belongs to a service (R133).
    fn modifiable(&self) -> Result<(), IamError> {
        Ok(())
    }
}

/// An entity that can be renamed and moved.
pub(super) trait Movable: Entity {
    /// Its path.
    fn path(&self) -> &str;
    /// Its name with its case.
    fn name(&self) -> &str;
}

/// An entity with policies.
pub(super) trait Holder: Entity {
    /// Bytes all inline policies may have together (R26).
    const INLINE_BYTES: usize;
    /// The quota of attached managed policies (R26).
    const ATTACHED: (&'static str, usize);

    /// Its name with its case.
    fn name(&self) -> &str;
    /// Its policies.
    fn permissions(&self) -> &Permissions;
    /// The same, to change them.
    fn permissions_mut(&mut self) -> &mut Permissions;
}

/// The entity of that name, or the error that it does not exist.
pub(super) fn get<'a, E: Entity>(view: &'a Snapshot, name: &str) -> Result<&'a Arc<E>, IamError> {
    E::find(view, name).ok_or_else(|| E::missing(name))
}

/// A copy to change, if customers may change it.
pub(super) fn edit<E: Entity>(view: &Snapshot, name: &str) -> Result<E, IamError> {
    let entity = get::<E>(view, name)?;
    entity.modifiable()?;
    Ok(E::clone(entity))
}

/// What somebody owns, of a table whose keys are `OWNER/ID`.
pub(super) fn owned<'v, T>(table: &'v Table<T>, owner: &str) -> Vec<&'v T> {
    let prefix = format!("{owner}/");
    table.prefix(&prefix).map(|(_, row)| row.as_ref()).collect()
}

macro_rules! tagged {
    () => {
        fn tags(&self) -> Option<&Tags> {
            Some(&self.tags)
        }
        fn tags_mut(&mut self) -> Option<&mut Tags> {
            Some(&mut self.tags)
        }
    };
}

macro_rules! entity {
    ($type:ty, $word:literal, $arn:literal, $find:expr, $missing:expr) => {
        const WORD: &'static str = $word;
        const ARN_TYPE: &'static str = $arn;
        fn find<'a>(view: &'a Snapshot, name: &str) -> Option<&'a Arc<Self>> {
            let find: fn(&'a Snapshot, &str) -> Option<&'a Arc<$type>> = $find;
            find(view, name)
        }
        fn missing(name: &str) -> IamError {
            $missing(name.to_owned())
        }
        fn arn(&self) -> &Arn {
            &self.arn
        }
    };
}

impl Entity for User {
    entity!(User, "user", "user", Snapshot::user, IamError::NoUser);
    const HAS_IAM_RESOURCE_TAG: bool = true;
    tagged!();
}

impl Entity for Group {
    entity!(Group, "group", "group", Snapshot::group, IamError::NoGroup);
    fn tags(&self) -> Option<&Tags> {
        None
    }
    fn tags_mut(&mut self) -> Option<&mut Tags> {
        None
    }
}

impl Entity for Role {
    entity!(Role, "role", "role", Snapshot::role, IamError::NoRole);
    const HAS_IAM_RESOURCE_TAG: bool = true;
    tagged!();
    fn modifiable(&self) -> Result<(), IamError> {
        if self.is_service_linked() {
            Err(IamError::ProtectedRole(self.name.clone()))
        } else {
            Ok(())
        }
    }
}

impl Entity for InstanceProfile {
    entity!(
        InstanceProfile,
        "instance profile",
        "instance-profile",
        |view, name| view.instance_profiles.get(&name.to_ascii_lowercase()),
        IamError::NoInstanceProfile
    );
    tagged!();
}

macro_rules! holder {
    ($type:ty, $inline:literal, $attached:literal) => {
        impl Holder for $type {
            const INLINE_BYTES: usize = $inline;
            const ATTACHED: (&'static str, usize) = ($attached, 10);
            fn name(&self) -> &str {
                &self.name
            }
            fn permissions(&self) -> &Permissions {
                &self.permissions
            }
            fn permissions_mut(&mut self) -> &mut Permissions {
                &mut self.permissions
            }
        }
    };
}

holder!(User, 2_048, "PoliciesPerUser");
holder!(Group, 5_120, "PoliciesPerGroup");
holder!(Role, 10_240, "PoliciesPerRole");

/// A user, group or role found by its ARN.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    /// A user.
    User(&'a User),
    /// A group.
    Group(&'a Group),
    /// A role.
    Role(&'a Role),
}

impl<'a> Subject<'a> {
    /// The user, group or role with that ARN.
    pub fn find(view: &'a Snapshot, arn: &Arn) -> Option<Self> {
        let (kind, name) = (arn.resource_parts()?.0, arn.as_str().rsplit('/').next()?);
        let subject = match kind {
            "user" => Self::User(view.user(name)?),
            "group" => Self::Group(view.group(name)?),
            "role" => Self::Role(view.role(name)?),
            _ => return None,
        };
        (subject.arn() == arn).then_some(subject)
    }

    /// Its ARN.
    pub fn arn(&self) -> &'a Arn {
        match self {
            Self::User(user) => &user.arn,
            Self::Group(group) => &group.arn,
            Self::Role(role) => &role.arn,
        }
    }

    /// Its tags; groups have none.
    pub fn tags(&self) -> Option<&'a Tags> {
        match self {
            Self::User(user) => Some(&user.tags),
            Self::Group(_) => None,
            Self::Role(role) => Some(&role.tags),
        }
    }
}

macro_rules! movable {
    ($($type:ident),*) => { $(
        impl Movable for $type {
            fn path(&self) -> &str {
                &self.path
            }
            fn name(&self) -> &str {
                &self.name
            }
        }
    )* };
}

movable!(User, Group, ServerCertificate);
