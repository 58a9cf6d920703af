//! One statement against one request (R114).

use crate::document::{ActionList, ResourceList, Statement};
use crate::matching::action::AskedAction;
use crate::matching::condition;
use crate::matching::principal::{self, Naming};
use crate::matching::resource::ResourceMatch;
use crate::{Effect, Request, open_points};

/// Whether the set a statement belongs to names principals: resource, trust, resource control and endpoint
/// policies do (R14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamesPrincipals {
    Yes,
    No,
}

/// One request with what statements need to know besides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) request: Request<'a>,
    /// The request's action, taken apart.
    pub(crate) action: AskedAction<'a>,
    /// Whether the caller has a permissions boundary (R71).
    pub(crate) has_boundary: bool,
}

impl Asked<'_> {
    /// How closely an applying statement names the caller, `Naming::None` when it does not apply.
    pub(crate) fn naming(&self, statement: &Statement, set: NamesPrincipals) -> Naming {
        let naming = self.principal(statement, set);
        let applies = naming > Naming::None
            && self.action(&statement.action)
            && self.resource(statement.resource.as_ref(), statement.effect)
            && statement
                .conditions
                .iter()
                .all(|one| condition::evaluate(one, self.request.context).met);
        if applies { naming } else { Naming::None }
    }

    /// How closely the statement's Principal names the caller. Policies that name nobody speak of whomever
    /// they are attached to; in the others a statement without Principal matches nobody (R72).
    pub(crate) fn principal(&self, statement: &Statement, set: NamesPrincipals) -> Naming {
        match (&statement.principal, set) {
            (_, NamesPrincipals::No) => Naming::Direct,
            (None, NamesPrincipals::Yes) => Naming::None,
            (Some(element), NamesPrincipals::Yes) => principal::names(
                element,
                self.request.principal,
                statement.effect,
                self.has_boundary,
            ),
        }
    }

    /// R37: Action needs one pattern that matches, NotAction none.
    pub(crate) fn action(&self, list: &ActionList) -> bool {
        let listed = list
            .patterns
            .iter()
            .any(|pattern| pattern.form.matches(self.action));
        listed != list.negated
    }

    /// R49: Resource needs one pattern that matches, NotResource none. Without either the statement is about
    /// "this resource" (R13).
    pub(crate) fn resource(&self, list: Option<&ResourceList>, effect: Effect) -> bool {
        let Some(list) = list else { return true };
        let mut unresolved = false;
        for pattern in &list.patterns {
            match pattern.form.matches(self.request.resource, self.request.context) {
                ResourceMatch::Yes => return !list.negated,
                ResourceMatch::No => {}
                ResourceMatch::Unresolved => unresolved = true,
            }
        }
        match (list.negated, unresolved) {
            (false, _) => false,
            (true, false) => true,
            (true, true) => open_points::r57_not_resource_holds_unresolved(effect == Effect::Deny),
        }
    }
}
