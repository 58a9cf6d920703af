//! GetRandomPassword.

use portcullis_api::secretsmanager::op;
use portcullis_api::secretsmanager::{GetRandomPasswordRequest, GetRandomPasswordResponse};
use portcullis_core::Random;

use super::errors::SecretsError;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Authorized;
use crate::world::Snapshot;

const LENGTH: i64 = 32;
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// A password nobody has seen before, and which is kept nowhere.
pub(super) fn get(
    _view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetRandomPassword>,
) -> Result<GetRandomPasswordResponse, ServiceError> {
    let input = auth.input();
    let kinds = kinds(input);
    if kinds.is_empty() {
        return Err(SecretsError::NoCharacters.into());
    }
    let length = usize::try_from(input.password_length.unwrap_or(LENGTH)).unwrap_or_default();
    let each = input.require_each_included_type.unwrap_or(true);
    let least = if each { kinds.len() } else { 1 };
    if length < least {
        return Err(SecretsError::PasswordLength(least).into());
    }
    let random = env.random.as_ref();
    let mut letters: Vec<char> = Vec::with_capacity(length);
    if each {
        letters.extend(kinds.iter().filter_map(|kind| pick(random, kind)));
    }
    let all: Vec<char> = kinds.concat();
    while letters.len() < length {
        letters.extend(pick(random, &all));
    }
    shuffle(random, &mut letters);
    Ok(GetRandomPasswordResponse {
        random_password: Some(letters.into_iter().collect()),
    })
}

/// The characters of each kind that is not left out altogether.
fn kinds(input: &GetRandomPasswordRequest) -> Vec<Vec<char>> {
    let is_on = |excluded: Option<bool>| !excluded.unwrap_or_default();
    let excluded = input.exclude_characters.as_deref().unwrap_or_default();
    let some: [(bool, Vec<char>); 5] = [
        (is_on(input.exclude_lowercase), ('a'..='z').collect()),
        (is_on(input.exclude_uppercase), ('A'..='Z').collect()),
        (is_on(input.exclude_numbers), ('0'..='9').collect()),
        (is_on(input.exclude_punctuation), PUNCTUATION.chars().collect()),
        (input.include_space.unwrap_or_default(), vec![' ']),
    ];
    let left = some.into_iter().filter(|(is_on, _)| *is_on).map(|(_, mut kind)| {
        kind.retain(|letter| !excluded.contains(*letter));
        kind
    });
    left.filter(|kind| !kind.is_empty()).collect()
}

/// One of them, each as likely as any other.
fn pick(random: &dyn Random, letters: &[char]) -> Option<char> {
    letters.get(below(random, letters.len())).copied()
}

fn shuffle(random: &dyn Random, letters: &mut [char]) {
    for end in (1..letters.len()).rev() {
        letters.swap(end, below(random, end + 1));
    }
}

/// A number below `limit`, without the bias of a remainder: what does not divide evenly is drawn again.
fn below(random: &dyn Random, limit: usize) -> usize {
    let limit = u32::try_from(limit.max(1)).unwrap_or(u32::MAX);
    let even = u32::MAX - u32::MAX % limit;
    loop {
        let mut bytes = [0_u8; 4];
        random.fill(&mut bytes);
        let drawn = u32::from_le_bytes(bytes);
        if drawn < even {
            return usize::try_from(drawn % limit).unwrap_or_default();
        }
    }
}
