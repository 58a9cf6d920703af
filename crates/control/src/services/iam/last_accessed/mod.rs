//! Access Advisor's reports: which services a user, group, role or policy grants, and who tried to use them when
//! (cloudtrail-and-access-advisor 5.8). Asking for a report keeps the question; the answer is made when it is read.

mod about;
mod granting;
mod report;

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::uuid;

use self::about::About;
use self::report::Report;
use super::checks::{self, Checks, one};
use super::errors::IamError;
use super::managed_policies;
use super::paging::{Page, Paging};
use crate::advisor;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check, Row, read, write};
use crate::world::records::uses::{Granularity, UseReport};
use crate::world::{Snapshot, Tx};

/// Most reports kept; beyond that the oldest goes.
const REPORTS_MAX: usize = 20_000;

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::GenerateServiceLastAccessedDetails>(
            &["iam:GenerateServiceLastAccessedDetails"],
            require_generate,
            generate,
        ),
        read::<op::GetServiceLastAccessedDetails>(
            &["iam:GetServiceLastAccessedDetails"],
            |_| one(Check::new("iam:GetServiceLastAccessedDetails", "*")),
            get,
        ),
        read::<op::GetServiceLastAccessedDetailsWithEntities>(
            &["iam:GetServiceLastAccessedDetailsWithEntities"],
            |_| one(Check::new("iam:GetServiceLastAccessedDetailsWithEntities", "*")),
            get_with_entities,
        ),
        read::<op::ListPoliciesGrantingServiceAccess>(
            &["iam:ListPoliciesGrantingServiceAccess"],
            |ask| {
                one(checks::on_subject(
                    "iam:ListPoliciesGrantingServiceAccess",
                    &ask,
                    &ask.input.arn,
                ))
            },
            granting::list,
        ),
    ]
}

fn require_generate(ask: Ask<'_, api::GenerateServiceLastAccessedDetailsRequest>) -> Checks {
    const ACTION: &str = "iam:GenerateServiceLastAccessedDetails";
    let named = &ask.input.arn;
    let is_policy = named
        .parse()
        .is_ok_and(|arn| managed_policies::exists(ask.view, &arn));
    one(match is_policy {
        true => checks::on_policy(ACTION, &ask, named).shown_as(named),
        false => checks::on_subject(ACTION, &ask, named),
    })
}

fn generate(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::GenerateServiceLastAccessedDetails>,
) -> Result<api::GenerateServiceLastAccessedDetailsResponse, ServiceError> {
    let input = auth.input();
    let about = managed_policies::parse(&input.arn)?;
    About::find(tx.view(), &about)?;
    let granularity = match input.granularity.as_deref() {
        Some("ACTION_LEVEL") => Granularity::Action,
        _ => Granularity::Service,
    };
    make_room(tx);
    let id = uuid(tx.random);
    tx.put(UseReport {
        id: id.clone(),
        about,
        granularity,
        created: tx.now,
        asked_by: auth.call().caller.own_id(),
    });
    Ok(api::GenerateServiceLastAccessedDetailsResponse { job_id: Some(id) })
}

fn make_room(tx: &mut Tx<'_>) {
    if tx.view().use_reports.len() < REPORTS_MAX {
        return;
    }
    let oldest = tx.view().use_reports_by_age().next();
    if let Some(oldest) = oldest.map(|report| report.id.clone()) {
        tx.delete::<UseReport>(&oldest);
    }
}

/// A report the caller asked for; nobody else reads it, and nobody reads it for long.
fn job<'a>(view: &'a Snapshot, call: &Call, id: &str) -> Result<&'a UseReport, IamError> {
    let job = view.use_reports.get(id).filter(|job| {
        job.asked_by == call.caller.own_id() && call.now.seconds_since(job.created) < advisor::REPORT_SECONDS
    });
    job.map(AsRef::as_ref)
        .ok_or_else(|| IamError::NoReport(id.to_owned()))
}

fn get(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetServiceLastAccessedDetails>,
) -> Result<api::GetServiceLastAccessedDetailsResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let job = job(view, call, &input.job_id)?;
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let services = Report::of(view, env, job, call.now).map(|report| {
        let services = report.services_after(paging.after());
        paging.rows(services.map(|service| (service.prefix(), report.service(service))))
    });
    let (page, error) = page_or_failure(services);
    Ok(api::GetServiceLastAccessedDetailsResponse {
        job_status: status(error.as_ref()),
        job_type: Some(shown_granularity(job.granularity).to_owned()),
        job_creation_date: job.created,
        job_completion_date: job.created,
        is_truncated: page.is_truncated(),
        services_last_accessed: page.items,
        marker: page.marker,
        error,
    })
}

fn get_with_entities(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetServiceLastAccessedDetailsWithEntities>,
) -> Result<api::GetServiceLastAccessedDetailsWithEntitiesResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let job = job(view, call, &input.job_id)?;
    let service = granting::service(&input.service_namespace)?;
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let entities = match Report::of(view, env, job, call.now) {
        Ok(report) => Ok(paging.counted(report.entities(service).into_iter())?),
        Err(error) => Err(error),
    };
    let (page, error) = page_or_failure(entities);
    Ok(api::GetServiceLastAccessedDetailsWithEntitiesResponse {
        job_status: status(error.as_ref()),
        job_creation_date: job.created,
        job_completion_date: job.created,
        is_truncated: page.is_truncated(),
        entity_details_list: page.items,
        marker: page.marker,
        error,
    })
}

/// What the report is about may be gone since, or have a policy that cannot be read: the job has failed then.
fn page_or_failure<T>(page: Result<Page<T>, IamError>) -> (Page<T>, Option<api::ErrorDetails>) {
    match page {
        Ok(page) => (page, None),
        Err(error) => {
            let nothing = Page {
                items: Vec::new(),
                marker: None,
            };
            let error = ServiceError::from(error);
            let error = api::ErrorDetails {
                message: error.message().to_owned(),
                code: error.code().to_owned(),
            };
            (nothing, Some(error))
        }
    }
}

fn status(error: Option<&api::ErrorDetails>) -> String {
    if error.is_some() { "FAILED" } else { "COMPLETED" }.to_owned()
}

fn shown_granularity(granularity: Granularity) -> &'static str {
    match granularity {
        Granularity::Service => "SERVICE_LEVEL",
        Granularity::Action => "ACTION_LEVEL",
    }
}
