//! Tickets: addresses at which a layer's bytes can be fetched for a while by whoever has them, as ECR's presigned ones.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::Timestamp;
use portcullis_store::Vault;

use super::names::host;
use crate::gate::call::Call;

/// Where layers are fetched: this, a digest, and a ticket as the query.
pub(crate) const PATH: &str = "/v2-layers/";
/// The name of the ticket in the query.
const PARAMETER: &str = "ticket";
/// How long a ticket is good, in seconds, as long as ECR's.
const LIFE_SECONDS: i64 = 3_600;

const PURPOSE: &str = "ecr-layer-ticket";

/// The address of a layer at the server that was called; `None` only if the vault fails.
pub(super) fn url(call: &Call, vault: &Vault, digest: &str) -> Option<String> {
    let expires = call.now.plus_seconds(LIFE_SECONDS).as_seconds().to_string();
    let sealed = vault.seal(PURPOSE, digest.as_bytes(), expires.as_bytes()).ok()?;
    let ticket = URL_SAFE_NO_PAD.encode(sealed);
    let scheme = if call.tls.is_some() { "https" } else { "http" };
    let own = || host(&call.account, &call.region);
    let host = call.host.clone().unwrap_or_else(own);
    Some(format!("{scheme}://{host}{PATH}{digest}?{PARAMETER}={ticket}"))
}

/// Whether the query of a request for a layer has a ticket for it that is still good.
pub(crate) fn admits(vault: &Vault, digest: &str, query: &str, now: Timestamp) -> bool {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, ticket)) = pairs.find(|(name, _)| *name == PARAMETER) else {
        return false;
    };
    expiry(vault, digest, ticket).is_some_and(|expires| now < expires)
}

fn expiry(vault: &Vault, digest: &str, ticket: &str) -> Option<Timestamp> {
    let sealed = URL_SAFE_NO_PAD.decode(ticket).ok()?;
    let expires = vault.open(PURPOSE, digest.as_bytes(), &sealed).ok()?;
    let seconds = std::str::from_utf8(&expires).ok()?.parse().ok()?;
    Some(Timestamp::from_seconds(seconds))
}
