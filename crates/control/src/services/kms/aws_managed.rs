//! Keys that AWS services have in an account: `alias/aws/SERVICE`. They are made when a service first encrypts with one,
//! with AWS's policy, and change by nobody's hand.

use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp, hex};
use portcullis_policy::{Document, Kind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::crypto::new_material;
use super::errors::KmsError;
use crate::gate::call::Call;
use crate::world::Tx;
use crate::world::records::PolicyText;
use crate::world::records::kms::{Alias, Key, Rotation, State};

/// AWS managed keys rotate every year, in days.
const PERIOD_DAYS: i32 = 365;
/// Seconds of a day.
pub(super) const DAY_SECONDS: i64 = 24 * 3_600;

/// `alias/aws/SERVICE`
pub(super) fn alias(service: &str) -> String {
    format!("alias/aws/{service}")
}

/// The id of a service's key follows from where it is, so that its ARN is known before it is made. Ids are no secrets.
fn id(region: &Region, account: &AccountId, service: &str) -> String {
    let digest = Sha256::digest(format!("kms aws managed key\n{region}\n{account}\n{service}"));
    let mut text: String = hex(&digest).chars().take(32).collect();
    text.replace_range(12..13, "4");
    text.replace_range(16..17, "a");
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

/// The ARN of a service's key, made or not.
pub(super) fn arn(region: &Region, account: &AccountId, service: &str) -> Arn {
    let id = id(region, account, service);
    Arn::regional("kms", region, account, format_args!("key/{id}"))
}

/// A service's key without its material: what it will be when it is first used.
pub(super) fn unmade(region: &Region, account: &AccountId, service: &str, now: Timestamp) -> Option<Key> {
    Some(Key {
        id: id(region, account, service),
        arn: arn(region, account, service),
        region: region.clone(),
        created: now,
        description: description(service),
        usage: "ENCRYPT_DECRYPT".to_owned(),
        spec: "SYMMETRIC_DEFAULT".to_owned(),
        managed_for: Some(service.to_owned()),
        state: State::Enabled,
        policy: policy(region, account, service)?,
        materials: Vec::new(),
        rotation: Some(Rotation {
            days: PERIOD_DAYS,
            next: now.plus_seconds(i64::from(PERIOD_DAYS) * DAY_SECONDS),
        }),
        tags: Tags::new(),
    })
}

/// Makes a service's key, unless it is there.
pub(super) fn ensure(tx: &mut Tx<'_>, call: &Call, service: &str) -> Result<(), KmsError> {
    let (region, account) = (&call.region, tx.view().account.clone());
    if tx
        .view()
        .kms
        .key(region.as_str(), &id(region, &account, service))
        .is_some()
    {
        return Ok(());
    }
    let mut key = unmade(region, &account, service, tx.now).ok_or(KmsError::Internal)?;
    let material = new_material(tx.vault, tx.random, &key.arn, &key.spec, tx.now, None)?;
    key.materials.push(material);
    tx.put(Alias {
        name: alias(service),
        region: region.clone(),
        target: key.id.clone(),
        created: tx.now,
        updated: tx.now,
    });
    tx.put(key);
    Ok(())
}

fn description(service: &str) -> String {
    match service {
        "secretsmanager" => {
            "Default key that protects my Secrets Manager data when no other key is defined".to_owned()
        }
        "ssm" => "Default key that protects my SSM data when no other key is defined".to_owned(),
        "s3" => "Default key that protects my S3 objects when no other key is defined".to_owned(),
        "ecr" => "Default key that protects my ECR data when no other key is defined".to_owned(),
        other => format!("Default key that protects my {other} data when no other key is defined"),
    }
}

/// AWS's policy for such keys: whoever is of the account and comes through the service may use it; the account may look.
fn policy(region: &Region, account: &AccountId, service: &str) -> Option<PolicyText> {
    let via = json!({ "StringEquals": {
        "kms:CallerAccount": account.as_str(),
        "kms:ViaService": format!("{service}.{region}.amazonaws.com"),
    } });
    let mut uses = vec![
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncrypt*",
        "kms:GenerateDataKey*",
    ];
    if service != "ssm" {
        uses.push("kms:CreateGrant");
    }
    uses.push("kms:DescribeKey");
    let document: Value = json!({
        "Version": "2012-10-17",
        "Id": format!("auto-{service}-1"),
        "Statement": [
            {
                "Sid": format!("Allow access through {} for all principals in the account that are authorized to use it", service),
                "Effect": "Allow",
                "Principal": { "AWS": "*" },
                "Action": uses,
                "Resource": "*",
                "Condition": via,
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:{}:iam::{account}:root", region.partition()) },
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                "Resource": "*",
            },
        ],
    });
    let text = serde_json::to_string_pretty(&document).ok()?;
    Some(PolicyText::new(&Document::parse(&text, Kind::Resource).ok()?))
}
