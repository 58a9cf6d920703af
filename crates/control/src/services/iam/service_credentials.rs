//! Service-specific credentials: a password or an API key of a user for one service.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::{IamIdKind, Secret, Timestamp, iam_id};
use portcullis_wire::Empty;
use sha2::{Digest as _, Sha256};

use super::checks::{self, Checks, Whose, one};
use super::credential_errors::CredentialError;
use super::entity;
use super::errors::IamError;
use super::paging::Paging;
use super::status;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check, Row, read, write};
use crate::scim::token;
use crate::world::records::credentials::ServiceCredential;
use crate::world::records::iam::User;
use crate::world::records::{Record as _, Sealed};
use crate::world::{Snapshot, Tx};

/// Credentials a user may have for each service.
const PER_SERVICE: usize = 2;
/// Random bytes of a password: 60 letters.
const PASSWORD_BYTES: usize = 44;
const DAY_SECONDS: i64 = 86_400;

/// A service that has credentials of its own.
struct Service {
    name: &'static str,
    /// How its API keys begin; `None` is a service with user names and passwords.
    key_prefix: Option<&'static str>,
}

const fn service(name: &'static str, key_prefix: Option<&'static str>) -> Service {
    Service { name, key_prefix }
}

const SERVICES: &[Service] = &[
    service(token::SERVICE, Some(token::PREFIX)),
    service("codecommit.amazonaws.com", None),
    service("cassandra.amazonaws.com", None),
    service("bedrock.amazonaws.com", Some("ABSK")),
    service("logs.amazonaws.com", Some("ACWL")),
    service("cloudwatch.amazonaws.com", Some("APIAACWM")),
    service("aws-external-anthropic.amazonaws.com", Some("AEAA")),
];

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::CreateServiceSpecificCredential>(
            &["iam:CreateServiceSpecificCredential"],
            require_create,
            create,
        ),
        read::<op::ListServiceSpecificCredentials>(
            &["iam:ListServiceSpecificCredentials"],
            require_list,
            list,
        ),
        write::<op::UpdateServiceSpecificCredential>(
            &["iam:UpdateServiceSpecificCredential"],
            |ask| {
                let (user, id) = (
                    ask.input.user_name.as_ref(),
                    &ask.input.service_specific_credential_id,
                );
                on_credential("iam:UpdateServiceSpecificCredential", &ask, user, id)
            },
            update,
        ),
        write::<op::ResetServiceSpecificCredential>(
            &["iam:ResetServiceSpecificCredential"],
            |ask| {
                let (user, id) = (
                    ask.input.user_name.as_ref(),
                    &ask.input.service_specific_credential_id,
                );
                on_credential("iam:ResetServiceSpecificCredential", &ask, user, id)
            },
            reset,
        ),
        write::<op::DeleteServiceSpecificCredential>(
            &["iam:DeleteServiceSpecificCredential"],
            |ask| {
                let (user, id) = (
                    ask.input.user_name.as_ref(),
                    &ask.input.service_specific_credential_id,
                );
                on_credential("iam:DeleteServiceSpecificCredential", &ask, user, id)
            },
            delete,
        ),
    ]
}

/// Service names have no case.
fn find_service(name: &str) -> Option<&'static Service> {
    SERVICES
        .iter()
        .find(|service| service.name.eq_ignore_ascii_case(name))
}

fn known_service(name: &str) -> Result<&'static Service, CredentialError> {
    find_service(name).ok_or_else(|| CredentialError::NoCredentialsForService(name.to_owned()))
}

fn with_service(check: Check, service: Option<&str>) -> Check {
    check.with_some("iam:ServiceSpecificCredentialServiceName", service)
}

fn require_create(ask: Ask<'_, api::CreateServiceSpecificCredentialRequest>) -> Checks {
    let input = ask.input;
    let check = checks::on::<User>("iam:CreateServiceSpecificCredential", &ask, &input.user_name);
    let name = find_service(&input.service_name).map_or(input.service_name.as_str(), |service| service.name);
    let days = input.credential_age_days.map(|days| days.to_string());
    one(with_service(check, Some(name)).with_some("iam:ServiceSpecificCredentialAgeDays", days))
}

/// All users' are listed with a permission on all users.
fn require_list(ask: Ask<'_, api::ListServiceSpecificCredentialsRequest>) -> Checks {
    const ACTION: &str = "iam:ListServiceSpecificCredentials";
    if ask.input.all_users == Some(true) {
        return one(Check::new(
            ACTION,
            checks::arn(ask.call, "user", "/", "*").as_str(),
        ));
    }
    checks::on_own(ACTION, &ask, ask.input.user_name.as_ref())
}

fn on_credential(
    action: &'static str,
    ask: &Ask<'_, impl Sized>,
    named: Option<&String>,
    id: &str,
) -> Checks {
    let checks = checks::on_own(action, ask, named)?;
    let known = anybodys(ask.view, id).map(|credential| credential.service.as_str());
    Ok(checks
        .into_iter()
        .map(|check| with_service(check, known))
        .collect())
}

fn anybodys<'v>(view: &'v Snapshot, id: &str) -> Option<&'v ServiceCredential> {
    let mut all = view.service_credentials.iter().map(|(_, row)| row.as_ref());
    all.find(|row| row.id == id)
}

/// The credentials of a user.
pub(super) fn of_user<'v>(view: &'v Snapshot, user: &User) -> Vec<&'v ServiceCredential> {
    entity::owned(&view.service_credentials, &user.id)
}

fn find(view: &Snapshot, whose: &Whose, id: &str) -> Result<(User, ServiceCredential), ServiceError> {
    let missing = || CredentialError::NoServiceCredential(id.to_owned());
    let Whose::User(name) = whose else {
        return Err(missing().into());
    };
    let user = entity::get::<User>(view, name)?;
    match view.service_credentials.get(&format!("{}/{id}", user.id)) {
        Some(row) => Ok((User::clone(user), ServiceCredential::clone(row))),
        None if anybodys(view, id).is_some() => Err(CredentialError::NotUsersServiceCredential {
            user: user.name.clone(),
            id: id.to_owned(),
        }
        .into()),
        None => Err(missing().into()),
    }
}

/// A password nobody has seen yet, and its digest as it rests.
fn new_password(tx: &Tx<'_>, id: &str) -> Result<(Secret, Sealed), IamError> {
    let mut bytes = [0_u8; PASSWORD_BYTES];
    tx.random.fill(&mut bytes);
    let password = Secret::new(STANDARD.encode(bytes));
    let digest = Sha256::digest(password.expose().as_bytes());
    let sealed = tx.vault.seal(ServiceCredential::PURPOSE, id.as_bytes(), &digest);
    let sealed = sealed.map_err(|error| {
        tracing::error!(%error, "the digest of a service credential could not be sealed");
        IamError::Internal
    })?;
    Ok((password, Sealed::new(sealed)))
}

/// The user name and account; a number after the user keeps it unique for the service.
fn free_login(view: &Snapshot, service: &str, user: &str, account: &str) -> String {
    let taken = |login: &str| {
        let mut all = view.service_credentials.iter();
        all.any(|(_, row)| row.service == service && row.login == login)
    };
    let numbered = (1_usize..).map(|number| format!("{user}+{number}-at-{account}"));
    let mut all = std::iter::once(format!("{user}-at-{account}")).chain(numbered);
    all.find(|login| !taken(login)).unwrap_or_default()
}

fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateServiceSpecificCredential>,
) -> Result<api::CreateServiceSpecificCredentialResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let user = entity::get::<User>(tx.view(), &input.user_name)?.clone();
    let service = known_service(&input.service_name)?;
    let mine = of_user(tx.view(), &user);
    let mine = mine.iter().filter(|row| row.service == service.name);
    if mine.count() >= PER_SERVICE {
        let quota = "ContextSpecificCredentialsPerUserPerContext";
        return Err(IamError::Quota(quota, PER_SERVICE).into());
    }
    let id = iam_id(IamIdKind::ServiceCredential, &call.account, tx.random);
    let (password, digest) = new_password(tx, &id)?;
    let days = input.credential_age_days.map(i64::from);
    let row = ServiceCredential {
        login: free_login(tx.view(), service.name, &user.name, call.account.as_str()),
        id,
        user_id: user.id.clone(),
        service: service.name.to_owned(),
        digest,
        active: true,
        created: tx.now,
        expires: days.map(|days| tx.now.plus_seconds(days.saturating_mul(DAY_SECONDS))),
    };
    let shown = with_secret(&user, &row, service, &password);
    tx.put(row);
    Ok(api::CreateServiceSpecificCredentialResponse {
        service_specific_credential: Some(shown),
    })
}

/// The only reply that shows the secret. An API key holds its alias and password.
fn with_secret(
    user: &User,
    row: &ServiceCredential,
    service: &Service,
    password: &Secret,
) -> api::ServiceSpecificCredential {
    let shown = metadata(&user.name, row);
    let key = service.key_prefix.map(|prefix| {
        let pair = Secret::new(format!("{}:{}", row.login, password.expose()));
        format!("{prefix}{}", STANDARD.encode(pair.expose()))
    });
    api::ServiceSpecificCredential {
        create_date: shown.create_date,
        expiration_date: shown.expiration_date,
        service_name: shown.service_name,
        service_password: key.is_none().then(|| password.expose().to_owned()),
        service_user_name: shown.service_user_name,
        service_credential_alias: shown.service_credential_alias,
        service_credential_secret: key,
        service_specific_credential_id: shown.service_specific_credential_id,
        user_name: shown.user_name,
        status: shown.status,
    }
}

fn metadata(user: &str, row: &ServiceCredential) -> api::ServiceSpecificCredentialMetadata {
    let has_key = find_service(&row.service).is_some_and(|service| service.key_prefix.is_some());
    let login = |wanted: bool| (has_key == wanted).then(|| row.login.clone());
    api::ServiceSpecificCredentialMetadata {
        user_name: user.to_owned(),
        status: status::shown(row.active),
        service_user_name: login(false),
        service_credential_alias: login(true),
        create_date: row.created,
        expiration_date: row.expires,
        service_specific_credential_id: row.id.clone(),
        service_name: row.service.clone(),
    }
}

/// Past its deadline a credential has expired, whatever was set.
fn listed(
    view: &Snapshot,
    now: Timestamp,
    row: &ServiceCredential,
) -> api::ServiceSpecificCredentialMetadata {
    let owner = view.principals.get(&row.user_id);
    let name = owner
        .and_then(|arn| arn.as_str().rsplit('/').next())
        .unwrap_or_default();
    let mut shown = metadata(name, row);
    if row.expires.is_some_and(|expires| expires <= now) {
        "Expired".clone_into(&mut shown.status);
    }
    shown
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListServiceSpecificCredentials>,
) -> Result<api::ListServiceSpecificCredentialsResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let service = match input.service_name.as_deref() {
        None | Some("") => None,
        Some(name) => Some(known_service(name)?.name),
    };
    let prefix = match (input.all_users, &input.user_name) {
        (Some(true), Some(_)) => {
            let text = "UserName cannot be given with AllUsers.";
            return Err(IamError::Validation(text.to_owned()).into());
        }
        (Some(true), None) => Some(String::new()),
        (_, named) => match Whose::of(call, named.as_ref())? {
            Whose::User(name) => Some(format!("{}/", entity::get::<User>(view, &name)?.id)),
            Whose::Root => None,
        },
    };
    let rows = prefix
        .iter()
        .flat_map(|prefix| view.service_credentials.after(prefix, paging.after()));
    let rows = rows.filter(|(_, row)| service.is_none_or(|service| row.service == service));
    let page = paging.rows(rows.map(|(key, row)| (key, listed(view, call.now, row))));
    Ok(api::ListServiceSpecificCredentialsResponse {
        is_truncated: page.is_truncated(),
        service_specific_credentials: Some(page.items),
        marker: page.marker,
    })
}

fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdateServiceSpecificCredential>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let active = status::accept(&input.status)?;
    let whose = Whose::of(auth.call(), input.user_name.as_ref())?;
    let (_, row) = find(tx.view(), &whose, &input.service_specific_credential_id)?;
    tx.put(ServiceCredential { active, ..row });
    Ok(Empty {})
}

/// Only the secret changes.
fn reset(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::ResetServiceSpecificCredential>,
) -> Result<api::ResetServiceSpecificCredentialResponse, ServiceError> {
    let input = auth.input();
    let whose = Whose::of(auth.call(), input.user_name.as_ref())?;
    let (user, row) = find(tx.view(), &whose, &input.service_specific_credential_id)?;
    let (password, digest) = new_password(tx, &row.id)?;
    let row = ServiceCredential { digest, ..row };
    let shown = with_secret(&user, &row, known_service(&row.service)?, &password);
    tx.put(row);
    Ok(api::ResetServiceSpecificCredentialResponse {
        service_specific_credential: Some(shown),
    })
}

fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteServiceSpecificCredential>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let whose = Whose::of(auth.call(), input.user_name.as_ref())?;
    let (_, row) = find(tx.view(), &whose, &input.service_specific_credential_id)?;
    tx.delete::<ServiceCredential>(&row.key());
    Ok(Empty {})
}
