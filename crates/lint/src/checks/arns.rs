//! Each resource on its own: the six fields of its ARN (R13, R19-R21, R42-R48).

use portcullis_policy::syntax::{Part, ResourceForm, Token};
use portcullis_policy::{Kind, elements};
use portcullis_reference as reference;

use crate::IssueCode;
use crate::arn_format;
use crate::near;
use crate::policy::{Policy, Statement, Text};
use crate::report::Report;

pub(super) fn check(policy: &Policy<'_>, statement: &Statement<'_>, report: &mut Report<'_>) {
    let Some(list) = &statement.resource else { return };
    if policy.kind == Kind::Trust {
        let message = "A trust policy names no resources: its resource is the role.";
        report.add(
            IssueCode::RoleTrustPolicySyntaxErrorResource,
            &list.place,
            message,
        );
    }
    for item in &list.items {
        check_item(policy, *item, report);
    }
    if list.negated
        && statement.allows()
        && matches!(policy.kind, Kind::Identity | Kind::Session | Kind::Resource)
    {
        let message = "Everything but these resources is allowed, of every service the actions reach.";
        report.add(IssueCode::AllowWithNotResource, &list.place, message);
    }
}

fn check_item(policy: &Policy<'_>, item: Text<'_>, report: &mut Report<'_>) {
    if item.text == "*" {
        return;
    }
    let fields: Vec<&str> = item.text.splitn(6, ':').collect();
    let (prefix, partition) = match fields.as_slice() {
        [prefix, partition, ..] => (*prefix, *partition),
        _ => {
            let message = format!("`{}` is neither an ARN nor `*`.", item.text);
            report.add(IssueCode::InvalidArnPrefix, &item.place, message);
            return;
        }
    };
    if prefix != "arn" {
        let message = format!("`{}` does not begin with `arn:`.", item.text);
        report.add(IssueCode::InvalidArnPrefix, &item.place, message);
        return;
    }
    if partition != "*" && reference::partition(partition).is_none() && !partition.contains("${") {
        unknown_partition(partition, item, report);
    }
    match fields.as_slice() {
        [_, _, service, region, account, resource] => {
            let arn = Arn {
                service,
                region,
                account,
                resource,
            };
            check_fields(policy, &arn, item, report);
        }
        _ => short_arn(item, &fields, report),
    }
}

fn unknown_partition(partition: &str, item: Text<'_>, report: &mut Report<'_>) {
    let known = reference::partitions().map(|partition| partition.id());
    let meant = near::hint(near::nearest(partition, known));
    report
        .add(
            IssueCode::InvalidPartition,
            &item.place,
            format!("There is no partition `{partition}`{meant}"),
        )
        .narrow(4..4 + partition.len());
}

/// R44, R45.
fn short_arn(item: Text<'_>, fields: &[&str], report: &mut Report<'_>) {
    let missing = 6usize.saturating_sub(fields.len());
    let names_service = fields.get(2).is_some_and(|service| !service.is_empty());
    if item.text.ends_with('*') && names_service && !item.text.contains("::") {
        let message = format!(
            "The ARN ends after {} of six fields; the `*` stands for the rest.",
            fields.len()
        );
        report.add(IssueCode::IncompleteArn, &item.place, message);
    } else {
        let message = format!("The ARN has {} fields; {missing} more are needed.", fields.len());
        report.add(IssueCode::MissingArnField, &item.place, message);
    }
}

struct Arn<'a> {
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl Arn<'_> {
    /// The ARN as a pattern with other fields.
    fn tokens(&self, region: &str, account: &str) -> Option<Vec<Token>> {
        // A `*` as partition would run on over the service (R44); which partition it is makes no difference here.
        pattern_tokens(&format!(
            "arn:aws:{}:{region}:{account}:{}",
            self.service, self.resource
        ))
    }

    fn fits(&self, region: &str, account: &str) -> bool {
        let Some(tokens) = self.tokens(region, account) else {
            return true;
        };
        arn_format::types_of(self.service).any(|resource_type| arn_format::can_name(&tokens, resource_type))
    }
}

/// The steps of a resource pattern; what stands for a variable may be any text. `None` for what has no steps.
pub(crate) fn pattern_tokens(text: &str) -> Option<Vec<Token>> {
    let parts = elements::template(text);
    let wild: String = parts
        .parts()
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Escaped(_) => "?",
            Part::Variable { .. } => "*",
        })
        .collect();
    match elements::resource(&wild, false, Kind::Identity) {
        ResourceForm::Fixed(glob) => Some(glob.tokens().to_vec()),
        ResourceForm::Everything => Some(vec![Token::Many]),
        ResourceForm::Computed(_) | ResourceForm::Nothing => None,
    }
}

fn check_fields(policy: &Policy<'_>, arn: &Arn<'_>, item: Text<'_>, report: &mut Report<'_>) {
    let before_resource = item.text.len() - arn.resource.len();
    if policy.has_variables()
        && item
            .text
            .get(..before_resource)
            .is_some_and(|head| head.contains("${"))
    {
        // The check of variables says what is to be said.
        return;
    }
    if arn.service.is_empty() {
        report.add(
            IssueCode::MissingArnField,
            &item.place,
            "The ARN names no service.",
        );
        return;
    }
    let odd_fields = check_region_and_account(arn, item, report);
    if arn.service.contains(['*', '?']) {
        let message = format!("The service field `{}` holds a wildcard.", arn.service);
        report.add(IssueCode::WildcardInServiceName, &item.place, message);
        return;
    }
    if arn.service.bytes().any(|b| b.is_ascii_uppercase()) {
        let lower = arn.service.to_ascii_lowercase();
        let mended = item.text.replacen(arn.service, &lower, 1);
        report
            .add(
                IssueCode::InvalidArnServiceCase,
                &item.place,
                format!("The service field is written `{lower}`."),
            )
            .replace_string(&mended);
        return;
    }
    if refused_by_iam(arn, item, report) || odd_fields {
        return;
    }
    if !arn_format::is_service_field(arn.service) {
        unknown_service(arn.service, item, report);
    } else if !arn.fits(arn.region, arn.account) {
        explain_misfit(arn, item, report);
    } else if policy.has_variables()
        && let Some(family) = variable_without_revision(arn.service, arn.resource)
    {
        let message = format!(
            "Task definitions are asked for as `{family}:REVISION`; this matches none of them, unless the variable's value \
             ends with a revision."
        );
        report
            .add(IssueCode::TaskDefinitionWithoutRevision, &item.place, message)
            .replace_string(&format!("{}:*", item.text));
    }
}

/// R19: what IAM refuses of its own and of S3's ARNs.
fn refused_by_iam(arn: &Arn<'_>, item: Text<'_>, report: &mut Report<'_>) -> bool {
    let is_regional_s3 = elements::is_regional_s3_resource(arn.resource);
    let has_region = !arn.region.is_empty();
    if has_region && (arn.service == "iam" || (arn.service == "s3" && !is_regional_s3)) {
        let message = format!("Resources of {} have no region.", arn.service);
        report.add(IssueCode::ArnRegionNotAllowed, &item.place, message);
        return true;
    }
    if arn.service == "iam" && !elements::is_iam_resource(arn.resource) {
        let message = "Resources of IAM begin with user/, role/, group/, policy/ or another of its types.";
        report.add(IssueCode::InvalidArnResource, &item.place, message);
        return true;
    }
    false
}

fn check_region_and_account(arn: &Arn<'_>, item: Text<'_>, report: &mut Report<'_>) -> bool {
    let mut odd = false;
    if !arn.region.is_empty() && !arn.region.contains(['*', '?']) && !is_region(arn.region) {
        report.add(
            IssueCode::InvalidArnRegion,
            &item.place,
            unknown_region(arn.region),
        );
        odd = true;
    }
    let is_account = arn.account.len() == 12 && arn.account.bytes().all(|b| b.is_ascii_digit());
    let is_word = matches!(
        arn.account,
        "aws" | "aws-managed" | "cloudfront" | "third-party" | "user" | "amazon"
    );
    let has_wildcard = arn.account.contains(['*', '?']);
    let is_placeholder = arn_format::types_of(arn.service)
        .any(|resource_type| resource_type.arn_format().split(':').nth(4) == Some(arn.account));
    if !(arn.account.is_empty() || is_account || is_word || has_wildcard || is_placeholder) {
        let message = format!("`{}` is no account: twelve digits are needed.", arn.account);
        report.add(IssueCode::InvalidArnAccount, &item.place, message);
        odd = true;
    }
    odd
}

/// Whether the text is a region of some partition; one that is newer than the reference is not known.
pub(super) fn is_region(text: &str) -> bool {
    text == "global" || regions().any(|name| name == text)
}

fn regions() -> impl Iterator<Item = &'static str> {
    reference::partitions()
        .flat_map(|partition| partition.regions())
        .map(|(name, _)| name)
}

/// Says that a region does not exist, and which was probably meant.
pub(super) fn unknown_region(text: &str) -> String {
    let hint = near::hint(near::nearest(text, regions()));
    format!("`{text}` is no region{hint}")
}

fn unknown_service(service: &str, item: Text<'_>, report: &mut Report<'_>) {
    // A service without resource types, or one whose ARNs only other services use.
    if reference::service(service).is_some() {
        return;
    }
    let meant = near::nearest(service, arn_format::service_fields());
    let hint = near::hint(meant);
    let message = format!("No resource has `{service}` in the service field of its ARN{hint}");
    report.add(IssueCode::InvalidServiceInResource, &item.place, message);
}

/// The ARN fits no resource type: says which field is to blame.
fn explain_misfit(arn: &Arn<'_>, item: Text<'_>, report: &mut Report<'_>) {
    let service = arn.service;
    // At least one character, and unlike a `*` at the end of a field never a colon (R44).
    let something = "*?";
    let region = if arn.region.is_empty() { something } else { "" };
    let account = if arn.account.is_empty() { something } else { "" };
    let other_region = arn.fits(region, arn.account);
    if other_region || arn.fits(region, account) {
        let (code, message) = if arn.region.is_empty() {
            (
                IssueCode::MissingArnRegion,
                format!("This resource of {service} has a region in its ARN."),
            )
        } else {
            (
                IssueCode::ArnRegionNotAllowed,
                format!("This resource of {service} has no region in its ARN."),
            )
        };
        report.add(code, &item.place, message);
    }
    if other_region {
        return;
    }
    if arn.fits(arn.region, account) || arn.fits(region, account) {
        let (code, message) = if arn.account.is_empty() {
            (
                IssueCode::MissingArnAccount,
                format!("This resource of {service} has an account in its ARN."),
            )
        } else {
            (
                IssueCode::ArnAccountNotAllowed,
                format!("This resource of {service} has no account in its ARN."),
            )
        };
        report.add(code, &item.place, message);
        return;
    }
    wrong_resource(arn, item, report);
}

fn wrong_resource(arn: &Arn<'_>, item: Text<'_>, report: &mut Report<'_>) {
    if let Some(family) = without_revision(arn.service, arn.resource) {
        task_definition_without_revision(family, item, report);
        return;
    }
    let expected = expected_form(arn.service, arn.resource);
    let hint = match expected {
        Some(form) => format!("its form is `{form}`"),
        None => format!("no resource of {} looks like this", arn.service),
    };
    let start = item.text.len() - arn.resource.len();
    report
        .add(
            IssueCode::InvalidArnResource,
            &item.place,
            format!("`{}` names no resource: {hint}.", arn.resource),
        )
        .narrow(start..item.text.len());
}

pub(super) fn task_definition_without_revision(family: &str, item: Text<'_>, report: &mut Report<'_>) {
    report
        .add(
            IssueCode::TaskDefinitionWithoutRevision,
            &item.place,
            format!("Task definitions are asked for as `{family}:REVISION`; this matches none of them."),
        )
        .replace_string(&format!("{}:*", item.text));
}

/// The family of a task definition that is named without its revision (R144).
pub(super) fn without_revision<'a>(service: &str, resource: &'a str) -> Option<&'a str> {
    let (kind, family) = resource.split_once('/')?;
    let is_definition = service == "ecs" && matches!(kind, "task-definition" | "daemon-task-definition");
    (is_definition && !family.is_empty() && !family.contains([':', '*'])).then_some(family)
}

/// The family of a task definition that is named by variables and without a revision (R144).
fn variable_without_revision<'a>(service: &str, resource: &'a str) -> Option<&'a str> {
    let (kind, family) = resource.split_once('/')?;
    let is_definition = service == "ecs" && matches!(kind, "task-definition" | "daemon-task-definition");
    let template = elements::template(family);
    let is_variable = |part: &Part| matches!(part, Part::Variable { .. });
    let may_be_revision = |part: &Part| match part {
        Part::Text(text) => text.contains([':', '*', '?']),
        Part::Escaped(_) => false,
        Part::Variable { default, .. } => default.as_deref().is_some_and(|text| text.contains(':')),
    };
    let parts = template.parts();
    let has_none = parts.iter().any(is_variable) && !parts.iter().any(may_be_revision);
    (is_definition && has_none).then_some(family)
}

/// The form of the resource type that begins with the same word.
pub(super) fn expected_form(service: &str, resource: &str) -> Option<&'static str> {
    let word = |text: &str| text.split(['/', ':']).next().map(str::to_owned);
    let form = |format: &'static str| format.splitn(6, ':').nth(5);
    arn_format::types_of(service)
        .filter_map(|resource_type| form(resource_type.arn_format()))
        .find(|form| word(form) == word(resource))
}
