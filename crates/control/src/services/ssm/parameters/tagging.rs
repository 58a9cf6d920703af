//! Tags of parameters.

use std::sync::Arc;

use portcullis_core::Tags;

use super::names::Asked;
use super::put::TAGS;
use crate::gate::call::Call;
use crate::gate::operation::Check;
use crate::services::ssm::errors::SsmError;
use crate::world::records::parameters::Parameter;
use crate::world::{Snapshot, Tx};

/// The parameter that a tagging call names.
pub(crate) fn found<'v>(view: &'v Snapshot, call: &Call, id: &str) -> Option<&'v Arc<Parameter>> {
    let asked = Asked::of(view, call, id);
    asked.find(view, call).filter(|_| asked.selector.is_none())
}

/// The check on it.
pub(crate) fn check(view: &Snapshot, call: &Call, action: &'static str, id: &str) -> Check {
    Asked::of(view, call, id).check(view, call, action)
}

/// Changes the tags of a parameter.
pub(crate) fn change(
    tx: &mut Tx<'_>,
    call: &Call,
    id: &str,
    change: impl FnOnce(&mut Tags),
) -> Result<(), SsmError> {
    let row = found(tx.view(), call, id).ok_or(SsmError::ResourceId)?;
    let mut row = Parameter::clone(row);
    change(&mut row.tags);
    if row.tags.len() > TAGS {
        return Err(SsmError::TooManyTags);
    }
    tx.put(row);
    Ok(())
}
