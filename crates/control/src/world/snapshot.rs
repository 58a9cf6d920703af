//! The picture: everything a decision or a read looks at, immutable once published.

use std::sync::Arc;

use portcullis_core::{AccountId, Arn};

use super::neighbours::Neighbours;
use super::records::account::Account;
use super::records::credentials::{
    LoginProfile, ServerCertificate, ServiceCredential, SigningCertificate, SshKey,
};
use super::records::ec2;
use super::records::ecr;
use super::records::ecs;
use super::records::federation::{OidcProvider, OutboundFederation};
use super::records::iam::{
    AccessKey, Group, InstanceProfile, ManagedPolicy, MfaDevice, Permissions, Revocation, Role, User,
};
use super::records::kms;
use super::records::logs;
use super::records::organization::{MemberAccount, Organization};
use super::records::parameters;
use super::records::s3;
use super::records::saml::SamlProvider;
use super::records::secrets;
use super::records::settings::{AccountProfile, CredentialReport, RoleDeletion};
use super::records::ssm;
use super::records::uses::{KeyUse, ServiceUse, UseReport};
use super::table::Table;

/// One consistent picture of all state.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// How many changes made this picture; grows by one with each.
    pub sequence: u64,
    /// The account everything belongs to.
    pub account: AccountId,
    neighbours: Arc<Neighbours>,
    pub(super) accounts: Table<Account>,
    /// The organization this account manages: one row, or none.
    pub organizations: Table<Organization>,
    /// The accounts of the organization this account manages, by id; itself is not among them.
    pub member_accounts: Table<MemberAccount>,
    /// IAM users by lower-case name.
    pub users: Table<User>,
    /// IAM groups by lower-case name.
    pub groups: Table<Group>,
    /// IAM roles by lower-case name.
    pub roles: Table<Role>,
    /// Customer managed policies by lower-case name.
    pub policies: Table<ManagedPolicy>,
    /// Instance profiles by lower-case name.
    pub instance_profiles: Table<InstanceProfile>,
    /// Virtual MFA devices by serial number.
    pub mfa_devices: Table<MfaDevice>,
    /// Long-term access keys by id.
    pub access_keys: Table<AccessKey>,
    /// Sessions that ended before their time, by [`Revocation::key_of`].
    pub revocations: Table<Revocation>,
    /// Passwords by the user's id.
    pub login_profiles: Table<LoginProfile>,
    /// SSH public keys, by `USER-ID/ID`.
    pub ssh_keys: Table<SshKey>,
    /// Service-specific credentials, by `USER-ID/ID`.
    pub service_credentials: Table<ServiceCredential>,
    /// Signing certificates, by `OWNER/ID`.
    pub signing_certificates: Table<SigningCertificate>,
    /// Server certificates by lower-case name.
    pub server_certificates: Table<ServerCertificate>,
    /// SAML providers by ARN.
    pub saml_providers: Table<SamlProvider>,
    /// The account's settings of IAM: one row, once something is set.
    pub account_profiles: Table<AccountProfile>,
    /// The account's credential report: one row, once it was asked for.
    pub credential_reports: Table<CredentialReport>,
    /// What became of requests to delete service-linked roles, by task.
    pub role_deletions: Table<RoleDeletion>,
    /// OpenID Connect providers by ARN.
    pub oidc_providers: Table<OidcProvider>,
    /// The account as an issuer of tokens: one row, once it was enabled.
    pub outbound_federation: Table<OutboundFederation>,
    /// When access keys were last used, by their id.
    pub key_uses: Table<KeyUse>,
    /// What users and roles tried of each service, by [`ServiceUse::key_of`].
    pub service_uses: Table<ServiceUse>,
    /// Reports of last uses, by job id.
    pub use_reports: Table<UseReport>,
    /// Job ids of the reports, by time and id. Derived.
    pub(super) use_reports_by_age: Table<String>,
    /// Who uses which managed policy, by [`attachment_prefix`] and entity. Derived.
    pub attachments: Table<Attachment>,
    /// Members of groups, by `group/user` in lower case. Derived.
    pub memberships: Table<String>,
    /// Access key ids of users, by `user/key` in lower case; of root by `/key`. Derived.
    pub(super) user_keys: Table<String>,
    /// Serial numbers of enabled MFA devices, by `user/serial` in lower case. Derived.
    pub(super) user_devices: Table<String>,
    /// Names of instance profiles, by `role/profile` in lower case. Derived.
    pub(super) role_profiles: Table<String>,
    /// ARNs of users and roles by unique id: what trust policies hold of them (R65). Derived.
    pub principals: Table<Arn>,
    /// The state of Parameter Store, all regions.
    pub parameters: parameters::Tables,
    /// The state of Secrets Manager, all regions.
    pub secrets: secrets::Tables,
    /// The state of Systems Manager, all regions.
    pub ssm: ssm::Tables,
    /// The state of CloudWatch Logs, all regions; events are elsewhere.
    pub logs: logs::Tables,
    /// The state of S3, all regions.
    pub s3: s3::Tables,
    /// The state of ECR, all regions; the bytes of layers are elsewhere.
    pub ecr: ecr::Tables,
    /// The state of ECS, all regions.
    pub ecs: ecs::Tables,
    /// KMS's keys, aliases and grants, all regions.
    pub kms: kms::Tables,
    /// The network objects of EC2, all regions; see [`ec2::Tables::with_region`].
    pub ec2: ec2::Tables,
}

/// A user, group or role that uses a managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// `user`, `group` or `role`.
    pub kind: &'static str,
    /// The name with its case.
    pub name: String,
}

/// How a managed policy is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// As a permissions policy.
    Permissions,
    /// As a permissions boundary.
    Boundary,
}

/// The prefix of the attachment rows of one policy and usage.
pub fn attachment_prefix(policy: &Arn, usage: Usage) -> String {
    let usage = match usage {
        Usage::Permissions => "p",
        Usage::Boundary => "b",
    };
    format!("{policy}\n{usage}\n")
}

impl Snapshot {
    /// The picture of an empty account that is alone on its server.
    pub fn empty(account: AccountId) -> Self {
        Self::empty_among(Arc::default(), account)
    }

    pub(super) fn empty_among(neighbours: Arc<Neighbours>, account: AccountId) -> Self {
        Self {
            sequence: 0,
            account,
            neighbours,
            accounts: Table::default(),
            organizations: Table::default(),
            member_accounts: Table::default(),
            users: Table::default(),
            groups: Table::default(),
            roles: Table::default(),
            policies: Table::default(),
            instance_profiles: Table::default(),
            mfa_devices: Table::default(),
            access_keys: Table::default(),
            revocations: Table::default(),
            login_profiles: Table::default(),
            ssh_keys: Table::default(),
            service_credentials: Table::default(),
            signing_certificates: Table::default(),
            server_certificates: Table::default(),
            saml_providers: Table::default(),
            account_profiles: Table::default(),
            credential_reports: Table::default(),
            role_deletions: Table::default(),
            oidc_providers: Table::default(),
            outbound_federation: Table::default(),
            key_uses: Table::default(),
            service_uses: Table::default(),
            use_reports: Table::default(),
            use_reports_by_age: Table::default(),
            attachments: Table::default(),
            memberships: Table::default(),
            user_keys: Table::default(),
            user_devices: Table::default(),
            role_profiles: Table::default(),
            principals: Table::default(),
            parameters: parameters::Tables::default(),
            secrets: secrets::Tables::default(),
            ssm: ssm::Tables::default(),
            logs: logs::Tables::default(),
            s3: s3::Tables::default(),
            kms: kms::Tables::default(),
            ecr: ecr::Tables::default(),
            ecs: ecs::Tables::default(),
            ec2: ec2::Tables::default(),
        }
    }

    /// Puts a record into a picture that a unit test builds.
    #[cfg(test)]
    pub(crate) fn keep<R: super::records::Record>(&mut self, row: R) {
        let key = row.key();
        super::tx::replace(self, &key, Some(Arc::new(row)));
    }

    /// The accounts of this server, this one among them.
    pub fn neighbours(&self) -> &Arc<Neighbours> {
        &self.neighbours
    }

    /// The organization this account belongs to, if there is one.
    pub fn organization(&self) -> Option<Arc<Organization>> {
        let known = |view: &Self| view.organizations.get(Organization::KEY).cloned();
        match self.managed_by() {
            None => known(self),
            Some(_) => known(&*self.management()?),
        }
    }

    /// The picture of the account that made this one; the server's first account was made by none.
    pub fn management(&self) -> Option<Arc<Self>> {
        self.neighbours.view(self.managed_by()?)
    }

    fn managed_by(&self) -> Option<&AccountId> {
        let (_, account) = self.accounts.iter().next()?;
        account.management.as_ref()
    }

    /// The role with that ARN, path included, in whichever account of this server it is.
    pub fn role_of_any_account(&self, arn: &str) -> Option<Arc<Role>> {
        let account = arn.split(':').nth(4)?;
        if account == self.account.as_str() {
            return self.role_by_arn(arn).cloned();
        }
        let other = self.neighbours.view(&account.parse().ok()?)?;
        other.role_by_arn(arn).cloned()
    }

    /// The account's own record: one row, once the data directory has had its first start.
    pub fn accounts(&self) -> &Table<Account> {
        &self.accounts
    }

    /// The user of that name, in any case.
    pub fn user(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(&name.to_ascii_lowercase())
    }

    /// The user with a unique id, whatever it is called by now.
    pub fn user_by_id(&self, id: &str) -> Option<&Arc<User>> {
        let (_, name) = self.principals.get(id)?.as_str().rsplit_once('/')?;
        self.user(name).filter(|user| user.id == id)
    }

    /// The group of that name, in any case.
    pub fn group(&self, name: &str) -> Option<&Arc<Group>> {
        self.groups.get(&name.to_ascii_lowercase())
    }

    /// The role of that name, in any case.
    pub fn role(&self, name: &str) -> Option<&Arc<Role>> {
        self.roles.get(&name.to_ascii_lowercase())
    }

    /// The role with that ARN, path included.
    pub fn role_by_arn(&self, arn: &str) -> Option<&Arc<Role>> {
        let (_, name) = arn.rsplit_once('/')?;
        self.role(name).filter(|role| role.arn.as_str() == arn)
    }

    /// The customer managed policy with that ARN.
    pub fn policy(&self, arn: &Arn) -> Option<&Arc<ManagedPolicy>> {
        let (_, name) = arn.as_str().rsplit_once('/')?;
        self.policies
            .get(&name.to_ascii_lowercase())
            .filter(|policy| policy.arn == *arn)
    }

    /// The members of a group, in lower-case order.
    pub fn members<'a>(&'a self, group: &str) -> impl Iterator<Item = &'a Arc<User>> + use<'a> {
        self.members_after(group, None)
    }

    /// The members of a group whose lower-case name comes after `last`, in order: the next page.
    pub fn members_after<'a>(
        &'a self,
        group: &str,
        last: Option<&str>,
    ) -> impl Iterator<Item = &'a Arc<User>> + use<'a> {
        let prefix = format!("{}/", group.to_ascii_lowercase());
        let last = last.map(|last| format!("{prefix}{last}"));
        let names: Vec<_> = self
            .memberships
            .after(&prefix, last.as_deref())
            .map(|(_, user)| Arc::clone(user))
            .collect();
        names.into_iter().filter_map(|name| self.user(&name))
    }

    /// Ids of the access keys of a user, or of root.
    pub fn user_keys<'a>(&'a self, user: Option<&str>) -> impl Iterator<Item = &'a str> + use<'a> {
        belongings(&self.user_keys, user.unwrap_or_default())
    }

    /// Serial numbers of the enabled MFA devices of a user.
    pub fn user_devices<'a>(&'a self, user: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        belongings(&self.user_devices, user)
    }

    /// Names of the instance profiles with a role.
    pub fn role_profiles<'a>(&'a self, role: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        belongings(&self.role_profiles, role)
    }

    /// The reports of last uses, the oldest first.
    pub fn use_reports_by_age(&self) -> impl Iterator<Item = &Arc<UseReport>> {
        let ids = self.use_reports_by_age.iter();
        ids.filter_map(|(_, id)| self.use_reports.get(id))
    }

    pub(super) fn reindex_attachments(
        &mut self,
        before: Option<(Attachment, &Permissions)>,
        after: Option<(Attachment, &Permissions)>,
    ) {
        if let Some((entity, permissions)) = before {
            for prefix in policy_prefixes(permissions) {
                self.attachments
                    .remove(&format!("{prefix}{}\n{}", entity.kind, entity.name));
            }
        }
        if let Some((entity, permissions)) = after {
            let entity = Arc::new(entity);
            for prefix in policy_prefixes(permissions) {
                self.attachments.insert(
                    &format!("{prefix}{}\n{}", entity.kind, entity.name),
                    Arc::clone(&entity),
                );
            }
        }
    }

    /// Forgets what was compiled for whoever uses a managed policy, because the policy changes.
    pub(super) fn recompile_users_of(&mut self, policy: &Arn) {
        for usage in [Usage::Permissions, Usage::Boundary] {
            let prefix = attachment_prefix(policy, usage);
            let rows = self.attachments.prefix(&prefix);
            let users: Vec<_> = rows.map(|(_, user)| Arc::clone(user)).collect();
            for user in users {
                match user.kind {
                    "group" => self.recompile_members(&user.name),
                    "role" => renew(&mut self.roles, &user.name),
                    _ => renew(&mut self.users, &user.name),
                }
            }
        }
    }

    /// Forgets what was compiled for the members of a group, because the group's policies change.
    pub(super) fn recompile_members(&mut self, group: &str) {
        let members: Vec<_> = self.members(group).cloned().collect();
        for member in members {
            renew(&mut self.users, &member.name);
        }
    }

    pub(super) fn reindex_memberships(&mut self, before: Option<&User>, after: Option<&User>) {
        let key = |group: &str, user: &User| {
            format!(
                "{}/{}",
                group.to_ascii_lowercase(),
                user.name.to_ascii_lowercase()
            )
        };
        if let Some(user) = before {
            for group in &user.groups {
                self.memberships.remove(&key(group, user));
            }
        }
        if let Some(user) = after {
            for group in &user.groups {
                self.memberships
                    .insert(&key(group, user), Arc::new(user.name.clone()));
            }
        }
    }
}

/// Puts a copy in the place of a row: what was compiled of it does not go along.
fn renew<T: Clone>(table: &mut Table<T>, name: &str) {
    let key = name.to_ascii_lowercase();
    if let Some(row) = table.get(&key) {
        let copy = T::clone(row);
        table.insert(&key, Arc::new(copy));
    }
}

fn belongings<'a>(table: &'a Table<String>, owner: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let prefix = format!("{}/", owner.to_ascii_lowercase());
    let names: Vec<_> = table.prefix(&prefix).map(|(_, name)| name.as_str()).collect();
    names.into_iter()
}

/// Moves the row of a derived table from its key before a change to the one after it.
pub(super) fn move_row<T>(table: &mut Table<T>, before: Option<String>, after: Option<(String, T)>) {
    if let Some(key) = before {
        table.remove(&key);
    }
    if let Some((key, row)) = after {
        table.insert(&key, Arc::new(row));
    }
}

fn policy_prefixes(permissions: &Permissions) -> impl Iterator<Item = String> {
    let attached = permissions
        .attached
        .iter()
        .map(|arn| attachment_prefix(arn, Usage::Permissions));
    attached.chain(
        permissions
            .boundary
            .iter()
            .map(|arn| attachment_prefix(arn, Usage::Boundary)),
    )
}
