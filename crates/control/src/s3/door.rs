//! The way of a request to S3: who, what, may they, do it, write it down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{AUTHORIZATION, CONTENT_TYPE, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Request, Response, Uri};
use portcullis_core::{Region, uuid};
use portcullis_wire::sigv4::{AuthError, ChunkVerifier, Form, PayloadForm, Presented, claimed_service};

use super::SERVICE;
use super::answer::Answer;
use super::ask::{Ask, SignedHow};
use super::body::{Body, DOCUMENT_BYTES_MAX, DOCUMENT_TIME, RawBody, UNSIGNED_DOCUMENT_BYTES_MAX};
use super::checks;
use super::errors::S3Error;
use super::route::route;
use super::rows::{Row, Run, Takes};
use super::target::{Target, bucket_of_host, host, is_bucket_sized, is_s3_host};
use crate::accounts::{Accounts, Doors};
use crate::events::Body as Reply;
use crate::gate::Peer;
use crate::gate::authenticate::Authenticated;
use crate::gate::call::Call;
use crate::gate::caller::Caller;
use crate::gate::error::ServiceError;
use crate::gate::streaming::Recorded;

/// What our own paths begin with, for which requests may come without a signature.
const OWN_PATHS: [&str; 7] = ["portcullis", "federation", "scim", "v1", "v2", "v2-layers", "ws"];

/// Whether a request is for S3: signed for it, or not signed and sent to a host that is S3's or about a bucket there is.
pub fn is_for<B>(accounts: &Accounts, request: &Request<B>) -> bool {
    if let Some(service) = claimed_service(request.headers(), request.uri()) {
        return service == SERVICE.signing_name;
    }
    let headers = request.headers();
    if is_version_2(headers, request.uri()) {
        return true;
    }
    if headers.contains_key(AUTHORIZATION)
        || headers.contains_key("x-amz-target")
        || headers.contains_key(UPGRADE)
        || is_form(request)
    {
        return false;
    }
    let host = host(headers, request.uri());
    if is_s3_host(&host) {
        return true;
    }
    let first = request.uri().path().split('/').nth(1).unwrap_or_default();
    if OWN_PATHS.contains(&first) {
        return false;
    }
    let names = Arc::clone(accounts.first().gate.world().view().neighbours());
    let is_bucket = |name: &str| names.bucket_owner(name).is_some();
    (is_bucket_sized(first) && is_bucket(first)) || bucket_of_host(&host, is_bucket).is_some()
}

/// Whether it is an unsigned call of the query protocol, such as AssumeRoleWithWebIdentity: no bucket's name takes it over.
fn is_form<B>(request: &Request<B>) -> bool {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .map(http::HeaderValue::as_bytes);
    let form = b"application/x-www-form-urlencoded";
    let begins = |kind: &[u8]| {
        kind.get(..form.len())
            .is_some_and(|kind| kind.eq_ignore_ascii_case(form))
    };
    request.method() == http::Method::POST && request.uri().path() == "/" && kind.is_some_and(begins)
}

/// Whether a request is signed the old way, which AWS takes for old buckets alone.
fn is_version_2(headers: &HeaderMap, uri: &Uri) -> bool {
    let header = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
    let mut query = uri.query().unwrap_or_default().split('&');
    header.is_some_and(|header| header.starts_with(b"AWS "))
        || query.any(|pair| pair.starts_with("AWSAccessKeyId="))
}

/// Serves a request to S3.
pub async fn serve(accounts: &Accounts, parts: Parts, body: RawBody, peer: Peer) -> Response<Reply> {
    let doors = accounts.called(&parts.headers, &parts.uri);
    let request_id = uuid(doors.gate.world().random().as_ref());
    let visit = Visit {
        accounts,
        doors,
        parts: &parts,
        peer,
        request_id: &request_id,
    };
    let answer = visit.answer(body).await;
    let answer = answer.unwrap_or_else(|refusal| {
        let mut answer = Answer::error(&refusal.error, parts.uri.path(), &request_id);
        if let Some(region) = &refusal.region {
            answer.add("x-amz-bucket-region", region.as_str());
        }
        answer
    });
    answer.response(&parts.method, &request_id)
}

/// Why a request is not answered, and where its bucket is.
struct Refusal {
    error: ServiceError,
    region: Option<Region>,
}

impl<E: Into<ServiceError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        let error = error.into();
        Self { error, region: None }
    }
}

/// One request.
struct Visit<'a> {
    accounts: &'a Accounts,
    /// Of the account that signed.
    doors: Arc<Doors>,
    parts: &'a Parts,
    peer: Peer,
    request_id: &'a str,
}

/// Who signed, how, and what of the body.
struct Identified {
    who: Authenticated,
    how: Option<SignedHow>,
    form: PayloadForm,
    chunks: Option<ChunkVerifier>,
}

impl Visit<'_> {
    async fn answer(mut self, body: RawBody) -> Result<Answer, Refusal> {
        let names = Arc::clone(self.doors.gate.world().view().neighbours());
        let target = Target::of(self.parts, |name| names.bucket_owner(name).is_some())?;
        let routed = route(self.parts, &target);
        let makes = routed.as_ref().is_ok_and(|row| row.name == "CreateBucket");
        let owner = target.bucket.as_ref().filter(|_| !makes);
        let owner = owner.and_then(|name| names.bucket_owner(name));
        let owner = owner.and_then(|account| self.accounts.get(&account));
        let is_signed = claimed_service(&self.parts.headers, &self.parts.uri).is_some();
        if let (false, Some(owner)) = (is_signed, &owner) {
            self.doors = Arc::clone(owner);
        }
        let region = owner.as_ref().and_then(|owner| region_of(owner, &target));
        let identified = self.identify(region.as_ref())?;
        let located = |refusal: Refusal| Refusal {
            region: region.clone(),
            ..refusal
        };
        let body = Body::of(&self.parts.headers, body, &identified.form, identified.chunks)?;
        let row = routed?;
        let owner = match (owner, &target.bucket) {
            (Some(owner), _) => owner,
            (None, Some(name)) if !makes => return Err(S3Error::NoSuchBucket(name.clone()).into()),
            (None, _) => Arc::clone(&self.doors),
        };
        if let (Some(_), Some(expected)) = (&identified.how, &region)
            && identified.who.region != *expected
        {
            let given = identified.who.region.to_string();
            let expected = expected.to_string();
            return Err(located(S3Error::WrongRegion { given, expected }.into()));
        }
        let call = self.call(identified.who, row);
        let visited = Visited {
            visit: &self,
            owner: &owner,
            target: &target,
            row,
            call: &call,
            how: identified.how,
        };
        visited.run(body).await.map_err(located)
    }

    fn call(&self, who: Authenticated, row: &Row) -> Call {
        let peer = self.peer.clone();
        self.doors
            .gate
            .call(who, &SERVICE, row.name, self.parts, peer, self.request_id)
    }

    /// Who calls. Whoever does not sign is nobody, at the bucket's own door.
    fn identify(&self, region: Option<&Region>) -> Result<Identified, S3Error> {
        if is_version_2(&self.parts.headers, &self.parts.uri) {
            let text = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
            return Err(S3Error::InvalidRequest(text.to_owned()));
        }
        let world = self.doors.gate.world();
        let presented = match Presented::parse(self.parts) {
            Ok(presented) => presented,
            Err(AuthError::MissingToken) => return Ok(self.nobody(region)),
            Err(error) => {
                let presigned = !self.parts.headers.contains_key(AUTHORIZATION);
                return Err(S3Error::of_auth(&error, presigned, ""));
            }
        };
        let presigned = presented.form != Form::Header;
        let failed = |error: &AuthError| match error {
            AuthError::UnknownKey if presented.session_token.is_some() => S3Error::InvalidToken,
            error => S3Error::of_auth(error, presigned, &presented.access_key_id),
        };
        if presented.scope.service != SERVICE.signing_name {
            let text =
                "The authorization header is malformed; incorrect service. This endpoint belongs to \"s3\".";
            return Err(S3Error::AuthorizationHeaderMalformed(text.to_owned()));
        }
        presented.check_time_for_s3(world.clock().now())?;
        let claim = PayloadForm::of(self.parts, &presented);
        let (form, claim) = claim.ok_or_else(|| S3Error::InvalidArgument {
            message: "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                      STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
            name: "x-amz-content-sha256",
            value: String::new(),
        })?;
        let view = world.view();
        let verified = self
            .doors
            .gate
            .authenticate_claim(&view, &presented, self.parts, &claim);
        let (who, key) = verified.map_err(|error| failed(&error))?;
        let how = SignedHow {
            auth_type: if presigned {
                "REST-QUERY-STRING"
            } else {
                "REST-HEADER"
            },
            at: presented.signed_at,
        };
        let chunks = match form {
            PayloadForm::Chunks { signed: true, .. } => Some(presented.chunks(key)),
            _ => None,
        };
        Ok(Identified {
            who,
            how: Some(how),
            form,
            chunks,
        })
    }

    fn nobody(&self, region: Option<&Region>) -> Identified {
        let region = region.cloned().unwrap_or_else(Region::us_east_1);
        let account = self.doors.gate.world().account();
        let caller = Caller::anonymous(account, region.partition());
        let claim = self.parts.headers.get("x-amz-content-sha256");
        let claim = claim.and_then(|claim| PayloadForm::parse(claim.to_str().ok()?));
        // There is no key that could verify signed chunks.
        let form = claim.filter(|form| !matches!(form, PayloadForm::Chunks { signed: true, .. }));
        Identified {
            who: Authenticated { caller, region },
            how: None,
            form: form.unwrap_or(PayloadForm::Unsigned),
            chunks: None,
        }
    }
}

fn region_of(owner: &Doors, target: &Target) -> Option<Region> {
    let view = owner.gate.world().view();
    let bucket = view.s3.buckets.get(target.bucket())?;
    Some(bucket.region.clone())
}

/// A request whose caller, operation and bucket are known.
struct Visited<'a> {
    visit: &'a Visit<'a>,
    owner: &'a Doors,
    target: &'a Target,
    row: &'static Row,
    call: &'a Call,
    how: Option<SignedHow>,
}

impl Visited<'_> {
    async fn run(&self, body: Body) -> Result<Answer, Refusal> {
        let document;
        let mut ask = Ask {
            gate: &self.visit.doors.gate,
            owner: &self.owner.gate,
            row: self.row,
            call: self.call,
            target: self.target,
            parts: self.visit.parts,
            document: &[],
            signed: self.how,
            decided: self.owner.gate.world().view(),
            is_recorded: AtomicBool::new(false),
        };
        let outcome = match self.row.takes {
            Takes::Document => match self.refuse_unread(&ask) {
                Ok(()) => {
                    document = body.document(self.document_bytes_max(), DOCUMENT_TIME).await?;
                    ask.document = &document;
                    // It may have taken its time.
                    ask.decided = self.owner.gate.world().view();
                    self.decide_and_run(&ask, None).await
                }
                Err(error) => {
                    body.drain().await;
                    Err(error)
                }
            },
            Takes::Nothing => {
                body.drain().await;
                ask.decided = self.owner.gate.world().view();
                self.decide_and_run(&ask, None).await
            }
            Takes::Stream => self.decide_and_run(&ask, Some(body)).await,
        };
        self.conclude(&ask, outcome.as_ref().map(|_| ())).await;
        Ok(outcome?)
    }

    async fn conclude(&self, ask: &Ask<'_>, outcome: Result<(), &ServiceError>) {
        if !self.row.is_data_event && !ask.is_recorded.load(Ordering::Relaxed) {
            let recorded = Recorded {
                call: self.call,
                writes: self.row.writes,
                parameters: Some(ask.parameters()),
                outcome,
                owner: ask.owner_account(),
            };
            self.visit.doors.gate.keep_record(recorded).await;
        }
        if let Err(error) = outcome {
            tracing::debug!(caller = %self.call.caller.arn(), operation = self.row.name, %error, "refused");
        }
    }

    fn document_bytes_max(&self) -> u64 {
        match self.how {
            Some(_) => DOCUMENT_BYTES_MAX,
            None => UNSIGNED_DOCUMENT_BYTES_MAX,
        }
    }

    /// Refuses who did not sign where no policy of the bucket could allow it, before a document of theirs is read.
    fn refuse_unread(&self, ask: &Ask<'_>) -> Result<(), ServiceError> {
        let view = &ask.decided;
        if self.how.is_some() || checks::could_allow_strangers(view, self.target.bucket()) {
            return Ok(());
        }
        let action = self.row.actions.first().copied().unwrap_or_default();
        let check = checks::on_bucket(ask, view, action);
        ask.gate.clear(view, self.call, &[check])?;
        Err(S3Error::AccessDenied.into())
    }

    async fn decide_and_run(&self, ask: &Ask<'_>, body: Option<Body>) -> Result<Answer, ServiceError> {
        let cleared = self.clear(ask);
        let cleared = match cleared {
            Ok(cleared) => cleared,
            Err(error) => {
                if let Some(body) = body {
                    body.drain().await;
                }
                return Err(error);
            }
        };
        match self.row.run {
            Run::Read(run) => Ok(run(ask, &ask.decided)?),
            Run::Change(run) => ask.change(|tx| run(ask, tx)).await,
            Run::Act(run) => run(ask, cleared, body).await,
        }
    }

    fn clear(&self, ask: &Ask<'_>) -> Result<crate::gate::streaming::Cleared, ServiceError> {
        if let Some(expected) = ask.header("x-amz-expected-bucket-owner")
            && self.target.bucket.is_some()
            && expected != ask.owner_account().as_str()
        {
            return Err(S3Error::AccessDenied.into());
        }
        let checks = (self.row.require)(ask, &ask.decided)?;
        let view = match ask.call.caller.account == *ask.owner_account() {
            true => Arc::clone(&ask.decided),
            false => ask.gate.world().view(),
        };
        ask.gate.clear(&view, self.call, &checks)
    }
}
