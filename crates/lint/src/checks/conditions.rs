//! Each condition on its own: its key, its operator, its values.

use super::{keys, values};
use crate::policy::Statement;
use crate::report::Report;

pub(super) fn check(statement: &Statement<'_>, report: &mut Report<'_>) {
    for condition in &statement.conditions {
        let key = keys::check_name(condition, report);
        keys::check_operator(statement, condition, key, report);
        values::check(condition, key, report);
    }
}
