//! Which secret a call means, and the check on it.

use std::ops::Deref;
use std::sync::Arc;

use portcullis_core::{AccountId, Arn, Region, Tags};
use sha2::{Digest as _, Sha256};

use super::errors::SecretsError;
use crate::gate::call::Call;
use crate::gate::context::add_resource_tags;
use crate::gate::operation::{Check, ResourcePolicy};
use crate::open_points;
use crate::world::Snapshot;
use crate::world::records::secrets::StoredSecret;

/// The prefix of the service's condition keys.
pub(super) const PREFIX: &str = "secretsmanager";
/// Letters at the end of an ARN.
const SUFFIX_LETTERS: usize = 6;
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The picture a secret is in.
#[derive(Debug)]
pub(super) enum Home<'v> {
    /// The caller's own account.
    Own(&'v Snapshot),
    /// Another account of this server.
    Other(Arc<Snapshot>),
}

impl Deref for Home<'_> {
    type Target = Snapshot;
    fn deref(&self) -> &Snapshot {
        match self {
            Self::Own(view) => view,
            Self::Other(view) => view,
        }
    }
}

/// A secret as a call names it.
#[derive(Debug)]
pub(super) struct Named<'v> {
    /// Where it would be.
    pub home: Home<'v>,
    /// What there is under that name.
    pub row: Option<Arc<StoredSecret>>,
    /// Its ARN; of what is not there the one that a check is made on.
    pub arn: String,
    asked: String,
}

impl<'v> Named<'v> {
    /// Resolves a `SecretId`: a name, an ARN, or an ARN without the letters at its end.
    pub fn of(view: &'v Snapshot, call: &Call, secret_id: &str) -> Self {
        let (home, row) = match secret_id.parse::<Arn>() {
            Ok(arn) => by_arn(view, call, &arn),
            Err(_) => (Home::Own(view), by_name(view, call, secret_id)),
        };
        let row = row.filter(|row| !row.is_gone(call.now));
        let arn = match &row {
            Some(row) => row.arn(&home.account).to_string(),
            None if secret_id.starts_with("arn:") => secret_id.to_owned(),
            None => open_points::arn_of_missing_secret(
                call.region.partition(),
                &call.region,
                &call.account,
                secret_id,
            ),
        };
        let asked = secret_id.to_owned();
        Self {
            home,
            row,
            arn,
            asked,
        }
    }

    /// The secret, deleted or not.
    pub fn any(&self) -> Result<&Arc<StoredSecret>, SecretsError> {
        self.row.as_ref().ok_or(SecretsError::NoSecret)
    }

    /// The secret, unless it was deleted.
    pub fn live(&self) -> Result<&Arc<StoredSecret>, SecretsError> {
        let row = self.any()?;
        match row.deleted {
            Some(_) => Err(SecretsError::Marked),
            None => Ok(row),
        }
    }

    /// The secret to change, which only its own account's callers do here.
    pub fn own(&self) -> Result<&Arc<StoredSecret>, SecretsError> {
        match self.home {
            Home::Own(_) => self.any(),
            Home::Other(_) => Err(SecretsError::Unsupported("Changing a secret of another account")),
        }
    }

    /// The same, unless it was deleted.
    pub fn own_live(&self) -> Result<&Arc<StoredSecret>, SecretsError> {
        self.own()?;
        self.live()
    }

    /// The check of an action on it. Refusals name it as the caller did, so that names cannot be probed (R181).
    pub fn check(&self, action: &'static str) -> Check {
        let check = Check::new(action, self.arn.clone())
            .shown_as(self.asked.clone())
            .with("secretsmanager:SecretId", self.arn.clone());
        let Some(row) = &self.row else {
            return open_points::r181_check_on_missing(check);
        };
        let mut check = check.with("secretsmanager:SecretPrimaryRegion", row.region.as_str());
        add_resource_tags(&mut check.context, PREFIX, &row.tags);
        check.by(ResourcePolicy::of_resource(self.arn.clone(), row.policy.as_ref()))
    }
}

fn by_name(view: &Snapshot, call: &Call, name: &str) -> Option<Arc<StoredSecret>> {
    let key = StoredSecret::key_of(&call.region, name);
    view.secrets.secrets.get(&key).cloned()
}

/// Whoever is of another account must say the whole ARN.
fn by_arn<'v>(view: &'v Snapshot, call: &Call, arn: &Arn) -> (Home<'v>, Option<Arc<StoredSecret>>) {
    let own = Home::Own(view);
    let is_ours = arn.partition() == call.region.partition().as_str()
        && arn.service() == PREFIX
        && arn.region() == call.region.as_str();
    let Some(id) = arn.resource().strip_prefix("secret:").filter(|_| is_ours) else {
        return (own, None);
    };
    if arn.account() == view.account.as_str() {
        let found = by_whole_id(view, call, id).or_else(|| by_name(view, call, id));
        return (own, found);
    }
    let account: Option<AccountId> = arn.account().parse().ok();
    match account.and_then(|account| call.others.of(view, &account)) {
        Some(other) => {
            let found = by_whole_id(&other, call, id);
            (Home::Other(other), found)
        }
        None => (own, None),
    }
}

/// `NAME-SUFFIX`
fn by_whole_id(view: &Snapshot, call: &Call, id: &str) -> Option<Arc<StoredSecret>> {
    let (name, suffix) = id.rsplit_once('-')?;
    by_name(view, call, name).filter(|row| row.suffix == suffix)
}

/// The letters that a secret made by this call gets. They follow from the call's id, so that its checks are already made on
/// the ARN that it will have.
pub(super) fn suffix(call: &Call) -> String {
    let hash = Sha256::digest(call.request_id.as_bytes());
    let letter = |byte: &u8| {
        let index = usize::from(*byte) % LETTERS.len();
        LETTERS.get(index).map_or('A', |letter| char::from(*letter))
    };
    hash.iter().take(SUFFIX_LETTERS).map(letter).collect()
}

/// The ARN that a secret made by this call gets.
pub(super) fn new_arn(region: &Region, account: &AccountId, name: &str, suffix: &str) -> Arn {
    Arn::regional(PREFIX, region, account, format_args!("secret:{name}-{suffix}"))
}

/// The tags of a request as conditions show them.
pub(super) fn requested_tags(tags: Option<&Vec<portcullis_api::secretsmanager::Tag>>) -> Tags {
    let one = |tag: &portcullis_api::secretsmanager::Tag| {
        portcullis_core::Tag::new(
            tag.key.clone().unwrap_or_default(),
            tag.value.clone().unwrap_or_default(),
        )
    };
    tags.into_iter().flatten().map(one).collect()
}
