//! How many entities an account may have: AWS's defaults, unless the account was given others.

use super::errors::IamError;
use crate::world::Snapshot;
use crate::world::records::settings::AccountProfile;

/// A quota on the number of entities of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// How the server's options name it.
    pub option: &'static str,
    /// How refusals name it.
    name: &'static str,
    /// What AWS gives every account.
    default: usize,
}

const fn quota(option: &'static str, name: &'static str, default: usize) -> Quota {
    Quota {
        option,
        name,
        default,
    }
}

pub(super) const USERS: Quota = quota("users", "UsersPerAccount", 5_000);
pub(super) const GROUPS: Quota = quota("groups", "GroupsPerAccount", 300);
pub(super) const ROLES: Quota = quota("roles", "RolesPerAccount", 1_000);
pub(super) const POLICIES: Quota = quota("policies", "PoliciesPerAccount", 1_500);
pub(super) const INSTANCE_PROFILES: Quota = quota("instance-profiles", "InstanceProfilesPerAccount", 1_000);
pub(super) const SERVER_CERTIFICATES: Quota =
    quota("server-certificates", "ServerCertificatesPerAccount", 20);
pub(super) const SAML_PROVIDERS: Quota = quota("saml-providers", "SAMLProvidersPerAccount", 100);
pub(super) const OIDC_PROVIDERS: Quota = quota("oidc-providers", "OpenIdConnectProvidersPerAccount", 100);

/// All quotas that can differ from account to account.
pub(crate) const ALL: &[Quota] = &[
    USERS,
    GROUPS,
    ROLES,
    POLICIES,
    INSTANCE_PROFILES,
    SERVER_CERTIFICATES,
    SAML_PROVIDERS,
    OIDC_PROVIDERS,
];

impl Quota {
    /// How many there may be in this account.
    pub fn limit(self, view: &Snapshot) -> usize {
        let own = self.given(view);
        // The starter of the server gives quotas to its first account, which speaks for all.
        let of_all = || self.given(&*view.management()?);
        own.or_else(of_all).unwrap_or(self.default)
    }

    fn given(self, view: &Snapshot) -> Option<usize> {
        let settings = view.account_profiles.get(AccountProfile::KEY)?;
        settings.quotas.get(self.option).copied()
    }

    /// Refuses one more than there may be, given how many there are.
    pub fn room(self, view: &Snapshot, existing: usize) -> Result<(), IamError> {
        let limit = self.limit(view);
        if existing < limit {
            Ok(())
        } else {
            Err(IamError::Quota(self.name, limit))
        }
    }
}
