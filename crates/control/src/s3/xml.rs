//! The XML of S3's answers and requests.

use std::fmt;

use roxmltree::{Document, Node};

use super::errors::S3Error;

/// An element of an answer.
#[derive(Debug, Clone)]
pub(super) struct Element {
    name: String,
    attributes: &'static str,
    content: String,
}

impl Element {
    /// An element without anything in it.
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            attributes: "",
            content: String::new(),
        }
    }

    /// The outermost element of an answer.
    pub(super) fn document(name: &str) -> Self {
        Self {
            attributes: " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"",
            ..Self::new(name)
        }
    }

    /// The same with attributes, as they are written.
    pub(super) fn attributes(mut self, attributes: &'static str) -> Self {
        self.attributes = attributes;
        self
    }

    /// The same with a child that holds a text.
    pub(super) fn text(self, name: &str, text: impl fmt::Display) -> Self {
        let mut child = Self::new(name);
        child.content = escaped(&text.to_string());
        self.child(&child)
    }

    /// The same with such a child, if there is a text.
    pub(super) fn some(self, name: &str, text: Option<impl fmt::Display>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// The same with a child.
    pub(super) fn child(mut self, child: &Self) -> Self {
        self.content.push_str(&child.to_string());
        self
    }

    /// The same with a text of its own.
    pub(super) fn holding(mut self, text: &str) -> Self {
        self.content.push_str(&escaped(text));
        self
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            attributes,
            content,
        } = self;
        write!(f, "<{name}{attributes}>{content}</{name}>")
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            // XML cannot say them at all; clients that have such keys ask for `encoding-type=url`.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

/// Reads a request's document, whose outermost element has this name. Namespaces are not looked at, like AWS.
pub(super) fn read<R>(
    body: &[u8],
    name: &str,
    then: impl FnOnce(Node<'_, '_>) -> Result<R, S3Error>,
) -> Result<R, S3Error> {
    let text = std::str::from_utf8(body).map_err(|_| S3Error::MalformedXml)?;
    let document = Document::parse(text).map_err(|_| S3Error::MalformedXml)?;
    let root = document.root_element();
    if root.tag_name().name() != name {
        return Err(S3Error::MalformedXml);
    }
    then(root)
}

/// The children of that name.
pub(super) fn children<'a, 'i>(node: Node<'a, 'i>, name: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children()
        .filter(move |child| child.tag_name().name() == name)
}

/// The text of the first child of that name.
pub(super) fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = children(node, name).next()?;
    Some(child.text().unwrap_or_default())
}
