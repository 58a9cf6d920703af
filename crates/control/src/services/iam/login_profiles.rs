//! Login profiles: the passwords of users.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_wire::Empty;

use super::checks::{self, Checks, Whose};
use super::credential_errors::CredentialError;
use super::entity;
use super::errors::IamError;
use super::password_policy;
use super::passwords::Hash;
use crate::gate::call::Call;
use crate::gate::caller::Identity;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check, Prepared, Row, read, write, write_prepared};
use crate::world::records::Sealed;
use crate::world::records::credentials::LoginProfile;
use crate::world::records::iam::User;
use crate::world::records::settings::AccountProfile;
use crate::world::{Snapshot, Tx};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write_prepared::<op::CreateLoginProfile>(
            &["iam:CreateLoginProfile"],
            |ask| checks::on_own("iam:CreateLoginProfile", &ask, ask.input.user_name.as_ref()),
            |view, env, auth| {
                let user = user(view, &auth, auth.input().user_name.as_ref())?;
                hashes(env, &user.id, [auth.input().password.as_deref()])
            },
            create,
        ),
        read::<op::GetLoginProfile>(
            &["iam:GetLoginProfile"],
            |ask| checks::on_own("iam:GetLoginProfile", &ask, ask.input.user_name.as_ref()),
            get,
        ),
        write_prepared::<op::UpdateLoginProfile>(
            &["iam:UpdateLoginProfile"],
            |ask| {
                let name = &ask.input.user_name;
                checks::one(checks::on::<User>("iam:UpdateLoginProfile", &ask, name))
            },
            |view, env, auth| {
                let user = entity::get::<User>(view, &auth.input().user_name)?;
                hashes(env, &user.id, [auth.input().password.as_deref()])
            },
            update,
        ),
        write::<op::DeleteLoginProfile>(
            &["iam:DeleteLoginProfile"],
            |ask| checks::on_own("iam:DeleteLoginProfile", &ask, ask.input.user_name.as_ref()),
            delete,
        ),
        write_prepared::<op::ChangePassword>(
            &["iam:ChangePassword"],
            require_change,
            |_, env, auth| {
                let (id, _) = caller(auth.call())?;
                let input = auth.input();
                hashes(
                    env,
                    id,
                    [
                        Some(input.old_password.as_str()),
                        Some(input.new_password.as_str()),
                    ],
                )
            },
            change,
        ),
    ]
}

/// The hashes of a call's passwords, in their order.
fn hashes<const N: usize>(
    env: &Environment,
    user_id: &str,
    passwords: [Option<&str>; N],
) -> Result<Box<Prepared>, ServiceError> {
    let passwords = passwords.into_iter().flatten();
    let hashes = passwords.map(|password| Hash::of(&env.vault, user_id, password));
    Ok(Box::new(hashes.collect::<Result<Vec<_>, _>>()?))
}

/// A hash made before the writers' queue; made anew when the name belongs to somebody else by now.
fn hash<O: portcullis_wire::Operation>(
    tx: &Tx<'_>,
    auth: &Authorized<'_, O>,
    index: usize,
    user_id: &str,
    password: &str,
) -> Result<Hash, IamError> {
    let made = auth.prepared::<Vec<Hash>>().and_then(|hashes| hashes.get(index));
    match made.filter(|hash| hash.is_of(user_id)) {
        Some(hash) => Ok(hash.clone()),
        None => Hash::of(tx.vault, user_id, password),
    }
}

fn user<'v, O: portcullis_wire::Operation>(
    view: &'v Snapshot,
    auth: &Authorized<'_, O>,
    named: Option<&String>,
) -> Result<&'v User, IamError> {
    match Whose::of(auth.call(), named)? {
        Whose::User(name) => Ok(entity::get::<User>(view, &name)?),
        Whose::Root => Err(IamError::Validation(
            "Must specify userName when calling with non-User credentials".to_owned(),
        )),
    }
}

fn profile<'v>(view: &'v Snapshot, user: &User) -> Result<&'v LoginProfile, CredentialError> {
    let profile = view.login_profiles.get(&user.id).map(AsRef::as_ref);
    profile.ok_or_else(|| CredentialError::NoLoginProfile(user.name.clone()))
}

fn shown(user: &User, profile: &LoginProfile) -> api::LoginProfile {
    api::LoginProfile {
        user_name: user.name.clone(),
        create_date: profile.created,
        password_reset_required: Some(profile.reset_required),
    }
}

/// A password in place of the one in force, if the account's policy takes it and it did not come up lately.
fn with_password(
    tx: &Tx<'_>,
    profile: LoginProfile,
    password: &str,
    hash: &Hash,
) -> Result<LoginProfile, ServiceError> {
    let policy = AccountProfile::of(tx.view()).password_policy;
    password_policy::accept(policy.as_ref(), password)?;
    let remembered = policy.and_then(|policy| policy.remembered).unwrap_or_default();
    let mut known = profile.hashes.iter().take(remembered);
    if known.any(|kept| hash.matches(tx.vault, kept)) {
        let text = "Password does not conform to the account password policy.";
        return Err(CredentialError::WeakPassword(text.to_owned()).into());
    }
    let mut hashes: Vec<Sealed> = vec![hash.seal(tx.vault)?];
    hashes.extend(profile.hashes.iter().take(LoginProfile::REMEMBERED - 1).cloned());
    Ok(LoginProfile {
        changed: tx.now,
        hashes,
        ..profile
    })
}

fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateLoginProfile>,
) -> Result<api::CreateLoginProfileResponse, ServiceError> {
    let input = auth.input();
    let user = user(tx.view(), &auth, input.user_name.as_ref())?.clone();
    if tx.view().login_profiles.get(&user.id).is_some() {
        return Err(CredentialError::LoginProfileExists(user.name).into());
    }
    let password = input.password.as_ref().ok_or_else(|| {
        let text = "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not \
                    be null";
        IamError::Validation(text.to_owned())
    })?;
    let profile = LoginProfile {
        user_id: user.id.clone(),
        created: tx.now,
        changed: tx.now,
        reset_required: input.password_reset_required.unwrap_or_default(),
        hashes: Vec::new(),
    };
    let hash = hash(tx, &auth, 0, &user.id, password)?;
    let profile = with_password(tx, profile, password, &hash)?;
    let login_profile = shown(&user, &profile);
    tx.put(profile);
    Ok(api::CreateLoginProfileResponse { login_profile })
}

fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetLoginProfile>,
) -> Result<api::GetLoginProfileResponse, ServiceError> {
    let user = user(view, &auth, auth.input().user_name.as_ref())?;
    Ok(api::GetLoginProfileResponse {
        login_profile: shown(user, profile(view, user)?),
    })
}

/// What the call leaves out stays; a new password alone does not take the reset back.
fn update(tx: &mut Tx<'_>, auth: Authorized<'_, op::UpdateLoginProfile>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let user = entity::get::<User>(tx.view(), &input.user_name)?.clone();
    let mut profile = profile(tx.view(), &user)?.clone();
    if let Some(password) = &input.password {
        let hash = hash(tx, &auth, 0, &user.id, password)?;
        profile = with_password(tx, profile, password, &hash)?;
    }
    if let Some(required) = input.password_reset_required {
        profile.reset_required = required;
    }
    tx.put(profile);
    Ok(Empty {})
}

fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeleteLoginProfile>) -> Result<Empty, ServiceError> {
    let user = user(tx.view(), &auth, auth.input().user_name.as_ref())?;
    let id = profile(tx.view(), user)?.user_id.clone();
    tx.delete::<LoginProfile>(&id);
    Ok(Empty {})
}

/// The id and name of the user who calls; nobody else has a password of its own.
fn caller(call: &Call) -> Result<(&str, &str), CredentialError> {
    match &call.caller.identity {
        Identity::User { id, name, .. } => Ok((id, name)),
        _ => Err(CredentialError::NotAnIamUser),
    }
}

fn require_change(ask: Ask<'_, api::ChangePasswordRequest>) -> Checks {
    const ACTION: &str = "iam:ChangePassword";
    match caller(ask.call) {
        Ok((_, name)) => checks::one(checks::on::<User>(ACTION, &ask, name)),
        Err(_) => checks::one(Check::new(ACTION, ask.call.caller.arn())),
    }
}

/// The user's own choice ends a required reset. Wrong old passwords are slowed down as wrong MFA codes are.
fn change(tx: &mut Tx<'_>, auth: Authorized<'_, op::ChangePassword>) -> Result<Empty, ServiceError> {
    let (input, (id, name)) = (auth.input(), caller(auth.call())?);
    let user = entity::get::<User>(tx.view(), name)?.clone();
    let profile = profile(tx.view(), &user)?.clone();
    let old = hash(tx, &auth, 0, id, &input.old_password)?;
    let guess = format!("password/{id}");
    let right = tx.guesses.attempt(&guess, tx.now, || {
        let kept = profile.hashes.first()?;
        old.matches(tx.vault, kept).then_some(())
    });
    right.ok_or(CredentialError::WrongPassword)?;
    let new = hash(tx, &auth, 1, id, &input.new_password)?;
    let profile = with_password(tx, profile, &input.new_password, &new)?;
    tx.put(LoginProfile {
        reset_required: false,
        ..profile
    });
    Ok(Empty {})
}
