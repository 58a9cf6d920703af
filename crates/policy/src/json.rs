//! A small JSON reader that keeps byte spans and refuses duplicate keys (R3), which general readers do not. For tools
//! that report everything wrong at once it can also be lenient: see [`read_leniently`].

use std::collections::HashMap;
use std::fmt;

use crate::Span;

/// Objects and arrays inside each other, at most. A policy needs six.
const MAX_DEPTH: usize = 32;

/// A JSON value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its first to its last byte.
    pub span: Span,
    /// The value.
    pub value: Json,
}

/// A JSON value. Numbers keep their spelling (R16).
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as written.
    Number(String),
    /// A string, its escapes decoded.
    String(String),
    /// The items of an array.
    Array(Vec<Node>),
    /// The members of an object, in the order of the text.
    Object(Vec<Member>),
}

/// One member of an object, in the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The name, its escapes decoded.
    pub key: String,
    /// Where the name stands, quotes included.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

/// The text is not JSON, or an object holds a key twice. IAM's own answer does not say where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidJson {
    /// The byte at which reading failed.
    pub at: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with a text that is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// This should stand there.
    Expected(&'static str),
    /// A comma with nothing after it.
    TrailingComma,
    /// No such escape sequence, or half a pair of surrogates.
    Escape,
    /// Objects and arrays are nested deeper than any policy needs.
    TooDeep,
    /// Something follows the end of the value.
    Trailing,
    /// The object holds this key already (R3).
    DuplicateKey,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected(what) => write!(f, "{what} is missing here"),
            Self::TrailingComma => f.write_str("nothing follows this comma"),
            Self::Escape => f.write_str("this is no escape sequence of JSON"),
            Self::TooDeep => write!(f, "values are nested deeper than {MAX_DEPTH} levels"),
            Self::Trailing => f.write_str("something follows the end of the document"),
            Self::DuplicateKey => f.write_str("the object holds this key already"),
        }
    }
}

/// A key that an object holds more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The key, its escapes decoded.
    pub key: String,
    /// Where it stands first.
    pub first: Span,
    /// Where it stands again.
    pub again: Span,
}

/// What a lenient reader made of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The value, as far as it could be read; every member of an object is there, also those whose key is repeated.
    pub root: Option<Node>,
    /// What makes the text something else than JSON, in the order of the text.
    pub faults: Vec<InvalidJson>,
    /// The keys that occur more than once in one object.
    pub duplicates: Vec<Duplicate>,
}

type Parsed<T> = Result<T, InvalidJson>;

/// Reads one JSON value; nothing but white space may follow.
pub fn parse(text: &str) -> Parsed<Node> {
    let mut reader = Reader::new(text, false);
    let node = reader.document()?;
    match reader.duplicates.first() {
        None => Ok(node),
        Some(duplicate) => Err(InvalidJson {
            at: duplicate.again.start,
            reason: Reason::DuplicateKey,
        }),
    }
}

/// Reads what can be read: a comma too many or too few and repeated keys are noted, and reading goes on.
/// A text without faults and duplicates is one that [`parse`] accepts.
pub fn read_leniently(text: &str) -> Reading {
    let mut reader = Reader::new(text, true);
    let root = reader.document();
    let mut faults = reader.faults;
    let root = match root {
        Ok(root) => Some(root),
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    Reading {
        root,
        faults,
        duplicates: reader.duplicates,
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    lenient: bool,
    faults: Vec<InvalidJson>,
    duplicates: Vec<Duplicate>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, lenient: bool) -> Self {
        Self {
            text,
            at: 0,
            lenient,
            faults: Vec::new(),
            duplicates: Vec::new(),
        }
    }

    fn document(&mut self) -> Parsed<Node> {
        let node = self.value(0)?;
        self.skip_white_space();
        if self.at < self.text.len() {
            self.note(self.fault(Reason::Trailing))?;
        }
        Ok(node)
    }

    fn fault(&self, reason: Reason) -> InvalidJson {
        InvalidJson { at: self.at, reason }
    }

    /// A fault a lenient reader can go on after.
    fn note(&mut self, fault: InvalidJson) -> Parsed<()> {
        if self.lenient {
            self.faults.push(fault);
            Ok(())
        } else {
            Err(fault)
        }
    }

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

    fn expect(&mut self, token: &'static str) -> Parsed<()> {
        if self.take(token) {
            Ok(())
        } else {
            Err(self.fault(Reason::Expected(token)))
        }
    }

    /// The comma between two items; `false` when the list ends here. A lenient reader goes on without the comma, and after
    /// one too many.
    fn another(&mut self, end: &'static str) -> Parsed<bool> {
        self.skip_white_space();
        if self.take(end) {
            return Ok(false);
        }
        let comma = self.at;
        if !self.take(",") {
            let next_is_value = matches!(self.peek(), Some(b'"' | b'{' | b'['));
            let fault = self.fault(Reason::Expected(if end == "}" {
                "`,` or `}`"
            } else {
                "`,` or `]`"
            }));
            return if next_is_value {
                self.note(fault).map(|()| true)
            } else {
                Err(fault)
            };
        }
        self.skip_white_space();
        if self.lenient && self.take(end) {
            let reason = Reason::TrailingComma;
            self.faults.push(InvalidJson { at: comma, reason });
            return Ok(false);
        }
        Ok(true)
    }

    fn value(&mut self, depth: usize) -> Parsed<Node> {
        self.skip_white_space();
        let start = self.at;
        let value = match self.peek().ok_or(self.fault(Reason::Expected("a value")))? {
            b'{' | b'[' if depth >= MAX_DEPTH => return Err(self.fault(Reason::TooDeep)),
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
            if !self.another("}")? {
                break;
            }
        }
        let mut seen = HashMap::new();
        for member in &members {
            if let Some(first) = seen.get(member.key.as_str()).copied() {
                self.duplicates.push(Duplicate {
                    key: member.key.clone(),
                    first,
                    again: member.key_span,
                });
            } else {
                seen.insert(member.key.as_str(), member.key_span);
            }
        }
        Ok(members)
    }

    fn member(&mut self, depth: usize) -> Parsed<Member> {
        self.skip_white_space();
        let start = self.at;
        let key = self.string()?;
        let key_span = Span { start, end: self.at };
        self.skip_white_space();
        self.expect(":")?;
        Ok(Member {
            key,
            key_span,
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
            if !self.another("]")? {
                return Ok(items);
            }
        }
    }

    fn number(&mut self) -> Parsed<String> {
        let start = self.at;
        self.take("-");
        if !self.take("0") {
            self.digits("a value")?;
        }
        if self.take(".") {
            self.digits("a digit")?;
        }
        if self.take("e") || self.take("E") {
            let _signed = self.take("+") || self.take("-");
            self.digits("a digit")?;
        }
        Ok(self.text.get(start..self.at).unwrap_or_default().to_owned())
    }

    fn digits(&mut self, what: &'static str) -> Parsed<()> {
        if self.skip_while(|b| b.is_ascii_digit()) == 0 {
            Err(self.fault(Reason::Expected(what)))
        } else {
            Ok(())
        }
    }

    fn string(&mut self) -> Parsed<String> {
        self.expect("\"")?;
        let mut decoded = String::new();
        loop {
            let start = self.at;
            self.skip_while(|b| b >= 0x20 && b != b'"' && b != b'\\');
            decoded.push_str(self.text.get(start..self.at).unwrap_or_default());
            if self.take("\"") {
                return Ok(decoded);
            }
            if !self.take("\\") {
                return Err(self.fault(Reason::Expected("the closing `\"`")));
            }
            decoded.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Parsed<char> {
        let letter = self.peek().ok_or(self.fault(Reason::Escape))?;
        self.at += 1;
        match letter {
            b'"' | b'\\' | b'/' => Ok(char::from(letter)),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.unicode_escape(),
            _ => Err(self.escape_fault()),
        }
    }

    /// The letter after the backslash was read already.
    fn escape_fault(&self) -> InvalidJson {
        InvalidJson {
            at: self.at.saturating_sub(1),
            reason: Reason::Escape,
        }
    }

    /// The character after `\u`; characters beyond U+FFFF are written as two escapes.
    fn unicode_escape(&mut self) -> Parsed<char> {
        let first = self.four_hex_digits()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first).ok_or(self.escape_fault());
        }
        self.expect("\\u")?;
        let second = self.four_hex_digits()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(self.escape_fault());
        }
        char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or(self.escape_fault())
    }

    fn four_hex_digits(&mut self) -> Parsed<u32> {
        let digits = self
            .rest()
            .get(..4)
            .filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits
            .and_then(|text| u32::from_str_radix(text, 16).ok())
            .ok_or(self.escape_fault())?;
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
    fn a_lenient_reader_notes_every_fault_and_goes_on() {
        let text = r#"{"a": [1, "x" "y",], "a": 2 "b": {"c": 1, "c": 2,}, }"#;
        let reading = read_leniently(text);
        let faults: Vec<(usize, String)> = reading
            .faults
            .iter()
            .map(|f| (f.at, f.reason.to_string()))
            .collect();
        let expected = [
            (14, "`,` or `]` is missing here"),
            (17, "nothing follows this comma"),
            (28, "`,` or `}` is missing here"),
            (48, "nothing follows this comma"),
            (50, "nothing follows this comma"),
        ];
        assert_eq!(faults, expected.map(|(at, text)| (at, text.to_owned())));
        let keys: Vec<&str> = reading.duplicates.iter().map(|d| d.key.as_str()).collect();
        assert_eq!(keys, ["c", "a"]);
        let Some(Json::Object(members)) = reading.root.map(|root| root.value) else {
            panic!("an object")
        };
        assert_eq!(members.len(), 3);
    }

    #[test]
    fn faults_say_where_they_are() {
        for (text, at, reason) in [
            ("{\"a\": }", 6, Reason::Expected("a value")),
            ("[1, tru]", 4, Reason::Expected("true")),
            ("{} x", 3, Reason::Trailing),
            ("\"\\x\"", 2, Reason::Escape),
            ("\"abc", 4, Reason::Expected("the closing `\"`")),
            ("{\"a\":1,\"a\":2}", 7, Reason::DuplicateKey),
        ] {
            assert_eq!(parse(text), Err(InvalidJson { at, reason }), "{text}");
        }
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
        fn a_lenient_reader_has_no_complaint_exactly_when_the_strict_one_accepts(
            text in r#"[\[\]{}:,"\\u0-9a-f.eE+ -]{0,40}|\{("a":[1{},"\[\]]{0,4},?){0,4}\}"#,
        ) {
            let reading = read_leniently(&text);
            let clean = reading.faults.is_empty() && reading.duplicates.is_empty();
            prop_assert_eq!(parse(&text).ok(), reading.root.filter(|_| clean));
        }

        #[test]
        fn no_text_makes_the_reader_fail_otherwise(text in r#"[\[\]{}:,"\\u0-9a-f.eE+ -]{0,40}"#) {
            // serde_json keeps the last of duplicate keys, so it may accept more, never less.
            if parse(&text).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok() || text.contains(['e', 'E']));
            }
        }
    }
}
