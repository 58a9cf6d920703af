//! The filters of DescribeParameters and GetParametersByPath: all of them must hold, of each one of its values.

use portcullis_api::ssm::{ParameterStringFilter, ParametersFilter};

use super::errors::ParameterError;
use crate::world::Snapshot;
use crate::world::records::parameters::Parameter;

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Equals,
    BeginsWith,
    Contains,
    OneLevel,
    Recursive,
}

/// One filter that was read.
#[derive(Debug)]
struct One<'a> {
    key: &'a str,
    how: How,
    values: Vec<&'a str>,
}

/// What a caller wants to see.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a>(Vec<One<'a>>);

impl<'a> Wanted<'a> {
    /// Reads filters of which only some keys are for the call; `tag:KEY` counts as `tag`.
    pub fn read(
        filters: Option<&'a Vec<ParameterStringFilter>>,
        keys: &[&str],
    ) -> Result<Self, ParameterError> {
        let mut wanted = Vec::new();
        for filter in filters.into_iter().flatten() {
            let family = filter
                .key
                .split_once(':')
                .map_or(filter.key.as_str(), |(family, _)| family);
            if !keys.contains(&family) {
                return Err(ParameterError::FilterKey(filter.key.clone()));
            }
            let values: Vec<&str> = filter.values.iter().flatten().map(String::as_str).collect();
            if values.is_empty() && family != "tag" {
                return Err(ParameterError::FilterValue(String::new()));
            }
            let how = how(family, filter.option.as_deref())?;
            if let Some(value) = values.iter().find(|value| !is_value(family, value)) {
                return Err(ParameterError::FilterValue((*value).to_owned()));
            }
            wanted.push(One {
                key: &filter.key,
                how,
                values,
            });
        }
        Ok(Self(wanted))
    }

    /// Reads filters of the older form.
    pub fn read_old(filters: Option<&'a Vec<ParametersFilter>>) -> Self {
        let one = |filter: &'a ParametersFilter| One {
            key: &filter.key,
            how: How::Equals,
            values: filter.values.iter().map(String::as_str).collect(),
        };
        Self(filters.into_iter().flatten().map(one).collect())
    }

    /// How the name of every parameter begins that meets all of them: no others need to be looked at.
    pub fn beginning(&self) -> String {
        let all = self.0.iter().map(One::beginning);
        all.max_by_key(String::len).unwrap_or_default()
    }

    /// Whether a parameter meets all of them.
    pub fn is_met_by(&self, view: &Snapshot, row: &Parameter) -> bool {
        self.0.iter().all(|one| one.is_met_by(view, row))
    }
}

fn how(family: &str, option: Option<&str>) -> Result<How, ParameterError> {
    match (option, family) {
        (None, "Path") | (Some("OneLevel"), "Path") => Ok(How::OneLevel),
        (Some("Recursive"), "Path") => Ok(How::Recursive),
        (None | Some("Equals"), _) if family != "Path" => Ok(How::Equals),
        (Some("BeginsWith"), "Name" | "KeyId" | "Type") => Ok(How::BeginsWith),
        (Some("Contains"), "Name") => Ok(How::Contains),
        (other, _) => Err(ParameterError::FilterOption(other.unwrap_or_default().to_owned())),
    }
}

fn is_value(family: &str, value: &str) -> bool {
    match family {
        "Type" => ["String", "StringList", "SecureString"]
            .iter()
            .any(|kind| kind.starts_with(value)),
        "Tier" => ["Standard", "Advanced", "Intelligent-Tiering"].contains(&value),
        "Path" => value.starts_with('/'),
        _ => true,
    }
}

impl One<'_> {
    fn is_met_by(&self, view: &Snapshot, row: &Parameter) -> bool {
        match self.key {
            "Name" => self.fits(&row.name),
            "Type" => self.fits(&row.kind),
            "Tier" => self.fits(row.tier.as_str()),
            "DataType" => self.fits(super::put::TEXT),
            "Label" => row.labels.keys().any(|label| self.fits(label)),
            "Path" => self.values.iter().any(|path| self.is_below(path, &row.name)),
            "KeyId" => {
                let version = view.parameters.version(row, row.latest);
                let key = version.and_then(|version| version.key_id.as_ref());
                key.is_some_and(|key| self.fits(key))
            }
            key => {
                let tag = key.strip_prefix("tag:").and_then(|tag| row.tags.get(tag));
                tag.is_some_and(|value| self.values.is_empty() || self.fits(value))
            }
        }
    }

    /// How the names begin of those that meet it.
    fn beginning(&self) -> String {
        let mut values = self.values.iter();
        match (self.key, self.how) {
            ("Name", How::Equals | How::BeginsWith) => {
                let first = values.next().map_or("", |first| *first);
                values
                    .fold(first, |shared, value| in_common(shared, value))
                    .to_owned()
            }
            ("Path", _) => {
                let mut paths = values.map(|path| below(path));
                let first = paths.next().unwrap_or_default();
                paths.fold(first, |shared, path| in_common(&shared, &path).to_owned())
            }
            _ => String::new(),
        }
    }

    fn fits(&self, text: &str) -> bool {
        self.values.iter().any(|value| match self.how {
            How::BeginsWith => text.starts_with(value),
            How::Contains => text.contains(value),
            How::Equals | How::OneLevel | How::Recursive => text == *value,
        })
    }

    fn is_below(&self, path: &str, name: &str) -> bool {
        let rest = name.strip_prefix(&below(path));
        rest.is_some_and(|rest| self.how == How::Recursive || !rest.contains('/'))
    }
}

/// A path as the names below it begin.
pub(super) fn below(path: &str) -> String {
    format!("{}/", path.trim_end_matches('/'))
}

/// What two texts both begin with.
fn in_common<'a>(one: &'a str, other: &str) -> &'a str {
    let letters = one.char_indices().zip(other.chars());
    let differs = letters
        .filter(|((_, letter), other)| letter != other)
        .map(|((at, _), _)| at)
        .next();
    let end = differs.unwrap_or_else(|| one.len().min(other.len()));
    one.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use portcullis_core::{AccountId, Tags};
    use proptest::prelude::{Strategy, prop, prop_assert, proptest};

    use super::*;
    use crate::world::records::parameters::Tier;

    fn filter() -> impl Strategy<Value = ParameterStringFilter> {
        let values = prop::collection::vec("/?[ab]{1,2}(/[ab]){0,2}", 1..3);
        let kinds = vec![
            ("Name", "Equals"),
            ("Name", "BeginsWith"),
            ("Name", "Contains"),
            ("Path", "OneLevel"),
            ("Path", "Recursive"),
        ];
        (prop::sample::select(kinds), values).prop_map(|((key, option), values)| ParameterStringFilter {
            key: key.to_owned(),
            option: Some(option.to_owned()),
            values: Some(values),
        })
    }

    fn parameter(name: &str) -> Parameter {
        Parameter {
            name: name.to_owned(),
            region: "eu-west-1".parse().unwrap(),
            kind: "String".to_owned(),
            tier: Tier::Standard,
            latest: 1,
            labels: std::collections::BTreeMap::new(),
            expires: None,
            tags: Tags::new(),
        }
    }

    proptest! {
        #[test]
        fn every_name_that_is_wanted_begins_so(
            filters in prop::collection::vec(filter(), 0..3), names in prop::collection::vec("/?[ab]{1,2}(/[ab]){0,3}", 1..20),
        ) {
            let account: AccountId = "123456789012".parse().unwrap();
            let view = Snapshot::empty(account);
            let Ok(wanted) = Wanted::read(Some(&filters), &["Name", "Path"]) else { return Ok(()) };
            let beginning = wanted.beginning();
            for name in names {
                prop_assert!(!wanted.is_met_by(&view, &parameter(&name)) || name.starts_with(&beginning));
            }
        }
    }
}
