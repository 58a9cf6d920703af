//! SSE-KMS: objects whose bytes are under a data key, which is itself under a KMS key. The caller's own permissions on that
//! key decide, by way of S3, when bytes are written and when they are read; the encryption context binds the data key to its
//! object, or to the bucket where a bucket key is wanted.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::{Arn, Random};
use zeroize::Zeroizing;

use super::answer::Answer;
use super::ask::Ask;
use super::checks::{bucket_arn, object_arn};
use super::cipher::{Key, Sealer};
use super::errors::S3Error;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::services::kms::for_services::{self, KmsUse};
use crate::world::records::Sealed;
use crate::world::records::s3::{Bucket, DataKey};
use crate::world::{Snapshot, Tx};

const ALGORITHM: &str = "x-amz-server-side-encryption";
const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const CONTEXT: &str = "x-amz-server-side-encryption-context";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";
/// What S3 binds a data key to.
const BOUND_TO: &str = "aws:s3:arn";
const DATA_KEY_BYTES: usize = 32;

/// Under which KMS key an upload is to rest, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    key: Option<String>,
    context: BTreeMap<String, String>,
    bucket_key: bool,
}

/// What the headers of an upload say, or else its bucket; `None` for no KMS key.
pub(super) fn wanted(ask: &Ask<'_>, view: &Snapshot) -> Result<Option<Wanted>, S3Error> {
    let bucket = ask.bucket(view)?;
    let by_default = bucket.encryption.as_ref();
    let named = ask.header(KEY_ID);
    let key = match ask.header(ALGORITHM) {
        Some("aws:kms") => named.map(str::to_owned),
        Some("aws:kms:dsse") => return Err(S3Error::NotImplementedHeader(ALGORITHM)),
        algorithm @ (None | Some("AES256")) => {
            if let Some(named) = named {
                return Err(S3Error::InvalidArgument {
                    message: "Server Side Encryption with AWS KMS managed key requires HTTP header \
                              x-amz-server-side-encryption : aws:kms",
                    name: ALGORITHM,
                    value: named.to_owned(),
                });
            }
            match by_default.filter(|_| algorithm.is_none()) {
                None => return Ok(None),
                Some(default) => default.key.as_ref().map(|key| of_owner(view, bucket, key)),
            }
        }
        Some(other) => {
            return Err(S3Error::InvalidArgument {
                message: "The encryption method specified is not supported",
                name: ALGORITHM,
                value: other.to_owned(),
            });
        }
    };
    let default_bucket_key = by_default.is_some_and(|default| default.bucket_key);
    let bucket_key = match ask.header(BUCKET_KEY) {
        None => default_bucket_key,
        Some(text) => text.eq_ignore_ascii_case("true"),
    };
    let mut context = context(ask)?;
    let bound = match bucket_key {
        true => bucket_arn(&bucket.name),
        false => object_arn(&bucket.name, ask.target.key()),
    };
    context.insert(BOUND_TO.to_owned(), bound);
    Ok(Some(Wanted {
        key,
        context,
        bucket_key,
    }))
}

/// A bucket's default names a key of its own account.
fn of_owner(view: &Snapshot, bucket: &Bucket, key: &str) -> String {
    if key.starts_with("arn:") || key == "alias/aws/s3" {
        return key.to_owned();
    }
    let resource = match key.starts_with("alias/") {
        true => key.to_owned(),
        false => format!("key/{key}"),
    };
    Arn::regional("kms", &bucket.region, &view.account, resource).to_string()
}

/// The caller's own pairs: a JSON object in base 64.
fn context(ask: &Ask<'_>) -> Result<BTreeMap<String, String>, S3Error> {
    let Some(text) = ask.header(CONTEXT) else {
        return Ok(BTreeMap::new());
    };
    let pairs = STANDARD.decode(text.trim()).ok();
    let pairs = pairs.and_then(|json| serde_json::from_slice(&json).ok());
    pairs.ok_or_else(|| S3Error::InvalidArgument {
        message: "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which \
                  represents a string-string map",
        name: CONTEXT,
        value: text.to_owned(),
    })
}

fn used(key: Option<&String>, context: &BTreeMap<String, String>) -> KmsUse {
    let pairs = context.iter();
    KmsUse {
        via: "s3",
        key: key.cloned(),
        context: pairs.map(|(name, value)| (name.clone(), value.clone())).collect(),
    }
}

impl Wanted {
    fn used(&self) -> KmsUse {
        used(self.key.as_ref(), &self.context)
    }
}

/// KMS's errors as S3 tells them.
fn told(error: &ServiceError) -> S3Error {
    let code = match error.code() {
        _ if error.is_access_denied() => return S3Error::AccessDenied,
        "DisabledException" => "KMS.DisabledException",
        "KMSInvalidStateException" => "KMS.KMSInvalidStateException",
        "InvalidKeyUsageException" => "KMS.InvalidKeyUsageException",
        "NotFoundException" | "InvalidArnException" | "ValidationException" => "KMS.NotFoundException",
        _ => return S3Error::Internal,
    };
    let message = error.message().to_owned();
    S3Error::Kms { code, message }
}

/// Strangers to the key's account are not told why, and nobody without a signature uses a key.
fn in_our_words(ask: &Ask<'_>, check: Check) -> Result<Check, S3Error> {
    if ask.call.caller.is_anonymous() {
        return Err(S3Error::AccessDenied);
    }
    let account = check.resource.split(':').nth(4);
    match account == Some(ask.call.caller.account.as_str()) {
        true => Ok(check),
        false => Ok(check.refused_as(S3Error::AccessDenied.into())),
    }
}

/// What writing takes beside the permission to write. What can be no key's name takes nothing more: [`draw`] refuses it, and
/// so a bucket's default shows to those alone who may write.
pub(super) fn to_seal(ask: &Ask<'_>, view: &Snapshot) -> Result<Option<Check>, S3Error> {
    let Some(wanted) = wanted(ask, view)? else {
        return Ok(None);
    };
    match for_services::check(view, ask.call, &wanted.used(), "kms:GenerateDataKey") {
        Ok(check) => in_our_words(ask, check).map(Some),
        Err(_) if !ask.call.caller.is_anonymous() => Ok(None),
        Err(_) => Err(S3Error::AccessDenied),
    }
}

/// What reading takes beside the permission to read.
pub(super) fn to_open(
    ask: &Ask<'_>,
    view: &Snapshot,
    under: Option<&DataKey>,
) -> Result<Option<Check>, S3Error> {
    let Some(under) = under else { return Ok(None) };
    let used = used(Some(&under.key), &under.context);
    let check = for_services::check_decrypt(view, ask.call, &used, under.sealed.ciphertext());
    in_our_words(ask, check.map_err(|error| told(&error))?).map(Some)
}

/// A fresh data key for an upload, in the clear.
pub(super) struct Drawn {
    wanted: Wanted,
    pub key: Key,
}

/// Draws the data key of an upload, if it is to have one and its KMS key works.
pub(super) fn draw(ask: &Ask<'_>, view: &Snapshot, random: &dyn Random) -> Result<Option<Drawn>, S3Error> {
    let Some(wanted) = wanted(ask, view)? else {
        return Ok(None);
    };
    for_services::key_arn(view, ask.call, &wanted.used()).map_err(|error| told(&error))?;
    let mut key = Zeroizing::new(vec![0; DATA_KEY_BYTES]);
    random.fill(&mut key);
    Ok(Some(Drawn { wanted, key }))
}

/// What encrypts one blob under a key that was drawn or opened.
pub(super) fn sealer(ask: &Ask<'_>, key: Option<&Key>) -> Result<Option<Sealer>, S3Error> {
    let random = ask.owner.world().random();
    key.map(|key| Sealer::new(key, random.as_ref())).transpose()
}

/// Encrypts the data key of an upload, with the change that keeps the upload. Nothing is kept under another key than was
/// decided on.
pub(super) fn keep(
    ask: &Ask<'_>,
    tx: &mut Tx<'_>,
    drawn: Option<&Drawn>,
) -> Result<Option<DataKey>, S3Error> {
    if wanted(ask, tx.view())?.as_ref() != drawn.map(|drawn| &drawn.wanted) {
        return Err(S3Error::OperationAborted);
    }
    let Some(Drawn { wanted, key }) = drawn else {
        return Ok(None);
    };
    let sealed = for_services::encrypt(tx, ask.call, &wanted.used(), "GenerateDataKey", key);
    let sealed = sealed.map_err(|error| told(&error))?;
    let arn = for_services::key_of(&sealed).ok_or(S3Error::Internal)?;
    Ok(Some(DataKey {
        key: arn.to_string(),
        sealed: Sealed::new(sealed),
        context: wanted.context.clone(),
        bucket_key: wanted.bucket_key,
    }))
}

/// Opens a data key for a caller whose [`to_open`] passed.
pub(super) fn open(ask: &Ask<'_>, under: Option<&DataKey>) -> Result<Option<Key>, S3Error> {
    let Some(under) = under else { return Ok(None) };
    let used = used(Some(&under.key), &under.context);
    let env = ask.owner.environment();
    let opened = for_services::decrypt(&ask.decided, env, ask.call, &used, under.sealed.ciphertext());
    opened.map(Some).map_err(|error| told(&error))
}

/// The entity tag of an object under a KMS key tells nothing of its bytes.
pub(super) fn etag(ask: &Ask<'_>, under: bool, md5: &str) -> String {
    match under {
        true => portcullis_core::uuid(ask.owner.world().random().as_ref()).replace('-', ""),
        false => md5.to_owned(),
    }
}

/// Says how an object rests.
pub(super) fn shown(answer: Answer, under: Option<&DataKey>) -> Answer {
    let Some(under) = under else {
        return answer.with(ALGORITHM, "AES256");
    };
    let answer = answer.with(ALGORITHM, "aws:kms").with(KEY_ID, &under.key);
    match under.bucket_key {
        true => answer.with(BUCKET_KEY, "true"),
        false => answer,
    }
}
