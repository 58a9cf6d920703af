//! Terms.

use proptest::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    Needed,
    Optional,
    Excluded,
}

pub type Terms = Vec<(Sign, String, bool)>;

pub fn pattern() -> impl Strategy<Value = Terms> {
    let sign = prop_oneof![Just(Sign::Needed), Just(Sign::Optional), Just(Sign::Excluded)];
    let term = prop_oneof![("[abc]{1,3}", Just(false)), ("[abc ]{0,3}", Just(true))];
    prop::collection::vec(
        (sign, term).prop_map(|(sign, (text, quoted))| (sign, text, quoted)),
        0..4,
    )
}

pub fn write(terms: &Terms) -> String {
    let words: Vec<String> = terms
        .iter()
        .map(|(sign, text, is_quoted)| {
            let sign = match sign {
                Sign::Needed => "",
                Sign::Optional => "?",
                Sign::Excluded => "-",
            };
            if *is_quoted {
                format!("{sign}\"{text}\"")
            } else {
                format!("{sign}{text}")
            }
        })
        .collect();
    words.join(" ")
}

pub fn matches(terms: &Terms, message: &str) -> bool {
    let mut optional_only = true;
    let mut one_of_optional = false;
    for (sign, text, _) in terms {
        let is_in = (0..=message.len()).any(|at| message[at..].starts_with(text));
        match sign {
            Sign::Needed if !is_in => return false,
            Sign::Excluded if is_in => return false,
            Sign::Optional => one_of_optional |= is_in,
            _ => optional_only = false,
        }
    }
    !optional_only || one_of_optional || terms.is_empty()
}
