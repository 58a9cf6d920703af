//! Short ways to documents and answers.

use portcullis_analysis::{Answer, Options, compare};
use portcullis_policy::{Document, Kind, Source};

pub fn document(statements: &str) -> Document {
    parse(&format!(
        r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#
    ))
}

pub fn parse(text: &str) -> Document {
    let has_principal = text.contains("\"Principal\"") || text.contains("\"NotPrincipal\"");
    let kind = if has_principal {
        Kind::Resource
    } else {
        Kind::Identity
    };
    Document::parse(text, kind).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub fn source<'a>(name: &'a str, document: &'a Document) -> Source<'a> {
    Source {
        name,
        arn: None,
        attached_to: None,
        document,
    }
}

/// What `new` allows and `old` does not.
pub fn more(old: &Document, new: &Document, options: Options) -> Answer {
    compare(&[source("old", old)], &[source("new", new)], options)
}
