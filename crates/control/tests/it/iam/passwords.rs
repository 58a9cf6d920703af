//! The account's alias and password policy, and the passwords of users.

use portcullis_api::iam::{self as api, op};
use portcullis_wire::Empty;

use crate::harness::{ACCOUNT, Client, Server, allow, without_authorization_id};

/// A password every account takes.
const GOOD: &str = "Correct-horse-1";

async fn profile(server: &Server, user: &str, password: &str) -> Result<(), String> {
    let create = api::CreateLoginProfileRequest {
        user_name: Some(user.to_owned()),
        password: Some(password.to_owned()),
        password_reset_required: Some(true),
    };
    let made = server.root.call::<op::CreateLoginProfile>(&create).await;
    made.map(|_| ()).map_err(|error| error.to_string())
}

async fn change(user: &Client, old: &str, new: &str) -> Result<(), String> {
    let change = api::ChangePasswordRequest {
        old_password: old.to_owned(),
        new_password: new.to_owned(),
    };
    let changed = user.call::<op::ChangePassword>(&change).await;
    let text = |error: portcullis_wire::ClientError| without_authorization_id(&error.to_string()).0;
    changed.map(|_| ()).map_err(text)
}

#[tokio::test]
async fn an_account_has_one_alias_and_a_new_one_takes_its_place() {
    let server = Server::start().await;
    let alias = |name: &str| api::CreateAccountAliasRequest {
        account_alias: name.to_owned(),
    };
    let all = api::ListAccountAliasesRequest::default();
    let list = || server.root.ok::<op::ListAccountAliases>(&all);
    assert!(list().await.account_aliases.is_empty());
    server.root.ok::<op::CreateAccountAlias>(&alias("first")).await;
    server.root.ok::<op::CreateAccountAlias>(&alias("second")).await;
    assert_eq!(list().await.account_aliases, ["second"]);
    let taken = server.root.err::<op::CreateAccountAlias>(&alias("second")).await;
    assert_eq!(
        taken,
        "EntityAlreadyExists: The account alias second already exists."
    );
    let delete = |name: &str| api::DeleteAccountAliasRequest {
        account_alias: name.to_owned(),
    };
    let other = server.root.err::<op::DeleteAccountAlias>(&delete("first")).await;
    assert!(other.starts_with("NoSuchEntity: "), "{other}");
    server.root.ok::<op::DeleteAccountAlias>(&delete("second")).await;
    assert!(list().await.account_aliases.is_empty());
    for name in ["ab", "Upper", "two--dashes", "-x-", "under_score"] {
        let refused = server.root.err::<op::CreateAccountAlias>(&alias(name)).await;
        assert!(refused.starts_with("ValidationError: "), "{name}: {refused}");
    }
}

#[tokio::test]
async fn a_password_policy_is_set_whole_and_binds_new_passwords() {
    let server = Server::start().await;
    server.user("u", "").await;
    let missing = server.root.err::<op::GetAccountPasswordPolicy>(&Empty {}).await;
    assert_eq!(
        missing,
        format!("NoSuchEntity: The Password Policy with domain name {ACCOUNT} cannot be found.")
    );
    let weak = profile(&server, "u", "password").await.unwrap_err();
    assert!(
        weak.starts_with("PasswordPolicyViolation: Password should meet 2 more"),
        "{weak}"
    );
    let update = api::UpdateAccountPasswordPolicyRequest {
        minimum_password_length: Some(14),
        require_symbols: Some(true),
        max_password_age: Some(90),
        ..Default::default()
    };
    server.root.ok::<op::UpdateAccountPasswordPolicy>(&update).await;
    let policy = server
        .root
        .ok::<op::GetAccountPasswordPolicy>(&Empty {})
        .await
        .password_policy;
    assert_eq!(
        (
            policy.minimum_password_length,
            policy.require_symbols,
            policy.require_numbers
        ),
        (Some(14), Some(true), Some(false))
    );
    assert_eq!(
        (policy.expire_passwords, policy.max_password_age),
        (Some(true), Some(90))
    );
    let weak = profile(&server, "u", "OnlyLetters12").await.unwrap_err();
    assert_eq!(
        weak,
        "PasswordPolicyViolation: Password should have at least one symbol, Password should have a minimum length of \
         14 characters"
    );
    server
        .root
        .ok::<op::UpdateAccountPasswordPolicy>(&Default::default())
        .await;
    let policy = server
        .root
        .ok::<op::GetAccountPasswordPolicy>(&Empty {})
        .await
        .password_policy;
    assert_eq!(
        (policy.minimum_password_length, policy.max_password_age),
        (Some(6), None)
    );
    profile(&server, "u", "simple").await.unwrap();
    server.root.ok::<op::DeleteAccountPasswordPolicy>(&Empty {}).await;
    let missing = server
        .root
        .err::<op::DeleteAccountPasswordPolicy>(&Empty {})
        .await;
    assert_eq!(
        missing,
        "NoSuchEntity: The account policy with name PasswordPolicy cannot be found."
    );
}

#[tokio::test]
async fn a_login_profile_is_made_read_changed_and_deleted() {
    let server = Server::start().await;
    server.user("u", "").await;
    let get = api::GetLoginProfileRequest {
        user_name: Some("u".to_owned()),
    };
    let missing = "NoSuchEntity: Login Profile for User u cannot be found.";
    assert_eq!(server.root.err::<op::GetLoginProfile>(&get).await, missing);
    profile(&server, "u", GOOD).await.unwrap();
    assert_eq!(
        profile(&server, "U", GOOD).await.unwrap_err(),
        "EntityAlreadyExists: Login Profile for user u already exists."
    );
    let found = server.root.ok::<op::GetLoginProfile>(&get).await.login_profile;
    assert_eq!(
        (found.user_name.as_str(), found.password_reset_required),
        ("u", Some(true))
    );
    let mut update = api::UpdateLoginProfileRequest {
        user_name: "u".to_owned(),
        password: Some("Another-horse-2".to_owned()),
        password_reset_required: None,
    };
    server.root.ok::<op::UpdateLoginProfile>(&update).await;
    let found = server.root.ok::<op::GetLoginProfile>(&get).await.login_profile;
    assert_eq!(
        found.password_reset_required,
        Some(true),
        "a password alone changes nothing else"
    );
    update.password_reset_required = Some(false);
    server.root.ok::<op::UpdateLoginProfile>(&update).await;
    let found = server.root.ok::<op::GetLoginProfile>(&get).await.login_profile;
    assert_eq!(found.password_reset_required, Some(false));
    let rename = api::UpdateUserRequest {
        user_name: "u".to_owned(),
        new_user_name: Some("v".to_owned()),
        new_path: None,
    };
    server.root.ok::<op::UpdateUser>(&rename).await;
    let delete = |name: &str| api::DeleteLoginProfileRequest {
        user_name: Some(name.to_owned()),
    };
    server.root.ok::<op::DeleteLoginProfile>(&delete("v")).await;
    let refused = server.root.err::<op::DeleteLoginProfile>(&delete("v")).await;
    assert_eq!(refused, "NoSuchEntity: Login Profile for User v cannot be found.");
}

#[tokio::test]
async fn a_user_changes_its_own_password_and_knows_the_old_one() {
    let server = Server::start().await;
    let user = server
        .user(
            "u",
            &allow("iam:ChangePassword", "arn:aws:iam::*:user/${aws:username}"),
        )
        .await;
    assert_eq!(
        change(&user, GOOD, "x").await.unwrap_err(),
        "NoSuchEntity: Login Profile for User u cannot be found."
    );
    profile(&server, "u", GOOD).await.unwrap();
    let wrong = "AccessDenied: The old password was incorrect";
    assert_eq!(
        change(&user, "guess", "Another-horse-2").await.unwrap_err(),
        wrong
    );
    let weak = change(&user, GOOD, "weak").await.unwrap_err();
    assert!(weak.starts_with("PasswordPolicyViolation: "), "{weak}");
    change(&user, GOOD, "Another-horse-2").await.unwrap();
    assert_eq!(change(&user, GOOD, "Third-horse-3").await.unwrap_err(), wrong);
    let get = api::GetLoginProfileRequest {
        user_name: Some("u".to_owned()),
    };
    let found = server.root.ok::<op::GetLoginProfile>(&get).await.login_profile;
    assert_eq!(
        found.password_reset_required,
        Some(false),
        "the user's own choice ends a reset"
    );
    let refused = change(&server.root, GOOD, GOOD).await.unwrap_err();
    assert_eq!(
        refused,
        "InvalidUserType: Only IAM Users can change their own password"
    );
    let nobody = server.user("nobody", "").await;
    let denied = change(&nobody, GOOD, GOOD).await.unwrap_err();
    assert!(
        denied.contains("iam:ChangePassword on resource: user nobody"),
        "{denied}"
    );
}

#[tokio::test]
async fn guessing_a_password_is_slow() {
    let server = Server::start().await;
    let user = server.user("u", &allow("iam:ChangePassword", "*")).await;
    profile(&server, "u", GOOD).await.unwrap();
    for _ in 0..5 {
        change(&user, "guess", "Another-horse-2").await.unwrap_err();
    }
    change(&user, GOOD, "Another-horse-2").await.unwrap_err();
    server.clock.advance_seconds(31);
    change(&user, GOOD, "Another-horse-2").await.unwrap();
}

#[tokio::test]
async fn passwords_do_not_come_again_as_long_as_the_policy_remembers() {
    let server = Server::start().await;
    let user = server.user("u", &allow("iam:ChangePassword", "*")).await;
    let update = api::UpdateAccountPasswordPolicyRequest {
        password_reuse_prevention: Some(2),
        ..Default::default()
    };
    server.root.ok::<op::UpdateAccountPasswordPolicy>(&update).await;
    profile(&server, "u", "first1").await.unwrap();
    change(&user, "first1", "second").await.unwrap();
    for again in ["first1", "second"] {
        let refused = change(&user, "second", again).await.unwrap_err();
        assert_eq!(
            refused,
            "PasswordPolicyViolation: Password does not conform to the account password policy."
        );
    }
    change(&user, "second", "third1").await.unwrap();
    change(&user, "third1", "first1").await.unwrap();
}

#[tokio::test]
async fn passwords_stand_in_no_record() {
    let server = Server::start().await;
    let user = server.user("u", &allow("iam:ChangePassword", "*")).await;
    profile(&server, "u", GOOD).await.unwrap();
    change(&user, GOOD, "Another-horse-2").await.unwrap();
    let records = serde_json::to_string(&server.records().await).unwrap();
    assert!(records.contains("CreateLoginProfile") && records.contains("ChangePassword"));
    assert!(!records.contains("horse"), "{records}");
}
