//! Lists: tags, repositories, and what refers to an image.

use http::{Response, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_api::ecr::{self, op};
use portcullis_blobs::Digest;
use serde_json::{Value, json};

use super::answer::{self, FILTERS_APPLIED};
use super::desk::Desk;
use super::errors::{Code, Refusal};
use crate::events::Body;
use crate::services::ecr::for_registry;

/// Longest page, and how long one is that nobody asked to be shorter: as ECR's own lists.
const PAGE_MAX: usize = 1000;
/// Most referrers that ECR lists at once.
const REFERRERS_MAX: i32 = 50;
/// What referrers are listed as.
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// What the next page of referrers is asked for by: ECR's token.
const NEXT_TOKEN: &str = "nextToken";

/// How much of a list is wanted, and after which name.
struct Page {
    size: usize,
    last: Option<String>,
}

impl Page {
    fn read(desk: &Desk<'_>) -> Result<Self, Refusal> {
        let size = match desk.parameter("n") {
            Some(size) => size
                .parse::<usize>()
                .map_err(|_| Refusal::new(Code::Unsupported, "n is no number."))?,
            None => PAGE_MAX,
        };
        Ok(Self {
            size: size.min(PAGE_MAX),
            last: desk.parameter("last"),
        })
    }

    /// Where the next page is; one name more than the page holds was asked for.
    fn link(&self, desk: &Desk<'_>, path: &str, names: &mut Vec<String>) -> Option<String> {
        let more = names.len() > self.size;
        names.truncate(self.size);
        let last = names.last().filter(|_| more)?;
        let target = desk.path(format_args!("{path}?n={}&last={last}", self.size));
        Some(format!("<{target}>; rel=\"next\""))
    }
}

fn listed(value: &Value, link: Option<&str>) -> Response<Body> {
    let link = link.map(|link| (header::LINK, link));
    answer::json(value, &link.into_iter().collect::<Vec<_>>())
}

/// The tags of a repository, in order.
pub(super) async fn tags(desk: &Desk<'_>, name: &str) -> Result<Response<Body>, Refusal> {
    let page = Page::read(desk)?;
    let call = desk.admit("ListImages", "ecr:ListImages", name).await?;
    let view = desk.gate().world().view();
    let found = for_registry::found(&view, &call, name);
    found.map_err(|error| Refusal::of_ecr(&error, Code::NameInvalid))?;
    let last = page.last.as_deref();
    let mut tags = for_registry::tags(&view, &call.region, name, last, page.size + 1);
    desk.note(&call, false, json!({ "repositoryName": name })).await;
    let link = page.link(desk, &format!("{name}/tags/list"), &mut tags);
    Ok(listed(&json!({ "name": name, "tags": tags }), link.as_deref()))
}

/// The repositories of the registry, in order.
pub(super) async fn catalog(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let page = Page::read(desk)?;
    let call = desk
        .admit("DescribeRepositories", "ecr:DescribeRepositories", "*")
        .await?;
    let view = desk.gate().world().view();
    let prefix = format!("{}/", call.region);
    let last = page.last.as_ref().map(|last| format!("{prefix}{last}"));
    let found = view.ecr.repositories.after(&prefix, last.as_deref());
    let mut names: Vec<_> = found
        .map(|(_, repository)| repository.name.clone())
        .take(page.size + 1)
        .collect();
    desk.note(&call, false, Value::Null).await;
    let link = page.link(desk, "_catalog", &mut names);
    Ok(listed(&json!({ "repositories": names }), link.as_deref()))
}

/// The images that say they are about another one, as an index.
pub(super) async fn referrers(desk: &Desk<'_>, name: &str, digest: &str) -> Result<Response<Body>, Refusal> {
    let digest: Digest = digest.parse().map_err(|_| Refusal::digest())?;
    let artifact_type = desk.parameter("artifactType");
    let size = Page::read(desk)?.size.max(1);
    let mut input = ecr::ListImageReferrersRequest {
        repository_name: name.to_owned(),
        subject_id: ecr::SubjectIdentifier {
            image_digest: digest.to_string(),
        },
        filter: artifact_type.clone().map(|kind| ecr::ListImageReferrersFilter {
            artifact_types: Some(vec![kind]),
            ..Default::default()
        }),
        next_token: desk.parameter(NEXT_TOKEN),
        ..Default::default()
    };
    let manifests = list_referrers(desk, &mut input, size).await?;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": manifests,
    });
    let link = input.next_token.map(|token| {
        let coded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let kind = artifact_type
            .as_deref()
            .map(|kind| format!("&artifactType={}", coded(kind)));
        let (kind, token) = (kind.unwrap_or_default(), coded(&token));
        let target = desk.path(format_args!(
            "{name}/referrers/{digest}?n={size}{kind}&{NEXT_TOKEN}={token}"
        ));
        format!("<{target}>; rel=\"next\"")
    });
    let filtered = artifact_type.as_ref().map(|_| (FILTERS_APPLIED, "artifactType"));
    let link = link.as_deref().map(|link| (header::LINK, link));
    let headers: Vec<_> = filtered.into_iter().chain(link).collect();
    let mut response = answer::json(&index, &headers);
    let kind = header::HeaderValue::from_static(INDEX_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Asks ECR page by page for that many referrers; what comes after them is at the token of `input` then.
async fn list_referrers(
    desk: &Desk<'_>,
    input: &mut ecr::ListImageReferrersRequest,
    size: usize,
) -> Result<Vec<Value>, Refusal> {
    let mut manifests = Vec::new();
    loop {
        let wanted = i32::try_from(size - manifests.len()).unwrap_or(REFERRERS_MAX);
        input.max_results = Some(wanted.min(REFERRERS_MAX));
        let found = match desk.call::<op::ListImageReferrers>(input).await {
            Ok(found) => found,
            // Nobody refers to what is not there.
            Err(error) if error.code() == "ImageNotFoundException" => {
                input.next_token = None;
                return Ok(manifests);
            }
            Err(error) => return Err(Refusal::of_ecr(&error, Code::NameInvalid)),
        };
        manifests.extend(found.referrers.unwrap_or_default().iter().map(descriptor));
        input.next_token = found.next_token;
        if input.next_token.is_none() || manifests.len() >= size {
            return Ok(manifests);
        }
    }
}

fn descriptor(referrer: &ecr::ImageReferrer) -> Value {
    let mut descriptor = json!({
        "mediaType": referrer.media_type,
        "digest": referrer.digest,
        "size": referrer.size,
    });
    if let Value::Object(members) = &mut descriptor {
        members.extend(
            referrer
                .artifact_type
                .iter()
                .map(|kind| ("artifactType".to_owned(), json!(kind))),
        );
        members.extend(
            referrer
                .annotations
                .iter()
                .map(|notes| ("annotations".to_owned(), json!(notes))),
        );
    }
    descriptor
}
