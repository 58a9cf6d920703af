//! What the answers of all policy sets come to (R115-R128): the one place that decides, whoever evaluated the sets.

use crate::matching::principal::Naming;
use crate::{Outcome, PolicyType, Principal, Request, open_points};

/// A decision without its reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// What was decided.
    pub outcome: Outcome,
    /// The set that stopped the request, `None` when it is allowed. If several refuse, one is named (R172).
    pub by: Option<PolicyType>,
}

impl Verdict {
    /// Whether the request may go on.
    pub fn is_allowed(self) -> bool {
        self.outcome == Outcome::Allow
    }

    pub(crate) fn denied_by(by: PolicyType) -> Self {
        Self {
            outcome: Outcome::ExplicitDeny,
            by: Some(by),
        }
    }
}

/// What one policy set says (R114).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SetAnswer {
    /// Whether a Deny applies.
    pub(crate) denies: bool,
    /// How closely the closest Allow that applies names the caller.
    pub(crate) allows: Naming,
}

impl SetAnswer {
    /// Nothing applies.
    pub(crate) const SILENT: Self = Self {
        denies: false,
        allows: Naming::None,
    };

    /// Two parts of one set: either may allow, and either may deny (R114).
    pub(crate) fn or_also(self, other: Self) -> Self {
        Self {
            denies: self.denies || other.denies,
            allows: self.allows.max(other.allows),
        }
    }

    /// Two levels of an organization: each needs an Allow, and either may deny (R116, R117).
    pub(crate) fn and_level(self, other: Self) -> Self {
        Self {
            denies: self.denies || other.denies,
            allows: self.allows.min(other.allows),
        }
    }
}

/// Which types of policy set bear on a request, whether or not there are any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bearing {
    /// R117: users, roles and root users; not service-linked roles, services or strangers.
    pub(crate) scps: bool,
    /// R116: everybody but service-linked roles.
    pub(crate) rcps: bool,
    /// Whether session policies, if there are any, bind the caller (R121).
    pub(crate) session: bool,
    /// Whether the caller can have identity policies and a boundary (R119, R120).
    pub(crate) identity: bool,
}

impl Bearing {
    pub(crate) fn on(caller: &Principal) -> Self {
        let is_service_linked = caller.is_service_linked_role();
        Self {
            scps: caller.account().is_some() && !is_service_linked,
            rcps: !is_service_linked,
            session: !matches!(caller, Principal::Root { .. })
                || open_points::r121_session_policies_bind_root(),
            identity: caller.has_identity_policies(),
        }
    }
}

/// The answers of the sets that exist and bear on the request; `None` for a set that does not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answers<'r> {
    pub(crate) request: &'r Request<'r>,
    pub(crate) is_cross_account: bool,
    pub(crate) scps: Option<SetAnswer>,
    pub(crate) rcps: Option<SetAnswer>,
    pub(crate) endpoint: Option<SetAnswer>,
    pub(crate) resource: Option<SetAnswer>,
    /// Whether the resource's policy is the trust policy of a role.
    pub(crate) resource_is_role: bool,
    pub(crate) boundary: Option<SetAnswer>,
    pub(crate) session: Option<SetAnswer>,
    /// There without any policy, too, for callers who may have some.
    pub(crate) identity: Option<SetAnswer>,
}

impl<'r> Answers<'r> {
    /// Of no sets yet.
    pub(crate) fn none(request: &'r Request<'r>, is_cross_account: bool) -> Self {
        Self {
            request,
            is_cross_account,
            scps: None,
            rcps: None,
            endpoint: None,
            resource: None,
            resource_is_role: false,
            boundary: None,
            session: None,
            identity: None,
        }
    }

    /// The decision: an explicit deny of any set, else the first set that has to allow and does not.
    pub(crate) fn verdict(&self) -> Verdict {
        let denies = |policy_type: &PolicyType| self.of(*policy_type).is_some_and(|answer| answer.denies);
        match open_points::r172_order().into_iter().find(denies) {
            Some(by) => Verdict::denied_by(by),
            None => self.verdict_without_deny(),
        }
    }

    /// The decision when no set denies.
    pub(crate) fn verdict_without_deny(&self) -> Verdict {
        let order = open_points::r172_order();
        let by = order.into_iter().find(|policy_type| self.is_silent(*policy_type));
        let outcome = if by.is_some() {
            Outcome::ImplicitDeny
        } else {
            Outcome::Allow
        };
        Verdict { outcome, by }
    }

    /// What a set says, if it is there.
    #[inline]
    pub(crate) fn of(&self, policy_type: PolicyType) -> Option<SetAnswer> {
        match policy_type {
            PolicyType::ServiceControl => self.scps,
            PolicyType::ResourceControl => self.rcps,
            PolicyType::Endpoint => self.endpoint,
            PolicyType::Resource => self.resource.filter(|_| !self.resource_is_role),
            PolicyType::RoleTrust => self.resource.filter(|_| self.resource_is_role),
            PolicyType::Boundary => self.boundary,
            PolicyType::Session => self.session,
            PolicyType::Identity => self.identity,
        }
    }

    /// Whether a set that has to allow does not.
    #[inline]
    pub(crate) fn is_silent(&self, policy_type: PolicyType) -> bool {
        let answer = self.of(policy_type);
        if answer.is_some_and(|answer| answer.allows > Naming::None) {
            return false;
        }
        let exists = answer.is_some();
        match policy_type {
            PolicyType::ServiceControl | PolicyType::ResourceControl | PolicyType::Endpoint => exists,
            PolicyType::Resource => !self.resource_is_role && self.resource_must_allow(),
            PolicyType::RoleTrust => self.resource_is_role && self.resource_must_allow(),
            PolicyType::Boundary => exists && self.resource_grant() < Naming::Direct,
            PolicyType::Session => {
                // R121: a federated user without session policies has no permissions of its own.
                let must_exist = matches!(self.request.principal, Principal::FederatedUser { .. });
                (exists || must_exist) && self.resource_grant() < Naming::Direct
            }
            PolicyType::Identity => exists && self.resource_grant() < Naming::Entity,
        }
    }

    /// R123, R124, R126: the resource's policy is needed across accounts, for roles and KMS keys, and by callers
    /// who have no policies of their own.
    fn resource_must_allow(&self) -> bool {
        self.resource_is_role
            || (self.resource.is_some() && is_kms_key(self.request.resource))
            || self.is_cross_account
            || self.request.principal.account().is_none()
    }

    /// What the resource's policy lifts within one account: naming the caller itself lifts the implicit denies
    /// of identity, boundary and session policies; naming its role or user only that of identity policies; naming
    /// the account none (R118).
    fn resource_grant(&self) -> Naming {
        match self.resource {
            Some(answer) if !self.is_cross_account => answer.allows,
            _ => Naming::None,
        }
    }
}

fn is_kms_key(resource: &str) -> bool {
    let mut fields = resource.splitn(6, ':').skip(2);
    fields.next() == Some("kms") && fields.nth(2).is_some_and(|part| part.starts_with("key/"))
}
