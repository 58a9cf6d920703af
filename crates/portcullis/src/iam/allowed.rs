//! What the policies of a principal allow of one service, statement by statement.

use std::collections::{HashMap, HashSet};

use portcullis_analysis::{Access, Options, Wanted, access};
use portcullis_policy::elements::known_actions;
use portcullis_policy::{Document, Effect, Kind, Source, Statement};
use portcullis_reference::{ActionId, ServiceId};

/// An action that a statement grants on a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The action.
    pub action: ActionId,
    /// The resource as the statement has it.
    pub resource: String,
    /// Whether it is allowed in every case.
    pub always: bool,
    /// The number of the policy.
    pub policy: usize,
    /// The number of the statement in the policy.
    pub statement: usize,
}

/// Finds out what is allowed. Remembers which resources fit which actions.
pub struct Allowed {
    service: ServiceId,
    fits: HashMap<(ActionId, String), bool>,
}

impl Allowed {
    /// About one service.
    pub fn of(service: ServiceId) -> Self {
        Self {
            service,
            fits: HashMap::new(),
        }
    }

    /// What policies and a boundary together allow: everything that an Allow statement names, unless a Deny, the
    /// boundary or the kind of resource leaves nothing of it.
    pub fn grants(&mut self, policies: &[&Document], boundary: Option<&Document>) -> Vec<Grant> {
        let sets = Sets::of(policies, boundary);
        let mut grants = Vec::new();
        for (policy, document) in policies.iter().enumerate() {
            for (index, statement) in document.statements().iter().enumerate() {
                let named = self.named(statement).into_iter();
                grants.extend(named.filter_map(|(action, resource)| {
                    Some(Grant {
                        action,
                        always: self.allowed(action, &resource, statement, &sets)?,
                        resource: resource.shown,
                        policy,
                        statement: index,
                    })
                }));
            }
        }
        grants
    }

    /// The actions of the service that an Allow names, with each resource.
    fn named(&self, statement: &Statement) -> Vec<(ActionId, Resource)> {
        if statement.effect != Effect::Allow {
            return Vec::new();
        }
        let actions = known_actions(&statement.action);
        let actions = actions.filter(|action| action.service() == self.service);
        let with_each = |action| {
            resources(statement)
                .into_iter()
                .map(move |resource| (action, resource))
        };
        actions.flat_map(with_each).collect()
    }

    /// Whether what a statement names is allowed always or sometimes; `None` is never.
    fn allowed(
        &mut self,
        action: ActionId,
        resource: &Resource,
        statement: &Statement,
        sets: &Sets<'_>,
    ) -> Option<bool> {
        if !self.fits(action, resource) {
            return None;
        }
        let is_plain = statement.conditions.is_empty() && resource.asked.is_some();
        if is_plain && !sets.limit(action) {
            return Some(true);
        }
        let name = action.to_string();
        let wanted = Wanted {
            action: Some(&name),
            resource: resource.asked.as_deref(),
            ..Wanted::default()
        };
        let mut always = true;
        for set in [
            Some(sets.identity.as_slice()),
            sets.boundary.as_ref().map(<[_; 1]>::as_slice),
        ] {
            let Some(set) = set else { continue };
            match access(set, &wanted, Options::default()) {
                Ok(Access::Never) => return None,
                Ok(Access::Always) => {}
                Ok(Access::Sometimes { .. } | Access::CannotTell(_)) | Err(_) => always = false,
            }
        }
        Some(always)
    }

    /// Whether the action can have such a resource at all.
    fn fits(&mut self, action: ActionId, resource: &Resource) -> bool {
        let Some(asked) = &resource.asked else { return true };
        if asked == "*" {
            return true;
        }
        let fits = self.fits.entry((action, asked.clone()));
        *fits.or_insert_with(|| {
            let text = serde_json::json!({
                "Statement": { "Effect": "Allow", "Action": action.to_string(), "Resource": asked }
            });
            let Ok(only) = Document::parse(&text.to_string(), Kind::Session) else {
                return true;
            };
            let found = access(&[source(&only)], &Wanted::default(), Options::default());
            !matches!(found, Ok(Access::Never))
        })
    }
}

/// All policies of a principal.
struct Sets<'a> {
    identity: Vec<Source<'a>>,
    boundary: Option<[Source<'a>; 1]>,
    /// The actions that some Deny is about.
    denied: HashSet<ActionId>,
}

impl<'a> Sets<'a> {
    fn of(policies: &[&'a Document], boundary: Option<&'a Document>) -> Self {
        let statements = policies.iter().flat_map(|document| document.statements());
        let denies = statements.filter(|statement| statement.effect == Effect::Deny);
        Self {
            identity: policies.iter().copied().map(source).collect(),
            boundary: boundary.map(|boundary| [source(boundary)]),
            denied: denies.flat_map(|deny| known_actions(&deny.action)).collect(),
        }
    }

    /// Whether anything may take from what an Allow of the action gives.
    fn limit(&self, action: ActionId) -> bool {
        self.boundary.is_some() || self.denied.contains(&action)
    }
}

/// A resource of a statement.
struct Resource {
    /// As people read it.
    shown: String,
    /// As it is asked for; `None` is any.
    asked: Option<String>,
}

fn resources(statement: &Statement) -> Vec<Resource> {
    let Some(list) = &statement.resource else {
        return Vec::new();
    };
    let texts = list.patterns.iter().map(|pattern| pattern.text.clone());
    if list.negated {
        let shown = format!("all but {}", texts.collect::<Vec<_>>().join(", "));
        return vec![Resource { shown, asked: None }];
    }
    texts
        .map(|text| Resource {
            shown: text.clone(),
            asked: Some(text),
        })
        .collect()
}

fn source(document: &Document) -> Source<'_> {
    Source {
        name: "",
        arn: None,
        attached_to: None,
        document,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(text, Kind::Identity).unwrap()
    }

    fn allowed(policies: &[&str], boundary: Option<&str>) -> Vec<String> {
        let policies: Vec<_> = policies.iter().map(|text| document(text)).collect();
        let boundary = boundary.map(document);
        let mut allowed = Allowed::of(portcullis_reference::service("ecs").unwrap());
        let grants = allowed.grants(&policies.iter().collect::<Vec<_>>(), boundary.as_ref());
        grants
            .into_iter()
            .map(|grant| {
                let always = if grant.always { "always" } else { "sometimes" };
                let place = format!("{}.{}", grant.policy, grant.statement);
                format!("{} {} {always} {place}", grant.action.name(), grant.resource)
            })
            .collect()
    }

    fn statement(effect: &str, action: &str, resource: &str) -> String {
        serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": effect, "Action": action, "Resource": resource }]
        })
        .to_string()
    }

    const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/c";

    #[test]
    fn every_action_of_the_service_is_listed_with_its_statement() {
        let first = statement("Allow", "s3:*", "*");
        let second = statement("Allow", "ecs:*eTaskSet", "*");
        assert_eq!(
            allowed(&[&first, &second], None),
            [
                "CreateTaskSet * always 1.0",
                "DeleteTaskSet * always 1.0",
                "UpdateTaskSet * always 1.0"
            ]
        );
    }

    #[test]
    fn actions_that_cannot_have_the_resource_are_not_listed() {
        // RunTask is about task definitions, ListClusters about nothing.
        for action in ["ecs:RunTask", "ecs:ListClusters"] {
            assert_eq!(allowed(&[&statement("Allow", action, CLUSTER)], None), [""; 0]);
        }
        let cluster = statement("Allow", "ecs:DeleteCluster", CLUSTER);
        assert_eq!(
            allowed(&[&cluster], None),
            [format!("DeleteCluster {CLUSTER} always 0.0")]
        );
    }

    #[test]
    fn what_a_deny_takes_away_whole_is_not_listed_and_what_it_takes_in_part_is_not_always() {
        let allow = statement("Allow", "ecs:DeleteCluster", "*");
        assert_eq!(
            allowed(&[&allow, &statement("Deny", "ecs:Delete*", "*")], None),
            [""; 0]
        );
        assert_eq!(
            allowed(&[&allow, &statement("Deny", "ecs:Delete*", CLUSTER)], None),
            ["DeleteCluster * sometimes 0.0"]
        );
    }

    #[test]
    fn conditions_make_it_sometimes() {
        let text = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecs:DeleteCluster",
            "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}]}"#;
        assert_eq!(allowed(&[text], None), ["DeleteCluster * sometimes 0.0"]);
    }

    #[test]
    fn a_boundary_limits() {
        let allow = statement("Allow", "ecs:DeleteCluster", "*");
        assert_eq!(
            allowed(&[&allow], Some(&statement("Allow", "s3:*", "*"))),
            [""; 0]
        );
        assert_eq!(
            allowed(&[&allow], Some(&statement("Allow", "ecs:*", CLUSTER))),
            ["DeleteCluster * sometimes 0.0"]
        );
        assert_eq!(
            allowed(&[&allow], Some(&statement("Allow", "*", "*"))),
            ["DeleteCluster * always 0.0"]
        );
    }

    #[test]
    fn not_resource_is_said_in_words() {
        let text = serde_json::json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "ecs:DeleteCluster", "NotResource": CLUSTER }] });
        assert_eq!(
            allowed(&[&text.to_string()], None),
            [format!("DeleteCluster all but {CLUSTER} sometimes 0.0")]
        );
    }
}
