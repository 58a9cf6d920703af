//! The credential report: who has which credentials, how old and last used when, as a comma-separated table.

use std::borrow::Cow;

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::Timestamp;

use super::checks::one;
use super::credential_errors::CredentialError;
use super::{access_keys, signing_certificates};
use crate::advisor;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Check, Row, read, write_prepared};
use crate::world::records::Record as _;
use crate::world::records::account::Account;
use crate::world::records::iam::{AccessKey, User};
use crate::world::records::settings::{AccountProfile, CredentialReport};
use crate::world::{Snapshot, Tx};

/// How long a report is good for, in seconds: four hours.
const VALID_SECONDS: i64 = 4 * 3_600;
const DAY_SECONDS: i64 = 86_400;
const NONE: &str = "N/A";

const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
    password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
    access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
    access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
    cert_1_last_rotated,cert_2_active,cert_2_last_rotated";

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write_prepared::<op::GenerateCredentialReport>(
            &["iam:GenerateCredentialReport"],
            |_| one(Check::new("iam:GenerateCredentialReport", "*")),
            |view, env, auth| match valid(view, auth.call().now) {
                Some(_) => Ok(Box::new(String::new())),
                None => Ok(Box::new(table(view, env, auth.call()))),
            },
            generate,
        ),
        read::<op::GetCredentialReport>(
            &["iam:GetCredentialReport"],
            |_| one(Check::new("iam:GetCredentialReport", "*")),
            get,
        ),
    ]
}

/// The report, if it is not too old.
fn valid(view: &Snapshot, now: Timestamp) -> Option<&CredentialReport> {
    let report = view.credential_reports.get(CredentialReport::KEY)?;
    (now.seconds_since(report.generated) <= VALID_SECONDS).then_some(report.as_ref())
}

/// A new report is there as soon as it was asked for; the reply is that of AWS, which takes longer.
fn generate(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::GenerateCredentialReport>,
) -> Result<api::GenerateCredentialReportResponse, ServiceError> {
    let made = auth.prepared::<String>().filter(|table| !table.is_empty());
    let (state, description) = match (valid(tx.view(), tx.now), made) {
        (None, Some(table)) => {
            tx.put(CredentialReport {
                generated: tx.now,
                content: table.clone(),
            });
            (
                "STARTED",
                Some("No report exists. Starting a new report generation task"),
            )
        }
        _ => ("COMPLETE", None),
    };
    Ok(api::GenerateCredentialReportResponse {
        state: Some(state.to_owned()),
        description: description.map(str::to_owned),
    })
}

fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetCredentialReport>,
) -> Result<api::GetCredentialReportResponse, ServiceError> {
    if view.credential_reports.is_empty() {
        return Err(CredentialError::NoReport.into());
    }
    let report = valid(view, auth.call().now).ok_or(CredentialError::ReportExpired)?;
    Ok(api::GetCredentialReportResponse {
        content: Some(report.content.clone().into_bytes()),
        report_format: Some("text/csv".to_owned()),
        generated_time: Some(report.generated),
    })
}

/// The root user first, then all others by name; no line end after the last.
fn table(view: &Snapshot, env: &Environment, call: &Call) -> String {
    let policy = AccountProfile::of(view).password_policy;
    let max_age = policy.and_then(|policy| policy.max_age_days);
    let mut lines = vec![HEADER.to_owned(), line(&root(view, env, call))];
    lines.extend(
        view.users
            .iter()
            .map(|(_, user)| line(&of_user(view, env, user, max_age))),
    );
    lines.join("\n")
}

fn root(view: &Snapshot, env: &Environment, call: &Call) -> Vec<String> {
    let account = Account::table(view).get(view.account.as_str());
    let created = account.map(|account| account.created).unwrap_or_default();
    let mut fields = vec![
        "<root_account>".to_owned(),
        format!("arn:{}:iam::{}:root", call.caller.partition, view.account),
        created.to_iso(),
    ];
    fields.extend(["false", NONE, NONE, "not_supported", "false"].map(str::to_owned));
    fields.extend(keys(view, env, None));
    fields.extend(certificates(view, view.account.as_str()));
    fields
}

fn of_user(view: &Snapshot, env: &Environment, user: &User, max_age: Option<i32>) -> Vec<String> {
    let mut fields = vec![user.name.clone(), user.arn.to_string(), user.created.to_iso()];
    fields.extend(password(view, user, max_age));
    fields.push(view.user_devices(&user.name).next().is_some().to_string());
    fields.extend(keys(view, env, Some(&user.name)));
    fields.extend(certificates(view, &user.id));
    fields
}

/// Enabled, last used, last changed, next rotation. There is no console to use a password in.
fn password(view: &Snapshot, user: &User, max_age: Option<i32>) -> [String; 4] {
    let Some(profile) = view.login_profiles.get(&user.id) else {
        return ["false", NONE, NONE, NONE].map(str::to_owned);
    };
    let next = max_age.map(|days| {
        let next = profile.changed.plus_seconds(i64::from(days) * DAY_SECONDS);
        next.to_iso()
    });
    [
        "true".to_owned(),
        "no_information".to_owned(),
        profile.changed.to_iso(),
        next.unwrap_or_else(|| NONE.to_owned()),
    ]
}

/// Two keys, by their ids: active, last rotated, last used when, where and for what.
fn keys(view: &Snapshot, env: &Environment, user: Option<&str>) -> Vec<String> {
    let mut keys: Vec<_> = view
        .user_keys(user)
        .filter_map(|id| view.access_keys.get(id))
        .collect();
    keys.sort_by(|a, b| a.id.cmp(&b.id));
    let slots = (0..access_keys::KEYS_PER_USER).map(|slot| keys.get(slot));
    slots
        .flat_map(|key| match key {
            Some(key) => of_key(view, env, key),
            None => ["false", NONE, NONE, NONE, NONE].map(str::to_owned),
        })
        .collect()
}

fn of_key(view: &Snapshot, env: &Environment, key: &AccessKey) -> [String; 5] {
    let none = || NONE.to_owned();
    let (at, region, service) = match advisor::key_use(view, &env.uses, &key.id) {
        Some(last) => (last.at.to_iso(), last.region, last.service),
        None => (none(), none(), none()),
    };
    [key.active.to_string(), key.created.to_iso(), at, region, service]
}

/// Two certificates, inactive ones first: active, last rotated.
fn certificates(view: &Snapshot, owner: &str) -> Vec<String> {
    let mut rows = signing_certificates::of(view, owner);
    rows.sort_by_key(|row| (row.active, row.uploaded));
    let slots = (0..signing_certificates::PER_USER).map(|slot| rows.get(slot));
    slots
        .flat_map(|row| match row {
            Some(row) => [row.active.to_string(), row.uploaded.to_iso()],
            None => ["false", NONE].map(str::to_owned),
        })
        .collect()
}

/// Names may hold commas.
fn line(fields: &[String]) -> String {
    let quoted = fields.iter().map(|field| {
        if field.contains([',', '"']) {
            Cow::Owned(format!("\"{}\"", field.replace('"', "\"\"")))
        } else {
            Cow::Borrowed(field.as_str())
        }
    });
    quoted.collect::<Vec<_>>().join(",")
}
