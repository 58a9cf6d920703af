//! Characters that may not occur, and those nobody sees (R1).

use portcullis_policy::Span;

use crate::IssueCode;
use crate::place::Place;
use crate::report::Report;

/// R1.
fn may_occur(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')
}

/// Characters of the allowed range that look like nothing, or like an ordinary space.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{a0}' | '\u{ad}')
}

pub(crate) fn check(text: &str, report: &mut Report<'_>) {
    for (start, c) in text.char_indices() {
        let code = if !may_occur(c) {
            IssueCode::InvalidCharacter
        } else if is_invisible(c) {
            IssueCode::InvisibleCharacter
        } else {
            continue;
        };
        let span = Span {
            start,
            end: start + c.len_utf8(),
        };
        let what = if code == IssueCode::InvalidCharacter {
            "may not occur in a policy"
        } else {
            "cannot be seen"
        };
        report.add(
            code,
            &Place::root(span),
            format!("The character U+{:04X} {what}.", u32::from(c)),
        );
    }
}
