//! AWS Identity and Access Management.

mod access_keys;
mod account_alias;
mod attachments;
mod authorization_details;
mod base32;
mod boundaries;
mod checks;
mod credential_errors;
mod credential_report;
mod documents;
mod entity;
mod errors;
mod groups;
mod inline;
mod instance_profiles;
mod last_accessed;
mod linked_deletion;
mod login_profiles;
mod managed_policies;
mod memberships;
mod mfa;
mod names;
mod oidc_providers;
mod outbound_federation;
mod paging;
mod password_policy;
mod passwords;
mod policies;
mod policy_entities;
pub(crate) mod presence;
mod qr;
pub(crate) mod quotas;
mod roles;
mod saml_metadata;
mod saml_providers;
mod server_certificates;
mod service_credentials;
pub(crate) mod service_linked;
mod shapes;
mod signing_certificates;
mod simulate;
mod ssh_format;
mod ssh_keys;
mod status;
mod summary;
mod tagging;
mod tags;
mod token_preferences;
pub mod totp;
mod trust;
mod users;
mod versions;
mod x509;

use crate::gate::operation::Row;
pub(crate) use trust::shown as shown_trust_policy;

/// The operations of the service.
pub fn table() -> Vec<Row> {
    let groups = [
        users::rows(),
        groups::rows(),
        memberships::rows(),
        roles::rows(),
        policies::rows(),
        versions::rows(),
        policy_entities::rows(),
        inline::rows(),
        attachments::rows(),
        boundaries::rows(),
        access_keys::rows(),
        mfa::rows(),
        instance_profiles::rows(),
        last_accessed::rows(),
        tagging::rows(),
        service_linked::rows(),
        oidc_providers::rows(),
        outbound_federation::rows(),
        simulate::rows(),
        account_alias::rows(),
        token_preferences::rows(),
        password_policy::rows(),
        login_profiles::rows(),
        ssh_keys::rows(),
        service_credentials::rows(),
        signing_certificates::rows(),
        server_certificates::rows(),
        saml_providers::rows(),
        credential_report::rows(),
        linked_deletion::rows(),
        summary::rows(),
        authorization_details::rows(),
    ];
    groups.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_served_operation_has_one_row_and_names_its_action() {
        let rows = table();
        for meta in portcullis_api::iam::SERVICE.served {
            let mine: Vec<_> = rows.iter().filter(|row| row.meta.name == meta.name).collect();
            assert_eq!(mine.len(), 1, "{}", meta.name);
            assert_eq!(
                mine[0].actions.first(),
                Some(&format!("iam:{}", meta.name).as_str())
            );
        }
    }
}
