//! Grants on keys of another account. Their making and ending change that account, so that such calls go to its gate,
//! whoever signed them; whoever only uses a key looks at it from the own account.

use http::request::Parts;
use portcullis_api::kms::SERVICE;
use portcullis_core::AccountId;
use serde::Deserialize;

use super::grant_tokens;

/// The members that name a key.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Naming {
    key_id: Option<String>,
    grant_token: Option<String>,
}

/// The account of the key whose grants a call changes; `None` for calls that name it by its id alone, and for all others.
pub(crate) fn account(parts: &Parts, body: &[u8]) -> Option<AccountId> {
    let target = parts.headers.get("x-amz-target")?.to_str().ok()?;
    let (service, operation) = target.split_once('.')?;
    if service != SERVICE.target_prefix || !matches!(operation, "CreateGrant" | "RetireGrant" | "RevokeGrant")
    {
        return None;
    }
    let naming: Naming = serde_json::from_slice(body).ok()?;
    match (&naming.key_id, &naming.grant_token) {
        (Some(key), _) => key.split(':').nth(4)?.parse().ok(),
        (None, token) => grant_tokens::account_of(token.as_ref()?),
    }
}
