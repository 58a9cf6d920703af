//! The decision: which statements apply, and what the policy sets together say (R113-R139).

use crate::answers::{Answers, Bearing, SetAnswer, Verdict};
use crate::document::Statement;
use crate::matching::action::AskedAction;
use crate::matching::principal::Naming;
use crate::matching::statement::{Asked, NamesPrincipals};
use crate::{Effect, PolicySets, PolicyType, Request, Source, open_points};

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
    let context = request.context.applying_to(request.action);
    let request = &Request {
        context: &context,
        ..*request
    };
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
        self.policy_type.names_principals()
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
    let bearing = Bearing::on(request.principal);
    let mut level_of = |policy_type, level, sources: &[Source<'a>]| {
        for source in sources {
            visit(InSet {
                policy_type,
                level,
                source: *source,
            });
        }
    };
    if bearing.scps {
        sets.scps
            .iter()
            .enumerate()
            .for_each(|(n, level)| level_of(PolicyType::ServiceControl, n, level));
    }
    if bearing.rcps {
        sets.rcps
            .iter()
            .enumerate()
            .for_each(|(n, level)| level_of(PolicyType::ResourceControl, n, level));
    }
    level_of(PolicyType::Endpoint, 0, sets.endpoint.as_slice());
    level_of(sets.resource_type(), 0, sets.resource.as_slice());
    if bearing.identity {
        level_of(PolicyType::Boundary, 0, sets.boundary.as_slice());
        level_of(PolicyType::Identity, 0, sets.identity);
    }
    if bearing.session {
        level_of(PolicyType::Session, 0, sets.session.unwrap_or_default());
    }
}

/// What the applying statements of all sets come to (R115-R128).
pub(crate) fn combine<'a>(
    request: &Request<'_>,
    sets: &PolicySets<'a>,
    mut applying: Vec<Matched<'a>>,
) -> Decision<'a> {
    let Verdict { outcome, by } = answers(request, sets, &applying).verdict();
    if outcome == Outcome::ExplicitDeny {
        let order = open_points::r172_order();
        applying.retain(|matched| matched.statement.effect == Effect::Deny);
        applying.sort_by_key(|matched| order.iter().position(|known| *known == matched.policy_type));
    }
    Decision {
        outcome,
        by,
        matched: applying,
        cross_account: request.is_cross_account(),
    }
}

/// What every set answers, by the statements that apply.
pub(crate) fn answers<'r>(
    request: &'r Request<'r>,
    sets: &PolicySets<'_>,
    applying: &[Matched<'_>],
) -> Answers<'r> {
    let bearing = Bearing::on(request.principal);
    let answer = |policy_type: PolicyType, level: usize| {
        let of_set = applying
            .iter()
            .filter(|matched| matched.policy_type == policy_type && matched.level == level);
        of_set.fold(SetAnswer::SILENT, |answer, matched| {
            match matched.statement.effect {
                Effect::Deny => SetAnswer {
                    denies: true,
                    ..answer
                },
                Effect::Allow => SetAnswer {
                    allows: answer.allows.max(matched.naming),
                    ..answer
                },
            }
        })
    };
    let levels = |policy_type: PolicyType, count: usize| {
        (0..count)
            .map(|level| answer(policy_type, level))
            .reduce(SetAnswer::and_level)
    };
    let when = |exists: bool, policy_type: PolicyType| exists.then(|| answer(policy_type, 0));
    Answers {
        scps: levels(PolicyType::ServiceControl, sets.scps.len()).filter(|_| bearing.scps),
        rcps: levels(PolicyType::ResourceControl, sets.rcps.len()).filter(|_| bearing.rcps),
        endpoint: when(sets.endpoint.is_some(), PolicyType::Endpoint),
        resource: when(sets.resource.is_some(), sets.resource_type()),
        resource_is_role: sets.resource_type() == PolicyType::RoleTrust,
        boundary: when(sets.boundary.is_some() && bearing.identity, PolicyType::Boundary),
        session: when(sets.session.is_some() && bearing.session, PolicyType::Session),
        identity: when(bearing.identity, PolicyType::Identity),
        ..Answers::none(request, request.is_cross_account())
    }
}
