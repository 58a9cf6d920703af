//! Which operation a request asks for.

use http::request::Parts;

use super::errors::S3Error;
use super::rows::Place::{self, Account, Bucket, Object};
use super::rows::{ROWS, Row};
use super::target::Target;

/// Query parameters that mean operations which are not served, with what comes after the verb in their names, or the whole
/// name of the only one there is.
const UNSERVED: [(Place, &str, &str); 34] = [
    (Bucket, "abac", "BucketAbac"),
    (Bucket, "accelerate", "BucketAccelerateConfiguration"),
    (Bucket, "acl", "BucketAcl"),
    (Bucket, "analytics", "BucketAnalyticsConfiguration"),
    (Bucket, "cors", "BucketCors"),
    (Bucket, "encryption", "BucketEncryption"),
    (
        Bucket,
        "intelligent-tiering",
        "BucketIntelligentTieringConfiguration",
    ),
    (Bucket, "inventory", "BucketInventoryConfiguration"),
    (Bucket, "lifecycle", "BucketLifecycleConfiguration"),
    (Bucket, "logging", "BucketLogging"),
    (Bucket, "metadataConfiguration", "BucketMetadataConfiguration"),
    (Bucket, "metadataTable", "BucketMetadataTableConfiguration"),
    (
        Bucket,
        "metadataAnnotationTable",
        "BucketMetadataAnnotationTableConfiguration",
    ),
    (
        Bucket,
        "metadataInventoryTable",
        "BucketMetadataInventoryTableConfiguration",
    ),
    (
        Bucket,
        "metadataJournalTable",
        "BucketMetadataJournalTableConfiguration",
    ),
    (Bucket, "metrics", "BucketMetricsConfiguration"),
    (Bucket, "notification", "BucketNotificationConfiguration"),
    (Bucket, "object-lock", "ObjectLockConfiguration"),
    (Bucket, "replication", "BucketReplication"),
    (Bucket, "requestPayment", "BucketRequestPayment"),
    (Bucket, "session", "CreateSession"),
    (Bucket, "versioning", "BucketVersioning"),
    (Bucket, "versions", "ListObjectVersions"),
    (Bucket, "website", "BucketWebsite"),
    (Object, "acl", "ObjectAcl"),
    (Object, "annotation", "ObjectAnnotation"),
    (Object, "attributes", "ObjectAttributes"),
    (Object, "encryption", "ObjectEncryption"),
    (Object, "legal-hold", "ObjectLegalHold"),
    (Object, "renameObject", "RenameObject"),
    (Object, "restore", "RestoreObject"),
    (Object, "retention", "ObjectRetention"),
    (Object, "select", "SelectObjectContent"),
    (Object, "torrent", "ObjectTorrent"),
];

/// The operation that a request asks for.
pub(super) fn route(parts: &Parts, target: &Target) -> Result<&'static Row, S3Error> {
    let place = match (&target.bucket, &target.key) {
        (None, _) => Account,
        (Some(_), None) => Bucket,
        (Some(_), Some(_)) => Object,
    };
    let copies = parts.headers.contains_key("x-amz-copy-source");
    let has = |mark: &&str| target.parameter(mark).is_some();
    let is_meant =
        |row: &&Row| row.place == place && row.method == parts.method.as_str() && row.marks.iter().all(has);
    // The most telling one; of two that tell the same the one that says whether it copies.
    let found = ROWS
        .iter()
        .filter(is_meant)
        .max_by_key(|row| (row.marks.len(), row.copies == copies));
    let unserved = UNSERVED.iter().find(|(of, mark, _)| *of == place && has(mark));
    match (found, unserved) {
        (Some(row), Some((_, mark, _))) if row.marks.contains(mark) => Ok(row),
        (_, Some((_, "acl", _))) if parts.method.as_str() == "PUT" => {
            Err(S3Error::AccessControlListNotSupported)
        }
        (_, Some((_, mark, name))) => {
            let has_id = target.parameter("id").is_some();
            let name = unserved_name(parts.method.as_str(), mark, name, has_id);
            Err(S3Error::NotImplemented(name))
        }
        (Some(row), None) => Ok(row),
        (None, None) => Err(S3Error::MethodNotAllowed),
    }
}

/// The name of an operation that is not served.
fn unserved_name(method: &str, mark: &str, name: &str, has_id: bool) -> String {
    let verb = match (method, mark) {
        _ if !name.starts_with("Bucket") && !name.starts_with("Object") => "",
        ("GET", "analytics" | "intelligent-tiering" | "inventory" | "metrics") if !has_id => {
            return format!("List{name}s");
        }
        ("DELETE", "lifecycle") => return "DeleteBucketLifecycle".to_owned(),
        ("PUT", "metadataAnnotationTable" | "metadataInventoryTable" | "metadataJournalTable") => "Update",
        ("PUT", "encryption") if name == "ObjectEncryption" => "Update",
        ("GET", _) => "Get",
        ("POST", _) => "Create",
        ("DELETE", _) => "Delete",
        _ => "Put",
    };
    format!("{verb}{name}")
}
