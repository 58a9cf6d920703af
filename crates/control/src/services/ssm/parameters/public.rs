//! The parameters that AWS publishes under `/aws/service/`. Here they are what a file says: the operator knows which images his
//! hosts have.

use std::collections::BTreeMap;

use portcullis_api::ssm::Parameter as Shown;
use portcullis_core::Timestamp;
use thiserror::Error;

use super::names::{PUBLIC, arn};
use super::put::TEXT;
use crate::gate::call::Call;

/// What is published when the operator says nothing.
const BUILT_IN: &str = include_str!("public.json");
/// When that was written, in milliseconds: 2026-11-22.
const WRITTEN_MILLIS: i64 = 1_795_305_600_000;

/// Parameters for everybody, the same in every region.
#[derive(Debug, Clone)]
pub struct PublicParameters {
    values: BTreeMap<String, String>,
}

/// Why a file of public parameters is not taken.
#[derive(Debug, Error)]
pub enum PublicParametersError {
    /// It is not JSON of the form.
    #[error("it must be a JSON object of names and values, all texts: {0}")]
    Json(#[from] serde_json::Error),
    /// A name that AWS would not publish.
    #[error("the name `{0}` does not begin with /aws/service/")]
    Name(String),
}

impl PublicParameters {
    /// Reads a file: a JSON object of names and values.
    pub fn parse(text: &str) -> Result<Self, PublicParametersError> {
        let values: BTreeMap<String, String> = serde_json::from_str(text)?;
        match values.keys().find(|name| !name.starts_with(PUBLIC)) {
            Some(name) => Err(PublicParametersError::Name(name.clone())),
            None => Ok(Self { values }),
        }
    }

    /// The parameter of that name. It has one version and no labels.
    pub(super) fn shown(&self, call: &Call, name: &str, selector: Option<&str>) -> Option<Shown> {
        let value = self.values.get(name)?;
        if selector.is_some_and(|selector| selector != "1") {
            return None;
        }
        Some(Shown {
            name: Some(name.to_owned()),
            r#type: Some("String".to_owned()),
            value: Some(value.clone()),
            version: Some(1),
            selector: selector.map(|selector| format!(":{selector}")),
            last_modified_date: Some(Timestamp::from_millis(WRITTEN_MILLIS)),
            arn: Some(arn(&call.region, &call.account, name).to_string()),
            data_type: Some(TEXT.to_owned()),
            ..Shown::default()
        })
    }

    /// The names below a path that ends with a slash, in order.
    pub(super) fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a str> {
        let rows = self.values.range(path.to_owned()..);
        rows.map(|(name, _)| name.as_str())
            .take_while(move |name| name.starts_with(path))
    }
}

impl Default for PublicParameters {
    fn default() -> Self {
        // A test reads the built-in file.
        let nothing = |_| Self {
            values: BTreeMap::new(),
        };
        Self::parse(BUILT_IN).unwrap_or_else(nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_file_can_be_read() {
        assert!(!PublicParameters::parse(BUILT_IN).unwrap().values.is_empty());
    }
}
