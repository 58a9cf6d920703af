//! A request, looked at once for all programs.

use portcullis_reference::ActionId;

use crate::Request;
use crate::answers::Bearing;
use crate::compiled::facts::Facts;
use crate::compiled::resource::Resource;
use crate::text::fold;

/// A request ready to be decided by any number of programs. Making one allocates nothing.
#[derive(Debug, Clone, Copy)]
pub struct Prepared<'a> {
    pub(super) request: Request<'a>,
    /// The action, if the reference knows it.
    pub(super) action: Option<ActionId>,
    pub(super) resource: Resource<'a>,
    pub(super) facts: Facts<'a>,
    pub(super) bearing: Bearing,
    pub(super) is_cross_account: bool,
}

impl<'a> Prepared<'a> {
    /// Looks at the request: which action it is, and its resource.
    pub fn new(request: &Request<'a>) -> Self {
        let action = portcullis_reference::action(request.action);
        Self {
            request: *request,
            action: action.or_else(|| folded_action(request.action)),
            resource: Resource::new(request.resource),
            facts: Facts::of(request.context, action),
            bearing: Bearing::on(request.principal),
            is_cross_account: request.is_cross_account(),
        }
    }

    /// The request it was made of.
    pub fn request(&self) -> &Request<'a> {
        &self.request
    }
}

/// The action that a name beyond ASCII is without case: patterns match it as they match that action (R33).
fn folded_action(name: &str) -> Option<ActionId> {
    const NAME_MAX: usize = 128;
    if name.is_ascii() {
        return None;
    }
    let mut folded = [0; NAME_MAX];
    let mut length = 0;
    for c in name.chars().map(fold) {
        c.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| {
            *folded.get_mut(length)? = byte;
            length += 1;
            Some(())
        })?;
    }
    portcullis_reference::action(std::str::from_utf8(folded.get(..length)?).ok()?)
}
