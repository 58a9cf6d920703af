//! A small JSON reader that keeps byte spans and refuses duplicate keys (R3), which general readers do not.

use std::collections::HashSet;

use crate::Span;

/// Objects and arrays inside each other, at most. A policy needs six.
const MAX_DEPTH: usize = 32;

/// A JSON value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Json,
}

/// A JSON value. Numbers keep their spelling (R16).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

/// One member of an object, in the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) node: Node,
}

/// The text is not JSON, or an object holds a key twice. The message a caller sees does not say where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidJson;

type Parsed<T> = Result<T, InvalidJson>;

/// Reads one JSON value; nothing but white space may follow.
pub(crate) fn parse(text: &str) -> Parsed<Node> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.value(0)?;
    reader.skip_white_space();
    if reader.at == text.len() {
        Ok(node)
    } else {
        Err(InvalidJson)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) -> usize {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        self.at - start
    }

    fn skip_white_space(&mut self) {
        self.skip_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Steps over `token` if it comes next.
    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Parsed<()> {
        if self.take(token) {
            Ok(())
        } else {
            Err(InvalidJson)
        }
    }

    fn value(&mut self, depth: usize) -> Parsed<Node> {
        self.skip_white_space();
        let start = self.at;
        let value = match self.peek().ok_or(InvalidJson)? {
            b'{' | b'[' if depth >= MAX_DEPTH => return Err(InvalidJson),
            b'{' => Json::Object(self.object(depth)?),
            b'[' => Json::Array(self.array(depth)?),
            b'"' => Json::String(self.string()?),
            b't' => self.expect("true").map(|()| Json::Bool(true))?,
            b'f' => self.expect("false").map(|()| Json::Bool(false))?,
            b'n' => self.expect("null").map(|()| Json::Null)?,
            _ => Json::Number(self.number()?),
        };
        Ok(Node {
            span: Span { start, end: self.at },
            value,
        })
    }

    fn object(&mut self, depth: usize) -> Parsed<Vec<Member>> {
        self.expect("{")?;
        let mut members = Vec::new();
        self.skip_white_space();
        if self.take("}") {
            return Ok(members);
        }
        loop {
            members.push(self.member(depth)?);
            self.skip_white_space();
            if self.take("}") {
                break;
            }
            self.expect(",")?;
        }
        let mut seen = HashSet::new();
        if members.iter().all(|member| seen.insert(member.key.as_str())) {
            Ok(members)
        } else {
            Err(InvalidJson)
        }
    }

    fn member(&mut self, depth: usize) -> Parsed<Member> {
        self.skip_white_space();
        let key = self.string()?;
        self.skip_white_space();
        self.expect(":")?;
        Ok(Member {
            key,
            node: self.value(depth + 1)?,
        })
    }

    fn array(&mut self, depth: usize) -> Parsed<Vec<Node>> {
        self.expect("[")?;
        let mut items = Vec::new();
        self.skip_white_space();
        if self.take("]") {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_white_space();
            if self.take("]") {
                return Ok(items);
            }
            self.expect(",")?;
        }
    }

    fn number(&mut self) -> Parsed<String> {
        let start = self.at;
        self.take("-");
        if !self.take("0") && self.digits() == 0 {
            return Err(InvalidJson);
        }
        if self.take(".") && self.digits() == 0 {
            return Err(InvalidJson);
        }
        if self.take("e") || self.take("E") {
            let _signed = self.take("+") || self.take("-");
            if self.digits() == 0 {
                return Err(InvalidJson);
            }
        }
        self.text
            .get(start..self.at)
            .map(str::to_owned)
            .ok_or(InvalidJson)
    }

    fn digits(&mut self) -> usize {
        self.skip_while(|b| b.is_ascii_digit())
    }

    fn string(&mut self) -> Parsed<String> {
        self.expect("\"")?;
        let mut decoded = String::new();
        loop {
            let start = self.at;
            self.skip_while(|b| b >= 0x20 && b != b'"' && b != b'\\');
            decoded.push_str(self.text.get(start..self.at).ok_or(InvalidJson)?);
            if self.take("\"") {
                return Ok(decoded);
            }
            self.expect("\\")?;
            decoded.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Parsed<char> {
        let letter = self.peek().ok_or(InvalidJson)?;
        self.at += 1;
        match letter {
            b'"' | b'\\' | b'/' => Ok(char::from(letter)),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.unicode_escape(),
            _ => Err(InvalidJson),
        }
    }

    /// The character after `\u`; characters beyond U+FFFF are written as two escapes.
    fn unicode_escape(&mut self) -> Parsed<char> {
        let first = self.four_hex_digits()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first).ok_or(InvalidJson);
        }
        self.expect("\\u")?;
        let second = self.four_hex_digits()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(InvalidJson);
        }
        char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or(InvalidJson)
    }

    fn four_hex_digits(&mut self) -> Parsed<u32> {
        let digits = self
            .rest()
            .get(..4)
            .filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits
            .and_then(|text| u32::from_str_radix(text, 16).ok())
            .ok_or(InvalidJson)?;
        self.at += 4;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(text: &str) -> Option<String> {
        match parse(text).ok()?.value {
            Json::String(decoded) => Some(decoded),
            _ => None,
        }
    }

    #[test]
    fn values_keep_their_spans() {
        let text = " {\"a\": [1.50, \"x\"]}";
        let node = parse(text).unwrap();
        assert_eq!(
            node.span,
            Span {
                start: 1,
                end: text.len()
            }
        );
        let Json::Object(members) = node.value else {
            panic!("an object")
        };
        let Json::Array(items) = &members[0].node.value else {
            panic!("an array")
        };
        assert_eq!(items[0].value, Json::Number("1.50".to_owned()));
        assert_eq!(items[1].span.of(text), Some("\"x\""));
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(
            string(r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#).as_deref(),
            Some("a\"\\/\u{8}\u{c}\n\r\té😀")
        );
    }

    #[test]
    fn r3_duplicate_keys_are_refused_at_every_level() {
        assert!(parse(r#"{"a":1,"a":1}"#).is_err());
        assert!(parse(r#"[{"x":{"a":1,"\u0061":2}}]"#).is_err());
        assert!(parse(r#"{"a":{"a":1},"A":1}"#).is_ok());
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let bad = [
            "",
            "x",
            "{",
            "}",
            "[1,]",
            "{\"a\":}",
            "{\"a\" 1}",
            "{a:1}",
            "01",
            "1.",
            "-",
            "1e",
            "\"",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "tru",
            "{} {}",
            "nul",
            "'a'",
            "[1 2]",
            "+1",
            ".5",
        ];
        for text in bad {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(parse(&nested(MAX_DEPTH + 1)).is_err());
        assert!(parse(&nested(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fail_otherwise(text in r#"[\[\]{}:,"\\u0-9a-f.eE+ -]{0,40}"#) {
            // serde_json keeps the last of duplicate keys, so it may accept more, never less.
            if parse(&text).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok() || text.contains(['e', 'E']));
            }
        }
    }
}
