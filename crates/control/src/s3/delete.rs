//! DeleteObject and DeleteObjects.

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
use crate::gate::streaming::Cleared;
use crate::world::records::s3::Object;
use crate::world::{Snapshot, Tx};

/// Most keys of one request.
const KEYS_MAX: usize = 1_000;

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
    wanted(ask)?;
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
    fn delete(&self, ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<(), ServiceError> {
        let (bucket, version) = (ask.target.bucket(), self.version.as_deref());
        let check = checks::on_object_of(ask, tx.view(), action(version), bucket, &self.key);
        ask.decide(tx.view(), &[check])?;
        if is_of_nothing(version) {
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

pub(super) fn delete_many<'a>(
    ask: &'a Ask<'a>,
    _: Cleared,
    _: Option<Body>,
) -> BoxFuture<'a, Result<Answer, ServiceError>> {
    async move {
        let wanted = wanted(ask)?;
        let refusals = ask.change(|tx| {
            let objects = wanted.objects.iter();
            Ok(objects.map(|one| one.delete(ask, tx).err()).collect::<Vec<_>>())
        });
        let mut document = Element::document("DeleteResult");
        for (one, refused) in wanted.objects.iter().zip(refusals.await?) {
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
