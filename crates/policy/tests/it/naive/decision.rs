//! From statements to the decision (R113-R139).

use portcullis_policy::{Kind, Outcome, PolicyType, Principal};
use serde_json::Value as Json;

use super::principal::Naming;
use super::statement::{Place, applies, statements};
use super::{Policies, Question};

/// The outcome, and the set that stopped the request (R122).
pub type Answer = (Outcome, Option<PolicyType>);

/// What a set of policies says (R114).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Deny,
    /// With the strongest naming of the caller among its Allows.
    Allow(Naming),
    Nothing,
}

/// A set that bears on the question, and whether an Allow of it is required.
struct Set {
    policy_type: PolicyType,
    says: Says,
    must_allow: bool,
}

pub fn decide(question: &Question, policies: &Policies<Json>) -> Answer {
    let sets = sets(question, policies);
    // R115. Of several the first in this order is named (R172).
    if let Some(set) = sets.iter().find(|set| set.says == Says::Deny) {
        return (Outcome::ExplicitDeny, Some(set.policy_type));
    }
    // R122.
    let silent = |set: &&Set| set.must_allow && set.says == Says::Nothing;
    match sets.iter().find(silent) {
        Some(set) => (Outcome::ImplicitDeny, Some(set.policy_type)),
        None => (Outcome::Allow, None),
    }
}

/// Every set that binds this caller, in the order in which they are named (R172).
fn sets(question: &Question, policies: &Policies<Json>) -> Vec<Set> {
    let caller = &question.principal;
    let has_own_policies = matches!(
        caller,
        Principal::User { .. } | Principal::RoleSession { .. } | Principal::FederatedUser { .. }
    );
    let bounded = has_own_policies && policies.boundary.is_some();
    let asks = Asks { question, bounded };
    let mut sets = Vec::new();
    let mut add = |policy_type, says, must_allow| {
        sets.push(Set {
            policy_type,
            says,
            must_allow,
        })
    };

    // R117: whoever has an account, but for service-linked roles. R116: everyone but service-linked roles.
    if caller.account().is_some() && !is_service_linked(caller) {
        for says in asks.levels(&policies.scps, Kind::ServiceControl) {
            add(PolicyType::ServiceControl, says, true);
        }
    }
    if !is_service_linked(caller) {
        for says in asks.levels(&policies.rcps, Kind::ResourceControl) {
            add(PolicyType::ResourceControl, says, true);
        }
    }
    // R136.
    if let Some(policy) = &policies.endpoint {
        add(PolicyType::Endpoint, asks.all([policy], Kind::Endpoint), true);
    }

    let resource = asks.all(&policies.resource, policies.resource_kind());
    let resource_type = if policies.trust() {
        PolicyType::RoleTrust
    } else {
        PolicyType::Resource
    };
    add(resource_type, resource, resource_must_allow(question, policies));

    // R118: how far an Allow of the resource goes within its own account; across accounts not at all (R123).
    let named = match resource {
        Says::Allow(naming) if !is_cross_account(question) => Some(naming),
        _ => None,
    };
    let lifts_all = named == Some(Naming::Itself);
    let lifts_identity = lifts_all || named == Some(Naming::Behind);
    if let Some(policy) = policies.boundary.as_ref().filter(|_| has_own_policies) {
        let says = asks.all([policy], Kind::Boundary);
        add(PolicyType::Boundary, says, !lifts_all);
    }
    // R121. Whoever has session policies is bound by them; a federated user needs some.
    let no_session = matches!(caller, Principal::FederatedUser { .. }).then_some(Says::Nothing);
    let session = policies.session.as_ref().map(|all| asks.all(all, Kind::Session));
    if let Some(says) = session.or(no_session) {
        add(PolicyType::Session, says, !lifts_all);
    }
    if has_own_policies {
        let says = asks.all(&policies.identity, Kind::Identity);
        add(PolicyType::Identity, says, !lifts_identity);
    }
    sets
}

/// R123, R124, R126, and callers who have no policies of their own (R118).
fn resource_must_allow(question: &Question, policies: &Policies<Json>) -> bool {
    let has_no_account = question.principal.account().is_none();
    let fields: Vec<&str> = question.resource.splitn(6, ':').collect();
    let is_key = matches!(fields.as_slice(), [_, _, "kms", _, _, key] if key.starts_with("key/"))
        && policies.resource.is_some();
    has_no_account || is_cross_account(question) || policies.trust() || is_key
}

fn is_cross_account(question: &Question) -> bool {
    match (question.principal.account(), &question.owner) {
        (Some(account), Some(owner)) => account != owner,
        _ => false,
    }
}

/// R133.
fn is_service_linked(caller: &Principal) -> bool {
    match caller {
        Principal::RoleSession { role_arn, .. } => role_arn.as_str().contains(":role/aws-service-role/"),
        _ => false,
    }
}

struct Asks<'a> {
    question: &'a Question,
    bounded: bool,
}

impl Asks<'_> {
    /// What each level of an organization says.
    fn levels(&self, levels: &[Vec<Json>], kind: Kind) -> Vec<Says> {
        levels.iter().map(|level| self.all(level, kind)).collect()
    }

    /// What several policies say together: Deny before Allow, else nothing (R114).
    fn all<'a>(&self, policies: impl IntoIterator<Item = &'a Json>, kind: Kind) -> Says {
        let mut says = Says::Nothing;
        for policy in policies {
            let place = Place {
                kind,
                has_variables: policy["Version"] == "2012-10-17",
                caller_is_bounded: self.bounded,
            };
            for statement in statements(policy) {
                let Some(naming) = applies(statement, place, self.question) else {
                    continue;
                };
                if statement["Effect"] == "Deny" {
                    return Says::Deny;
                }
                says = match says {
                    Says::Allow(known) => Says::Allow(known.max(naming)),
                    _ => Says::Allow(naming),
                };
            }
        }
        says
    }
}
