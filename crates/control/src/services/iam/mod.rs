//! AWS Identity and Access Management.

mod access_keys;
mod attachments;
mod authorization_details;
mod boundaries;
mod checks;
mod documents;
mod entity;
mod errors;
mod groups;
mod inline;
mod instance_profiles;
mod managed_policies;
mod memberships;
mod mfa;
mod names;
mod paging;
mod policies;
mod policy_entities;
mod qr;
mod roles;
pub(crate) mod service_linked;
mod shapes;
mod simulate;
mod summary;
mod tagging;
mod tags;
pub mod totp;
mod trust;
mod users;
mod versions;

use crate::gate::operation::Row;

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
        tagging::rows(),
        service_linked::rows(),
        simulate::rows(),
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
