//! Texts near other texts: where rules are got wrong.

use super::dice::Dice;

/// A place between two characters, or before or after all of them.
fn place(dice: &mut Dice, text: &str) -> usize {
    let places: Vec<usize> = text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    places[dice.below(places.len())]
}

/// The place of a character, if there is one.
fn character(dice: &mut Dice, text: &str) -> Option<(usize, char)> {
    let count = text.chars().count();
    if count == 0 {
        None
    } else {
        text.char_indices().nth(dice.below(count))
    }
}

fn replaced(dice: &mut Dice, text: &str, with: &str) -> String {
    match character(dice, text) {
        Some((at, c)) => format!("{}{with}{}", &text[..at], &text[at + c.len_utf8()..]),
        None => with.to_owned(),
    }
}

pub fn other_case(dice: &mut Dice, text: &str) -> String {
    match dice.below(3) {
        0 => text.to_uppercase().replace("SS", "ß"),
        1 => text.to_lowercase(),
        _ => match character(dice, text) {
            Some((at, c)) if c.is_lowercase() => {
                format!(
                    "{}{}{}",
                    &text[..at],
                    c.to_ascii_uppercase(),
                    &text[at + c.len_utf8()..]
                )
            }
            _ => text.to_owned(),
        },
    }
}

pub fn without_a_character(dice: &mut Dice, text: &str) -> String {
    replaced(dice, text, "")
}

/// Almost this text.
pub fn near(dice: &mut Dice, text: &str) -> String {
    match dice.below(4) {
        0 => other_case(dice, text),
        1 => without_a_character(dice, text),
        2 => format!("{text}x"),
        _ => replaced(dice, text, "y"),
    }
}

/// A glob made of this text: one that matches it, or almost.
pub fn glob(dice: &mut Dice, text: &str) -> String {
    match dice.below(7) {
        0 => "*".to_owned(),
        1 => format!("{}*", &text[..place(dice, text)]),
        2 => format!("*{}", &text[place(dice, text)..]),
        3 => replaced(dice, text, "?"),
        4 => {
            let (a, b) = (place(dice, text), place(dice, text));
            format!("{}*{}", &text[..a.min(b)], &text[a.max(b)..])
        }
        5 => {
            let once = glob(dice, text);
            replaced(dice, &once, "*")
        }
        _ => format!("{text}?"),
    }
}
