//! The table of S3's operations: how each is asked for, what it requires, what runs.

use futures_util::future::BoxFuture;

use super::answer::Answer;
use super::ask::Ask;
use super::body::Body;
use super::errors::S3Error;
use super::{buckets, copy, delete, get, list, multipart, put, settings, tagging, uploads};
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::streaming::Cleared;
use crate::world::{Snapshot, Tx};

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Account,
    Bucket,
    Object,
}

/// What becomes of the request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// There is none, or it does not matter.
    Nothing,
    /// It is read whole, before anything is decided: it says what is asked for.
    Document,
    /// It is kept as it comes, once everything is decided.
    Stream,
}

/// Names the checks, given a picture of the bucket's account.
pub(super) type Require = fn(&Ask<'_>, &Snapshot) -> Result<Vec<Check>, S3Error>;

/// Deals with bytes.
pub(super) type Act = for<'a> fn(&'a Ask<'a>, Cleared, Option<Body>) -> Acting<'a>;

/// What comes of it.
pub(super) type Acting<'a> = BoxFuture<'a, Result<Answer, ServiceError>>;

/// What runs.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// Looks at the picture.
    Read(fn(&Ask<'_>, &Snapshot) -> Result<Answer, S3Error>),
    /// Changes it.
    Change(fn(&Ask<'_>, &mut Tx<'_>) -> Result<Answer, S3Error>),
    /// Deals with bytes.
    Act(Act),
}

/// An operation.
pub(super) struct Row {
    pub name: &'static str,
    pub actions: &'static [&'static str],
    pub method: &'static str,
    pub place: Place,
    /// Query parameters that are there when it is meant.
    pub marks: &'static [&'static str],
    /// Whether it copies from elsewhere.
    pub copies: bool,
    pub takes: Takes,
    pub is_data_event: bool,
    pub writes: bool,
    pub require: Require,
    pub run: Run,
}

/// Method, place and marks.
type Asked = (&'static str, Place, &'static [&'static str]);

const fn row(
    name: &'static str,
    (method, place, marks): Asked,
    actions: &'static [&'static str],
    require: Require,
    run: Run,
) -> Row {
    Row {
        name,
        actions,
        method,
        place,
        marks,
        copies: false,
        takes: Takes::Nothing,
        is_data_event: false,
        writes: !matches!(run, Run::Read(_)),
        require,
        run,
    }
}

impl Row {
    const fn document(mut self) -> Self {
        self.takes = Takes::Document;
        self
    }

    const fn stream(mut self) -> Self {
        self.takes = Takes::Stream;
        self
    }

    const fn data(mut self) -> Self {
        self.is_data_event = true;
        self
    }

    const fn copying(mut self) -> Self {
        self.copies = true;
        self
    }

    const fn reading(mut self) -> Self {
        self.writes = false;
        self
    }
}

use Place::{Account, Bucket, Object};
use Run::{Change, Read};

const GET: &str = "GET";
const PUT: &str = "PUT";
const HEAD: &str = "HEAD";
const POST: &str = "POST";
const DELETE: &str = "DELETE";

/// All that are served.
pub(super) static ROWS: [Row; 42] = [
    row(
        "ListBuckets",
        (GET, Account, &[]),
        &["s3:ListAllMyBuckets"],
        buckets::require_list,
        Read(buckets::list),
    ),
    row(
        "CreateBucket",
        (PUT, Bucket, &[]),
        &["s3:CreateBucket", "s3:TagResource"],
        buckets::require_create,
        Run::Act(buckets::create),
    )
    .document(),
    row(
        "HeadBucket",
        (HEAD, Bucket, &[]),
        &["s3:ListBucket"],
        buckets::require_head,
        Read(buckets::head),
    )
    .data(),
    row(
        "DeleteBucket",
        (DELETE, Bucket, &[]),
        &["s3:DeleteBucket"],
        buckets::require_delete,
        Run::Act(buckets::delete),
    ),
    row(
        "GetBucketLocation",
        (GET, Bucket, &["location"]),
        &["s3:GetBucketLocation"],
        buckets::require_location,
        Read(buckets::location),
    ),
    row(
        "GetBucketVersioning",
        (GET, Bucket, &["versioning"]),
        &["s3:GetBucketVersioning"],
        buckets::require_versioning,
        Read(buckets::versioning),
    ),
    row(
        "GetBucketEncryption",
        (GET, Bucket, &["encryption"]),
        &["s3:GetEncryptionConfiguration"],
        settings::require_encryption,
        Read(settings::encryption),
    ),
    row(
        "PutBucketEncryption",
        (PUT, Bucket, &["encryption"]),
        &["s3:PutEncryptionConfiguration"],
        settings::require_put_encryption,
        Change(settings::put_encryption),
    )
    .document(),
    row(
        "DeleteBucketEncryption",
        (DELETE, Bucket, &["encryption"]),
        &["s3:PutEncryptionConfiguration"],
        settings::require_put_encryption,
        Change(settings::delete_encryption),
    ),
    row(
        "GetBucketAcl",
        (GET, Bucket, &["acl"]),
        &["s3:GetBucketAcl"],
        buckets::require_acl,
        Read(buckets::acl),
    ),
    row(
        "GetBucketPolicy",
        (GET, Bucket, &["policy"]),
        &["s3:GetBucketPolicy"],
        settings::require_get_policy,
        Read(settings::get_policy),
    ),
    row(
        "PutBucketPolicy",
        (PUT, Bucket, &["policy"]),
        &["s3:PutBucketPolicy"],
        settings::require_put_policy,
        Change(settings::put_policy),
    )
    .document(),
    row(
        "DeleteBucketPolicy",
        (DELETE, Bucket, &["policy"]),
        &["s3:DeleteBucketPolicy"],
        settings::require_delete_policy,
        Change(settings::delete_policy),
    ),
    row(
        "GetBucketPolicyStatus",
        (GET, Bucket, &["policyStatus"]),
        &["s3:GetBucketPolicyStatus"],
        settings::require_policy_status,
        Read(settings::policy_status),
    ),
    row(
        "GetPublicAccessBlock",
        (GET, Bucket, &["publicAccessBlock"]),
        &["s3:GetBucketPublicAccessBlock"],
        settings::require_get_block,
        Read(settings::get_block),
    ),
    row(
        "PutPublicAccessBlock",
        (PUT, Bucket, &["publicAccessBlock"]),
        &["s3:PutBucketPublicAccessBlock"],
        settings::require_put_block,
        Change(settings::put_block),
    )
    .document(),
    row(
        "DeletePublicAccessBlock",
        (DELETE, Bucket, &["publicAccessBlock"]),
        &["s3:PutBucketPublicAccessBlock"],
        settings::require_put_block,
        Change(settings::delete_block),
    ),
    row(
        "GetBucketOwnershipControls",
        (GET, Bucket, &["ownershipControls"]),
        &["s3:GetBucketOwnershipControls"],
        settings::require_get_ownership,
        Read(settings::get_ownership),
    ),
    row(
        "PutBucketOwnershipControls",
        (PUT, Bucket, &["ownershipControls"]),
        &["s3:PutBucketOwnershipControls"],
        settings::require_put_ownership,
        Change(settings::put_ownership),
    )
    .document(),
    row(
        "DeleteBucketOwnershipControls",
        (DELETE, Bucket, &["ownershipControls"]),
        &["s3:PutBucketOwnershipControls"],
        settings::require_put_ownership,
        Change(settings::delete_ownership),
    ),
    row(
        "GetBucketTagging",
        (GET, Bucket, &["tagging"]),
        &["s3:GetBucketTagging"],
        settings::require_get_tags,
        Read(settings::get_tags),
    ),
    row(
        "PutBucketTagging",
        (PUT, Bucket, &["tagging"]),
        &["s3:PutBucketTagging"],
        settings::require_put_tags,
        Change(settings::put_tags),
    )
    .document(),
    row(
        "DeleteBucketTagging",
        (DELETE, Bucket, &["tagging"]),
        &["s3:PutBucketTagging"],
        settings::require_delete_tags,
        Change(settings::delete_tags),
    ),
    row(
        "ListObjects",
        (GET, Bucket, &[]),
        &["s3:ListBucket"],
        list::require,
        Read(list::list_v1),
    )
    .data(),
    row(
        "ListObjectsV2",
        (GET, Bucket, &["list-type"]),
        &["s3:ListBucket"],
        list::require,
        Read(list::list_v2),
    )
    .data(),
    row(
        "ListMultipartUploads",
        (GET, Bucket, &["uploads"]),
        &["s3:ListBucketMultipartUploads"],
        uploads::require_list,
        Read(uploads::list),
    )
    .data(),
    row(
        "DeleteObjects",
        (POST, Bucket, &["delete"]),
        &["s3:DeleteObject", "s3:DeleteObjectVersion"],
        delete::require_many,
        Run::Act(delete::delete_many),
    )
    .document()
    .data(),
    row(
        "PutObject",
        (PUT, Object, &[]),
        &["s3:PutObject", "s3:PutObjectTagging"],
        put::require,
        Run::Act(put::put),
    )
    .stream()
    .data(),
    row(
        "CopyObject",
        (PUT, Object, &[]),
        &[
            "s3:PutObject",
            "s3:GetObject",
            "s3:GetObjectTagging",
            "s3:PutObjectTagging",
        ],
        copy::require,
        Run::Act(copy::copy),
    )
    .copying()
    .data(),
    row(
        "GetObject",
        (GET, Object, &[]),
        &["s3:GetObject"],
        get::require_bytes,
        Run::Act(get::get),
    )
    .reading()
    .data(),
    row(
        "HeadObject",
        (HEAD, Object, &[]),
        &["s3:GetObject"],
        get::require_head,
        Read(get::head),
    )
    .data(),
    row(
        "GetObjectAcl",
        (GET, Object, &["acl"]),
        &["s3:GetObjectAcl"],
        get::require_acl,
        Read(get::acl),
    )
    .data(),
    row(
        "DeleteObject",
        (DELETE, Object, &[]),
        &["s3:DeleteObject", "s3:DeleteObjectVersion"],
        delete::require,
        Change(delete::delete),
    )
    .data(),
    row(
        "GetObjectTagging",
        (GET, Object, &["tagging"]),
        &["s3:GetObjectTagging"],
        tagging::require_get,
        Read(tagging::get),
    )
    .data(),
    row(
        "PutObjectTagging",
        (PUT, Object, &["tagging"]),
        &["s3:PutObjectTagging"],
        tagging::require_put,
        Change(tagging::put),
    )
    .document()
    .data(),
    row(
        "DeleteObjectTagging",
        (DELETE, Object, &["tagging"]),
        &["s3:DeleteObjectTagging"],
        tagging::require_delete,
        Change(tagging::delete),
    )
    .data(),
    row(
        "CreateMultipartUpload",
        (POST, Object, &["uploads"]),
        &["s3:PutObject", "s3:PutObjectTagging"],
        put::require,
        Change(multipart::create),
    )
    .data(),
    row(
        "UploadPart",
        (PUT, Object, &["uploadId", "partNumber"]),
        &["s3:PutObject"],
        multipart::require_bytes,
        Run::Act(multipart::put_part),
    )
    .stream()
    .data(),
    row(
        "UploadPartCopy",
        (PUT, Object, &["uploadId", "partNumber"]),
        &["s3:PutObject", "s3:GetObject"],
        multipart::require_copy_part,
        Run::Act(multipart::copy_part),
    )
    .copying()
    .data(),
    row(
        "CompleteMultipartUpload",
        (POST, Object, &["uploadId"]),
        &["s3:PutObject"],
        multipart::require_part,
        Change(multipart::complete),
    )
    .document()
    .data(),
    row(
        "AbortMultipartUpload",
        (DELETE, Object, &["uploadId"]),
        &["s3:AbortMultipartUpload"],
        multipart::require_abort,
        Change(multipart::abort),
    )
    .data(),
    row(
        "ListParts",
        (GET, Object, &["uploadId"]),
        &["s3:ListMultipartUploadParts"],
        uploads::require_parts,
        Read(uploads::parts),
    )
    .data(),
];
