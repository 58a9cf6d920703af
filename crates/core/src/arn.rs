//! Amazon Resource Names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{AccountId, Partition, Region};

/// An ARN: `arn:partition:service:region:account:resource`. Region and account may be empty; the resource is
/// everything after the fifth colon (policy-language R42). Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arn(Arc<str>);

/// The text has no six colon-separated fields starting with `arn`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not an ARN")]
pub struct InvalidArn(String);

impl Arn {
    /// An ARN of a regional service.
    pub fn regional(
        service: &str,
        region: &Region,
        account: &AccountId,
        resource: impl fmt::Display,
    ) -> Self {
        Self(
            format!(
                "arn:{}:{service}:{region}:{account}:{resource}",
                region.partition()
            )
            .into(),
        )
    }

    /// An ARN of a global service (IAM, STS): no region.
    pub fn global(
        service: &str,
        partition: Partition,
        account: &AccountId,
        resource: impl fmt::Display,
    ) -> Self {
        Self(format!("arn:{partition}:{service}::{account}:{resource}").into())
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn field(&self, index: usize) -> &str {
        self.0.splitn(6, ':').nth(index).unwrap_or_default()
    }

    /// The second field, such as `aws`.
    pub fn partition(&self) -> &str {
        self.field(1)
    }

    /// The third field, such as `ecs`.
    pub fn service(&self) -> &str {
        self.field(2)
    }

    /// The fourth field; empty for global services.
    pub fn region(&self) -> &str {
        self.field(3)
    }

    /// The fifth field; may be empty.
    pub fn account(&self) -> &str {
        self.field(4)
    }

    /// Everything after the fifth colon.
    pub fn resource(&self) -> &str {
        self.field(5)
    }

    /// The resource without its leading type: `task/default/ab12` gives `("task", "default/ab12")`.
    pub fn resource_parts(&self) -> Option<(&str, &str)> {
        self.resource().split_once(['/', ':'])
    }
}

impl FromStr for Arn {
    type Err = InvalidArn;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut fields = text.splitn(6, ':');
        let filled = |field: Option<&str>| field.is_some_and(|f| !f.is_empty());
        let valid = fields.next() == Some("arn")
            && filled(fields.next())
            && filled(fields.next())
            && fields.next().is_some()
            && fields.next().is_some()
            && filled(fields.next());
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(InvalidArn(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Arn {
    type Error = InvalidArn;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Arn> for String {
    fn from(arn: Arn) -> Self {
        arn.0.as_ref().to_owned()
    }
}

impl AsRef<str> for Arn {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_split_at_the_first_five_colons() {
        let arn: Arn = "arn:aws:logs:eu-west-1:123456789012:log-group:a:b"
            .parse()
            .unwrap();
        assert_eq!(
            [
                arn.partition(),
                arn.service(),
                arn.region(),
                arn.account(),
                arn.resource()
            ],
            ["aws", "logs", "eu-west-1", "123456789012", "log-group:a:b"]
        );
        assert_eq!(arn.resource_parts(), Some(("log-group", "a:b")));
    }

    #[test]
    fn global_services_have_no_region() {
        let account: AccountId = "123456789012".parse().unwrap();
        let arn = Arn::global("iam", Partition::Aws, &account, "role/app/web");
        assert_eq!(arn.as_str(), "arn:aws:iam::123456789012:role/app/web");
        assert_eq!(arn.region(), "");
    }

    #[test]
    fn what_is_not_an_arn_is_refused() {
        for bad in [
            "",
            "*",
            "arn",
            "arn:aws:ecs:us-east-1:1",
            "arn:aws:ecs:r:a:",
            "urn:aws:ecs:r:a:x",
            "arn::ecs:r:a:x",
        ] {
            assert!(bad.parse::<Arn>().is_err(), "{bad}");
        }
    }
}
