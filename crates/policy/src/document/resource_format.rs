//! The form of resource ARNs that IAM accepts when a policy is written (R19-R21).

use portcullis_core::Partition;

use crate::document::Malformed;

/// What the resource part of an IAM ARN may start with (R19).
const IAM_RESOURCE_TYPES: [&str; 13] = [
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
];

/// The first format error of a resource, in IAM's order (R19).
pub(super) fn check_format(resource: &str) -> Result<(), Malformed> {
    if resource == "*" {
        return Ok(());
    }
    let mut fields = resource.splitn(6, ':');
    let _arn = fields.next();
    let Some(partition) = fields.next() else {
        return Err(Malformed::ResourceNotArn(resource.to_owned()));
    };
    if partition != "*" && !Partition::ALL.iter().any(|(_, name)| *name == partition) {
        let resource = with_missing_fields(partition, resource);
        return Err(Malformed::Partition {
            partition: partition.to_owned(),
            resource,
        });
    }
    let Some(service) = fields.next() else {
        return Err(Malformed::ResourceVendor);
    };
    let region = fields.next();
    let resource_part = fields.nth(1).unwrap_or_default();
    match service {
        "iam" if region != Some("") => Err(Malformed::IamRegion(resource.to_owned())),
        "iam" if !is_iam_resource(resource_part) => Err(Malformed::IamPath),
        "s3" if region != Some("") && !is_regional_s3_resource(resource_part) => {
            Err(Malformed::S3Region(resource.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Whether the part after the account is that of an IAM ARN (R19). `root` is not in IAM's text, but AWS's own managed policies for AssumeRoot use it.
pub(crate) fn is_iam_resource(resource_part: &str) -> bool {
    matches!(resource_part, "*" | "root")
        || IAM_RESOURCE_TYPES
            .iter()
            .any(|kind| resource_part.starts_with(kind))
}

/// Whether a region may stand before this part of an S3 ARN (R19). Access grants are regional too, as AWS's own managed policies show.
pub(crate) fn is_regional_s3_resource(resource_part: &str) -> bool {
    resource_part.starts_with("accesspoint/") || resource_part.starts_with("access-grants/")
}

/// `arn:P:S:R:A:rest` with `*` for what is missing.
fn with_missing_fields(partition: &str, resource: &str) -> String {
    let mut rest = resource.splitn(6, ':').skip(2);
    let [service, region, account, part] = std::array::from_fn(|_| rest.next().unwrap_or("*"));
    format!("arn:{partition}:{service}:{region}:{account}:{part}")
}

/// R20: with `::` in it a resource needs at least five colons, and its vendor must not be empty.
pub(super) fn passes_legacy_parsing(resource: &str) -> bool {
    let is_complete = resource.matches(':').count() >= 5 || !resource.contains("::");
    resource == "*" || (is_complete && resource.split(':').nth(2) != Some(""))
}
