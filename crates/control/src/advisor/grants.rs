//! Which services and actions some policies grant.

use portcullis_policy::elements::known_actions;
use portcullis_policy::syntax::ResourceForm;
use portcullis_policy::{Document, Effect, Statement};
use portcullis_reference::{ActionId, ServiceId, services};

/// The actions of the reference that identity policies together may allow: those of an Allow, without those that a Deny
/// takes away on every resource and under every condition.
#[derive(Debug)]
pub struct Grants(Vec<bool>);

impl Grants {
    /// What these policies grant together.
    pub fn of<'a>(documents: impl Iterator<Item = &'a Document>) -> Self {
        let statements: Vec<&Statement> = documents.flat_map(Document::statements).collect();
        let mut granted = vec![false; ActionId::COUNT];
        let mut mark = |statement: &Statement, to: bool| {
            for action in known_actions(&statement.action) {
                if let Some(slot) = granted.get_mut(action.index()) {
                    *slot = to;
                }
            }
        };
        let (allows, denies): (Vec<_>, Vec<_>) = statements
            .into_iter()
            .partition(|statement| statement.effect == Effect::Allow);
        allows.into_iter().for_each(|allow| mark(allow, true));
        let denies = denies.into_iter().filter(|deny| is_absolute(deny));
        denies.for_each(|deny| mark(deny, false));
        Self(granted)
    }

    /// Whether any action of a service is granted.
    pub fn has_service(&self, service: ServiceId) -> bool {
        self.actions(service).next().is_some()
    }

    /// The services of which any action is granted, by prefix.
    pub fn services(&self) -> impl Iterator<Item = ServiceId> {
        services().filter(|service| self.has_service(*service))
    }

    /// The granted actions of a service, by name.
    pub fn actions(&self, service: ServiceId) -> impl Iterator<Item = ActionId> {
        let granted = |action: &ActionId| self.0.get(action.index()) == Some(&true);
        service.actions().filter(granted)
    }
}

/// Whether a Deny leaves nothing of its actions.
fn is_absolute(deny: &Statement) -> bool {
    let everywhere = deny.resource.as_ref().is_none_or(|resources| {
        let everything = |form: &ResourceForm| *form == ResourceForm::Everything;
        !resources.negated && resources.patterns.iter().any(|pattern| everything(&pattern.form))
    });
    everywhere && deny.conditions.is_empty()
}

#[cfg(test)]
mod tests {
    use portcullis_policy::Kind;
    use portcullis_reference::service;

    use super::*;

    fn granted(policies: &[&str], prefix: &str) -> Vec<&'static str> {
        let documents: Vec<_> = policies
            .iter()
            .map(|text| Document::parse(text, Kind::Session).unwrap())
            .collect();
        let grants = Grants::of(documents.iter());
        grants
            .actions(service(prefix).unwrap())
            .map(ActionId::name)
            .collect()
    }

    #[test]
    fn allows_of_all_policies_count_and_absolute_denies_take_away() {
        let allow = r#"{"Statement": [{"Effect": "Allow", "Action": "ecs:*eTaskSet", "Resource": "*"}]}"#;
        let deny = r#"{"Statement": [{"Effect": "Deny", "Action": "ecs:Delete*", "Resource": "*"}]}"#;
        assert_eq!(
            granted(&[allow], "ecs"),
            ["CreateTaskSet", "DeleteTaskSet", "UpdateTaskSet"]
        );
        assert_eq!(granted(&[allow, deny], "ecs"), ["CreateTaskSet", "UpdateTaskSet"]);
        assert_eq!(granted(&[allow, deny], "s3"), [""; 0]);
    }

    #[test]
    fn denies_with_conditions_or_on_some_resources_take_nothing_away() {
        let allow = r#"{"Statement": [{"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "*"}]}"#;
        for deny in [
            r#"{"Statement": [{"Effect": "Deny", "Action": "ecs:RunTask", "Resource": "arn:aws:ecs:*:*:task-definition/x:*"}]}"#,
            r#"{"Statement": [{"Effect": "Deny", "Action": "ecs:RunTask", "NotResource": "*"}]}"#,
            r#"{"Statement": [{"Effect": "Deny", "Action": "ecs:RunTask", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}]}"#,
        ] {
            assert_eq!(granted(&[allow, deny], "ecs"), ["RunTask"], "{deny}");
        }
    }

    #[test]
    fn not_action_grants_all_the_others() {
        let text = r#"{"Statement": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]}"#;
        let document = Document::parse(text, Kind::Session).unwrap();
        let grants = Grants::of([&document].into_iter());
        assert!(!grants.has_service(service("iam").unwrap()));
        assert_eq!(grants.services().count(), services().count() - 1);
    }
}
