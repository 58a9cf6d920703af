//! What is dangerous about an action, for linting and analysis. From public lists, hence not complete.

use crate::action::ActionId;

/// A way in which an action is dangerous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Risk {
    /// Hands out or makes credentials.
    CredentialExposure,
    /// Reads the data itself, not only what describes it.
    DataAccess,
    /// Can raise the caller's own privileges.
    PrivilegeEscalation,
    /// Can open a resource to others.
    ResourceExposure,
}

impl Risk {
    /// All of them, in the order of their bits in the data.
    pub const ALL: [Self; 4] = [
        Self::CredentialExposure,
        Self::DataAccess,
        Self::PrivilegeEscalation,
        Self::ResourceExposure,
    ];

    /// As the public lists name it: `PrivEsc`.
    pub fn name(self) -> &'static str {
        match self {
            Self::CredentialExposure => "CredentialExposure",
            Self::DataAccess => "DataAccess",
            Self::PrivilegeEscalation => "PrivEsc",
            Self::ResourceExposure => "ResourceExposure",
        }
    }

    /// The actions that are dangerous in this way.
    pub fn actions(self) -> impl Iterator<Item = ActionId> + Clone {
        ActionId::all().filter(move |action| action.has_risk(self))
    }
}
