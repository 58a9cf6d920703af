//! What names, values and policies of parameters must be.

use portcullis_core::Timestamp;
use regex::RegexBuilder;
use serde_json::Value;

use super::errors::ParameterError;
use crate::world::records::parameters::{ParameterPolicy, Tier};

/// Levels a path may have.
const LEVELS: usize = 15;
/// Characters a name may have.
const NAME_CHARACTERS: usize = 1_011;
/// Policies a parameter may have.
const POLICIES: usize = 10;
/// Bytes a compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 20;
/// The one policy that does something here.
const EXPIRATION: &str = "Expiration";

/// The name of a parameter to be made.
pub(super) fn check_name(name: &str) -> Result<(), ParameterError> {
    let is_path = name.starts_with('/');
    let lower = name.to_ascii_lowercase();
    let plain = lower.strip_prefix('/').unwrap_or(&lower);
    if plain.starts_with("aws") {
        return Err(ParameterError::Reserved(name.to_owned()));
    }
    if plain.starts_with("ssm") {
        return Err(ParameterError::Name);
    }
    if name.contains('/') && !is_path {
        return Err(ParameterError::NotFullyQualified);
    }
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    let has_empty_part = plain.is_empty() || plain.split('/').any(str::is_empty);
    if !name.bytes().all(is_good) || has_empty_part {
        return Err(ParameterError::Name);
    }
    if name.len() > NAME_CHARACTERS {
        return Err(ParameterError::NameTooLong);
    }
    match plain.split('/').count() > LEVELS {
        true => Err(ParameterError::Levels(name.to_owned())),
        false => Ok(()),
    }
}

/// The value of a parameter of a tier.
pub(super) fn check_size(value: &str, tier: Tier) -> Result<(), ParameterError> {
    match (value.len(), tier) {
        (0, _) => Err(ParameterError::Empty),
        (..=4_096, _) | (..=8_192, Tier::Advanced) => Ok(()),
        (_, Tier::Standard) => Err(ParameterError::StandardSize),
        (_, Tier::Advanced) => Err(ParameterError::AdvancedSize),
    }
}

/// Whether a value matches the pattern, as a whole.
pub(super) fn check_pattern(value: &str, pattern: &str) -> Result<(), ParameterError> {
    let whole = RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(PATTERN_BYTES)
        .build()
        .map_err(|_| ParameterError::Pattern)?;
    match whole.is_match(value) {
        true => Ok(()),
        false => Err(ParameterError::Mismatch(pattern.to_owned())),
    }
}

/// What a label may not be.
pub(super) fn is_label(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let starts_with_digit = label.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    let is_reserved = lower.starts_with("aws") || lower.starts_with("ssm");
    !starts_with_digit && !is_reserved && label.bytes().all(is_good)
}

/// The policies of a parameter, and when it expires.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Policies {
    /// Each as it was written.
    pub all: Vec<ParameterPolicy>,
    /// When the parameter expires.
    pub expires: Option<Timestamp>,
}

/// Reads the policies of a request. `[{}]` takes all away.
pub(super) fn policies(text: &str, now: Timestamp) -> Result<Policies, ParameterError> {
    let parsed: Value = serde_json::from_str(text).map_err(|_| ParameterError::Policies)?;
    let given = parsed.as_array().ok_or(ParameterError::Policies)?;
    let is_empty = |one: &&Value| one.as_object().is_some_and(serde_json::Map::is_empty);
    let given: Vec<_> = given.iter().filter(|one| !is_empty(one)).collect();
    if given.len() > POLICIES {
        return Err(ParameterError::TooManyPolicies);
    }
    let mut read = Policies::default();
    for one in given {
        let kind = one
            .get("Type")
            .and_then(Value::as_str)
            .ok_or(ParameterError::Policies)?;
        if kind != EXPIRATION {
            return Err(ParameterError::PolicyType(kind.to_owned()));
        }
        if read.expires.is_some() {
            return Err(ParameterError::TwoExpirations);
        }
        let at = one.pointer("/Attributes/Timestamp").and_then(Value::as_str);
        let at = at.and_then(|at| at.parse::<Timestamp>().ok());
        let at = at.filter(|at| *at > now).ok_or(ParameterError::PolicyAttribute)?;
        read.expires = Some(at);
        read.all.push(ParameterPolicy {
            kind: kind.to_owned(),
            text: one.to_string(),
        });
    }
    Ok(read)
}
