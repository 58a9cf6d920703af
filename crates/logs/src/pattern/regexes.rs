//! Regular expressions between `%`: AWS's part of the syntax, in linear time.

use regex::{Regex, RegexBuilder};

use super::PatternError;

/// Most regular expressions of one pattern.
const REGEXES_MAX: usize = 2;
/// Most bytes a compiled one takes up: repetition of repetition would take as many as it likes.
const COMPILED_BYTES_MAX: usize = 256 * 1024;
/// What may stand in one beside letters and digits.
const SYMBOLS: &str = ":_#=@/;,-";
const OPERATORS: &str = "^$?[]{}|\\*+.";

/// Counts the regular expressions of a pattern while it is read.
#[derive(Debug, Default)]
pub(super) struct Regexes {
    count: usize,
}

impl Regexes {
    /// Reads one more.
    pub(super) fn compile(&mut self, text: &str) -> Result<Regex, PatternError> {
        self.count += 1;
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || SYMBOLS.contains(c) || OPERATORS.contains(c);
        if !text.chars().all(is_allowed) {
            return Err(PatternError::InvalidTerm {
                term: format!("%{text}%"),
            });
        }
        if text.is_empty() || self.count > REGEXES_MAX {
            return Err(PatternError::Invalid);
        }
        let translated = translate(text).ok_or(PatternError::Invalid)?;
        RegexBuilder::new(&translated)
            .size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|_| PatternError::Invalid)
    }
}

/// Says in the regex crate's words what AWS means: classes are those of ASCII, and inside brackets only `^`, `-`, `\` and `]` are
/// special. `None` for what AWS does not know.
fn translate(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    let mut is_in_class = false;
    while let Some(c) = chars.next() {
        match (c, is_in_class) {
            ('\\', _) => {
                let escaped = chars.next()?;
                out.push_str(&escape(escaped, &mut chars, is_in_class)?);
            }
            ('[', false) => {
                is_in_class = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // A bracket with nothing in it is an error to both.
            }
            (']', true) => {
                is_in_class = false;
                out.push(']');
            }
            ('-', true) if chars.peek() == Some(&'-') => return None,
            ('[' | '^', true) => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    (!is_in_class).then_some(out)
}

fn escape(escaped: char, chars: &mut impl Iterator<Item = char>, is_in_class: bool) -> Option<String> {
    let class = match escaped {
        'd' => "0-9",
        'D' => "^0-9",
        's' => r"\t\n\x0B\f\r\x20",
        'S' => r"^\t\n\x0B\f\r\x20",
        'w' => "0-9A-Za-z_",
        'W' => "^0-9A-Za-z_",
        'x' => {
            let digits: String = chars.take(2).collect();
            let is_hex = digits.len() == 2 && digits.chars().all(|c| c.is_ascii_hexdigit());
            let value = u8::from_str_radix(&digits, 16).ok()?;
            return (is_hex && value.is_ascii()).then(|| format!(r"\x{digits}"));
        }
        c if SYMBOLS.contains(c) || OPERATORS.contains(c) => {
            return Some(regex::escape(&c.to_string()));
        }
        _ => return None,
    };
    Some(match (is_in_class, class.starts_with('^')) {
        (true, false) => class.to_owned(),
        _ => format!("[{class}]"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_mean_what_they_mean_to_aws() {
        for (text, matching, other) in [
            (r"^[\d]+$", "123", "١٢٣"),
            (r"^\w+$", "az_9", "ä"),
            (r"^[\W]$", "ä", "a"),
            (r"^[^\s]+$", "a", " "),
            (r"a[-x]b", "a-b", "acb"),
            (r"[[]", "[", "]"),
            (r"^[\]]$", "]", "["),
            (r"\x28\x29", "()", "28"),
            (r"10\.10", "10.10", "10x10"),
            (r"colou?r|gray", "color", "colouur"),
            (r"^.{3}$", "äöü", "ab"),
            (r"[:alpha:]", "p", "z"),
        ] {
            let regex = Regexes::default().compile(text).unwrap();
            assert!(regex.is_match(matching), "{text} {matching}");
            assert!(!regex.is_match(other), "{text} {other}");
        }
    }

    #[test]
    fn others_are_refused() {
        for bad in [
            "",
            "a b",
            "a!",
            "(a)",
            "ä",
            "a%",
            "[",
            "[]",
            "a{",
            "*",
            "[a--b]",
            r"\",
            r"\x",
            r"\x9",
            r"\xff",
            r"\b",
            r"\p",
            "a{9}{9}{9}{9}{9}",
            "a{999999999}",
            "[z-a]",
        ] {
            assert!(Regexes::default().compile(bad).is_err(), "{bad}");
        }
        let mut regexes = Regexes::default();
        assert!(
            regexes.compile("a").is_ok() && regexes.compile("b").is_ok() && regexes.compile("c").is_err()
        );
    }
}
