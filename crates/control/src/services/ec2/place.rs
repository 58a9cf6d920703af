//! Where a call looks: account, region, and what is there.

use std::borrow::Cow;
use std::fmt;

use portcullis_core::{AccountId, Arn, Region};

use super::errors::Ec2Error;
use crate::gate::call::Call;
use crate::world::records::ec2::Tables;
use crate::world::{Snapshot, Tx};

/// An account's region.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The region.
    pub region: &'a Region,
    /// The account.
    pub account: &'a AccountId,
}

impl<'a> From<&'a Call> for Place<'a> {
    fn from(call: &'a Call) -> Self {
        Self {
            region: &call.region,
            account: &call.account,
        }
    }
}

impl<'a> Place<'a> {
    /// An ARN of EC2 here.
    pub fn arn(self, resource: impl fmt::Display) -> Arn {
        Arn::regional("ec2", self.region, self.account, resource)
    }

    /// All there is here, also what is not written down yet.
    pub fn tables<'v>(self, view: &'v Snapshot) -> Cow<'v, Tables> {
        Tables::with_region(view, self.region)
    }
}

/// What every change begins with: a dry run ends here, since the gate has decided; and what the region begins with is
/// written down.
pub(super) fn begin<'a>(
    tx: &mut Tx<'_>,
    call: &'a Call,
    dry_run: Option<bool>,
) -> Result<Place<'a>, Ec2Error> {
    not_dry(dry_run)?;
    tx.start_ec2(&call.region);
    Ok(Place::from(call))
}

/// Ends a dry run.
pub(super) fn not_dry(dry_run: Option<bool>) -> Result<(), Ec2Error> {
    if dry_run == Some(true) {
        Err(Ec2Error::DryRun)
    } else {
        Ok(())
    }
}
