//! What requests are made of: bodies, query strings, filters, lists.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::errors::ScimError;

/// Most resources of one page.
pub(super) const PAGE: usize = 200;
const DEFAULT_PAGE: usize = 100;
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// The body as an object.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, ScimError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(ScimError::syntax("the body must be a JSON object")),
        Err(error) => Err(ScimError::syntax(format!("the body is not JSON: {error}"))),
    }
}

/// A member by its name, which has no case (RFC 7643, 2.1).
pub(super) fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut all = members.iter();
    all.find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// A body says which schema it has.
pub(super) fn expect_schema(members: &Map<String, Value>, schema: &str) -> Result<(), ScimError> {
    let named = member(members, "schemas").and_then(Value::as_array);
    let is_named = named.is_some_and(|all| {
        all.iter()
            .filter_map(Value::as_str)
            .any(|one| one.eq_ignore_ascii_case(schema))
    });
    if is_named {
        return Ok(());
    }
    Err(ScimError::syntax(format!("`schemas` must name {schema}")))
}

/// What the query string asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub filter: Option<Filter>,
    /// The first resource, from 1.
    start: usize,
    count: usize,
    attributes: Option<Vec<String>>,
    excluded: Vec<String>,
}

/// `attribute eq "value"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    /// The attribute, in lower case.
    pub attribute: String,
    pub value: String,
}

impl Filter {
    /// Reads the one form of filter there is.
    pub fn read(text: &str) -> Option<Self> {
        let (attribute, rest) = text.trim().split_once(' ')?;
        let (operator, value) = rest.trim_start().split_once(' ')?;
        let value = serde_json::from_str(value.trim())
            .ok()
            .filter(|_| operator.eq_ignore_ascii_case("eq"))?;
        Some(Self {
            attribute: attribute.to_ascii_lowercase(),
            value,
        })
    }
}

impl Query {
    /// Reads a query string; what is not known is ignored.
    pub fn read(text: &str) -> Result<Self, ScimError> {
        let mut query = Self {
            start: 1,
            count: DEFAULT_PAGE,
            ..Self::default()
        };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            match name.to_ascii_lowercase().as_str() {
                "filter" => query.filter = Some(Filter::read(&value).ok_or_else(ScimError::filter)?),
                // Below what is possible means the least that is (RFC 7644, 3.4.2.4).
                "startindex" => query.start = usize::try_from(number(&value)?.max(1)).unwrap_or(usize::MAX),
                "count" => query.count = usize::try_from(number(&value)?.max(0)).unwrap_or(PAGE).min(PAGE),
                "attributes" => query.attributes = Some(names(&value)),
                "excludedattributes" => query.excluded = names(&value),
                _ => {}
            }
        }
        Ok(query)
    }

    /// The page that is asked for.
    pub fn page<T>(&self, all: Vec<T>) -> impl Iterator<Item = T> + use<T> {
        all.into_iter()
            .skip(self.start.saturating_sub(1))
            .take(self.count)
    }

    /// A list of resources, of which there are `total`.
    pub fn list(&self, total: usize, page: Vec<Value>) -> Value {
        json!({
            "schemas": [LIST], "totalResults": total, "startIndex": self.start, "itemsPerPage": page.len(), "Resources": page,
        })
    }

    /// The attributes that are asked for, of a resource or of a list of them. Those that name a resource are always
    /// shown.
    pub fn shown(&self, mut value: Value) -> Value {
        if let Some(resources) = value.get_mut("Resources").and_then(Value::as_array_mut) {
            for resource in resources {
                self.select(resource);
            }
            return value;
        }
        self.select(&mut value);
        value
    }

    fn select(&self, resource: &mut Value) {
        let is = |list: &[String], name: &str| list.iter().any(|one| one.eq_ignore_ascii_case(name));
        if let Some(members) = resource.as_object_mut() {
            members.retain(|name, _| {
                let wanted = self.attributes.as_ref().is_none_or(|list| is(list, name));
                matches!(name.as_str(), "schemas" | "id") || wanted && !is(&self.excluded, name)
            });
        }
    }
}

fn decoded(value: &str) -> Result<String, ScimError> {
    let value = value.replace('+', " ");
    let text = percent_decode_str(&value).decode_utf8();
    text.map(|text| text.into_owned())
        .map_err(|_| ScimError::syntax("the query string is not UTF-8"))
}

fn number(value: &str) -> Result<i64, ScimError> {
    value
        .parse()
        .map_err(|_| ScimError::value(format!("`{value}` is no number")))
}

fn names(value: &str) -> Vec<String> {
    let names = value
        .split(',')
        .map(|name| name.trim().rsplit(':').next().unwrap_or_default());
    // Of complex attributes the whole is shown.
    names
        .map(|name| name.split('.').next().unwrap_or_default().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_have_one_form() {
        let filter = Filter::read(" userName  EQ \"mia \\\"m\\\"\"").unwrap();
        assert_eq!(
            (filter.attribute.as_str(), filter.value.as_str()),
            ("username", "mia \"m\"")
        );
        for text in [
            "",
            "userName",
            "userName eq",
            "userName eq mia",
            "userName co \"m\"",
            "userName eq \"m\" and active eq true",
        ] {
            assert_eq!(Filter::read(text), None, "{text}");
        }
    }

    #[test]
    fn pages_begin_with_one() {
        let page = |text: &str| Query::read(text).unwrap().page(vec![1, 2, 3]).collect::<Vec<_>>();
        assert_eq!(page(""), [1, 2, 3]);
        assert_eq!(page("startIndex=2&count=1"), [2]);
        assert!(page("startIndex=-4&count=-1").is_empty());
        assert!(Query::read("count=many").is_err());
    }
}
