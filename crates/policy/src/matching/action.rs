//! Action patterns (R33-R38).

use crate::matching::glob::Glob;
use crate::{open_points, text};

/// What an action pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionForm {
    /// `*`: every action of every service (R34).
    Everything,
    /// One service's actions; no service means every service, as in `*:*` (R35).
    Named {
        /// The service, as written.
        service: Option<String>,
        /// The name's pattern.
        name: Glob,
    },
    /// What no action can match (R36).
    Nothing,
}

impl ActionForm {
    pub(crate) fn parse(pattern: &str) -> Self {
        if pattern == "*" {
            return Self::Everything;
        }
        match pattern.split_once(':') {
            Some((_, name)) if name.is_empty() || name.contains(char::is_whitespace) => Self::Nothing,
            Some(("*", name)) if open_points::r35_star_is_every_service() => Self::Named {
                service: None,
                name: Glob::without_case(name),
            },
            Some((service, name)) => Self::Named {
                service: Some(service.to_owned()),
                name: Glob::without_case(name),
            },
            None => Self::Nothing,
        }
    }

    /// Bytes allocated.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Everything | Self::Nothing => 0,
            Self::Named { service, name } => {
                service.as_ref().map_or(0, String::capacity) + size_of_val(name.tokens())
            }
        }
    }

    /// Whether the pattern matches the action.
    pub(crate) fn matches(&self, action: AskedAction<'_>) -> bool {
        match self {
            Self::Everything => true,
            Self::Named { name, .. } => {
                let matches_name = |(_, asked): (&str, &str)| name.matches(asked);
                self.names_service_of(action) && action.0.is_some_and(matches_name)
            }
            Self::Nothing => false,
        }
    }

    /// Whether the pattern is about the action's service at all.
    pub(crate) fn names_service_of(&self, action: AskedAction<'_>) -> bool {
        match self {
            Self::Everything | Self::Named { service: None, .. } => true,
            Self::Named {
                service: Some(service),
                ..
            } => action.0.is_some_and(|(asked, _)| text::same(service, asked)),
            Self::Nothing => false,
        }
    }
}

/// The action of a request, `service:Name`, taken apart once for all patterns; nothing if it has no colon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AskedAction<'a>(Option<(&'a str, &'a str)>);

impl<'a> AskedAction<'a> {
    pub(crate) fn of(action: &'a str) -> Self {
        Self(action.split_once(':'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, action: &str) -> bool {
        ActionForm::parse(pattern).matches(AskedAction::of(action))
    }

    #[test]
    fn r33_case_does_not_matter() {
        assert!(matches("ECS:runtask", "ecs:RunTask"));
        assert!(matches("ecs:R*K", "ecs:RunTask"));
    }

    #[test]
    fn r34_r35_wildcards_stand_in_the_name_only() {
        assert!(matches("*", "iam:PassRole"));
        assert!(matches("*:*", "iam:PassRole"));
        assert!(matches("ecs:Desc*Task?", "ecs:DescribeTasks"));
        assert!(!matches("e*:RunTask", "ecs:RunTask"));
        assert!(!matches("ecs:Run", "ecs:RunTask"));
        assert!(!matches("ecs:RunTask?", "ecs:RunTask"));
    }

    #[test]
    fn r36_empty_names_and_white_space_match_nothing() {
        for pattern in ["ecs:", "ecs: RunTask", "ecs:Run Task", "iam: a b ", "RunTask", ""] {
            assert!(
                !matches(pattern, "ecs:RunTask") && !matches(pattern, "ecs:"),
                "{pattern}"
            );
        }
    }
}
