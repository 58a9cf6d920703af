//! The account's password policy, and what it says about a password.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_wire::Empty;

use super::checks::one;
use super::credential_errors::CredentialError;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Check, Row, read, write};
use crate::world::records::settings::{AccountProfile, PasswordPolicy};
use crate::world::{Snapshot, Tx};

/// Shortest password of a policy that does not say.
const DEFAULT_LENGTH: usize = 6;
/// Shortest password of an account without a policy.
const LENGTH_WITHOUT_POLICY: usize = 8;
/// Kinds of characters a password needs in an account without a policy, of four.
const KINDS_WITHOUT_POLICY: usize = 3;
/// What IAM counts as symbols.
const SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        read::<op::GetAccountPasswordPolicy>(
            &["iam:GetAccountPasswordPolicy"],
            |_| one(Check::new("iam:GetAccountPasswordPolicy", "*")),
            get,
        ),
        write::<op::UpdateAccountPasswordPolicy>(
            &["iam:UpdateAccountPasswordPolicy"],
            |_| one(Check::new("iam:UpdateAccountPasswordPolicy", "*")),
            update,
        ),
        write::<op::DeleteAccountPasswordPolicy>(
            &["iam:DeleteAccountPasswordPolicy"],
            |_| one(Check::new("iam:DeleteAccountPasswordPolicy", "*")),
            delete,
        ),
    ]
}

fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetAccountPasswordPolicy>,
) -> Result<api::GetAccountPasswordPolicyResponse, ServiceError> {
    let missing = || CredentialError::NoPasswordPolicy(auth.call().account.to_string());
    let policy = AccountProfile::of(view).password_policy.ok_or_else(missing)?;
    Ok(api::GetAccountPasswordPolicyResponse {
        password_policy: shown(&policy),
    })
}

fn shown(policy: &PasswordPolicy) -> api::PasswordPolicy {
    let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    api::PasswordPolicy {
        minimum_password_length: Some(number(policy.minimum_length)),
        require_symbols: Some(policy.symbols),
        require_numbers: Some(policy.numbers),
        require_uppercase_characters: Some(policy.uppercase),
        require_lowercase_characters: Some(policy.lowercase),
        allow_users_to_change_password: Some(policy.users_may_change),
        expire_passwords: Some(policy.max_age_days.is_some()),
        max_password_age: policy.max_age_days,
        password_reuse_prevention: policy.remembered.map(number),
        hard_expiry: policy.hard_expiry,
    }
}

/// A policy is set whole: what a call leaves out goes back to its default.
fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdateAccountPasswordPolicy>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let number = |number: Option<i32>| number.and_then(|number| usize::try_from(number).ok());
    let policy = PasswordPolicy {
        minimum_length: number(input.minimum_password_length).unwrap_or(DEFAULT_LENGTH),
        symbols: input.require_symbols.unwrap_or_default(),
        numbers: input.require_numbers.unwrap_or_default(),
        uppercase: input.require_uppercase_characters.unwrap_or_default(),
        lowercase: input.require_lowercase_characters.unwrap_or_default(),
        users_may_change: input.allow_users_to_change_password.unwrap_or_default(),
        max_age_days: input.max_password_age,
        remembered: number(input.password_reuse_prevention),
        hard_expiry: input.hard_expiry,
    };
    let settings = AccountProfile::of(tx.view());
    tx.put(AccountProfile {
        password_policy: Some(policy),
        ..settings
    });
    Ok(Empty {})
}

fn delete(
    tx: &mut Tx<'_>,
    _auth: Authorized<'_, op::DeleteAccountPasswordPolicy>,
) -> Result<Empty, ServiceError> {
    let settings = AccountProfile::of(tx.view());
    if settings.password_policy.is_none() {
        return Err(CredentialError::NoPasswordPolicyToDelete.into());
    }
    tx.put(AccountProfile {
        password_policy: None,
        ..settings
    });
    Ok(Empty {})
}

/// Refuses a password the account's policy does not want, or the rules every account without one has.
pub(super) fn accept(policy: Option<&PasswordPolicy>, password: &str) -> Result<(), CredentialError> {
    let complaint = match policy {
        Some(policy) => against(policy, password),
        None => without_policy(password),
    };
    complaint.map_or(Ok(()), |text| Err(CredentialError::WeakPassword(text)))
}

/// One kind of character: whether the password has it, and what is said when it has not.
struct Kind {
    present: bool,
    text: &'static str,
}

/// Upper case, lower case, numbers, symbols.
fn kinds(password: &str) -> [Kind; 4] {
    let has = |is: fn(char) -> bool| password.chars().any(is);
    let kind = |present, text| Kind { present, text };
    [
        kind(
            has(|c| c.is_ascii_uppercase()),
            "Password should have at least one uppercase letter",
        ),
        kind(
            has(|c| c.is_ascii_lowercase()),
            "Password should have at least one lowercase letter",
        ),
        kind(
            has(|c| c.is_ascii_digit()),
            "Password should have at least one number",
        ),
        kind(
            has(|c| SYMBOLS.contains(c)),
            "Password should have at least one symbol",
        ),
    ]
}

fn against(policy: &PasswordPolicy, password: &str) -> Option<String> {
    let wanted = [policy.uppercase, policy.lowercase, policy.numbers, policy.symbols];
    let missing = kinds(password).into_iter().zip(wanted);
    let missing = missing.filter(|(kind, wanted)| *wanted && !kind.present);
    let mut texts: Vec<_> = missing.map(|(kind, _)| kind.text.to_owned()).collect();
    texts.extend(too_short(password, policy.minimum_length));
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn without_policy(password: &str) -> Option<String> {
    if let Some(text) = too_short(password, LENGTH_WITHOUT_POLICY) {
        return Some(text);
    }
    let missing: Vec<_> = kinds(password).into_iter().filter(|kind| !kind.present).collect();
    let present = 4_usize.saturating_sub(missing.len());
    let more = KINDS_WITHOUT_POLICY
        .checked_sub(present)
        .filter(|more| *more > 0)?;
    let texts: Vec<_> = missing.iter().map(|kind| kind.text).collect();
    Some(format!(
        "Password should meet {more} more of the following requirements: {}",
        texts.join(", ")
    ))
}

fn too_short(password: &str, minimum: usize) -> Option<String> {
    let short = password.chars().count() < minimum;
    short.then(|| format!("Password should have a minimum length of {minimum} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(policy: Option<&PasswordPolicy>, password: &str) -> String {
        accept(policy, password)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn without_a_policy_three_kinds_of_four_and_eight_characters_are_asked_for() {
        assert_eq!(complaint(None, "Abcdef12"), "");
        assert_eq!(complaint(None, "abcde_12"), "");
        assert_eq!(
            complaint(None, "abcdef12"),
            "Password should meet 1 more of the following requirements: Password should have at least one uppercase \
             letter, Password should have at least one symbol"
        );
        assert_eq!(
            complaint(None, "Abc_12"),
            "Password should have a minimum length of 8 characters"
        );
    }

    #[test]
    fn a_policy_names_everything_that_is_missing() {
        let policy = PasswordPolicy {
            minimum_length: 10,
            symbols: true,
            numbers: true,
            uppercase: false,
            lowercase: true,
            users_may_change: false,
            max_age_days: None,
            remembered: None,
            hard_expiry: None,
        };
        assert_eq!(complaint(Some(&policy), "abcdefg_12"), "");
        assert_eq!(
            complaint(Some(&policy), "abcdefg"),
            "Password should have at least one number, Password should have at least one symbol, Password should have \
             a minimum length of 10 characters"
        );
    }
}
