//! The decision: which statements apply, and what the policy sets together say (R113-R139).

use crate::document::Statement;
use crate::matching::action::AskedAction;
use crate::matching::principal::Naming;
use crate::matching::statement::{Asked, NamesPrincipals};
use crate::{Effect, Kind, PolicySets, PolicyType, Principal, Request, Source, open_points};

/// What the policies say about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Everything that has to allow, allows; nothing denies.
    Allow,
    /// A statement with Effect Deny applies (R115).
    ExplicitDeny,
    /// Something that has to allow is silent (R122).
    ImplicitDeny,
}

/// A statement that applies to a request.
#[derive(Debug, Clone, Copy)]
pub struct Matched<'a> {
    /// The type of the set it stands in.
    pub policy_type: PolicyType,
    /// Its policy.
    pub source: Source<'a>,
    /// Its place in the policy, counted from 0.
    pub index: usize,
    /// The statement.
    pub statement: &'a Statement,
    pub(crate) naming: Naming,
    /// The level of an SCP or RCP, counted from 0.
    pub(crate) level: usize,
}

/// A decision with its reasons.
#[derive(Debug, Clone)]
pub struct Decision<'a> {
    /// What was decided.
    pub outcome: Outcome,
    /// The set that stopped the request: the one with the Deny, or the silent one; `None` when it is allowed.
    /// If several refuse, one is named (R172).
    pub by: Option<PolicyType>,
    /// For an explicit deny the Deny statements that apply, the stopping set's first; otherwise the Allow
    /// statements that apply.
    pub matched: Vec<Matched<'a>>,
    /// Whether caller and resource belong to different accounts (R123).
    pub cross_account: bool,
}

impl Decision<'_> {
    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allow
    }

    /// The ARN of the managed policy whose Deny stopped the request, if it has one (R173).
    pub fn denying_policy_arn(&self) -> Option<&str> {
        let stopped_it = |matched: &&Matched<'_>| {
            matched.statement.effect == Effect::Deny && Some(matched.policy_type) == self.by
        };
        self.matched
            .iter()
            .find(stopped_it)
            .and_then(|matched| matched.source.arn)
    }
}

/// Decides a request. Nothing here fails, waits or has side effects (R102); the answer does not depend on the
/// order of policies, statements or values (R103).
pub fn decide<'a>(request: &Request<'_>, sets: &PolicySets<'a>) -> Decision<'a> {
    let asked = asked(request, sets);
    let mut applying = Vec::new();
    for_each_set(request, sets, |set| {
        for (index, statement) in set.source.document.statements().iter().enumerate() {
            let naming = asked.naming(statement, set.names_principals());
            if naming > Naming::None {
                applying.push(set.matched(index, statement, naming));
            }
        }
    });
    combine(request, sets, applying)
}

/// The request as statements see it.
pub(crate) fn asked<'r>(request: &Request<'r>, sets: &PolicySets<'_>) -> Asked<'r> {
    let has_boundary = sets.boundary.is_some() && request.principal.has_identity_policies();
    Asked {
        request: *request,
        action: AskedAction::of(request.action),
        has_boundary,
    }
}

/// One policy within its set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InSet<'a> {
    pub(crate) policy_type: PolicyType,
    pub(crate) level: usize,
    pub(crate) source: Source<'a>,
}

impl<'a> InSet<'a> {
    pub(crate) fn names_principals(&self) -> NamesPrincipals {
        match self.policy_type {
            PolicyType::Resource
            | PolicyType::RoleTrust
            | PolicyType::ResourceControl
            | PolicyType::Endpoint => NamesPrincipals::Yes,
            PolicyType::Identity
            | PolicyType::Boundary
            | PolicyType::Session
            | PolicyType::ServiceControl => NamesPrincipals::No,
        }
    }

    pub(crate) fn matched(&self, index: usize, statement: &'a Statement, naming: Naming) -> Matched<'a> {
        let Self {
            policy_type,
            level,
            source,
        } = *self;
        Matched {
            policy_type,
            source,
            index,
            statement,
            naming,
            level,
        }
    }
}

/// Visits every policy that binds this caller, set by set.
pub(crate) fn for_each_set<'a>(
    request: &Request<'_>,
    sets: &PolicySets<'a>,
    mut visit: impl FnMut(InSet<'a>),
) {
    let caller = request.principal;
    let mut level_of = |policy_type, level, sources: &[Source<'a>]| {
        for source in sources {
            visit(InSet {
                policy_type,
                level,
                source: *source,
            });
        }
    };
    if scps_bind(caller) {
        sets.scps
            .iter()
            .enumerate()
            .for_each(|(n, level)| level_of(PolicyType::ServiceControl, n, level));
    }
    if rcps_bind(caller) {
        sets.rcps
            .iter()
            .enumerate()
            .for_each(|(n, level)| level_of(PolicyType::ResourceControl, n, level));
    }
    level_of(PolicyType::Endpoint, 0, sets.endpoint.as_slice());
    level_of(sets.resource_type(), 0, sets.resource.as_slice());
    if caller.has_identity_policies() {
        level_of(PolicyType::Boundary, 0, sets.boundary.as_slice());
        level_of(PolicyType::Identity, 0, sets.identity);
    }
    level_of(PolicyType::Session, 0, sets.session.unwrap_or_default());
}

/// R117: users, roles and root users; not service-linked roles, services or strangers.
fn scps_bind(caller: &Principal) -> bool {
    caller.account().is_some() && !caller.is_service_linked_role()
}

/// R116: everybody but service-linked roles.
fn rcps_bind(caller: &Principal) -> bool {
    !caller.is_service_linked_role()
}

/// What the applying statements of all sets come to (R115-R128).
pub(crate) fn combine<'a>(
    request: &Request<'_>,
    sets: &PolicySets<'a>,
    mut applying: Vec<Matched<'a>>,
) -> Decision<'a> {
    let cross_account = request.is_cross_account();
    let order = open_points::r172_order();
    let denies = |policy_type: &PolicyType| {
        applying
            .iter()
            .any(|m| m.statement.effect == Effect::Deny && m.policy_type == *policy_type)
    };
    if let Some(by) = order.into_iter().find(denies) {
        applying.retain(|matched| matched.statement.effect == Effect::Deny);
        applying.sort_by_key(|matched| order.iter().position(|known| *known == matched.policy_type));
        return Decision {
            outcome: Outcome::ExplicitDeny,
            by: Some(by),
            matched: applying,
            cross_account,
        };
    }
    let allows = Allows {
        request,
        sets,
        applying: &applying,
    };
    let by = order
        .into_iter()
        .find(|policy_type| allows.is_silent(*policy_type));
    let outcome = if by.is_some() {
        Outcome::ImplicitDeny
    } else {
        Outcome::Allow
    };
    Decision {
        outcome,
        by,
        matched: applying,
        cross_account,
    }
}

/// What the Allow statements that apply come to.
pub(crate) struct Allows<'r, 'a> {
    pub(crate) request: &'r Request<'r>,
    pub(crate) sets: &'r PolicySets<'a>,
    pub(crate) applying: &'r [Matched<'a>],
}

impl Allows<'_, '_> {
    fn of(&self, policy_type: PolicyType) -> impl Iterator<Item = &Matched<'_>> {
        let wanted =
            move |m: &&Matched<'_>| m.policy_type == policy_type && m.statement.effect == Effect::Allow;
        self.applying.iter().filter(wanted)
    }

    fn any(&self, policy_type: PolicyType) -> bool {
        self.of(policy_type).next().is_some()
    }

    /// Whether a set that has to allow does not.
    pub(crate) fn is_silent(&self, policy_type: PolicyType) -> bool {
        let caller = self.request.principal;
        match policy_type {
            PolicyType::ServiceControl => {
                scps_bind(caller) && self.some_level_is_silent(policy_type, self.sets.scps)
            }
            PolicyType::ResourceControl => {
                rcps_bind(caller) && self.some_level_is_silent(policy_type, self.sets.rcps)
            }
            PolicyType::Endpoint => self.sets.endpoint.is_some() && !self.any(policy_type),
            PolicyType::Resource | PolicyType::RoleTrust => {
                policy_type == self.sets.resource_type()
                    && self.resource_must_allow()
                    && !self.any(policy_type)
            }
            PolicyType::Boundary => {
                let applies = self.sets.boundary.is_some() && caller.has_identity_policies();
                applies && !self.any(policy_type) && self.resource_grant() < Naming::Direct
            }
            PolicyType::Session => {
                // R121: a federated user without session policies has no permissions of its own.
                let applies =
                    self.sets.session.is_some() || matches!(caller, Principal::FederatedUser { .. });
                applies && !self.any(policy_type) && self.resource_grant() < Naming::Direct
            }
            PolicyType::Identity => {
                caller.has_identity_policies()
                    && !self.any(policy_type)
                    && self.resource_grant() < Naming::Entity
            }
        }
    }

    /// Every level, from the root of the organization to the account, needs an Allow (R116, R117).
    fn some_level_is_silent(&self, policy_type: PolicyType, levels: &[&[Source<'_>]]) -> bool {
        let allows = |level: usize| self.of(policy_type).any(|matched| matched.level == level);
        !(0..levels.len()).all(allows)
    }

    /// R123, R124, R126: the resource's policy is needed across accounts, for roles and KMS keys, and by callers
    /// who have no policies of their own.
    fn resource_must_allow(&self) -> bool {
        let is_trust = self
            .sets
            .resource
            .is_some_and(|source| source.document.kind() == Kind::Trust);
        let is_kms_key = self.sets.resource.is_some() && is_kms_key(self.request.resource);
        is_trust
            || is_kms_key
            || self.request.is_cross_account()
            || self.request.principal.account().is_none()
    }

    /// What the resource's policy lifts within one account: naming the caller itself lifts the implicit denies
    /// of identity, boundary and session policies; naming its role or user only that of identity policies; naming
    /// the account none (R118).
    fn resource_grant(&self) -> Naming {
        if self.request.is_cross_account() {
            return Naming::None;
        }
        self.of(self.sets.resource_type())
            .map(|matched| matched.naming)
            .max()
            .unwrap_or(Naming::None)
    }
}

fn is_kms_key(resource: &str) -> bool {
    let mut fields = resource.splitn(6, ':').skip(2);
    fields.next() == Some("kms") && fields.nth(2).is_some_and(|part| part.starts_with("key/"))
}
