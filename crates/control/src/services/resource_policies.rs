//! Policies on resources as they are kept. The users and roles they name must exist and are kept by unique id, so that an
//! entity made anew under an old name does not inherit what they allow; they are shown by ARN while they exist (R65).

use std::ops::Deref;
use std::sync::Arc;

use portcullis_core::Arn;
use portcullis_policy::{Document, Effect, Kind, Malformed, PrincipalKind, Statement};
use thiserror::Error;

use crate::gate::call::Call;
use crate::world::Snapshot;
use crate::world::records::PolicyText;

/// Why a policy is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NotTaken {
    /// It is no policy.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// It names a user or role that is not there.
    #[error("{0}")]
    UnknownPrincipal(UnknownPrincipal),
}

/// A principal that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", Malformed::unknown_principal(.0))]
pub(crate) struct UnknownPrincipal(pub String);

/// Whether a statement allows something to principals that it does not name: all, or all but some. Which conditions bind
/// them nevertheless is each service's business.
pub(crate) fn is_for_everybody(statement: &Statement) -> bool {
    let names_everybody = statement.principal.as_ref().is_some_and(|principal| {
        let mut entries = principal.entries.iter();
        principal.negated || entries.any(|entry| entry.kind == PrincipalKind::Aws && entry.value == "*")
    });
    names_everybody && statement.effect == Effect::Allow
}

/// Checks the policy of a resource and gives the form to keep. Its size is the service's business.
pub(crate) fn accept(view: &Snapshot, text: &str) -> Result<PolicyText, NotTaken> {
    let written = Document::parse(text, Kind::Resource)?;
    let kept = kept_text(view, &written).map_err(NotTaken::UnknownPrincipal)?;
    Ok(PolicyText::new(&Document::parse(&kept, Kind::Resource)?))
}

/// The text of a document with unique ids in place of the users and roles it names.
pub(crate) fn kept_text(view: &Snapshot, written: &Document) -> Result<String, UnknownPrincipal> {
    let mut ids = Vec::new();
    for principal in written.principals() {
        ids.push(match principal.kind {
            PrincipalKind::Aws => unique_id(view, principal.value)?,
            _ => None,
        });
    }
    Ok(with_principals(written, &ids))
}

/// The text to show: as uploaded, with the present ARNs of the entities it names.
pub(crate) fn shown(view: &Snapshot, policy: &PolicyText) -> String {
    let Some(document) = policy.document() else {
        return policy.as_str().to_owned();
    };
    let principals = document.principals().into_iter();
    let present = principals.map(|principal| match principal.kind {
        PrincipalKind::Aws => present_arn(view, principal.value),
        _ => None,
    });
    with_principals(document, &present.collect::<Vec<_>>())
}

/// The present ARN of the user or role with a unique id, in whichever account it is.
pub(crate) fn present_arn(view: &Snapshot, id: &str) -> Option<String> {
    let here = view.principals.get(id).map(|arn| arn.to_string());
    here.or_else(|| view.neighbours().principal(id).map(|arn| arn.to_string()))
}

/// The unique id of the user or role that an ARN names; `None` for principals that are kept as written. Accounts of other
/// servers are unknown here, so their entities are taken on trust.
pub(crate) fn unique_id(view: &Snapshot, principal: &str) -> Result<Option<String>, UnknownPrincipal> {
    let unknown = || UnknownPrincipal(principal.to_owned());
    let Ok(arn) = principal.parse::<Arn>() else {
        let is_id = principal.starts_with("AIDA") || principal.starts_with("AROA");
        let known = !is_id || present_arn(view, principal).is_some();
        return if known { Ok(None) } else { Err(unknown()) };
    };
    let Some(home) = Home::of(view, arn.account()) else {
        return Ok(None);
    };
    let name = arn.as_str().rsplit('/').next().unwrap_or_default();
    match (arn.service(), arn.resource_parts().map_or("", |(kind, _)| kind)) {
        ("iam", "user") => {
            let user = home.user(name).filter(|user| is_same(&user.arn, &arn));
            user.map(|user| Some(user.id.clone())).ok_or_else(unknown)
        }
        ("iam", "role") => {
            let role = home.role(name).filter(|role| is_same(&role.arn, &arn));
            role.map(|role| Some(role.id.clone())).ok_or_else(unknown)
        }
        ("sts", "assumed-role") => {
            let role = arn.resource().split('/').nth(1).and_then(|role| home.role(role));
            role.map(|_| None).ok_or_else(unknown)
        }
        _ => Ok(None),
    }
}

/// The picture of an account of this server.
#[derive(Debug)]
pub(crate) enum Home<'a> {
    /// The one that decides.
    Here(&'a Snapshot),
    /// Another one's.
    There(Arc<Snapshot>),
}

impl<'a> Home<'a> {
    /// The picture of the account with that id, if it is one of this server.
    pub(crate) fn of(view: &'a Snapshot, account: &str) -> Option<Self> {
        if account == view.account.as_str() {
            return Some(Self::Here(view));
        }
        let account = account.parse().ok()?;
        view.neighbours().view(&account).map(Self::There)
    }

    /// The same for what a call uses: of another account always the picture that the call was decided on.
    pub(crate) fn of_call(view: &'a Snapshot, call: &Call, account: &str) -> Option<Self> {
        if account == view.account.as_str() {
            return Some(Self::Here(view));
        }
        call.others.of(view, &account.parse().ok()?).map(Self::There)
    }
}

impl Deref for Home<'_> {
    type Target = Snapshot;
    fn deref(&self) -> &Snapshot {
        match self {
            Self::Here(view) => view,
            Self::There(view) => view,
        }
    }
}

/// Names are unique without case (R68).
fn is_same(known: &Arn, written: &Arn) -> bool {
    known.as_str().eq_ignore_ascii_case(written.as_str())
}

/// The text of a document with some of its principals, in order, written anew.
fn with_principals(document: &Document, replacements: &[Option<String>]) -> String {
    let text = document.text();
    let mut result = String::with_capacity(text.len());
    let mut copied = 0;
    for (principal, replacement) in document.principals().iter().zip(replacements) {
        let Some(replacement) = replacement else { continue };
        result.push_str(text.get(copied..principal.span.start).unwrap_or_default());
        result.push_str(&serde_json::Value::from(replacement.as_str()).to_string());
        copied = principal.span.end;
    }
    result.push_str(text.get(copied..).unwrap_or_default());
    result
}
