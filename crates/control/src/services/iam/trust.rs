//! Trust policies. The users and roles they name must exist and are kept by unique id, so that an entity made anew
//! under an old name does not inherit its trust; they are shown by ARN while they exist (R65).

use std::ops::Deref;
use std::sync::Arc;

use portcullis_core::Arn;
use portcullis_policy::{Document, Kind, Malformed, PrincipalKind, PrincipalRef, size_without_whitespace};

use super::documents::{TRUST_SIZE, parse};
use super::errors::IamError;
use crate::world::Snapshot;
use crate::world::records::PolicyText;

/// What IAM says of `"Principal": "*"`, which it takes in resources' policies only; `{"AWS": "*"}` means the same.
const BARE_STAR: &str = r#"AssumeRolepolicy contained an invalid principal: "STAR":"*"."#;

/// Checks a trust policy and gives the form to keep.
pub(super) fn accept(view: &Snapshot, text: &str) -> Result<PolicyText, IamError> {
    let written = parse(text, Kind::Trust)?;
    if size_without_whitespace(text) > TRUST_SIZE {
        return Err(IamError::Quota("ACLSizePerRole", TRUST_SIZE));
    }
    let mut ids = Vec::new();
    for principal in written.principals() {
        if is_bare_star(&written, &principal) {
            return Err(IamError::MalformedPolicy(BARE_STAR.to_owned()));
        }
        ids.push(unique_id(view, &principal)?);
    }
    let kept = with_principals(&written, &ids);
    Ok(PolicyText::new(&parse(&kept, Kind::Trust)?))
}

fn is_bare_star(document: &Document, principal: &PrincipalRef<'_>) -> bool {
    let before = document.text().get(..principal.span.start).unwrap_or_default();
    let element = before.trim_end().strip_suffix(':').map(str::trim_end);
    principal.value == "*" && element.is_some_and(|element| element.ends_with("\"Principal\""))
}

/// The text to show: as uploaded, with the present ARNs of the entities it names.
pub(crate) fn shown(view: &Snapshot, policy: &PolicyText) -> String {
    let Some(document) = policy.document() else {
        return policy.as_str().to_owned();
    };
    let present_arn = |principal: PrincipalRef<'_>| match principal.kind {
        PrincipalKind::Aws => view
            .principals
            .get(principal.value)
            .map(|arn| arn.to_string())
            .or_else(|| {
                view.neighbours()
                    .principal(principal.value)
                    .map(|arn| arn.to_string())
            }),
        _ => None,
    };
    let arns: Vec<_> = document.principals().into_iter().map(present_arn).collect();
    with_principals(document, &arns)
}

/// The unique id of a user or role; `None` for principals that are kept as written. Accounts of other servers are
/// unknown here, so their entities are taken on trust.
fn unique_id(view: &Snapshot, principal: &PrincipalRef<'_>) -> Result<Option<String>, IamError> {
    if principal.kind != PrincipalKind::Aws {
        return Ok(None);
    }
    let unknown = || IamError::MalformedPolicy(Malformed::unknown_principal(principal.value).to_string());
    let Ok(arn) = principal.value.parse::<Arn>() else {
        let is_id = principal.value.starts_with("AIDA") || principal.value.starts_with("AROA");
        let known = !is_id
            || view.principals.get(principal.value).is_some()
            || view.neighbours().principal(principal.value).is_some();
        return if known { Ok(None) } else { Err(unknown()) };
    };
    let home = home(view, &arn);
    let Some(view) = home.as_deref() else {
        return Ok(None);
    };
    let name = arn.as_str().rsplit('/').next().unwrap_or_default();
    match (arn.service(), arn.resource_parts().map_or("", |(kind, _)| kind)) {
        ("iam", "user") => {
            let user = view.user(name).filter(|user| is_same(&user.arn, &arn));
            user.map(|user| Some(user.id.clone())).ok_or_else(unknown)
        }
        ("iam", "role") => {
            let role = view.role(name).filter(|role| is_same(&role.arn, &arn));
            role.map(|role| Some(role.id.clone())).ok_or_else(unknown)
        }
        ("sts", "assumed-role") => {
            let role = arn.resource().split('/').nth(1).and_then(|role| view.role(role));
            role.map(|_| None).ok_or_else(unknown)
        }
        _ => Ok(None),
    }
}

/// The picture of a principal's account, if it is one of this server.
fn home<'a>(view: &'a Snapshot, principal: &Arn) -> Option<Home<'a>> {
    if principal.account() == view.account.as_str() {
        return Some(Home::Here(view));
    }
    let account = principal.account().parse().ok()?;
    view.neighbours().view(&account).map(Home::There)
}

enum Home<'a> {
    Here(&'a Snapshot),
    There(Arc<Snapshot>),
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
