//! The checks of IAM's calls: resource ARNs, how refusals name them (cloudtrail-facts `message_forms`), tags.

use portcullis_core::{Arn, Tags};

use super::entity::{Entity, Holder, Movable, Subject};
use super::errors::IamError;
use crate::gate::call::Call;
use crate::gate::caller::Identity;
use crate::gate::context::add_request_tags;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Check};
use crate::open_points;
use crate::world::records::iam::ManagedPolicy;

/// What a function that names checks answers.
pub(super) type Checks = Result<Vec<Check>, ServiceError>;

/// The only check of a call.
pub(super) fn one(check: Check) -> Checks {
    Ok(vec![check])
}

/// An ARN of this account's IAM.
pub(super) fn arn(call: &Call, kind: &str, path: &str, name: &str) -> Arn {
    Arn::global(
        "iam",
        call.caller.partition,
        &call.account,
        format_args!("{kind}{path}{name}"),
    )
}

/// The checks on renaming or moving an entity: on the ARN it has and on the one it gets, so that nobody gets out of
/// the path or the name that bounds him.
pub(super) fn on_move<E: Movable>(
    action: &'static str,
    ask: &Ask<'_, impl Sized>,
    name: &str,
    new_name: Option<&String>,
    new_path: Option<&String>,
) -> Checks {
    let own = on::<E>(action, ask, name);
    let (path, present) =
        E::find(ask.view, name).map_or(("/", name), |entity| (entity.path(), entity.name()));
    let (new_path, new_name) = (
        new_path.map_or(path, String::as_str),
        new_name.map_or(present, String::as_str),
    );
    let target = arn(ask.call, E::ARN_TYPE, new_path, new_name);
    if target.as_str() == own.resource {
        return one(own);
    }
    let mut there = own.clone().shown_as(format!("{} {new_name}", E::WORD));
    there.resource = target.to_string();
    Ok(vec![own, there])
}

/// A check on a named entity. One that does not exist is authorised on the ARN it would have (R181).
pub(super) fn on<E: Entity>(action: &'static str, ask: &Ask<'_, impl Sized>, name: &str) -> Check {
    let shown = format!("{} {name}", E::WORD);
    match E::find(ask.view, name) {
        Some(entity) => {
            let check = Check::new(action, entity.arn().as_str()).shown_as(shown);
            match entity.tags() {
                Some(tags) => with_resource_tags(check, tags, E::HAS_IAM_RESOURCE_TAG),
                None => check,
            }
        }
        None => {
            let check = Check::new(action, arn(ask.call, E::ARN_TYPE, "/", name).as_str());
            open_points::r181_check_on_missing(check.shown_as(shown))
        }
    }
}

/// The same with `iam:PermissionsBoundary`: the boundary the entity has.
pub(super) fn bounded<H: Holder>(action: &'static str, ask: &Ask<'_, impl Sized>, name: &str) -> Check {
    let boundary = H::find(ask.view, name).and_then(|holder| holder.permissions().boundary.clone());
    on::<H>(action, ask, name).with_some("iam:PermissionsBoundary", boundary)
}

/// A check on an entity about to be made; refusals name its ARN.
pub(super) fn on_new<E: Entity>(
    action: &'static str,
    ask: &Ask<'_, impl Sized>,
    path: Option<&String>,
    name: &str,
) -> Check {
    let path = path.map_or("/", String::as_str);
    Check::new(action, arn(ask.call, E::ARN_TYPE, path, name).as_str())
}

/// The checks of a creation: the action itself, and with tags the right to tag. The new tags are shown as those of
/// the request and of the resource (R168).
pub(super) fn creating(
    check: Check,
    tag_action: &'static str,
    has_iam_resource_tag: bool,
    tags: Option<&Vec<portcullis_api::iam::Tag>>,
) -> Checks {
    let tags = super::tags::as_given(tags);
    if tags.is_empty() {
        return one(check);
    }
    let mut tagging = Check::new(tag_action, check.resource.clone());
    let mut check = with_resource_tags(check, &tags, has_iam_resource_tag);
    add_request_tags(&mut check.context, &tags);
    add_request_tags(&mut tagging.context, &tags);
    Ok(vec![check, tagging])
}

/// A check on a managed policy, the customer's or AWS's.
pub(super) fn on_policy(action: &'static str, ask: &Ask<'_, impl Sized>, policy: &str) -> Check {
    let check = Check::new(action, policy).shown_as(format!("policy {policy}"));
    match find_policy(ask, policy) {
        Some(found) => with_resource_tags(check, &found.tags, false),
        None => check,
    }
}

fn find_policy<'a>(ask: &Ask<'a, impl Sized>, policy: &str) -> Option<&'a ManagedPolicy> {
    let policy: Arn = policy.parse().ok()?;
    ask.view.policy(&policy).map(AsRef::as_ref)
}

/// A check on a virtual MFA device.
pub(super) fn on_device(action: &'static str, ask: &Ask<'_, impl Sized>, serial: &str) -> Check {
    let check = Check::new(action, serial);
    match ask.view.mfa_devices.get(serial) {
        Some(device) => with_resource_tags(check, &device.tags, false),
        None => check,
    }
}

/// A check on the user, group or role with an ARN.
pub(super) fn on_subject(action: &'static str, ask: &Ask<'_, impl Sized>, named: &str) -> Check {
    let check = Check::new(action, named);
    let subject = named
        .parse()
        .ok()
        .and_then(|named: Arn| Subject::find(ask.view, &named));
    match subject.and_then(|subject| subject.tags()) {
        Some(tags) => with_resource_tags(check, tags, true),
        None => check,
    }
}

/// A check of a list below a path: `arn:aws:iam::ACCOUNT:user/`.
pub(super) fn on_list(
    action: &'static str,
    ask: &Ask<'_, impl Sized>,
    kind: &str,
    prefix: Option<&String>,
) -> Check {
    Check::new(
        action,
        arn(ask.call, kind, prefix.map_or("/", String::as_str), "").as_str(),
    )
}

fn with_resource_tags(mut check: Check, tags: &Tags, has_iam_resource_tag: bool) -> Check {
    check.context.insert_tags("aws:ResourceTag", tags);
    if has_iam_resource_tag {
        check.context.insert_tags("iam:ResourceTag", tags);
    }
    check
}

/// Whose credentials a call without `UserName` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// A user's.
    User(String),
    /// The root user's.
    Root,
}

impl Whose {
    /// The user named, or else the caller; roles and federated users must name one.
    pub fn of(call: &Call, named: Option<&String>) -> Result<Self, IamError> {
        match (named, &call.caller.identity) {
            (Some(name), _) => Ok(Self::User(name.clone())),
            (None, Identity::User { name, .. }) => Ok(Self::User(name.clone())),
            (None, Identity::Root) => Ok(Self::Root),
            (None, _) => Err(IamError::Validation(
                "Must specify userName when calling with non-User credentials".to_owned(),
            )),
        }
    }

    /// The user's name; `None` for root.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::User(name) => Some(name),
            Self::Root => None,
        }
    }
}

/// A check on the user meant, who may be the caller itself.
pub(super) fn on_own(action: &'static str, ask: &Ask<'_, impl Sized>, named: Option<&String>) -> Checks {
    match Whose::of(ask.call, named)? {
        Whose::User(name) => one(on::<crate::world::records::iam::User>(action, ask, &name)),
        Whose::Root => one(Check::new(action, ask.call.caller.arn())),
    }
}
