//! Service principals and service-linked roles. Derived from what AWS managed policies name, hence not complete.

use crate::blob::{self, Fields, Text};

/// A principal of the form `ecs-tasks.amazonaws.com`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// `ecs-tasks.amazonaws.com`.
    pub name: &'static str,
    /// Whether it plays a part in running containers.
    pub ecs_related: bool,
    /// Whether roles are passed to it (`iam:PassedToService`).
    pub passed_to: bool,
    /// Whether it has a service-linked role.
    pub service_linked_role: bool,
}

/// Every service principal, by name.
pub fn service_principals() -> impl ExactSizeIterator<Item = ServicePrincipal> + Clone {
    blob::PRINCIPALS.iter().map(|record| {
        let mut fields = Fields::new(record, 0);
        let (name, uses) = (fields.text().get(), fields.u16());
        ServicePrincipal {
            name,
            ecs_related: uses & 1 != 0,
            passed_to: uses & 2 != 0,
            service_linked_role: uses & 4 != 0,
        }
    })
}

/// The service principal of this name, in any case.
pub fn service_principal(name: &str) -> Option<ServicePrincipal> {
    service_principals().find(|principal| principal.name.eq_ignore_ascii_case(name))
}

/// Every known service-linked role: its name and its principal.
pub fn service_linked_roles() -> impl ExactSizeIterator<Item = (&'static str, &'static str)> + Clone {
    blob::LINKED_ROLES.iter().map(|record| {
        let mut fields = Fields::new(record, 0);
        let (role, principal): (Text, Text) = (fields.text(), fields.text());
        (role.get(), principal.get())
    })
}
