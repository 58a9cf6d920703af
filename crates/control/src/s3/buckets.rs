//! Buckets: made, found, listed, deleted; and what every bucket answers alike.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use portcullis_core::{AccountId, Region, Tag, Tags, hex};
use roxmltree::Node;
use sha2::{Digest as _, Sha256};

use super::answer::Answer;
use super::ask::Ask;
use super::body::Body;
use super::checks::{self, bucket_arn};
use super::errors::S3Error;
use super::xml::{self, Element};
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::streaming::Cleared;
use crate::services::tags::is_reserved;
use crate::world::records::s3::{Bucket, PublicAccessBlock};
use crate::world::{Snapshot, Tx};

/// Most buckets of an account.
const BUCKETS_MAX: usize = 10_000;

/// The canonical user id of an account: S3's own name for it.
pub(super) fn canonical_id(account: &AccountId) -> String {
    hex(&Sha256::digest(format!("canonical-user/{account}")))
}

/// `Owner` of listings and ACLs.
pub(super) fn owner_element(account: &AccountId) -> Element {
    Element::new("Owner").text("ID", canonical_id(account))
}

pub(super) fn require_list(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    let mut check = checks::on_bucket(ask, view, "s3:ListAllMyBuckets");
    "*".clone_into(&mut check.resource);
    check.shown_resource = None;
    Ok(vec![check])
}

pub(super) fn list(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let prefix = ask.target.parameter("prefix").unwrap_or_default();
    let region = ask.target.parameter("bucket-region");
    let after = ask.target.parameter("continuation-token");
    let most = page_size(ask, "max-buckets", BUCKETS_MAX)?.max(1);
    let mut rows = view.s3.buckets.after(prefix, after).map(|(_, bucket)| bucket);
    let mut buckets = Element::new("Buckets");
    let mut last = None;
    let mut more = false;
    let mut count = 0;
    for bucket in rows.by_ref() {
        if region.is_some_and(|region| bucket.region.as_str() != region) {
            continue;
        }
        if count == most {
            more = true;
            break;
        }
        count += 1;
        last = Some(bucket.name.clone());
        let element = Element::new("Bucket")
            .text("Name", &bucket.name)
            .text("CreationDate", iso(bucket.created))
            .text("BucketRegion", &bucket.region)
            .text("BucketArn", bucket_arn(&bucket.name));
        buckets = buckets.child(&element);
    }
    let document = Element::document("ListAllMyBucketsResult")
        .child(&owner_element(&view.account))
        .child(&buckets)
        .some("Prefix", ask.target.parameter("prefix"))
        .some("ContinuationToken", last.filter(|_| more));
    Ok(Answer::xml(&document))
}

/// A time as XML has it.
pub(super) fn iso(time: portcullis_core::Timestamp) -> String {
    time.format("%Y-%m-%dT%H:%M:%S.000Z")
}

/// A parameter that says how many there may be on a page.
pub(super) fn page_size(ask: &Ask<'_>, name: &'static str, most: usize) -> Result<usize, S3Error> {
    let Some(text) = ask.target.parameter(name) else {
        return Ok(most);
    };
    let invalid = || S3Error::InvalidArgument {
        message: "Provided parameter not an integer or within integer range",
        name,
        value: text.to_owned(),
    };
    let number: i64 = text.parse().map_err(|_| invalid())?;
    let number = usize::try_from(number).map_err(|_| invalid())?;
    Ok(number.min(most))
}

/// What CreateBucket's document says.
struct Wanted {
    region: Option<String>,
    tags: Tags,
}

fn wanted(document: &[u8]) -> Result<Wanted, S3Error> {
    if document.is_empty() {
        let tags = Tags::new();
        return Ok(Wanted { region: None, tags });
    }
    xml::read(document, "CreateBucketConfiguration", |root| {
        let region = xml::text(root, "LocationConstraint").filter(|region| !region.is_empty());
        let tags = xml::children(root, "Tags").next();
        Ok(Wanted {
            region: region.map(str::to_owned),
            tags: tags.map_or_else(|| Ok(Tags::new()), |tags| tags_of(tags, 50))?,
        })
    })
}

/// The `Tag` elements below a node.
pub(super) fn tags_of(node: Node<'_, '_>, most: usize) -> Result<Tags, S3Error> {
    let mut tags = Tags::new();
    for tag in xml::children(node, "Tag") {
        let key = xml::text(tag, "Key").ok_or(S3Error::MalformedXml)?;
        let value = xml::text(tag, "Value").ok_or(S3Error::MalformedXml)?;
        add_tag(&mut tags, key, value)?;
    }
    if tags.len() > most {
        return Err(S3Error::InvalidTag("Object tags cannot be greater than 10").limit(most));
    }
    Ok(tags)
}

impl S3Error {
    fn limit(self, most: usize) -> Self {
        match most {
            10 => self,
            _ => Self::InvalidTag("Bucket tag count cannot be greater than 50"),
        }
    }
}

/// Adds a tag that S3 takes.
pub(super) fn add_tag(tags: &mut Tags, key: &str, value: &str) -> Result<(), S3Error> {
    let is_plain = |c: char| c.is_alphanumeric() || " +-=._:/@".contains(c);
    if key.is_empty() || key.chars().count() > 128 || !key.chars().all(is_plain) {
        return Err(S3Error::InvalidTag("The TagKey you have provided is invalid"));
    }
    if value.chars().count() > 256 || !value.chars().all(is_plain) {
        return Err(S3Error::InvalidTag("The TagValue you have provided is invalid"));
    }
    if is_reserved(key) {
        return Err(S3Error::InvalidTag(
            "System tags cannot be added/updated by requester",
        ));
    }
    if tags.get(key).is_some() {
        return Err(S3Error::InvalidTag(
            "Cannot provide multiple Tags with the same key",
        ));
    }
    tags.set(Tag::new(key, value));
    Ok(())
}

pub(super) fn require_create(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    let wanted = wanted(ask.document)?;
    let check = checks::on_bucket(ask, view, "s3:CreateBucket");
    let check = checks::with_bucket_tags(
        check.with_some("s3:locationconstraint", wanted.region),
        &wanted.tags,
    );
    let mut all = vec![check];
    if !wanted.tags.is_empty() {
        let tag = checks::on_bucket(ask, view, "s3:TagResource");
        all.push(checks::with_bucket_tags(tag, &wanted.tags));
    }
    Ok(all)
}

pub(super) fn create<'a>(
    ask: &'a Ask<'a>,
    _: Cleared,
    _: Option<Body>,
) -> BoxFuture<'a, Result<Answer, ServiceError>> {
    async move {
        let name = ask.target.bucket();
        check_name(name)?;
        refuse_acl(ask)?;
        let ownership = ask.header("x-amz-object-ownership");
        if ownership.is_some_and(|ownership| ownership != "BucketOwnerEnforced") {
            return Err(S3Error::NotImplementedHeader("x-amz-object-ownership").into());
        }
        if ask
            .header("x-amz-bucket-object-lock-enabled")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        {
            return Err(S3Error::NotImplementedHeader("x-amz-bucket-object-lock-enabled").into());
        }
        let wanted = wanted(ask.document)?;
        let region = region(ask, wanted.region.as_deref())?;
        // Two accounts may want the same name at once.
        let world = ask.owner.world();
        let neighbours = std::sync::Arc::clone(world.view().neighbours());
        let _turn = neighbours.bucket_names().lock().await;
        if let Some(owner) = neighbours.bucket_owner(name) {
            return existing(ask, &owner, &region);
        }
        let make = |tx: &mut Tx<'_>| {
            let now = tx.now;
            tx.put(Bucket {
                name: name.to_owned(),
                region: region.clone(),
                created: now,
                policy: None,
                public_access_block: Some(PublicAccessBlock::ALL),
                has_ownership_controls: true,
                tags: wanted.tags.clone(),
                encryption: None,
            });
            Ok(())
        };
        ask.change(make).await?;
        Ok(created(name))
    }
    .boxed()
}

fn created(name: &str) -> Answer {
    Answer::empty(StatusCode::OK)
        .with("location", &format!("/{name}"))
        .with("x-amz-bucket-arn", &bucket_arn(name))
}

/// In us-east-1 whoever makes his own bucket again is told that he did, as S3 always has.
fn existing(ask: &Ask<'_>, owner: &AccountId, region: &Region) -> Result<Answer, ServiceError> {
    let name = ask.target.bucket();
    if *owner != ask.call.caller.account {
        return Err(S3Error::BucketAlreadyExists(name.to_owned()).into());
    }
    let view = ask.owner.world().view();
    let known = ask.bucket(&view)?;
    if known.region == *region && region.as_str() == "us-east-1" {
        return Ok(created(name));
    }
    Err(S3Error::BucketAlreadyOwnedByYou(name.to_owned()).into())
}

/// The region of a bucket is that of the endpoint; the document must say so everywhere but in us-east-1.
fn region(ask: &Ask<'_>, wanted: Option<&str>) -> Result<Region, S3Error> {
    let here = &ask.call.region;
    let Some(wanted) = wanted else {
        if here.as_str() == "us-east-1" {
            return Ok(here.clone());
        }
        return Err(S3Error::IllegalLocationConstraint("unspecified".to_owned()));
    };
    let name = if wanted == "EU" { "eu-west-1" } else { wanted };
    let region: Region = name
        .parse()
        .map_err(|_| S3Error::InvalidLocationConstraint(wanted.to_owned()))?;
    match (here.as_str(), region.as_str()) {
        // It is not a constraint.
        ("us-east-1", "us-east-1") => Err(S3Error::InvalidLocationConstraint(wanted.to_owned())),
        (here, there) if here == there || here == "us-east-1" => Ok(region),
        _ => Err(S3Error::IllegalLocationConstraint(wanted.to_owned())),
    }
}

fn check_name(name: &str) -> Result<(), S3Error> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [name.bytes().next(), name.bytes().next_back()];
    let is_good = (3..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| plain(byte) || byte == b'.' || byte == b'-')
        && ends.into_iter().flatten().all(plain)
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !name.starts_with("xn--")
        && !name.starts_with("sthree-")
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
            .iter()
            .any(|end| name.ends_with(end));
    if is_good {
        Ok(())
    } else {
        Err(S3Error::InvalidBucketName(name.to_owned()))
    }
}

/// ACLs are off: only the one that says so is taken.
pub(super) fn refuse_acl(ask: &Ask<'_>) -> Result<(), S3Error> {
    let acl = ask.header("x-amz-acl");
    let is_fine = acl.is_none_or(|acl| acl == "bucket-owner-full-control" || acl == "private");
    let grants = ["read", "write", "read-acp", "write-acp", "full-control"];
    let has_grant = grants
        .iter()
        .any(|grant| ask.header(&format!("x-amz-grant-{grant}")).is_some());
    if is_fine && !has_grant {
        Ok(())
    } else {
        Err(S3Error::AccessControlListNotSupported)
    }
}

pub(super) fn require_head(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(ask, view, "s3:ListBucket")])
}

pub(super) fn head(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let bucket = ask.bucket(view)?;
    Ok(Answer::empty(StatusCode::OK)
        .with("x-amz-bucket-region", bucket.region.as_str())
        .with("x-amz-bucket-arn", &bucket_arn(&bucket.name))
        .with("x-amz-access-point-alias", "false")
        .with("content-type", "application/xml"))
}

pub(super) fn require_delete(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(ask, view, "s3:DeleteBucket")])
}

pub(super) fn delete<'a>(
    ask: &'a Ask<'a>,
    _: Cleared,
    _: Option<Body>,
) -> BoxFuture<'a, Result<Answer, ServiceError>> {
    async move {
        ask.change(|tx| remove(ask, tx)).await?;
        let view = ask.owner.world().view();
        let neighbours = view.neighbours();
        let _turn = neighbours.bucket_names().lock().await;
        neighbours.forget_bucket(ask.target.bucket());
        Ok(Answer::no_content())
    }
    .boxed()
}

fn remove(ask: &Ask<'_>, tx: &mut Tx<'_>) -> Result<(), S3Error> {
    let name = ask.bucket(tx.view())?.name.clone();
    let below = format!("{name}/");
    let has_objects = tx.view().s3.objects.prefix(&below).next().is_some();
    let has_uploads = tx.view().s3.uploads.prefix(&below).next().is_some();
    if has_objects || has_uploads {
        return Err(S3Error::BucketNotEmpty(name));
    }
    tx.delete::<Bucket>(&name);
    Ok(())
}

pub(super) fn require_location(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(ask, view, "s3:GetBucketLocation")])
}

pub(super) fn location(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    let region = &ask.bucket(view)?.region;
    // The oldest region has no name here.
    let shown = if region.as_str() == "us-east-1" {
        ""
    } else {
        region.as_str()
    };
    Ok(Answer::xml(
        &Element::document("LocationConstraint").holding(shown),
    ))
}

pub(super) fn require_versioning(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(ask, view, "s3:GetBucketVersioning")])
}

/// Never enabled.
pub(super) fn versioning(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    ask.bucket(view)?;
    Ok(Answer::xml(&Element::document("VersioningConfiguration")))
}

pub(super) fn require_acl(ask: &Ask<'_>, view: &Snapshot) -> Result<Vec<Check>, S3Error> {
    Ok(vec![checks::on_bucket(ask, view, "s3:GetBucketAcl")])
}

pub(super) fn acl(ask: &Ask<'_>, view: &Snapshot) -> Result<Answer, S3Error> {
    ask.bucket(view)?;
    Ok(Answer::xml(&owner_alone(&view.account)))
}

/// The ACL of everything whose owner is the bucket's.
pub(super) fn owner_alone(account: &AccountId) -> Element {
    let grantee = Element::new("Grantee")
        .attributes(" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"")
        .text("ID", canonical_id(account));
    let grant = Element::new("Grant")
        .child(&grantee)
        .text("Permission", "FULL_CONTROL");
    Element::document("AccessControlPolicy")
        .child(&owner_element(account))
        .child(&Element::new("AccessControlList").child(&grant))
}
