//! What is set of a bucket: its policy, Block Public Access, who owns its objects, its tags.

use http::StatusCode;
use portcullis_core::Tags;
use portcullis_policy::Document;

use super::answer::Answer;
use super::ask::Ask;
use super::buckets::tags_of;
use super::checks;
use super::errors::S3Error;
use super::public;
use super::xml::{self, Element};
use crate::gate::operation::Check;
use crate::services::resource_policies::{self, NotTaken};
use crate::world::records::PolicyText;
use crate::world::records::s3::{Bucket, DefaultKey, PublicAccessBlock};
use crate::world::{Snapshot, Tx};

/// Most bytes of a bucket's policy.
const POLICY_BYTES_MAX: usize = 20 * 1024;

/// Changes the bucket.
fn edit(
    ask: &Ask<'_>,
    tx: &mut Tx<'_>,
    change: impl FnOnce(&mut Bucket) -> Result<(), S3Error>,
) -> Result<(), S3Error> {
    let mut bucket = ask.bucket(tx.view())?.clone();
    change(&mut bucket)?;
    tx.put(bucket);
    Ok(())
}

pub(super) fn require_get_policy(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    refuse_other_accounts(ask)?;
    Ok(vec![checks::on_bucket(ask, view, "s3:GetBucketPolicy")])
}

/// A bucket's policy is its own account's matter, whatever it says itself.
fn refuse_other_accounts(ask: &Ask<'_>) -> Result<(), S3Error> {
    match ask.is_foreign() {
        true if ask.call.caller.is_anonymous() => Err(S3Error::AccessDenied),
        true => Err(S3Error::MethodNotAllowed),
        false => Ok(()),
    }
}

fn policy<'v>(ask: &Ask<'_>, view: &'v Snapshot) -> Result<&'v PolicyText, S3Error> {
    let bucket = ask.bucket(view)?;
    let policy = bucket.policy.as_ref();
    policy.ok_or_else(|| S3Error::NoSuchBucketPolicy(bucket.name.clone()))
}

pub(super) fn get_policy(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let text = resource_policies::shown(view, policy(ask, view)?);
    Ok(Answer::whole(text).with("content-type", "application/json"))
}

pub(super) fn require_put_policy(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    refuse_other_accounts(ask)?;
    Ok(vec![checks::on_bucket(ask, view, "s3:PutBucketPolicy")])
}

pub(super) fn put_policy(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    let bucket = ask.bucket(tx.view())?;
    let policy = checked_policy(tx.view(), ask.document, &bucket.name)?;
    let blocks = bucket
        .public_access_block
        .is_some_and(|block| block.block_public_policy);
    if blocks && policy.document().is_none_or(public::is_public) {
        return Err(S3Error::PublicPolicyBlocked {
            caller: ask.call.caller.arn().to_string(),
            bucket: checks::bucket_arn(&bucket.name),
        });
    }
    edit(ask, tx, |bucket| {
        bucket.policy = Some(policy);
        Ok(())
    })?;
    Ok(Answer::no_content())
}

/// A policy that can be set. The users and roles it names must be there (R65).
fn checked_policy(view: &Snapshot, text: &[u8], bucket: &str) -> Result<PolicyText, S3Error> {
    let malformed = |text: &str| S3Error::MalformedPolicy(text.to_owned());
    let text = std::str::from_utf8(text).map_err(|_| malformed("Policies must be valid JSON"))?;
    if text.len() > POLICY_BYTES_MAX {
        return Err(malformed("The policy must be less than or equal to 20 KB"));
    }
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Err(malformed(
            "Policies must be valid JSON and the first byte must be '{'",
        ));
    }
    let policy = resource_policies::accept(view, text).map_err(|error| match error {
        NotTaken::Malformed(error) => S3Error::MalformedPolicy(error.to_string()),
        NotTaken::UnknownPrincipal(principal) => S3Error::UnknownPrincipal(principal.0),
    })?;
    let statements = policy.document().map_or(&[][..], Document::statements);
    let arn = checks::bucket_arn(bucket);
    for statement in statements {
        let resources = statement.resource.iter().flat_map(|list| &list.patterns);
        for resource in resources {
            let own = resource.text.strip_prefix(&arn);
            if !own.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '*'])) {
                return Err(malformed("Policy has invalid resource"));
            }
        }
        let actions = statement.action.patterns.iter();
        let is_s3 = |text: &str| text == "*" || text.to_ascii_lowercase().starts_with("s3:");
        if !actions.map(|action| action.text.as_str()).all(is_s3) {
            return Err(malformed("Policy has invalid action"));
        }
    }
    Ok(policy)
}

pub(super) fn require_delete_policy(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    refuse_other_accounts(ask)?;
    Ok(vec![checks::on_bucket(ask, view, "s3:DeleteBucketPolicy")])
}

pub(super) fn delete_policy(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    edit(ask, tx, |bucket| {
        bucket.policy = None;
        Ok(())
    })?;
    Ok(Answer::no_content())
}

pub(super) fn require_policy_status(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(ask, view, "s3:GetBucketPolicyStatus")])
}

pub(super) fn policy_status(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let is_public = policy(ask, view)?.document().is_some_and(public::is_public);
    let document = Element::document("PolicyStatus").text("IsPublic", is_public);
    Ok(Answer::xml(&document))
}

pub(super) fn require_get_block(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(
        ask,
        view,
        "s3:GetBucketPublicAccessBlock",
    )])
}

pub(super) fn get_block(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let bucket = ask.bucket(view)?;
    let none = || S3Error::NoSuchPublicAccessBlockConfiguration(bucket.name.clone());
    let block = bucket.public_access_block.ok_or_else(none)?;
    let document = Element::document("PublicAccessBlockConfiguration")
        .text("BlockPublicAcls", block.block_public_acls)
        .text("IgnorePublicAcls", block.ignore_public_acls)
        .text("BlockPublicPolicy", block.block_public_policy)
        .text("RestrictPublicBuckets", block.restrict_public_buckets);
    Ok(Answer::xml(&document))
}

pub(super) fn require_put_block(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(
        ask,
        view,
        "s3:PutBucketPublicAccessBlock",
    )])
}

pub(super) fn put_block(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    let block = xml::read(ask.document, "PublicAccessBlockConfiguration", |root| {
        let flag = |name| match xml::text(root, name).map(str::trim) {
            None | Some("false" | "FALSE") => Ok(false),
            Some("true" | "TRUE") => Ok(true),
            Some(_) => Err(S3Error::MalformedXml),
        };
        Ok(PublicAccessBlock {
            block_public_acls: flag("BlockPublicAcls")?,
            ignore_public_acls: flag("IgnorePublicAcls")?,
            block_public_policy: flag("BlockPublicPolicy")?,
            restrict_public_buckets: flag("RestrictPublicBuckets")?,
        })
    })?;
    edit(ask, tx, |bucket| {
        bucket.public_access_block = Some(block);
        Ok(())
    })?;
    Ok(Answer::empty(StatusCode::OK))
}

pub(super) fn delete_block(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    edit(ask, tx, |bucket| {
        bucket.public_access_block = None;
        Ok(())
    })?;
    Ok(Answer::no_content())
}

pub(super) fn require_get_ownership(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(
        ask,
        view,
        "s3:GetBucketOwnershipControls",
    )])
}

pub(super) fn get_ownership(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let bucket = ask.bucket(view)?;
    if !bucket.has_ownership_controls {
        return Err(S3Error::OwnershipControlsNotFound(bucket.name.clone()));
    }
    let rule = Element::new("Rule").text("ObjectOwnership", "BucketOwnerEnforced");
    Ok(Answer::xml(&Element::document("OwnershipControls").child(&rule)))
}

pub(super) fn require_put_ownership(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(
        ask,
        view,
        "s3:PutBucketOwnershipControls",
    )])
}

/// With ACLs off there is one way: the bucket's owner owns all.
pub(super) fn put_ownership(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    xml::read(ask.document, "OwnershipControls", |root| {
        let rule = xml::children(root, "Rule").next().ok_or(S3Error::MalformedXml)?;
        match xml::text(rule, "ObjectOwnership") {
            Some("BucketOwnerEnforced") => Ok(()),
            Some("BucketOwnerPreferred" | "ObjectWriter") => Err(S3Error::OwnershipNotImplemented),
            _ => Err(S3Error::MalformedXml),
        }
    })?;
    edit(ask, tx, |bucket| {
        bucket.has_ownership_controls = true;
        Ok(())
    })?;
    Ok(Answer::empty(StatusCode::OK))
}

pub(super) fn delete_ownership(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    edit(ask, tx, |bucket| {
        bucket.has_ownership_controls = false;
        Ok(())
    })?;
    Ok(Answer::no_content())
}

pub(super) fn require_encryption(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(
        ask,
        view,
        "s3:GetEncryptionConfiguration",
    )])
}

pub(super) fn encryption(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let default = ask.bucket(view)?.encryption.as_ref();
    let algorithm = default.map_or("AES256", |_| "aws:kms");
    let by_default = Element::new("ApplyServerSideEncryptionByDefault")
        .text("SSEAlgorithm", algorithm)
        .some("KMSMasterKeyID", default.and_then(|default| default.key.as_ref()));
    let bucket_key = default.is_some_and(|default| default.bucket_key);
    let rule = Element::new("Rule")
        .child(&by_default)
        .text("BucketKeyEnabled", bucket_key);
    let document = Element::document("ServerSideEncryptionConfiguration").child(&rule);
    Ok(Answer::xml(&document))
}

pub(super) fn require_put_encryption(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(
        ask,
        view,
        "s3:PutEncryptionConfiguration",
    )])
}

/// Whether there is such a key shows with the first upload, as on AWS. Objects that are there stay as they are.
pub(super) fn put_encryption(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    let wanted = xml::read(ask.document, "ServerSideEncryptionConfiguration", |root| {
        let rule = xml::children(root, "Rule").next().ok_or(S3Error::MalformedXml)?;
        let bucket_key = xml::text(rule, "BucketKeyEnabled").is_some_and(|text| text == "true");
        let default = xml::children(rule, "ApplyServerSideEncryptionByDefault").next();
        let default = default.ok_or(S3Error::MalformedXml)?;
        let key = xml::text(default, "KMSMasterKeyID").map(str::to_owned);
        match (xml::text(default, "SSEAlgorithm"), &key) {
            (Some("AES256"), None) => Ok(None),
            (Some("AES256"), Some(key)) => Err(S3Error::InvalidArgument {
                message: "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
                name: "ApplyServerSideEncryptionByDefault",
                value: key.clone(),
            }),
            (Some("aws:kms"), _) => Ok(Some(DefaultKey { key, bucket_key })),
            (Some("aws:kms:dsse"), _) => Err(S3Error::NotImplementedHeader("SSEAlgorithm")),
            _ => Err(S3Error::MalformedXml),
        }
    })?;
    edit(ask, tx, |bucket| {
        bucket.encryption = wanted;
        Ok(())
    })?;
    Ok(Answer::empty(StatusCode::OK))
}

pub(super) fn delete_encryption(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    edit(ask, tx, |bucket| {
        bucket.encryption = None;
        Ok(())
    })?;
    Ok(Answer::no_content())
}

pub(super) fn require_get_tags(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(ask, view, "s3:GetBucketTagging")])
}

/// `Tagging`, as buckets and objects show theirs.
pub(super) fn tagging(tags: &Tags) -> Element {
    let mut set = Element::new("TagSet");
    for tag in tags.iter() {
        let tag = Element::new("Tag")
            .text("Key", &tag.key)
            .text("Value", &tag.value);
        set = set.child(&tag);
    }
    Element::document("Tagging").child(&set)
}

/// The tags of a `Tagging` document.
pub(super) fn tags_of_document(document: &[u8], most: usize) -> Result<Tags, S3Error> {
    xml::read(document, "Tagging", |root| {
        let set = xml::children(root, "TagSet")
            .next()
            .ok_or(S3Error::MalformedXml)?;
        tags_of(set, most)
    })
}

pub(super) fn get_tags(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let bucket = ask.bucket(view)?;
    if bucket.tags.is_empty() {
        return Err(S3Error::NoSuchTagSet(bucket.name.clone()));
    }
    Ok(Answer::xml(&tagging(&bucket.tags)))
}

pub(super) fn require_put_tags(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    let tags = tags_of_document(ask.document, 50)?;
    let check = checks::on_bucket(ask, view, "s3:PutBucketTagging");
    Ok(vec![checks::with_bucket_tags(check, &tags)])
}

pub(super) fn put_tags(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    let tags = tags_of_document(ask.document, 50)?;
    edit(ask, tx, |bucket| {
        bucket.tags = tags;
        Ok(())
    })?;
    Ok(Answer::no_content())
}

pub(super) fn require_delete_tags(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(ask, view, "s3:PutBucketTagging")])
}

pub(super) fn delete_tags(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<Answer, S3Error> {
    edit(ask, tx, |bucket| {
        bucket.tags = Tags::new();
        Ok(())
    })?;
    Ok(Answer::no_content())
}
