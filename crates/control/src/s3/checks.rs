//! What operations of S3 require: actions on the ARNs of buckets and objects, S3's condition keys, the bucket's policy.

use portcullis_core::{AccountId, Tags};
use portcullis_policy::Context;

use super::ask::Ask;
use super::errors::S3Error;
use super::public;
use crate::gate::context::add_request_tags;
use crate::gate::operation::{Check, NoPolicy, ResourcePolicy};
use crate::world::Snapshot;
use crate::world::records::s3::Bucket;

/// Headers that are condition keys of their own, as `s3:` and the header.
const HEADER_KEYS: [&str; 17] = [
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "x-amz-bucket-namespace",
    "if-match",
    "if-none-match",
];

/// `arn:aws:s3:::BUCKET`
pub(super) fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

/// `arn:aws:s3:::BUCKET/KEY`
pub(super) fn object_arn(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

/// A check on the request's own bucket.
pub(super) fn on_bucket(ask: &Ask<'_>, view: &Snapshot, action: &'static str) -> Check {
    let bucket = ask.target.bucket();
    let found = view.s3.buckets.get(bucket).map(AsRef::as_ref);
    on(ask, action, bucket_arn(bucket), found, &view.account)
}

/// A check on the request's own object.
pub(super) fn on_object(ask: &Ask<'_>, view: &Snapshot, action: &'static str) -> Check {
    on_object_of(ask, view, action, ask.target.bucket(), ask.target.key())
}

/// A check on any object of the account that `view` shows.
pub(super) fn on_object_of(
    ask: &Ask<'_>,
    view: &Snapshot,
    action: &'static str,
    bucket: &str,
    key: &str,
) -> Check {
    let found = view.s3.buckets.get(bucket).map(AsRef::as_ref);
    let mut check = on(ask, action, object_arn(bucket, key), found, &view.account);
    if let Some(object) = view.s3.object(bucket, key) {
        let tags = &object.description.tags;
        check.context.insert_tags("s3:ExistingObjectTag", tags);
    }
    check
}

/// The checks of something that tells about an object: whether it is there learns only who may list the bucket.
pub(super) fn on_existing_object(ask: &Ask<'_>, view: &Snapshot, action: &'static str) -> Vec<Check> {
    let (bucket, key) = (ask.target.bucket(), ask.target.key());
    on_existing_object_of(ask, view, action, bucket, key)
}

/// The same of any object.
pub(super) fn on_existing_object_of(
    ask: &Ask<'_>,
    view: &Snapshot,
    action: &'static str,
    bucket: &str,
    key: &str,
) -> Vec<Check> {
    let mut checks = vec![on_object_of(ask, view, action, bucket, key)];
    if view.s3.object(bucket, key).is_none() {
        let found = view.s3.buckets.get(bucket).map(AsRef::as_ref);
        checks.push(on(ask, "s3:ListBucket", bucket_arn(bucket), found, &view.account));
    }
    checks
}

/// The keys of tags that a request gives an object.
pub(super) fn with_object_tags(mut check: Check, tags: &Tags) -> Check {
    if !tags.is_empty() {
        check.context.insert_tags("s3:RequestObjectTag", tags);
        let keys: Vec<String> = tags.iter().map(|tag| tag.key.clone()).collect();
        check.context.insert("s3:RequestObjectTagKeys", keys);
    }
    check
}

/// The keys of tags that a request gives a bucket.
pub(super) fn with_bucket_tags(mut check: Check, tags: &Tags) -> Check {
    add_request_tags(&mut check.context, tags);
    check
}

fn on(ask: &Ask<'_>, action: &'static str, arn: String, bucket: Option<&Bucket>, owner: &AccountId) -> Check {
    let shown = format!("\"{arn}\"");
    let is_foreign = ask.call.caller.account != *owner || ask.call.caller.is_anonymous();
    let policy = policy_of(bucket, is_foreign);
    let mut check = Check::new(action, arn)
        .shown_as(shown)
        .in_account(owner)
        .by(policy);
    add_keys(&mut check.context, ask, owner);
    if is_foreign {
        // Strangers are not told why.
        check = check.refused_as(S3Error::AccessDenied.into());
    }
    check
}

/// Whether a bucket has a policy that counts for strangers.
pub(super) fn could_allow_strangers(view: &Snapshot, bucket: &str) -> bool {
    let found = view.s3.buckets.get(bucket).map(AsRef::as_ref);
    policy_of(found, true).is_some_and(|policy| policy.policy.is_ok())
}

/// The policy that speaks for a bucket. Strangers get nothing where there is none, or where it is public and that is kept
/// from counting for them.
fn policy_of(bucket: Option<&Bucket>, is_foreign: bool) -> Option<ResourcePolicy> {
    let text = bucket.and_then(|bucket| bucket.policy.as_ref());
    let name = bucket.map(|bucket| bucket_arn(&bucket.name)).unwrap_or_default();
    let is_restricted = || {
        let block = bucket.and_then(|bucket| bucket.public_access_block);
        let is_public = || {
            text.and_then(|text| text.document())
                .is_some_and(public::is_public)
        };
        block.is_some_and(|block| block.restrict_public_buckets) && is_public()
    };
    if is_foreign && (text.is_none() || is_restricted()) {
        return Some(ResourcePolicy {
            name,
            policy: Err(NoPolicy::Unreadable),
        });
    }
    ResourcePolicy::of_resource(name, text)
}

fn add_keys(context: &mut Context, ask: &Ask<'_>, owner: &AccountId) {
    context.insert("s3:ResourceAccount", owner.to_string());
    if let Some(signed) = &ask.signed {
        context.insert("s3:authType", signed.auth_type.to_owned());
        context.insert("s3:signatureversion", "AWS4-HMAC-SHA256".to_owned());
        let age = ask.call.now.as_millis().saturating_sub(signed.at.as_millis());
        context.insert("s3:signatureAge", age.max(0).to_string());
    }
    if let Some(tls) = &ask.call.tls {
        let version = tls.version.trim_start_matches("TLSv");
        context.insert("s3:TlsVersion", version.to_owned());
    }
    for name in HEADER_KEYS {
        if let Some(value) = ask.header(name) {
            context.insert(format!("s3:{name}"), value.to_owned());
        }
    }
    if let Some(source) = super::copy::source_text(ask) {
        context.insert("s3:x-amz-copy-source", source);
    }
    for (parameter, key) in [
        ("prefix", "s3:prefix"),
        ("delimiter", "s3:delimiter"),
        ("max-keys", "s3:max-keys"),
    ] {
        if ask.target.key.is_none()
            && let Some(value) = ask.target.parameter(parameter)
        {
            context.insert(key, value.to_owned());
        }
    }
    if let Some(version) = ask.target.parameter("versionId") {
        context.insert("s3:VersionId", version.to_owned());
    }
}
