//! What is particular to Amazon ECS.

use portcullis_reference as reference;

use crate::IssueCode;
use crate::policy::Policy;
use crate::report::Report;
use crate::scope::Scope;

/// Who may not run commands in containers may still open the session below, which needs another action only.
pub(super) fn check_exec(policy: &Policy<'_>, scopes: &[Option<Scope<'_>>], report: &mut Report<'_>) {
    let (Some(exec), Some(session)) = (
        reference::action("ecs:ExecuteCommand"),
        reference::action("ssm:StartSession"),
    ) else {
        return;
    };
    let denied = || {
        let all = policy.statements.iter().zip(scopes);
        all.filter(|(statement, _)| statement.denies())
            .filter_map(|(_, scope)| scope.as_ref())
    };
    if denied().any(|scope| scope.covers(session)) {
        return;
    }
    for entry in denied()
        .filter_map(|scope| scope.entry_for(exec))
        .filter(|entry| entry.is_named())
    {
        let message = "Commands are denied, but ssm:StartSession on the task opens a shell all the same.";
        report.add(IssueCode::ExecDenyWithoutStartSession, &entry.text.place, message);
    }
}
