//! The filters of ListSecrets and BatchGetSecretValue. A value is a prefix, `!` before it means "not"; all filters must hold,
//! of each one of its values.

use portcullis_api::secretsmanager::Filter;

use crate::gate::call::Call;
use crate::world::records::secrets::StoredSecret;

/// Whether a secret is there and matches.
pub(super) fn is_wanted(call: &Call, filters: Option<&Vec<Filter>>, row: &StoredSecret) -> bool {
    let mut filters = filters.into_iter().flatten();
    !row.is_gone(call.now) && filters.all(|filter| matches(filter, row))
}

fn matches(filter: &Filter, row: &StoredSecret) -> bool {
    let key = filter.key.as_deref().unwrap_or("all");
    let mut values = filter.values.iter().flatten();
    values.any(|value| match value.strip_prefix('!') {
        Some(unwanted) => !has(key, row, unwanted),
        None => has(key, row, value),
    })
}

/// Whether a secret has something that starts so. Descriptions, and `all`, are compared without case.
fn has(key: &str, row: &StoredSecret, wanted: &str) -> bool {
    let description = row.description.as_deref().unwrap_or_default();
    match key {
        "name" => row.name.starts_with(wanted),
        "description" => any_word_starts(description, wanted),
        "tag-key" => row.tags.iter().any(|tag| tag.key.starts_with(wanted)),
        "tag-value" => row.tags.iter().any(|tag| tag.value.starts_with(wanted)),
        "all" => {
            let of_tags = row
                .tags
                .iter()
                .flat_map(|tag| [tag.key.as_str(), tag.value.as_str()]);
            let mut texts = [row.name.as_str(), description].into_iter().chain(of_tags);
            texts.any(|text| wanted.split_whitespace().any(|word| any_word_starts(text, word)))
        }
        // Every secret is where it was made, and no other service owns one here.
        "primary-region" => row.region.as_str().starts_with(wanted),
        _ => false,
    }
}

fn any_word_starts(text: &str, wanted: &str) -> bool {
    let (text, wanted) = (text.to_lowercase(), wanted.to_lowercase());
    let mut words = text.split(|letter: char| !letter.is_alphanumeric());
    text.starts_with(&wanted) || words.any(|word| !word.is_empty() && word.starts_with(&wanted))
}
