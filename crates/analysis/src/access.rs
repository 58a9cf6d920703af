//! "Does this grant access to that?", asked of policies.

use portcullis_policy::{Context, Document, Effect, Kind, Malformed, Principal, Source};

use crate::confirm::names_principals;
use crate::domains::Assumptions;
use crate::question::{Callers, Options, Question};
use crate::{Answer, Cause, Witness};

/// What somebody wants to do; what is left out may be anything.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// An action or a pattern of actions.
    pub action: Option<&'a str>,
    /// A resource or a pattern of resources.
    pub resource: Option<&'a str>,
    /// Who; only policies that name principals care.
    pub principal: Option<Principal>,
    /// Condition keys that are known; others may have any value.
    pub keys: Context,
}

/// Whether policies grant something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// In every case.
    Always,
    /// In some cases, for example in this one; in others not.
    Sometimes {
        /// A request that is granted.
        granted: Box<Witness>,
        /// A request that is not; `None` if none was found, though there may be one.
        refused: Option<Box<Witness>>,
    },
    /// In no case: proved.
    Never,
    /// It could not be found out.
    CannotTell(Cause),
}

/// Whether the policies grant what is wanted. Policies that name principals are asked one at a time.
pub fn access(policies: &[Source<'_>], wanted: &Wanted<'_>, options: Options) -> Result<Access, Malformed> {
    let name_principals = policies
        .iter()
        .any(|source| names_principals(source.document.kind()));
    let limits = limits(wanted, name_principals)?;
    let limit = [Source {
        name: "what is wanted",
        arn: None,
        attached_to: None,
        document: &limits,
    }];
    let options = Options {
        // Who names a resource or an action means it.
        any_resource: options.any_resource || wanted.resource.is_some_and(|text| !text.contains(['*', '?'])),
        unknown_actions: options.unknown_actions || wanted.action.is_some_and(is_unknown),
        ..options
    };
    let ask = |allowed_by, not_by| {
        Question {
            effect: Effect::Allow,
            allowed_by,
            not_by,
            within: Some(&limits),
            callers: wanted.principal.clone().map_or(Callers::All, Callers::Only),
            assumptions: Assumptions {
                any_value: options.any_value,
                given: wanted.keys.clone(),
                ..Assumptions::default()
            },
            options,
        }
        .answer()
    };
    let granted = match ask(policies, &[]) {
        Answer::NoMore => return Ok(Access::Never),
        Answer::CannotTell(cause) => return Ok(Access::CannotTell(cause)),
        Answer::More(witness) => witness,
    };
    Ok(match ask(&limit, policies) {
        Answer::NoMore => Access::Always,
        Answer::More(refused) => Access::Sometimes {
            granted,
            refused: Some(refused),
        },
        Answer::CannotTell(_) => Access::Sometimes {
            granted,
            refused: None,
        },
    })
}

/// Whether a text is one action, and none that the reference knows.
fn is_unknown(action: &str) -> bool {
    !action.contains(['*', '?']) && portcullis_reference::action(action).is_none()
}

/// A policy that allows just what is wanted.
fn limits(wanted: &Wanted<'_>, name_principals: bool) -> Result<Document, Malformed> {
    let quoted = |text: Option<&str>| serde_json::Value::from(text.unwrap_or("*")).to_string();
    let (kind, principal) = if name_principals {
        (Kind::Resource, r#""Principal": "*", "#)
    } else {
        (Kind::Session, "")
    };
    let text = format!(
        r#"{{"Statement": {{"Effect": "Allow", {principal}"Action": {}, "Resource": {}}}}}"#,
        quoted(wanted.action),
        quoted(wanted.resource)
    );
    Document::parse(&text, kind)
}
