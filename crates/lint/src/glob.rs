//! Patterns against patterns: does one cover another, can both match one text. Both answers are sound: "covers" may miss a
//! case, "can meet" is exact for what the formats say.

use portcullis_policy::syntax::Token;

/// Patterns longer than this are not compared; real ones are not.
const MAX_TOKENS: usize = 2_048;

/// Whether everything the narrow pattern matches is matched by the wide one: the wide one must match the narrow one's own
/// tokens, its wildcards included.
pub(crate) fn covers(wide: &[Token], narrow: &[Token]) -> bool {
    if wide.len() > MAX_TOKENS || narrow.len() > MAX_TOKENS {
        return false;
    }
    // Up to the first run the two go in step; most pairs end here.
    let is_run = |token: &Token| matches!(token, Token::Many | Token::ManyInField);
    let fixed = wide.iter().position(is_run).unwrap_or(wide.len());
    let starts = narrow.iter().take(fixed);
    if starts.len() < fixed
        || !wide
            .iter()
            .zip(starts)
            .all(|(wide, narrow)| absorbs(*wide, *narrow))
    {
        return false;
    }
    let (wide, narrow) = (
        wide.get(fixed..).unwrap_or_default(),
        narrow.get(fixed..).unwrap_or_default(),
    );
    if wide == [Token::Many] {
        return true;
    }
    let mut row = vec![false; narrow.len() + 1];
    if let Some(first) = row.first_mut() {
        *first = true;
    }
    for token in wide {
        let mut next = Vec::with_capacity(row.len());
        let is_run = matches!(token, Token::Many | Token::ManyInField);
        next.push(is_run && row.first() == Some(&true));
        let mut left = is_run && row.first() == Some(&true);
        for (pair, symbol) in row.windows(2).zip(narrow) {
            let [diagonal, above] = pair else { continue };
            let here = if is_run {
                *above || (left && absorbs(*token, *symbol))
            } else {
                *diagonal && absorbs(*token, *symbol)
            };
            next.push(here);
            left = here;
        }
        row = next;
    }
    row.last() == Some(&true)
}

/// Whether a token of the wide pattern matches whatever this token of the narrow one stands for, or a part of it for runs.
fn absorbs(wide: Token, narrow: Token) -> bool {
    let is_colon = matches!(narrow, Token::Char(':') | Token::Folded(':'));
    match (wide, narrow) {
        (Token::Many, _) => true,
        (Token::ManyInField, Token::Many | Token::One) => false,
        (Token::ManyInField, _) => !is_colon,
        (_, Token::Many | Token::ManyInField) => false,
        (Token::One, _) => true,
        (Token::OneInField, Token::One) => false,
        (Token::OneInField, _) => !is_colon,
        (Token::Char(a) | Token::ArnChar(a), Token::Char(b)) | (Token::ArnChar(a), Token::ArnChar(b)) => {
            a == b
        }
        (Token::Char(a), Token::Folded(b) | Token::ArnChar(b)) => a == b && !a.is_alphabetic(),
        (Token::Folded(a), Token::Char(b) | Token::ArnChar(b)) => a == b || a.eq_ignore_ascii_case(&b),
        // What is folded stands in the first five fields, where the other has no case either (R46).
        (Token::ArnChar(a), Token::Folded(b)) => a.eq_ignore_ascii_case(&b),
        (Token::Folded(a), Token::Folded(b)) => a == b,
        (Token::Char(_) | Token::Folded(_) | Token::ArnChar(_), Token::One | Token::OneInField) => false,
    }
}

/// One step of an ARN format of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// This character.
    Literal(char),
    /// This character without case.
    Folded(char),
    /// One character, of these.
    One(Class),
    /// Any run of characters, of these.
    Run(Class),
}

/// What may stand in a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Any,
    NoColon,
    /// Neither colon nor slash.
    Name,
}

impl Class {
    fn holds(self, c: char) -> bool {
        match self {
            Self::Any => true,
            Self::NoColon => c != ':',
            Self::Name => c != ':' && c != '/',
        }
    }
}

/// Whether some text fits both the pattern and the format.
pub(crate) fn can_meet(pattern: &[Token], format: &[Step]) -> bool {
    if pattern.len() > MAX_TOKENS {
        return true;
    }
    // The places in the format that the pattern can have come to, in order. They are few, and soon none if the two differ.
    let mut places = vec![0];
    let mut next = Vec::new();
    advance(&mut places, &mut next, None, format);
    for token in pattern {
        next.clear();
        for place in &places {
            let to = step(*token, *place, format);
            if to.is_some() && to != next.last().copied() {
                next.extend(to);
            }
        }
        let run = matches!(token, Token::Many | Token::ManyInField).then_some(*token);
        advance(&mut next, &mut places, run, format);
        std::mem::swap(&mut places, &mut next);
        if places.is_empty() {
            return false;
        }
    }
    places.last() == Some(&format.len())
}

/// Where one token of the pattern leads from a place in the format.
fn step(token: Token, place: usize, format: &[Step]) -> Option<usize> {
    if matches!(token, Token::Many | Token::ManyInField) {
        return Some(place);
    }
    match format.get(place)? {
        Step::Run(class) => fits(token, Step::One(*class)).then_some(place),
        single => fits(token, *single).then_some(place + 1),
    }
}

/// Adds what follows without a further token: runs of the format may end, and a run of the pattern goes on over the format.
fn advance(places: &mut Vec<usize>, spare: &mut Vec<usize>, run: Option<Token>, format: &[Step]) {
    spare.clear();
    for place in places.iter() {
        if spare.last().is_some_and(|last| last >= place) {
            continue;
        }
        let mut at = *place;
        spare.push(at);
        while let Some(item) = format.get(at) {
            let passes = matches!(item, Step::Run(_)) || run.is_some_and(|token| fits(token, *item));
            if !passes {
                break;
            }
            at += 1;
            spare.push(at);
        }
    }
    std::mem::swap(places, spare);
}

/// Whether one character can be both.
fn fits(token: Token, step: Step) -> bool {
    match (token, step) {
        (Token::Many | Token::One, _) => true,
        (Token::ManyInField | Token::OneInField, Step::Literal(c) | Step::Folded(c)) => c != ':',
        (Token::ManyInField | Token::OneInField, _) => true,
        (Token::Char(a) | Token::ArnChar(a), Step::Literal(b)) => a == b,
        (Token::Char(a) | Token::Folded(a) | Token::ArnChar(a), Step::Folded(b)) => {
            a == b || a.eq_ignore_ascii_case(&b)
        }
        (Token::Folded(a), Step::Literal(b)) => a == b || a.eq_ignore_ascii_case(&b),
        (Token::Char(c) | Token::Folded(c) | Token::ArnChar(c), Step::One(class) | Step::Run(class)) => {
            class.holds(c)
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_policy::syntax::{ActionForm, ResourceForm};
    use portcullis_policy::{Kind, elements};
    use proptest::prelude::*;

    use super::*;

    fn arn(text: &str) -> Vec<Token> {
        match elements::resource(text, false, Kind::Identity) {
            ResourceForm::Fixed(glob) => glob.tokens().to_vec(),
            _ => vec![Token::Many],
        }
    }

    #[test]
    fn a_wider_arn_covers_a_narrower_one() {
        for (wide, narrow, expected) in [
            ("arn:aws:ecs:*", "arn:aws:ecs:us-east-1:1:cluster/x", true),
            (
                "arn:aws:ecs:*:*:service/*",
                "arn:aws:ecs:us-east-1:1:service/a/*",
                true,
            ),
            ("arn:aws:ecs:us-*:1:cluster/*", "arn:aws:ecs:*:1:cluster/a", false),
            (
                "arn:aws:ecs:us-east-1:1:cluster/a",
                "arn:aws:ecs:us-east-1:1:cluster/A",
                false,
            ),
            (
                "arn:aws:ECS:us-east-1:1:cluster/a",
                "arn:aws:ecs:US-EAST-1:1:cluster/a",
                true,
            ),
            ("arn:*:cluster/*", "arn:aws:ecs:us-east-1:1:cluster/a", true),
            ("arn:*:Cluster/*", "arn:aws:ecs:us-east-1:1:cluster/a", false),
            ("arn:*:US-EAST-1:*", "arn:aws:ecs:us-east-1:1:cluster/a", true),
            ("arn:aws:ecs:us-east-1:1:cluster/a", "arn:*:cluster/a*", false),
            ("arn:aws:s3:::b/?", "arn:aws:s3:::b/*", false),
            ("*", "arn:aws:s3:::b", true),
        ] {
            assert_eq!(covers(&arn(wide), &arn(narrow)), expected, "{wide} over {narrow}");
        }
    }

    fn action(text: &str) -> portcullis_policy::syntax::Glob {
        match elements::action(&format!("x:{text}")) {
            ActionForm::Named { name, .. } => name,
            _ => panic!("a name"),
        }
    }

    proptest! {
        #[test]
        fn what_covers_matches_all_the_other_matches(
            wide in "[ab*?]{0,6}", narrow in "[ab*?]{0,6}", texts in prop::collection::vec("[ab]{0,6}", 20),
        ) {
            let (wide, narrow) = (action(&format!("{wide}*b")), action(&format!("{narrow}b")));
            if covers(wide.tokens(), narrow.tokens()) {
                for text in texts.iter().map(|text| format!("{text}b")) {
                    prop_assert!(!narrow.matches(&text) || wide.matches(&text), "{}", text);
                }
            }
        }

        #[test]
        fn what_matches_a_text_of_the_format_can_meet_it(
            pattern in "[ab/*?]{0,8}", first in "[ab]{1,3}", second in "[ab/]{1,3}",
        ) {
            let glob = action(&format!("{pattern}*"));
            let format = [
                Step::Literal('a'), Step::Literal('/'), Step::One(Class::Name), Step::Run(Class::Name),
                Step::Literal('/'), Step::One(Class::Any), Step::Run(Class::Any),
            ];
            let text = format!("a/{first}/{second}");
            prop_assert!(!glob.matches(&text) || can_meet(glob.tokens(), &format));
        }

        #[test]
        fn fixed_patterns_meet_a_format_exactly_when_they_fit(text in "a?/?[ab]{0,2}/?[ab]{0,2}") {
            let format = [
                Step::Literal('a'), Step::Literal('/'), Step::One(Class::Name), Step::Run(Class::Name),
                Step::Literal('/'), Step::One(Class::Any), Step::Run(Class::Any),
            ];
            let fits = text.strip_prefix("a/").and_then(|rest| rest.split_once('/'))
                .is_some_and(|(first, second)| !first.is_empty() && !second.is_empty());
            let tokens: Vec<Token> = text.chars().map(Token::Char).collect();
            prop_assert_eq!(can_meet(&tokens, &format), fits);
        }
    }
}
