//! Calls about another account's registry. They go to that account's gate, whoever signed them.

use http::request::Parts;
use portcullis_api::ecr::SERVICE;
use portcullis_core::AccountId;
use serde::Deserialize;

/// The members that name an account.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Naming {
    registry_id: Option<String>,
    resource_arn: Option<String>,
}

/// The account whose registry a call names; `None` for calls that name none, and for all other services.
pub(crate) fn registry(parts: &Parts, body: &[u8]) -> Option<AccountId> {
    let target = parts.headers.get("x-amz-target")?.to_str().ok()?;
    let (service, _) = target.split_once('.')?;
    if service != SERVICE.target_prefix {
        return None;
    }
    let naming: Naming = serde_json::from_slice(body).ok()?;
    let of_arn = || naming.resource_arn.as_ref()?.split(':').nth(4)?.parse().ok();
    match &naming.registry_id {
        Some(registry) => registry.parse().ok(),
        None => of_arn(),
    }
}
