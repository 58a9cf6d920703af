//! Several accounts on one server: made by the organization, apart from each other, with roles assumed across.

use std::sync::Arc;

use portcullis_api::organizations::{self as org, op as org_op};
use portcullis_api::sts::{self, op as sts_op};
use portcullis_api::{ecs, iam};
use portcullis_core::{AccountId, FixedClock, SeededRandom};
use portcullis_store::{Opened, open_in_memory};

use crate::harness::{ACCOUNT, BEGINNING, Client, Server, allow};

/// Makes the organization and an account of it; gives its id and a session of its administrator's role.
pub async fn account(server: &Server, name: &str) -> (String, Client) {
    let _ = server
        .root
        .call::<org_op::CreateOrganization>(&Default::default())
        .await;
    let create = org::CreateAccountRequest {
        account_name: name.to_owned(),
        email: format!("{name}@example.com"),
        ..Default::default()
    };
    let status = server.root.ok::<org_op::CreateAccount>(&create).await;
    let request_id = status.create_account_status.unwrap().id.unwrap();
    server.accounts.settle().await;
    let describe = org::DescribeCreateAccountStatusRequest {
        create_account_request_id: request_id,
    };
    let status = server
        .root
        .ok::<org_op::DescribeCreateAccountStatus>(&describe)
        .await;
    let status = status.create_account_status.unwrap();
    assert_eq!(status.state.as_deref(), Some("SUCCEEDED"));
    let id = status.account_id.unwrap();
    let admin = server
        .user(&format!("admin-of-{name}"), &allow("sts:AssumeRole", "*"))
        .await;
    let session = session(
        &admin,
        &format!("arn:aws:iam::{id}:role/OrganizationAccountAccessRole"),
    )
    .await;
    (id, session)
}

/// AssumeRole of this role.
pub fn assume(role: &str) -> sts::AssumeRoleRequest {
    sts::AssumeRoleRequest {
        role_arn: role.to_owned(),
        role_session_name: "across".to_owned(),
        ..Default::default()
    }
}

async fn session(client: &Client, role: &str) -> Client {
    let assumed = client.ok::<sts_op::AssumeRole>(&assume(role)).await;
    let keys = assumed.credentials.unwrap();
    client.with(
        &keys.access_key_id,
        &keys.secret_access_key,
        Some(&keys.session_token),
    )
}

/// A role; its ARN.
pub async fn create_role(client: &Client, name: &str, trust: &str) -> String {
    let create = iam::CreateRoleRequest {
        role_name: name.to_owned(),
        assume_role_policy_document: trust.to_owned(),
        ..Default::default()
    };
    client.ok::<iam::op::CreateRole>(&create).await.role.arn
}

/// A trust policy that names this principal.
pub fn trust(principal: &str) -> String {
    serde_json::json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "sts:AssumeRole" }] })
    .to_string()
}

#[tokio::test]
async fn accounts_are_apart_and_a_role_leads_from_one_to_the_other() {
    let server = Server::start().await;
    let (id, other) = account(&server, "other").await;
    let who = other.ok::<sts_op::GetCallerIdentity>(&Default::default()).await;
    assert_eq!(who.account.as_deref(), Some(id.as_str()));
    let arn = format!("arn:aws:sts::{id}:assumed-role/OrganizationAccountAccessRole/across");
    assert_eq!(who.arn.as_deref(), Some(arn.as_str()));

    // The same names, and nothing of each other.
    for client in [&other, &server.root] {
        let create = ecs::CreateClusterRequest {
            cluster_name: Some("web".to_owned()),
            ..Default::default()
        };
        client.ok::<ecs::op::CreateCluster>(&create).await;
    }
    let clusters = other
        .ok::<ecs::op::ListClusters>(&Default::default())
        .await
        .cluster_arns;
    assert_eq!(
        clusters.unwrap(),
        [format!("arn:aws:ecs:us-east-1:{id}:cluster/web")]
    );
    let users = other.ok::<iam::op::ListUsers>(&Default::default()).await.users;
    assert!(users.is_empty());
    // A name in another account's ARN is not looked up here.
    let describe = ecs::DescribeClustersRequest {
        clusters: Some(vec![format!("arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/web")]),
        ..Default::default()
    };
    assert!(
        other
            .err::<ecs::op::DescribeClusters>(&describe)
            .await
            .starts_with("AccessDeniedException: ")
    );
}

#[tokio::test]
async fn r123_across_accounts_both_sides_must_allow_and_r179_the_words_name_no_policy() {
    let server = Server::start().await;
    let (id, other) = account(&server, "other").await;
    let near = server.user("near", "").await;
    let near_arn = format!("arn:aws:iam::{ACCOUNT}:user/near");
    let role = create_role(&other, "shared", &trust(&near_arn)).await;
    let refused = near.err::<sts_op::AssumeRole>(&assume(&role)).await;
    // Named by the trust policy: enough in one account (R118), not across two.
    assert!(refused.starts_with("AccessDenied: "), "{refused}");
    assert!(
        refused.contains(&format!(
            "User: {near_arn} is not authorized to perform: sts:AssumeRole on resource: {role}"
        )),
        "{refused}"
    );
    assert!(!refused.contains("policy allows"), "{refused}");
    server
        .allow("near", "assume", &allow("sts:AssumeRole", &role))
        .await;
    session(&near, &role).await;

    // Nor is the caller's own policy enough.
    let stranger = create_role(&other, "strange", &trust(&id)).await;
    server.allow("near", "all", &allow("sts:*", "*")).await;
    assert!(
        near.err::<sts_op::AssumeRole>(&assume(&stranger))
            .await
            .starts_with("AccessDenied: ")
    );

    // The account is named: its administrators say who.
    let delegated = create_role(&other, "delegated", &trust(ACCOUNT)).await;
    session(&near, &delegated).await;
}

#[tokio::test]
async fn r65_a_user_made_anew_does_not_inherit_the_trust_of_another_account() {
    let server = Server::start().await;
    let (_, other) = account(&server, "other").await;
    let first = server.user("near", &allow("sts:AssumeRole", "*")).await;
    let role = create_role(
        &other,
        "shared",
        &trust(&format!("arn:aws:iam::{ACCOUNT}:user/near")),
    )
    .await;
    session(&first, &role).await;
    let key = iam::DeleteAccessKeyRequest {
        user_name: Some("near".to_owned()),
        access_key_id: first.access_key_id.clone(),
    };
    server.root.ok::<iam::op::DeleteAccessKey>(&key).await;
    let policy = iam::DeleteUserPolicyRequest {
        user_name: "near".to_owned(),
        policy_name: "p".to_owned(),
    };
    server.root.ok::<iam::op::DeleteUserPolicy>(&policy).await;
    let user = iam::DeleteUserRequest {
        user_name: "near".to_owned(),
    };
    server.root.ok::<iam::op::DeleteUser>(&user).await;
    let second = server.user("near", &allow("sts:AssumeRole", "*")).await;
    assert!(
        second
            .err::<sts_op::AssumeRole>(&assume(&role))
            .await
            .starts_with("AccessDenied: ")
    );
    // Principals of the other account must exist, as those of the own.
    let nobody = iam::CreateRoleRequest {
        role_name: "none".to_owned(),
        assume_role_policy_document: trust(&format!("arn:aws:iam::{ACCOUNT}:user/nobody")),
        ..Default::default()
    };
    let refused = other.err::<iam::op::CreateRole>(&nobody).await;
    assert!(refused.starts_with("MalformedPolicyDocument: "), "{refused}");
}

#[tokio::test]
async fn a_session_of_the_other_account_ends_with_its_role() {
    let server = Server::start().await;
    let (_, other) = account(&server, "other").await;
    let near = server.user("near", &allow("sts:AssumeRole", "*")).await;
    let role = create_role(&other, "shared", &trust(ACCOUNT)).await;
    let across = session(&near, &role).await;
    across.ok::<sts_op::GetCallerIdentity>(&Default::default()).await;
    let delete = iam::DeleteRoleRequest {
        role_name: "shared".to_owned(),
    };
    other.ok::<iam::op::DeleteRole>(&delete).await;
    let gone = across.err::<sts_op::GetCallerIdentity>(&Default::default()).await;
    assert!(gone.starts_with("InvalidClientTokenId: "), "{gone}");
}

#[tokio::test]
async fn an_account_is_there_again_when_the_server_starts_anew() {
    let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
    let opened = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(1))).unwrap();
    let (store, vault) = (opened.store.clone(), opened.vault.clone());
    let server = Server::over(opened, clock.clone()).await;
    let (id, other) = account(&server, "other").await;
    let create = ecs::CreateClusterRequest {
        cluster_name: Some("web".to_owned()),
        ..Default::default()
    };
    other.ok::<ecs::op::CreateCluster>(&create).await;
    drop(server);

    let again = Server::over(Opened { store, vault }, clock).await;
    let other = again.root.with(
        &other.access_key_id,
        other.secret.expose(),
        other.token.as_ref().map(|token| token.expose()),
    );
    let clusters = other
        .ok::<ecs::op::ListClusters>(&Default::default())
        .await
        .cluster_arns;
    assert_eq!(
        clusters.unwrap(),
        [format!("arn:aws:ecs:us-east-1:{id}:cluster/web")]
    );
}

#[tokio::test]
async fn both_accounts_record_a_role_assumed_across() {
    let server = Server::start().await;
    let (id, other) = account(&server, "other").await;
    let record_of = |records: Vec<serde_json::Value>| {
        let mut records = records
            .into_iter()
            .filter(|record| record["eventName"] == "AssumeRole");
        records.next().unwrap()
    };
    let here = record_of(server.records().await);
    let there = record_of(other.records().await);
    assert_eq!(here["recipientAccountId"], ACCOUNT);
    assert_eq!(there["recipientAccountId"], id.as_str());
    assert_eq!(there["userIdentity"]["accountId"], ACCOUNT);
    assert_eq!(here["sharedEventID"], there["sharedEventID"]);
    assert!(here["sharedEventID"].is_string());
    assert_ne!(here["eventID"], there["eventID"]);
    assert_eq!(there["resources"][0]["accountId"], id.as_str());
}

#[tokio::test]
async fn organization_keys_tell_the_accounts_of_one_server() {
    let server = Server::start().await;
    let (id, other) = account(&server, "other").await;
    let organization = other
        .ok::<org_op::DescribeOrganization>(&Default::default())
        .await
        .organization
        .unwrap();
    let same = organization.id.unwrap();
    let near = server.user("near", &allow("sts:AssumeRole", "*")).await;
    let trusting = |organization: &str| {
        serde_json::json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "aws:PrincipalOrgID": organization, "aws:ResourceAccount": id } } }] })
        .to_string()
    };
    let role = create_role(&other, "ours", &trusting(&same)).await;
    session(&near, &role).await;
    let role = create_role(&other, "theirs", &trusting("o-somebodyels")).await;
    assert!(
        near.err::<sts_op::AssumeRole>(&assume(&role))
            .await
            .starts_with("AccessDenied: ")
    );
}

#[tokio::test]
async fn only_the_management_account_manages_and_an_address_makes_one_account() {
    let server = Server::start().await;
    let none = server.root.err::<org_op::ListAccounts>(&Default::default()).await;
    assert!(none.starts_with("AWSOrganizationsNotInUseException: "), "{none}");
    let (id, other) = account(&server, "other").await;
    let listed = server
        .root
        .ok::<org_op::ListAccounts>(&Default::default())
        .await
        .accounts
        .unwrap();
    let ids: Vec<_> = listed.iter().filter_map(|account| account.id.clone()).collect();
    assert_eq!(ids, [ACCOUNT.to_owned(), id]);
    let refused = other.err::<org_op::ListAccounts>(&Default::default()).await;
    assert!(refused.starts_with("AccessDeniedException: "), "{refused}");
    let again = server
        .root
        .err::<org_op::CreateOrganization>(&Default::default())
        .await;
    assert!(again.starts_with("AlreadyInOrganizationException: "), "{again}");
    let create = org::CreateAccountRequest {
        account_name: "twin".to_owned(),
        email: "OTHER@example.com".to_owned(),
        ..Default::default()
    };
    let status = server
        .root
        .ok::<org_op::CreateAccount>(&create)
        .await
        .create_account_status
        .unwrap();
    assert_eq!(status.state.as_deref(), Some("FAILED"));
    assert_eq!(status.failure_reason.as_deref(), Some("EMAIL_ALREADY_EXISTS"));
    let nobody: AccountId = "999999999999".parse().unwrap();
    let describe = org::DescribeAccountRequest {
        account_id: nobody.to_string(),
    };
    let unknown = server.root.err::<org_op::DescribeAccount>(&describe).await;
    assert!(unknown.starts_with("AccountNotFoundException: "), "{unknown}");
}
