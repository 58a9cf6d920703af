//! TagResource and UntagResource.

use portcullis_api::secretsmanager::op;
use portcullis_api::secretsmanager::{TagResourceRequest, UntagResourceRequest};
use portcullis_wire::Empty;

use super::create::{accepted_tags, own_live};
use super::names::{Named, requested_tags};
use crate::gate::context::add_request_tags;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Tx;

/// The secret, with the request's tags.
pub(super) fn require_tag(ask: Ask<'_, TagResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    let mut check = Named::of(ask.view, ask.call, &ask.input.secret_id).check("secretsmanager:TagResource");
    add_request_tags(&mut check.context, &requested_tags(Some(&ask.input.tags)));
    Ok(vec![check])
}

/// Gives a secret more tags.
pub(super) fn tag(tx: &mut Tx<'_>, auth: Authorized<'_, op::TagResource>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let mut row = own_live(tx, auth.call(), &input.secret_id)?;
    row.tags = accepted_tags(&row.tags, Some(&input.tags))?;
    row.changed = tx.now;
    tx.put(row);
    Ok(Empty {})
}

/// The secret, with the keys of the tags.
pub(super) fn require_untag(ask: Ask<'_, UntagResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    let check = Named::of(ask.view, ask.call, &ask.input.secret_id)
        .check("secretsmanager:UntagResource")
        .with_many("aws:TagKeys", ask.input.tag_keys.clone());
    Ok(vec![check])
}

/// Takes tags off a secret; keys that are not there do no harm.
pub(super) fn untag(tx: &mut Tx<'_>, auth: Authorized<'_, op::UntagResource>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let mut row = own_live(tx, auth.call(), &input.secret_id)?;
    input.tag_keys.iter().for_each(|key| row.tags.remove(key));
    row.changed = tx.now;
    tx.put(row);
    Ok(Empty {})
}
