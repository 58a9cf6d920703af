//! What others named, made safe to print: names come from files and from whoever called a server, and a terminal would
//! obey what they hold.

use serde_json::Value;

/// The text with every character escaped that moves, hides or turns around what stands beside it.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if obeyed(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// The same for every text of a value.
pub fn make_printable(value: &mut Value) {
    match value {
        Value::String(text) => *text = printable(text),
        Value::Array(values) => values.iter_mut().for_each(make_printable),
        Value::Object(members) => members.values_mut().for_each(make_printable),
        _ => {}
    }
}

/// Control characters, and those that set the direction of writing.
fn obeyed(letter: char) -> bool {
    let turns = matches!(letter, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_nothing_else() {
        for (text, shown) in [
            ("role/Zoë-1 \u{1F980}", "role/Zoë-1 \u{1F980}"),
            ("\u{1b}[2K", "\\u{1b}[2K"),
            ("a\nALLOWED", "a\\u{a}ALLOWED"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{202e}b", "a\\u{202e}b"),
        ] {
            assert_eq!(printable(text), shown);
        }
        let mut value = serde_json::json!({ "a": ["\r", 1] });
        make_printable(&mut value);
        assert_eq!(value, serde_json::json!({ "a": ["\\u{d}", 1] }));
    }
}
