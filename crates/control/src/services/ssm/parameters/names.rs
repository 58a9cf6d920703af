//! Which parameter, and which version of it, a call means; and the check on it.

use std::sync::Arc;

use portcullis_core::{AccountId, Arn, Region};

use super::errors::ParameterError;
use crate::gate::call::Call;
use crate::gate::context::add_resource_tags;
use crate::gate::operation::Check;
use crate::open_points;
use crate::world::Snapshot;
use crate::world::records::parameters::{Parameter, ParameterVersion};

/// Where the parameters are that AWS publishes.
pub(super) const PUBLIC: &str = "/aws/service/";

/// A name as a call gives it: `NAME`, `NAME:VERSION`, `NAME:LABEL`, or an ARN in the place of the name.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Without its selector, as the caller wrote it: replies echo it.
    pub shown: String,
    /// The name.
    pub name: String,
    /// What stands behind the colon.
    pub selector: Option<String>,
    /// The parameter's ARN.
    pub arn: Arn,
    is_here: bool,
}

impl Asked {
    /// Reads a name.
    pub fn of(view: &Snapshot, call: &Call, text: &str) -> Self {
        match text.parse::<Arn>() {
            Ok(arn) => Self::of_arn(view, call, text, &arn),
            Err(_) => {
                let (name, selector) = split(text);
                Self {
                    shown: name.to_owned(),
                    name: name.to_owned(),
                    selector,
                    arn: arn(&call.region, &call.account, name),
                    is_here: true,
                }
            }
        }
    }

    /// An ARN does not say whether the name begins with a slash: a path does.
    fn of_arn(view: &Snapshot, call: &Call, text: &str, given: &Arn) -> Self {
        let id = given.resource().strip_prefix("parameter/").unwrap_or_default();
        let (bare, selector) = split(id);
        let path = format!("/{bare}");
        let is_path = bare.contains('/') || row(view, call, bare).is_none();
        let name = if is_path && row(view, call, &path).is_some() || bare.contains('/') {
            path
        } else {
            bare.to_owned()
        };
        let is_public = given.account().is_empty() && name.starts_with(PUBLIC);
        let is_ours = given.account() == call.account.as_str() || is_public;
        let shown = match &selector {
            Some(selector) => text.strip_suffix(&format!(":{selector}")).unwrap_or(text),
            None => text,
        };
        let is_here = given.partition() == call.region.partition().as_str()
            && given.service() == "ssm"
            && given.region() == call.region.as_str()
            && is_ours;
        // Policies speak of what is there by its own ARN, however a caller spells it.
        let arn = match is_here {
            true => arn(&call.region, &call.account, &name),
            false => shown.parse().unwrap_or_else(|_| given.clone()),
        };
        Self {
            shown: shown.to_owned(),
            name,
            selector,
            arn,
            is_here,
        }
    }

    /// Whether it is one that AWS publishes.
    pub fn is_public(&self) -> bool {
        self.is_here && self.name.starts_with(PUBLIC)
    }

    /// The parameter, unless there is none.
    pub fn find<'v>(&self, view: &'v Snapshot, call: &Call) -> Option<&'v Arc<Parameter>> {
        row(view, call, &self.name).filter(|_| self.is_here)
    }

    /// The parameter and the version that the selector says, or the newest one.
    pub fn version<'v>(
        &self,
        view: &'v Snapshot,
        call: &Call,
    ) -> Result<(&'v Arc<Parameter>, &'v Arc<ParameterVersion>), ParameterError> {
        let parameter = self.find(view, call).ok_or(ParameterError::NotFound)?;
        let number = match &self.selector {
            None => Some(parameter.latest),
            Some(selector) => match selector.parse::<i64>() {
                Ok(number) => Some(number),
                Err(_) => parameter.labels.get(selector).copied(),
            },
        };
        let found = number.and_then(|number| view.parameters.version(parameter, number));
        let version = found.ok_or_else(|| ParameterError::NoVersion {
            version: self.selector.clone().unwrap_or_default(),
            name: self.name.clone(),
        })?;
        Ok((parameter, version))
    }

    /// The check of an action on it, which may not be there.
    pub fn check(&self, view: &Snapshot, call: &Call, action: &'static str) -> Check {
        let mut check = Check::new(action, self.arn.as_str());
        let Some(row) = self.find(view, call) else {
            return open_points::r181_check_on_missing(check);
        };
        add_resource_tags(&mut check.context, "ssm", &row.tags);
        check
    }
}

/// The name and what stands behind its colon.
fn split(text: &str) -> (&str, Option<String>) {
    match text.split_once(':') {
        Some((name, selector)) => (name, Some(selector.to_owned())),
        None => (text, None),
    }
}

/// The parameter of that name in the call's region, unless it has expired.
pub(super) fn row<'v>(view: &'v Snapshot, call: &Call, name: &str) -> Option<&'v Arc<Parameter>> {
    let found = view
        .parameters
        .parameters
        .get(&Parameter::key_of(&call.region, name));
    found.filter(|row| !row.is_expired(call.now))
}

/// The ARN of a parameter; what AWS publishes belongs to no account.
pub(super) fn arn(region: &Region, account: &AccountId, name: &str) -> Arn {
    let own = Parameter::arn_of(region, account, name);
    match name.starts_with(PUBLIC) {
        false => own,
        true => {
            let public = own.as_str().replacen(account.as_str(), "", 1);
            public.parse().unwrap_or(own)
        }
    }
}
