//! Grant tokens. Grants bind the next request here, so that a token only has to be a genuine one; it also names its grant
//! to who wants to retire it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::AccountId;
use portcullis_store::Vault;

use super::errors::KmsError;
use crate::gate::environment::Environment;
use crate::world::records::kms::Grant;

const PURPOSE: &str = "kms-grant-token";
/// A token begins with the number of its key's account, so that whoever passes it on knows whose gate it is for.
const ACCOUNT_BYTES: usize = 12;

/// The token of a grant of a key with that ARN.
pub(super) fn token(vault: &Vault, key: &str, grant: &Grant) -> Result<String, KmsError> {
    let account = key
        .split(':')
        .nth(4)
        .filter(|account| account.len() == ACCOUNT_BYTES);
    let account = account.ok_or(KmsError::Internal)?.as_bytes();
    let named = format!("{key}\n{}", grant.id);
    let sealed = vault.seal(PURPOSE, account, named.as_bytes());
    let sealed = sealed.map_err(|_| KmsError::Internal)?;
    Ok(URL_SAFE_NO_PAD.encode([account, &sealed].concat()))
}

/// The account whose key a token says it is for.
pub(super) fn account_of(token: &str) -> Option<AccountId> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let account = bytes.get(..ACCOUNT_BYTES)?;
    std::str::from_utf8(account).ok()?.parse().ok()
}

/// The ARN of the key and the id of the grant that a token stands for.
pub(super) fn open(vault: &Vault, token: &str) -> Result<(String, String), KmsError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| KmsError::GrantToken)?;
    let parts = bytes.split_at_checked(ACCOUNT_BYTES);
    let (account, sealed) = parts.ok_or(KmsError::GrantToken)?;
    let opened = vault.open(PURPOSE, account, sealed);
    let opened = opened.map_err(|_| KmsError::GrantToken)?;
    let text = std::str::from_utf8(&opened).map_err(|_| KmsError::GrantToken)?;
    let (key, grant) = text.split_once('\n').ok_or(KmsError::GrantToken)?;
    Ok((key.to_owned(), grant.to_owned()))
}

/// Refuses tokens that are none of ours.
pub(super) fn check(env: &Environment, tokens: Option<&Vec<String>>) -> Result<(), KmsError> {
    let mut tokens = tokens.into_iter().flatten();
    tokens.try_for_each(|token| open(&env.vault, token).map(|_| ()))
}
