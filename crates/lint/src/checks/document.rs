//! Statement ids and size (R11, R26).

use portcullis_policy::{Kind, size_without_whitespace};

use crate::IssueCode;
use crate::policy::Policy;
use crate::report::Report;

pub(super) fn check(policy: &Policy<'_>, text: &str, report: &mut Report<'_>) {
    check_sids(policy, report);
    check_size(policy, text, report);
}

fn check_sids(policy: &Policy<'_>, report: &mut Report<'_>) {
    let sids: Vec<_> = policy.statements.iter().filter_map(|s| s.sid).collect();
    for (index, sid) in sids.iter().enumerate() {
        if sid.text.is_empty() {
            report.add(
                IssueCode::EmptySidValue,
                &sid.place,
                "The statement's id is empty.",
            );
            continue;
        }
        // Other services' resource policies may use any characters.
        if policy.kind != Kind::Resource && !sid.text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let mended: String = sid.text.chars().filter(char::is_ascii_alphanumeric).collect();
            let message = format!(
                "The statement id `{}` holds other characters than letters and digits.",
                sid.text
            );
            report
                .add(IssueCode::UnsupportedSid, &sid.place, message)
                .replace_string(&mended);
        }
        if let Some(first) = sids.iter().take(index).find(|other| other.text == sid.text) {
            let message = format!("Two statements have the id `{}`.", sid.text);
            report
                .add(IssueCode::UniqueSidsRequired, &sid.place, message)
                .related(&first.place, "here for the first time");
        }
    }
}

/// R26.
fn check_size(policy: &Policy<'_>, text: &str, report: &mut Report<'_>) {
    let (code, limit) = match policy.kind {
        Kind::Identity | Kind::Boundary => (IssueCode::PolicySizeExceedsIdentityPolicyQuota, 6_144),
        Kind::Session => (IssueCode::PolicySizeExceedsIdentityPolicyQuota, 2_048),
        Kind::Trust => (IssueCode::PolicySizeExceedsResourcePolicyQuota, 2_048),
        Kind::ServiceControl => (IssueCode::PolicySizeExceedsScpQuota, 5_120),
        Kind::ResourceControl => (IssueCode::PolicySizeExceedsRcpQuota, 5_120),
        // Every service has a limit of its own.
        Kind::Resource | Kind::Endpoint => return,
    };
    let size = size_without_whitespace(text);
    if size > limit {
        let message = format!("Without white space the policy has {size} characters; {limit} are allowed.");
        let start = crate::place::Place::root(portcullis_policy::Span {
            start: policy.place.span.start,
            end: policy.place.span.start + 1,
        });
        report.add(code, &start, message);
    }
}
