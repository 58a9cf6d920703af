//! Paths with labels: `/authorization-details/{authorizationId}`.

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use crate::query::ENCODED;

/// A segment of a pattern.
enum Segment<'p> {
    Literal(&'p str),
    Label(&'p str),
    /// Takes one or more segments.
    Greedy(&'p str),
}

fn segment(text: &str) -> Segment<'_> {
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        None => Segment::Literal(text),
        Some(label) => match label.strip_suffix('+') {
            Some(label) => Segment::Greedy(label),
            None => Segment::Label(label),
        },
    }
}

/// The segments of a path, without the emptiness before its first slash.
fn segments(path: &str) -> Vec<&str> {
    path.strip_prefix('/').unwrap_or(path).split('/').collect()
}

/// How many segments of a pattern are literal.
pub(super) fn literals(pattern: &str) -> usize {
    let is_literal = |text: &&str| matches!(segment(text), Segment::Literal(_));
    segments(pattern).into_iter().filter(is_literal).count()
}

/// What the labels of a pattern stand for in a path; `None` when the path is another one. A path with empty or dot
/// segments fits nothing: signatures cover paths without them, so that such a path could be signed as another.
pub(super) fn labels<'p>(pattern: &'p str, path: &str) -> Option<Vec<(&'p str, String)>> {
    let found = segments(path);
    if found.iter().any(|text| matches!(*text, "" | "." | "..")) {
        return None;
    }
    let wanted: Vec<Segment<'_>> = segments(pattern).into_iter().map(segment).collect();
    let surplus = found.len().checked_sub(wanted.len())?;
    let is_greedy = wanted.iter().any(|segment| matches!(segment, Segment::Greedy(_)));
    if surplus > 0 && !is_greedy {
        return None;
    }
    let mut labels = Vec::new();
    let mut rest = found.as_slice();
    for segment in wanted {
        let taken = match segment {
            Segment::Greedy(_) => surplus.saturating_add(1),
            _ => 1,
        };
        let (texts, after) = rest.split_at_checked(taken)?;
        rest = after;
        let text = decoded(&texts.join("/"))?;
        match segment {
            Segment::Literal(literal) if literal == text => {}
            Segment::Literal(_) => return None,
            Segment::Label(label) | Segment::Greedy(label) => labels.push((label, text)),
        }
    }
    Some(labels)
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// The path with its labels filled in; a label without a value stays empty, which no server takes.
pub(super) fn filled(pattern: &str, value_of: impl Fn(&str) -> String) -> String {
    let mut path = String::new();
    for text in segments(pattern) {
        path.push('/');
        match segment(text) {
            Segment::Literal(literal) => path.push_str(literal),
            Segment::Label(label) => path.push_str(&encoded(&value_of(label))),
            Segment::Greedy(label) => {
                let parts: Vec<String> = value_of(label).split('/').map(encoded).collect();
                path.push_str(&parts.join("/"));
            }
        }
    }
    path
}

/// Everything but RFC 3986's unreserved characters is encoded.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, path: &str) -> Option<String> {
        let labels = labels(pattern, path)?;
        let shown: Vec<String> = labels
            .iter()
            .map(|(label, text)| format!("{label}={text}"))
            .collect();
        Some(shown.join(" "))
    }

    #[test]
    fn labels_take_whole_decoded_segments() {
        for (pattern, path, expected) in [
            ("/a/{id}", "/a/1", Some("id=1")),
            ("/a/{id}", "/a/x%2Fy%20z", Some("id=x/y z")),
            ("/a/{id}", "/a/", None),
            ("/a/{id}", "/a/1/", None),
            ("/a/{id}", "/a/1/2", None),
            ("/a/{id}", "/b/1", None),
            ("/a/{id}", "/a/%ff", None),
            ("/a/{id}/p", "/a/1/p", Some("id=1")),
            ("/a/{id}/p", "/a/../p", None),
            ("/a//{id}", "/a//1", None),
            ("/k/{key+}", "/k/1/2/3", Some("key=1/2/3")),
            ("/k/{key+}/tags", "/k/1/2/tags", Some("key=1/2")),
            ("/k/{key+}/tags", "/k/tags", None),
            ("/k/{a}/{b+}", "/k/1/2/3", Some("a=1 b=2/3")),
        ] {
            assert_eq!(found(pattern, path).as_deref(), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn filled_paths_give_their_labels_back() {
        for text in ["x", "a b/c", "%2f", "é?&#"] {
            let path = filled("/k/{one}/end", |_| text.to_owned());
            assert_eq!(labels("/k/{one}/end", &path).unwrap(), [("one", text.to_owned())]);
        }
        assert_eq!(filled("/k/{all+}", |_| "a b/c".to_owned()), "/k/a%20b/c");
    }
}
