//! AWS's own managed policies: what is reported of them is either true or a bug of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use portcullis_lint::{Finding, FindingKind, IssueCode, Kind, check};
use serde_json::Value;

/// Errors that AWS's policies have indeed, by a word of the message, and why.
const TRUE_ERRORS: [(IssueCode, &str, &str); 25] = [
    // Services AWS has closed; their actions stayed in old policies.
    (IssueCode::InvalidServiceInAction, "`deepcomposer`", "closed"),
    (IssueCode::InvalidServiceInAction, "`deeplens`", "closed"),
    (IssueCode::InvalidServiceInAction, "`deepracer`", "closed"),
    (IssueCode::InvalidServiceInAction, "`elastic-inference`", "closed"),
    (IssueCode::InvalidServiceInAction, "`iot1click`", "closed"),
    (IssueCode::InvalidServiceInAction, "`iotroborunner`", "closed"),
    (IssueCode::InvalidServiceInAction, "`mobilehub`", "closed"),
    (
        IssueCode::InvalidServiceInAction,
        "`sagemaker-groundtruth-synthetic`",
        "closed",
    ),
    (
        IssueCode::InvalidServiceInAction,
        "`zocalo`",
        "renamed to workdocs",
    ),
    (IssueCode::InvalidService, "`deepracer`", "closed"),
    // Not in the service authorisation reference, which lists what is public.
    (IssueCode::InvalidServiceInAction, "`builderid`", "not public"),
    (
        IssueCode::InvalidServiceInAction,
        "`datazonecontrol`",
        "not public",
    ),
    (
        IssueCode::InvalidGlobalConditionKey,
        "`aws:PrincipalOrgMasterAccountId`",
        "not public",
    ),
    (
        IssueCode::InvalidServiceConditionKey,
        "`lakeformation:GlueARN`",
        "not public",
    ),
    (
        IssueCode::InvalidAction,
        "AWS Budget Service has no action",
        "operations; the actions are ViewBudget and ModifyBudget",
    ),
    (
        IssueCode::InvalidAction,
        "AWS Payments has no action",
        "not public",
    ),
    (
        IssueCode::InvalidAction,
        "`CreateBuilderIdOwnedAccount`",
        "not public",
    ),
    (
        IssueCode::InvalidAction,
        "`ImportDocumentToQApp",
        "removed from the service",
    ),
    (
        IssueCode::InvalidAction,
        "AWS Security Agent has no action",
        "newer than the reference",
    ),
    (
        IssueCode::InvalidAction,
        "AWS CloudHSM has no action",
        "actions of CloudHSM Classic",
    ),
    (
        IssueCode::InvalidAction,
        "`ValidateEnvironmentName`",
        "removed from the service",
    ),
    (
        IssueCode::InvalidAction,
        "`DescribeRoutingControlByName`",
        "never existed",
    ),
    (
        IssueCode::InvalidAction,
        "`ReplicateMultiRegionClusterData`",
        "not public",
    ),
    // R89: the reference says that the key has several values.
    (
        IssueCode::MissingQualifier,
        "`events:detail-type`",
        "compared without a set operator",
    ),
    // R53: a variable in the account field of an ARN.
    (
        IssueCode::VariableUnsupportedInElement,
        "after the fifth colon",
        "matches nothing",
    ),
];

fn policies() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/managed-policies.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let documents = all["policies"].as_object().unwrap();
    documents
        .iter()
        .map(|(name, policy)| {
            (
                name.clone(),
                serde_json::to_string_pretty(&policy["doc"]).unwrap(),
            )
        })
        .collect()
}

fn findings() -> Vec<(String, Vec<Finding>)> {
    policies()
        .into_iter()
        .map(|(name, text)| {
            let findings = check(&text, Kind::Identity);
            (name, findings)
        })
        .collect()
}

/// One test, because checking them all takes its time in a build without optimisation.
#[test]
fn what_is_found_in_awss_own_policies() {
    let all = findings();
    errors_are_only_the_known_ones(&all);
    how_much_is_found(&all);
    what_can_never_match(&all);
}

fn errors_are_only_the_known_ones(all: &[(String, Vec<Finding>)]) {
    let mut unknown = String::new();
    let mut used = BTreeSet::new();
    for (name, findings) in all {
        for finding in findings.iter().filter(|f| f.kind() == FindingKind::Error) {
            let excuse = TRUE_ERRORS
                .iter()
                .position(|(code, word, _)| *code == finding.code && finding.message.contains(word));
            match excuse {
                Some(index) => {
                    used.insert(index);
                }
                None => writeln!(unknown, "{name}\n{}", crate::lines(std::slice::from_ref(finding))).unwrap(),
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown}");
    let unused: Vec<_> = (0..TRUE_ERRORS.len())
        .filter(|index| !used.contains(index))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// How often each code is found. A change here is to be understood: these are policies that work.
fn how_much_is_found(all: &[(String, Vec<Finding>)]) {
    let mut counts: BTreeMap<(FindingKind, IssueCode), usize> = BTreeMap::new();
    for finding in all.iter().flat_map(|(_, findings)| findings) {
        *counts.entry((finding.kind(), finding.code)).or_default() += 1;
    }
    let mut text = String::new();
    for ((kind, code), count) in counts.iter().rev() {
        writeln!(text, "{count:5} {kind} {code}").unwrap();
    }
    insta::assert_snapshot!("how_much_is_found", text);
}

/// Warnings of the kind most easily wrong, all of them, to be read.
fn what_can_never_match(all: &[(String, Vec<Finding>)]) {
    let codes = [
        IssueCode::AllowResourceNeverMatches,
        IssueCode::AllowActionNeverMatches,
        IssueCode::UnsupportedConditionKey,
        IssueCode::AllowWithPartlySupportedKey,
        IssueCode::TypeMismatch,
        IssueCode::ForAllValuesWithSingleValuedKey,
        IssueCode::AllowAlwaysDenied,
        IssueCode::ConditionNeverHolds,
    ];
    let mut text = String::new();
    for (name, findings) in all {
        let of_kind = findings.iter().filter(|finding| codes.contains(&finding.code));
        let of_kind: Vec<Finding> = of_kind.cloned().collect();
        if !of_kind.is_empty() {
            writeln!(text, "{name}\n{}", crate::lines(&of_kind)).unwrap();
        }
    }
    insta::assert_snapshot!("what_can_never_match", text);
}
