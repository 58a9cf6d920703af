//! DeleteObject and DeleteObjects.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::answer::Answer;
use super::ask::Ask;
use super::body::Body;
use super::checks;
use super::checksum::Algorithm;
use super::conditions;
use super::errors::S3Error;
use super::xml::{self, Element};
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::policies::decides_alike;
use crate::gate::streaming::Cleared;
use crate::world::records::s3::Object;
use crate::world::{Snapshot, Tx};

/// Most keys of one request.
const KEYS_MAX: usize = 1_000;
/// Of how many refused keys of one request it is kept why.
const EXPLAINED_MAX: usize = 16;

pub(super) fn require(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    let action = action(ask.target.parameter("versionId"));
    Ok(vec![checks::on_object(ask, view, action)])
}

/// There are no versions but the one, which is called `null`: deleting another deletes nothing.
fn is_of_nothing(version: Option<&str>) -> bool {
    version.is_some_and(|version| version != "null")
}

fn action(version: Option<&str>) -> &'static str {
    match is_of_nothing(version) {
        true => "s3:DeleteObjectVersion",
        false => "s3:DeleteObject",
    }
}

pub(super) fn delete(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    ask.bucket(tx.view())?;
    if !is_of_nothing(ask.target.parameter("versionId")) {
        if ask.header("if-match").is_some() {
            conditions::before_writing(ask, tx.view())?;
        }
        tx.delete::<Object>(&Object::key_of(ask.target.bucket(), ask.target.key()));
    }
    Ok(Answer::no_content())
}

/// Every key is decided by itself, when its turn comes.
pub(super) fn require_many(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    ask.bucket(view)?;
    Ok(Vec::new())
}

struct Wanted {
    objects: Vec<One>,
    is_quiet: bool,
}

/// What is to go.
struct One {
    key: String,
    version: Option<String>,
    /// It goes only if this is still its entity tag.
    etag: Option<String>,
}

impl One {
    fn check(&self, ask: &Ask<'_>, view: &Snapshot) -> Check {
        let (bucket, action) = (ask.target.bucket(), action(self.version.as_deref()));
        checks::on_object_of(ask, view, action, bucket, &self.key)
    }

    fn delete(&self, ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<(), ServiceError> {
        let bucket = ask.target.bucket();
        if is_of_nothing(self.version.as_deref()) {
            return Ok(());
        }
        if let Some(etag) = &self.etag {
            let known = tx.view().s3.object(bucket, &self.key);
            let known = known.ok_or_else(|| S3Error::NoSuchKey(self.key.clone()))?;
            conditions::only_if(etag, known)?;
        }
        tx.delete::<Object>(&Object::key_of(bucket, &self.key));
        Ok(())
    }

    fn named(&self, element: &str) -> Element {
        Element::new(element)
            .text("Key", &self.key)
            .some("VersionId", self.version.as_deref())
    }
}

fn wanted(ask: &Ask<'_>) -> Result<Wanted, S3Error> {
    let says = |name: &str| ask.header(name).is_some();
    if !says("content-md5") && !says("x-amz-trailer") && !Algorithm::ALL.iter().any(|one| says(one.header()))
    {
        let text = "Missing required header for this request: Content-MD5";
        return Err(S3Error::InvalidRequest(text.to_owned()));
    }
    xml::read(ask.document, "Delete", |root| {
        let objects = xml::children(root, "Object").map(|object| {
            let text = |name| xml::text(object, name).map(str::to_owned);
            Ok(One {
                key: text("Key").ok_or(S3Error::MalformedXml)?,
                version: text("VersionId"),
                etag: text("ETag"),
            })
        });
        let objects = objects.collect::<Result<Vec<_>, S3Error>>()?;
        if objects.is_empty() || objects.len() > KEYS_MAX {
            return Err(S3Error::MalformedXml);
        }
        let is_quiet = xml::text(root, "Quiet").is_some_and(|quiet| quiet.eq_ignore_ascii_case("true"));
        Ok(Wanted { objects, is_quiet })
    })
}

/// What is decided of each, before the writers' lock is taken.
struct Decisions<'a> {
    ask: &'a Ask<'a>,
    wanted: &'a [One],
    /// The pictures of the bucket's account and the caller's.
    on: (Arc<Snapshot>, Arc<Snapshot>),
    refused: Vec<Option<ServiceError>>,
}

impl<'a> Decisions<'a> {
    fn of(ask: &'a Ask<'a>, wanted: &'a [One]) -> Self {
        let on = (Arc::clone(&ask.decided), ask.callers_view(&ask.decided));
        let decide = |one: &One| ask.decide_unnoted(&on.1, &one.check(ask, &on.0)).err();
        let refused = wanted.iter().map(decide).collect();
        Self {
            ask,
            wanted,
            on,
            refused,
        }
    }

    /// Under the writers' lock: only what may be decided otherwise by now is decided again.
    fn delete(&self, tx: &mut Tx<'_>) -> Vec<Option<ServiceError>> {
        let is_own = self.ask.call.caller.account == *self.ask.owner_account();
        let caller = (!is_own).then(|| self.ask.gate.world().view());
        let before = &*self.on.0;
        let is_as_before = decides_alike(before, tx.view())
            && caller.as_deref().is_none_or(|now| decides_alike(&self.on.1, now));
        let known = |view: &Snapshot, one: &One| {
            view.s3
                .object(self.ask.target.bucket(), &one.key)
                .map(Arc::as_ptr)
        };
        let rows = self.wanted.iter().zip(&self.refused);
        let delete = |(one, refused): (&One, &Option<ServiceError>)| {
            if is_as_before && known(before, one) == known(tx.view(), one) {
                return match refused {
                    Some(error) => Some(error.clone()),
                    None => one.delete(self.ask, tx).err(),
                };
            }
            let check = one.check(self.ask, tx.view());
            let decided = self
                .ask
                .decide_unnoted(caller.as_deref().unwrap_or(tx.view()), &check);
            decided.and_then(|()| one.delete(self.ask, tx)).err()
        };
        rows.map(delete).collect()
    }

    /// One request, one reason to keep, however many keys it names.
    fn remember(&self, refusals: &mut [Option<ServiceError>]) {
        let is_decided = |error: &&mut ServiceError| error.is_access_denied();
        let refused = self.wanted.iter().zip(&*refusals);
        let refused = refused.filter(|(_, error)| error.as_ref().is_some_and(ServiceError::is_access_denied));
        let checks: Vec<_> = refused
            .take(EXPLAINED_MAX)
            .map(|(one, _)| one.check(self.ask, &self.on.0))
            .collect();
        let view = match self.refused.iter().any(Option::is_some) {
            true => Arc::clone(&self.on.1),
            false => self.ask.gate.world().view(),
        };
        let errors = refusals.iter_mut().flatten().filter(is_decided);
        self.ask
            .gate
            .refused_together(&view, self.ask.call, &checks, errors);
    }
}

pub(super) fn delete_many<'a>(
    ask: &'a Ask<'a>,
    _: Cleared,
    _: Option<Body>,
) -> BoxFuture<'a, Result<Answer, ServiceError>> {
    async move {
        let wanted = wanted(ask)?;
        let decisions = Decisions::of(ask, &wanted.objects);
        let mut refusals = match decisions.refused.iter().all(Option::is_some) {
            true => decisions.refused.clone(),
            false => ask.change(|tx| Ok(decisions.delete(tx))).await?,
        };
        decisions.remember(&mut refusals);
        let mut document = Element::document("DeleteResult");
        for (one, refused) in wanted.objects.iter().zip(refusals) {
            match refused {
                Some(error) => {
                    let error = one
                        .named("Error")
                        .text("Code", error.code())
                        .text("Message", error.message());
                    document = document.child(&error);
                }
                None if wanted.is_quiet => {}
                None => document = document.child(&one.named("Deleted")),
            }
        }
        Ok(Answer::xml(&document))
    }
    .boxed()
}
