//! Trust policies. The users and roles they name must exist and are kept by unique id (R65).

use portcullis_policy::{Document, Kind, PrincipalRef, size_without_whitespace};

use super::documents::{TRUST_SIZE, parse};
use super::errors::IamError;
use crate::services::resource_policies;
use crate::world::Snapshot;
use crate::world::records::PolicyText;

pub(crate) use crate::services::resource_policies::shown;

/// What IAM says of `"Principal": "*"`, which it takes in resources' policies only; `{"AWS": "*"}` means the same.
const BARE_STAR: &str = r#"AssumeRolepolicy contained an invalid principal: "STAR":"*"."#;

/// Checks a trust policy and gives the form to keep.
pub(super) fn accept(view: &Snapshot, text: &str) -> Result<PolicyText, IamError> {
    let written = parse(text, Kind::Trust)?;
    if size_without_whitespace(text) > TRUST_SIZE {
        return Err(IamError::Quota("ACLSizePerRole", TRUST_SIZE));
    }
    if written
        .principals()
        .iter()
        .any(|principal| is_bare_star(&written, principal))
    {
        return Err(IamError::MalformedPolicy(BARE_STAR.to_owned()));
    }
    let kept = resource_policies::kept_text(view, &written);
    let kept = kept.map_err(|unknown| IamError::MalformedPolicy(unknown.to_string()))?;
    Ok(PolicyText::new(&parse(&kept, Kind::Trust)?))
}

fn is_bare_star(document: &Document, principal: &PrincipalRef<'_>) -> bool {
    let before = document.text().get(..principal.span.start).unwrap_or_default();
    let element = before.trim_end().strip_suffix(':').map(str::trim_end);
    principal.value == "*" && element.is_some_and(|element| element.ends_with("\"Principal\""))
}
