//! Resource patterns (R39-R50).

use crate::matching::glob::{Glob, Piece, Token};
use crate::matching::variable::{Part, Template};
use crate::text::fold;
use crate::{Context, Kind, open_points};

/// What a resource pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceForm {
    /// `*`: everything, the request resource `*` included (R40).
    Everything,
    /// A pattern without variables.
    Fixed(Glob),
    /// A pattern whose variables are replaced per request.
    Computed(Template),
    /// What no resource can match (R45, R53).
    Nothing,
}

/// How a resource pattern answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResourceMatch {
    Yes,
    No,
    /// A variable has neither value nor default (R57).
    Unresolved,
}

impl ResourceForm {
    pub(crate) fn parse(pattern: &str, variables: bool, kind: Kind) -> Self {
        if pattern == "*" {
            return Self::Everything;
        }
        let template = if variables {
            Template::parse(pattern)
        } else {
            Template::literal(pattern)
        };
        match template.fixed() {
            Some(text) if open_points::r47_matches_nothing(text) => Self::Nothing,
            Some(text) if is_short(text) && !text.ends_with('*') => {
                if open_points::r45_short_arn_is_padded(kind) {
                    let missing = 5 - text.matches(':').count().min(5);
                    Self::Fixed(arn_glob(&[
                        Piece::pattern(text),
                        Piece::pattern(&":*".repeat(missing)),
                    ]))
                } else {
                    Self::Nothing
                }
            }
            Some(text) => Self::Fixed(arn_glob(&[Piece::pattern(text)])),
            None if variable_is_too_early(&template) && open_points::r53_early_variable_matches_nothing() => {
                Self::Nothing
            }
            None => Self::Computed(template),
        }
    }

    /// Whether the pattern matches the resource of a request.
    pub(crate) fn matches(&self, resource: &str, context: &Context) -> ResourceMatch {
        let matched = match self {
            Self::Everything => true,
            Self::Nothing => false,
            // R41: `*` in a request is matched by the pattern `*` alone.
            Self::Fixed(_) if resource == "*" => false,
            Self::Computed(template) if resource == "*" => {
                if open_points::r41_r57_star_asks_for_variables() && template.resolve(context).is_none() {
                    return ResourceMatch::Unresolved;
                }
                false
            }
            Self::Fixed(glob) => glob.matches(resource),
            Self::Computed(template) => match template.resolve(context) {
                Some(pieces) => arn_glob(&pieces).matches(resource),
                None => return ResourceMatch::Unresolved,
            },
        };
        if matched {
            ResourceMatch::Yes
        } else {
            ResourceMatch::No
        }
    }

    /// The keys its variables name.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let template = match self {
            Self::Computed(template) => Some(template),
            Self::Everything | Self::Fixed(_) | Self::Nothing => None,
        };
        template.into_iter().flat_map(Template::keys)
    }
}

fn is_short(pattern: &str) -> bool {
    pattern.matches(':').count() < 5
}

/// R53: before the fifth colon a variable is not replaced, and the pattern matches nothing.
fn variable_is_too_early(template: &Template) -> bool {
    let first = template.parts().first();
    !matches!(first, Some(Part::Text(text)) if !is_short(text))
}

/// An ARN pattern as tokens. In the first five fields a `*` before a colon or at the end crosses colons and
/// no other wildcard does; in the sixth all do (R44). Fields 2-5 are compared without case (R46).
pub(crate) fn arn_glob(pieces: &[Piece<'_>]) -> Glob {
    let mut tokens = Vec::new();
    let mut place = ArnPlace::START;
    let mut chars = pieces
        .iter()
        .flat_map(|piece| piece.text.chars().map(move |c| (c, piece.literal)))
        .peekable();
    while let Some((c, literal)) = chars.next() {
        let ends_field = chars.peek().is_none_or(|(next, _)| *next == ':');
        let (token, after) = place.token(c, literal, ends_field);
        tokens.push(token);
        place = after;
    }
    Glob::from_tokens(tokens)
}

/// A place in an ARN pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArnPlace {
    /// The field, from 1.
    field: usize,
    /// Whether a `*` before it may have run over colons: then what stands here can be about a later field of the resource.
    floats: bool,
}

impl ArnPlace {
    pub(crate) const START: Self = Self {
        field: 1,
        floats: false,
    };

    /// The token of the character here, and the place after it. In a field that ends after the character a `*` crosses colons.
    pub(crate) fn token(self, c: char, literal: bool, ends_field: bool) -> (Token, Self) {
        let crosses = self.is_plain();
        let token = match c {
            '*' if !literal && (crosses || ends_field) => Token::Many,
            '*' if !literal => Token::ManyInField,
            '?' if !literal && crosses => Token::One,
            '?' if !literal => Token::OneInField,
            c if !(2..=5).contains(&self.field) => Token::Char(c),
            c if self.floats && !has_no_case(c) => Token::ArnChar(c),
            c => Token::Folded(fold(c)),
        };
        let after = Self {
            field: self.field + usize::from(c == ':'),
            floats: self.floats || token == Token::Many,
        };
        (token, after)
    }

    /// Whether wildcards match anything from here on, and all else itself.
    pub(crate) fn is_plain(self) -> bool {
        self.field > 5 && open_points::r44_resource_part_wildcards_match_colons()
    }
}

/// Whether no other character folds to what this one folds to, as is plain of ASCII characters that are no letters.
fn has_no_case(c: char) -> bool {
    c.is_ascii() && !c.is_ascii_alphabetic()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "arn:aws:ecs:us-east-1:111122223333:task/default/0123";
    const TABLE: &str = "arn:aws:dynamodb:us-east-1:111122223333:table/prod-1";

    fn answer(pattern: &str, resource: &str) -> ResourceMatch {
        let mut context = Context::new();
        context.insert("aws:username", "richard");
        context.insert("aws:PrincipalTag/any", "*");
        ResourceForm::parse(pattern, true, Kind::Identity).matches(resource, &context)
    }

    fn check(pattern: &str, resource: &str, expected: bool) {
        assert_eq!(
            answer(pattern, resource) == ResourceMatch::Yes,
            expected,
            "{pattern} on {resource}"
        );
    }

    #[test]
    fn r40_r41_the_request_star_is_matched_by_star_alone() {
        check("*", "*", true);
        check("*", TASK, true);
        check("arn:aws:ecs:*:*:*", "*", false);
        check("arn:*", "*", false);
        check("**", "*", false);
    }

    #[test]
    fn r43_slashes_are_ordinary() {
        check(
            "arn:aws:s3:::bucket/*/test/*",
            "arn:aws:s3:::bucket/1/2/test/3",
            true,
        );
        check("arn:aws:ecs:us-east-1:111122223333:task/de?ault/*", TASK, true);
    }

    #[test]
    fn r44_a_star_at_the_end_of_a_field_runs_over_colons() {
        check("arn:aws:ecs:*", TASK, true);
        check("arn:aws:dynamodb:*:table/prod-*", TABLE, true);
        check(
            "arn:aws:dynamodb:*:table/prod-*",
            "arn:aws:dynamodb:us-east-1:1:table/dev",
            false,
        );
        check("arn:*:111122223333:task/*", TASK, true);
    }

    #[test]
    fn r44_other_wildcards_stay_in_their_field() {
        check("arn:aws:ecs:us-*-1:111122223333:task/*", TASK, true);
        check("arn:aws:ecs:us*3333:task/*", TASK, false);
        check("arn:aws:ecs:us-east-?:111122223333:task/*", TASK, true);
        check("arn:aws:ecs:us-east-1?111122223333:task/*", TASK, false);
    }

    #[test]
    fn r44_in_the_sixth_field_wildcards_match_colons() {
        check("arn:aws:s3:::b/*z", "arn:aws:s3:::b/x:y:z", true);
        check("arn:aws:s3:::b/x?y", "arn:aws:s3:::b/x:y", true);
        check(
            "arn:aws:ecs:*:*:task-definition/web:*",
            "arn:aws:ecs:us-east-1:1:task-definition/web:7",
            true,
        );
    }

    #[test]
    fn r45_short_arns_are_padded_in_identity_policies_only() {
        check("arn:aws:ecs", TASK, true);
        check("arn:aws:ecs:us-east-1", TASK, true);
        check("arn:aws:iam", TASK, false);
        let context = Context::new();
        for kind in [
            Kind::Resource,
            Kind::Trust,
            Kind::ServiceControl,
            Kind::ResourceControl,
            Kind::Endpoint,
        ] {
            let form = ResourceForm::parse("arn:aws:ecs", true, kind);
            assert_eq!(form.matches(TASK, &context), ResourceMatch::No, "{kind:?}");
        }
    }

    #[test]
    fn r46_only_the_sixth_field_is_compared_with_case() {
        check("arn:AWS:ECS:US-EAST-1:111122223333:task/default/0123", TASK, true);
        check(
            "arn:aws:ecs:us-east-1:111122223333:Task/default/0123",
            TASK,
            false,
        );
    }

    #[test]
    fn r46_a_star_that_ran_on_does_not_take_the_case_from_the_resource_part() {
        let user = "arn:aws:iam::1:user/x";
        check("arn:*:user/*", user, true);
        check("arn:*:User/*", user, false);
        check("arn:*:user/*", "arn:aws:iam::1:useR/x", false);
        check("arn:*:user/\u{e9}*", "arn:aws:iam::1:user/\u{e9}", true);
        check("arn:*:user/\u{e9}*", "arn:aws:iam::1:user/\u{c9}", false);
        check(
            "arn:aws:dynamodb:*:table/prod-*",
            "arn:aws:dynamodb:us-east-1:1:table/Prod-1",
            false,
        );
        // What is still in the first five fields of the resource has no case, wherever the pattern writes it.
        check("arn:*:US-EAST-1:*", TASK, true);
        check("arn:*:us-east-1:*", "arn:aws:ecs:US-EAST-1:1:cluster/c", true);
        check("arn:*:US-EAST-1:*", "arn:aws:s3:::x:us-east-1:y", false);
        check("arn:*:us-east-1:*", "arn:aws:s3:::x:us-east-1:y", true);
        check("arn:*:ECS:*:task/default/*", TASK, true);
        check("arn:*:ECS:*:TASK/default/*", TASK, false);
        check("arn:aws:*:US-EAST-1:111122223333:task/default/0123", TASK, true);
    }

    #[test]
    fn r48_empty_fields_match_a_star() {
        check(
            "arn:aws:ssm:*:*:parameter/aws/*",
            "arn:aws:ssm:us-east-1::parameter/aws/x",
            true,
        );
    }

    #[test]
    fn r50_a_star_in_the_request_is_literal() {
        check("arn:aws:iam::1:user/*", "arn:aws:iam::1:user/*", true);
        check("arn:aws:iam::1:user/ab*", "arn:aws:iam::1:user/*", false);
    }

    #[test]
    fn r52_r53_variables_stand_after_the_fifth_colon() {
        check(
            "arn:aws:iam::1:user/${aws:username}",
            "arn:aws:iam::1:user/richard",
            true,
        );
        check(
            "arn:aws:iam::1:user/${aws:username}",
            "arn:aws:iam::1:user/other",
            false,
        );
        check(
            "arn:aws:iam::${aws:username}:user/x",
            "arn:aws:iam::richard:user/x",
            false,
        );
        check("${aws:username}", "richard", false);
    }

    #[test]
    fn r54_a_star_that_comes_from_a_value_is_literal() {
        check(
            "arn:aws:iam::1:user/${aws:PrincipalTag/any}",
            "arn:aws:iam::1:user/anyone",
            false,
        );
        check(
            "arn:aws:iam::1:user/${aws:PrincipalTag/any}",
            "arn:aws:iam::1:user/*",
            true,
        );
    }

    #[test]
    fn r57_a_variable_without_value_is_reported() {
        assert_eq!(
            answer("arn:aws:iam::1:user/${aws:Absent}", "arn:aws:iam::1:user/x"),
            ResourceMatch::Unresolved
        );
    }

    #[test]
    fn r6_under_2008_variables_are_text_with_wildcards() {
        let form = ResourceForm::parse("arn:aws:iam::1:user/${*}", false, Kind::Identity);
        let context = Context::new();
        assert_eq!(
            form.matches("arn:aws:iam::1:user/${abc}", &context),
            ResourceMatch::Yes
        );
        assert_eq!(form.matches("arn:aws:iam::1:user/*", &context), ResourceMatch::No);
    }
}
