//! What all Describe operations share: ids, filters, pages.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_api::ec2 as api;
use portcullis_core::Tags;

use super::errors::Ec2Error;
use super::ids::{Kind, Stored};
use super::place::Place;
use crate::services::pages;
use crate::world::records::ec2::Tables;

/// Most values one filter can have.
const FILTER_VALUES_MAX: usize = 200;
/// Rows in a page that nobody asked to be smaller.
const PAGE_MAX: i32 = 1_000;
/// Rows in the smallest page that can be asked for.
const PAGE_MIN: i32 = 5;

/// What a caller wants to see.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted<'a> {
    pub ids: Option<&'a [String]>,
    pub filters: Option<&'a [api::Filter]>,
    pub token: Option<&'a str>,
    pub max_results: Option<i32>,
    /// How the parameter with the ids is called where it excludes `MaxResults`.
    pub ids_called: &'static str,
}

/// What a filter finds in an object: the values of the property it names.
pub(super) enum Found {
    /// These values.
    Values(Vec<String>),
    /// There is no such filter.
    Unknown,
}

impl Found {
    /// A property with one value.
    pub fn one(value: impl Into<String>) -> Self {
        Self::Values(vec![value.into()])
    }

    /// A property that may be absent.
    pub fn some(value: Option<impl Into<String>>) -> Self {
        Self::Values(value.into_iter().map(Into::into).collect())
    }

    /// A property with several values.
    pub fn many<V: Into<String>>(values: impl IntoIterator<Item = V>) -> Self {
        Self::Values(values.into_iter().map(Into::into).collect())
    }
}

/// The tag filters, which all objects have.
pub(super) fn of_tags(tags: &Tags, name: &str) -> Found {
    match name.strip_prefix("tag:") {
        Some(key) => Found::some(tags.get(key)),
        None if name == "tag-key" => Found::many(tags.iter().map(|tag| tag.key.as_str())),
        None => Found::Unknown,
    }
}

/// The objects of a kind that a caller wants, one page of them, and the token of the next one.
pub(super) fn page<'t, O: Stored>(
    tables: &'t Tables,
    place: Place<'_>,
    wanted: Wanted<'_>,
    property: impl Fn(&O, &str) -> Found,
) -> Result<(Vec<&'t Arc<O>>, Option<String>), Ec2Error> {
    let rows = match wanted.ids.filter(|ids| !ids.is_empty()) {
        None => tables.all::<O>(place.region),
        Some(ids) => {
            let ids: BTreeSet<&String> = ids.iter().collect();
            let rows = ids.into_iter().map(|id| O::get(tables, place, id));
            rows.collect::<Result<_, _>>()?
        }
    };
    let rows = matching(rows, wanted.filters, |row, name| property(row, name))?;
    paged(rows, wanted, |row| row.id().to_owned())
}

/// The rows that fit all filters.
pub(super) fn matching<T>(
    rows: Vec<T>,
    filters: Option<&[api::Filter]>,
    property: impl Fn(&T, &str) -> Found,
) -> Result<Vec<T>, Ec2Error> {
    let filters = filters.unwrap_or_default();
    for filter in filters {
        check_filter(filter)?;
    }
    let mut fitting = Vec::new();
    'rows: for row in rows {
        for filter in filters {
            let name = filter.name.as_deref().unwrap_or_default();
            match property(&row, name) {
                Found::Unknown => return Err(Ec2Error::Filter(name.to_owned())),
                Found::Values(values) if !fits(filter, &values) => continue 'rows,
                Found::Values(_) => {}
            }
        }
        fitting.push(row);
    }
    Ok(fitting)
}

fn check_filter(filter: &api::Filter) -> Result<(), Ec2Error> {
    let values = filter.values.as_deref().unwrap_or_default();
    if filter.name.as_deref().unwrap_or_default().is_empty() {
        return Err(Ec2Error::Parameter("The filter 'null' is invalid".to_owned()));
    }
    if values.len() > FILTER_VALUES_MAX {
        let text =
            format!("The maximum number of filter values specified on a single call is {FILTER_VALUES_MAX}");
        return Err(Ec2Error::Parameter(text));
    }
    Ok(())
}

fn fits(filter: &api::Filter, values: &[String]) -> bool {
    let wanted = filter.values.as_deref().unwrap_or_default();
    values
        .iter()
        .any(|value| wanted.iter().any(|pattern| is_like(pattern, value)))
}

/// Whether a value fits a filter's: `*` is any text, `?` any character, after a backslash each is itself.
fn is_like(pattern: &str, value: &str) -> bool {
    let pattern = steps(pattern);
    let value: Vec<char> = value.chars().collect();
    let (mut at, mut next) = (0, 0);
    // Where to go on after the last star: its place, and the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = value.get(at) {
        match pattern.get(next) {
            Some(Step::Any) => {
                star = Some((next, at));
                next += 1;
            }
            Some(Step::One) => (at, next) = (at + 1, next + 1),
            Some(Step::Letter(wanted)) if wanted == letter => (at, next) = (at + 1, next + 1),
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (at, next) = (taken + 1, place + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(next).all(|step| *step == Step::Any)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Any,
    One,
    Letter(char),
}

fn steps(pattern: &str) -> Vec<Step> {
    let mut letters = pattern.chars();
    let mut steps = Vec::new();
    while let Some(letter) = letters.next() {
        steps.push(match letter {
            '*' => Step::Any,
            '?' => Step::One,
            '\\' => Step::Letter(letters.next().unwrap_or('\\')),
            other => Step::Letter(other),
        });
    }
    steps
}

/// One page of rows that stand in the order of their keys.
pub(super) fn paged<T>(
    rows: Vec<T>,
    wanted: Wanted<'_>,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), Ec2Error> {
    let has_ids = wanted.ids.is_some_and(|ids| !ids.is_empty());
    if has_ids && wanted.max_results.is_some() && !wanted.ids_called.is_empty() {
        let text = format!(
            "The parameter {} cannot be used with the parameter maxResults",
            wanted.ids_called
        );
        return Err(Ec2Error::Combination(text));
    }
    let limit = wanted.max_results.unwrap_or(PAGE_MAX);
    if !(PAGE_MIN..=PAGE_MAX).contains(&limit) {
        return Err(Ec2Error::Value {
            value: limit.to_string(),
            parameter: "maxResults",
            reason: format!("Expecting a value between {PAGE_MIN} and {PAGE_MAX}."),
        });
    }
    let limit = usize::try_from(limit).unwrap_or(1);
    let after = wanted.token.map(opened).transpose()?;
    let keyed = rows.into_iter().map(|row| (key(&row), row));
    let rest = keyed.filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
    let (page, last) = pages::cut(rest, limit);
    Ok((page, last.map(pages::token)))
}

fn opened(token: &str) -> Result<String, Ec2Error> {
    let key = pages::opened(token).ok_or(Ec2Error::Token)?;
    // A key begins with an id, whatever follows.
    let id = key.split('\n').next().unwrap_or_default();
    Kind::of(id).map(|_| key.clone()).ok_or(Ec2Error::Token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_know_stars_marks_and_backslashes() {
        for (pattern, value, fits) in [
            ("abc", "abc", true),
            ("abc", "ABC", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "axxbyyc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "", true),
            ("*", "", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(is_like(pattern, value), fits, "{pattern} {value}");
        }
    }
}
