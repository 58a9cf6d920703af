//! Users and what the caller may leave out.

use portcullis_api::iam::{self as api, op};

use crate::harness::{ACCOUNT, Server, allow};

fn create(name: &str, path: &str) -> api::CreateUserRequest {
    api::CreateUserRequest {
        user_name: name.to_owned(),
        path: Some(path.to_owned()),
        ..Default::default()
    }
}

fn get(name: &str) -> api::GetUserRequest {
    api::GetUserRequest {
        user_name: Some(name.to_owned()),
    }
}

#[tokio::test]
async fn a_user_is_read_back_as_made() {
    let server = Server::start().await;
    let made = server
        .root
        .ok::<op::CreateUser>(&create("Richard", "/eng/"))
        .await
        .user
        .unwrap();
    assert_eq!(made.arn, format!("arn:aws:iam::{ACCOUNT}:user/eng/Richard"));
    assert!(made.user_id.starts_with("AIDA") && made.user_id.len() == 21);
    let read = server.root.ok::<op::GetUser>(&get("richard")).await.user;
    assert_eq!(read, made);
}

#[tokio::test]
async fn names_are_unique_without_case() {
    let server = Server::start().await;
    server.root.ok::<op::CreateUser>(&create("Richard", "/")).await;
    let refused = server
        .root
        .err::<op::CreateUser>(&create("rIchard", "/other/"))
        .await;
    assert_eq!(
        refused,
        "EntityAlreadyExists: User with name rIchard already exists."
    );
}

#[tokio::test]
async fn a_missing_user_is_named() {
    let server = Server::start().await;
    let refused = server.root.err::<op::GetUser>(&get("nobody")).await;
    assert_eq!(
        refused,
        "NoSuchEntity: The user with name nobody cannot be found."
    );
}

#[tokio::test]
async fn paths_of_services_are_reserved() {
    let server = Server::start().await;
    let refused = server
        .root
        .err::<op::CreateUser>(&create("u", "/aws-service-role/x/"))
        .await;
    assert!(refused.starts_with("InvalidInput: "), "{refused}");
}

#[tokio::test]
async fn without_a_name_the_caller_is_meant() {
    let server = Server::start().await;
    let user = server.user("u", &allow("iam:GetUser", "*")).await;
    let me = user.ok::<op::GetUser>(&Default::default()).await.user;
    assert_eq!(me.user_name, "u");
    let root = server.root.ok::<op::GetUser>(&Default::default()).await.user;
    assert_eq!(
        (root.arn, root.user_id),
        (format!("arn:aws:iam::{ACCOUNT}:root"), ACCOUNT.to_owned())
    );
}

#[tokio::test]
async fn pages_follow_each_other_below_a_path() {
    let server = Server::start().await;
    for n in 0..7 {
        let path = if n % 2 == 0 { "/even/" } else { "/odd/" };
        server
            .root
            .ok::<op::CreateUser>(&create(&format!("u{n}"), path))
            .await;
    }
    let mut request = api::ListUsersRequest {
        path_prefix: Some("/even/".to_owned()),
        max_items: Some(3),
        ..Default::default()
    };
    let first = server.root.ok::<op::ListUsers>(&request).await;
    assert_eq!(first.is_truncated, Some(true));
    request.marker = first.marker;
    let second = server.root.ok::<op::ListUsers>(&request).await;
    assert_eq!((second.is_truncated, &second.marker), (Some(false), &None));
    let names: Vec<_> = first
        .users
        .iter()
        .chain(&second.users)
        .map(|user| user.user_name.as_str())
        .collect();
    assert_eq!(names, ["u0", "u2", "u4", "u6"]);
    request.marker = Some("*".to_owned());
    assert_eq!(
        server.root.err::<op::ListUsers>(&request).await,
        "ValidationError: Invalid Marker."
    );
}

#[tokio::test]
async fn a_renamed_user_keeps_keys_and_id() {
    let server = Server::start().await;
    let user = server.user("before", &allow("iam:GetUser", "*")).await;
    let id = user.ok::<op::GetUser>(&Default::default()).await.user.user_id;
    let update = api::UpdateUserRequest {
        user_name: "before".to_owned(),
        new_user_name: Some("after".to_owned()),
        new_path: Some("/new/".to_owned()),
    };
    server.root.ok::<op::UpdateUser>(&update).await;
    let me = user.ok::<op::GetUser>(&Default::default()).await.user;
    assert_eq!(
        (me.user_name.as_str(), me.path.as_str(), me.user_id),
        ("after", "/new/", id)
    );
    let keys = api::ListAccessKeysRequest {
        user_name: Some("after".to_owned()),
        ..Default::default()
    };
    assert_eq!(
        server
            .root
            .ok::<op::ListAccessKeys>(&keys)
            .await
            .access_key_metadata
            .len(),
        1
    );
    assert!(server.root.call::<op::GetUser>(&get("before")).await.is_err());
}

#[tokio::test]
async fn a_name_may_change_its_case_but_not_take_anothers() {
    let server = Server::start().await;
    server.root.ok::<op::CreateUser>(&create("one", "/")).await;
    server.root.ok::<op::CreateUser>(&create("two", "/")).await;
    let update = |to: &str| api::UpdateUserRequest {
        user_name: "one".to_owned(),
        new_user_name: Some(to.to_owned()),
        new_path: None,
    };
    let refused = server.root.err::<op::UpdateUser>(&update("TWO")).await;
    assert_eq!(refused, "EntityAlreadyExists: User with name TWO already exists.");
    server.root.ok::<op::UpdateUser>(&update("ONE")).await;
    assert_eq!(
        server.root.ok::<op::GetUser>(&get("one")).await.user.user_name,
        "ONE"
    );
}

#[tokio::test]
async fn r120_a_boundary_must_exist_and_bounds() {
    let server = Server::start().await;
    let request = |boundary: &str| api::CreateUserRequest {
        user_name: "u".to_owned(),
        permissions_boundary: Some(boundary.to_owned()),
        ..Default::default()
    };
    let missing = format!("arn:aws:iam::{ACCOUNT}:policy/none");
    let refused = server.root.err::<op::CreateUser>(&request(&missing)).await;
    assert_eq!(
        refused,
        format!("NoSuchEntity: Scope ARN: {missing} does not exist or is not attachable.")
    );
    let no_arn = "this-is-not-any-kind-of-arn";
    let refused = server.root.err::<op::CreateUser>(&request(no_arn)).await;
    assert_eq!(
        refused,
        format!("ValidationError: Value ({no_arn}) for parameter PermissionsBoundary is invalid.")
    );
    let user = server.user("bounded", &allow("*", "*")).await;
    user.ok::<op::ListUsers>(&Default::default()).await;
    let put = api::PutUserPermissionsBoundaryRequest {
        user_name: "bounded".to_owned(),
        permissions_boundary: "arn:aws:iam::aws:policy/AmazonECS_FullAccess".to_owned(),
    };
    server.root.ok::<op::PutUserPermissionsBoundary>(&put).await;
    let refused = user.err::<op::ListUsers>(&Default::default()).await;
    assert!(
        refused.ends_with("because no permissions boundary allows the iam:ListUsers action"),
        "{refused}"
    );
    let delete = api::DeleteUserPermissionsBoundaryRequest {
        user_name: "bounded".to_owned(),
    };
    server.root.ok::<op::DeleteUserPermissionsBoundary>(&delete).await;
    user.ok::<op::ListUsers>(&Default::default()).await;
}

#[tokio::test]
async fn nobody_renames_or_moves_himself_out_of_what_bounds_him() {
    let server = Server::start().await;
    let own = format!("arn:aws:iam::{ACCOUNT}:user/${{aws:username}}");
    let user = server.user("u", &allow("iam:UpdateUser", &own)).await;
    let update = |name: Option<&str>, path: Option<&str>| api::UpdateUserRequest {
        user_name: "u".to_owned(),
        new_user_name: name.map(str::to_owned),
        new_path: path.map(str::to_owned),
    };
    for (request, shown) in [
        (update(Some("boss"), None), "user boss"),
        (update(None, Some("/admins/")), "user u"),
    ] {
        let refused = user.err::<op::UpdateUser>(&request).await;
        assert!(refused.starts_with("AccessDenied: "), "{refused}");
        assert!(
            refused.contains(&format!("on resource: {shown} because")),
            "{refused}"
        );
    }
    user.ok::<op::UpdateUser>(&update(None, None)).await;
    let both = format!("arn:aws:iam::{ACCOUNT}:user/admins/u");
    server.allow("u", "there", &allow("iam:UpdateUser", &both)).await;
    user.ok::<op::UpdateUser>(&update(None, Some("/admins/"))).await;
}
