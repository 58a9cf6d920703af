//! Export and import against running servers.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_wire::Operation;
use serde_json::{Value, json};

use super::super::import::{apply, page, prepare};
use super::read::{Caller, caller, identities};
use super::{Identities, Named, Text};
use crate::town::{ACCOUNT, Town};

impl Town {
    async fn ok<O: Operation>(&self, input: O::Input) -> O::Output {
        self.admin.expect::<O>(&input).await.unwrap()
    }

    async fn export(&self) -> Identities {
        identities(&self.admin, ACCOUNT).await.unwrap()
    }

    /// The plan as people read it.
    async fn plan(&self, wanted: &Identities, prune: bool) -> String {
        let plan = prepare(&self.admin, &self.caller().await, wanted, prune)
            .await
            .unwrap();
        page(&plan, wanted, ACCOUNT)
    }

    async fn import(&self, wanted: &Identities, prune: bool) {
        let plan = prepare(&self.admin, &self.caller().await, wanted, prune)
            .await
            .unwrap();
        apply(&self.admin, &plan.steps).await.unwrap();
    }

    async fn caller(&self) -> Caller {
        caller(&self.admin).await.unwrap()
    }
}

fn allow(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Sid": "A", "Effect": "Allow", "Action": action, "Resource": "*"}]})
}

fn trust(principal: Value) -> Value {
    json!({"Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]})
}

/// A file with one of everything.
fn office() -> Identities {
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    serde_json::from_value(json!({
        "format": "portcullis-iam-1",
        "account": ACCOUNT,
        "policies": {
            "run-web": {"path": "/team/", "description": "Runs the web.", "document": allow("ecs:RunTask"),
                "tags": {"owner": "mia", "cost": ""}},
            "edge": {"document": allow("*")},
        },
        "groups": {
            "developers": {"path": "/team/", "policies": {
                "attached": ["policy/team/run-web", "arn:aws:iam::aws:policy/ReadOnlyAccess"],
                "inline": {"look": allow("ecs:Describe*")}}},
            "empty": {},
        },
        "users": {
            "admin": {"policies": {"attached": ["arn:aws:iam::aws:policy/AdministratorAccess"]}},
            "alice": {"path": "/people/", "boundary": "policy/edge", "groups": ["developers", "empty"],
                "policies": {"inline": {"own": allow("iam:GetUser")}}, "tags": {"team": "web"}},
        },
        "roles": {
            "deploy": {"description": "Deploys.", "maxSessionDuration": 7200,
                "trust": trust(json!({"AWS": [role("web"), format!("arn:aws:iam::{ACCOUNT}:user/people/alice")]})),
                "boundary": "policy/edge", "policies": {"attached": ["policy/team/run-web"]}, "tags": {"team": "web"}},
            "web": {"trust": trust(json!({"Service": "ecs-tasks.amazonaws.com", "AWS": role("deploy")}))},
        },
        "serviceLinkedRoles": [{"service": "ecs.amazonaws.com", "name": "AWSServiceRoleForECS"}],
        "instanceProfiles": {"web": {"path": "/team/", "role": "web", "tags": {"team": "web"}}},
    }))
    .unwrap()
}

#[tokio::test]
async fn an_account_is_the_same_in_another_server() {
    let (first, second) = (Town::start().await, Town::start().await);
    let wanted = office();
    insta::assert_snapshot!(first.plan(&wanted, false).await);
    first.import(&wanted, false).await;
    let exported = first.export().await.to_text().unwrap();
    insta::assert_snapshot!(exported);

    let read: Identities = serde_json::from_str(&exported).unwrap();
    second.import(&read, false).await;
    assert_eq!(second.export().await.to_text().unwrap(), exported);
    for town in [first, second] {
        for prune in [false, true] {
            let plan = town.plan(&read, prune).await;
            assert_eq!(plan, format!("Account {ACCOUNT}: nothing to change.\n"));
        }
    }
}

#[tokio::test]
async fn white_space_of_a_document_does_not_count_and_odd_texts_stay() {
    let (first, second) = (Town::start().await, Town::start().await);
    let odd = r#"{"Version": "2012-10-17", "Statement": {"Sid": "\u0041", "Effect": "Allow", "Action": "ecs:*", "Resource": "*"}}"#;
    let wide = serde_json::to_string_pretty(&allow("ecs:*")).unwrap();
    for (name, text) in [("odd", odd), ("wide", &wide)] {
        let input = api::CreatePolicyRequest {
            policy_name: name.to_owned(),
            policy_document: text.to_owned(),
            ..Default::default()
        };
        first.ok::<op::CreatePolicy>(input).await;
    }
    let exported = first.export().await;
    assert_eq!(
        exported.policies.get("odd").unwrap().document,
        Text::Verbatim(odd.to_owned())
    );
    second.import(&exported, false).await;
    assert_eq!(second.export().await, exported);
}

#[tokio::test]
async fn what_the_file_does_not_hold_is_kept_unless_pruned() {
    let town = Town::start().await;
    town.import(&office(), false).await;
    let _ = town.key_of("alice").await;
    let input = api::CreateLoginProfileRequest {
        user_name: Some("alice".to_owned()),
        password: Some("correct-Horse-7".to_owned()),
        ..Default::default()
    };
    town.ok::<op::CreateLoginProfile>(input).await;
    let mut less = office();
    less.users.remove("alice");
    less.groups.remove("empty");
    less.instance_profiles.remove("web");
    less.policies.get_mut("run-web").unwrap().tags = Named::default();
    less.policies.get_mut("run-web").unwrap().document = text(&allow("ecs:StopTask"));
    let deploy = less.roles.get_mut("deploy").unwrap();
    (deploy.boundary, deploy.description) = (None, None);
    deploy.trust = text(&trust(json!({"Service": "ec2.amazonaws.com"})));
    less.service_linked_roles.clear();
    insta::assert_snapshot!(town.plan(&less, false).await);
    town.import(&less, false).await;
    let kept = town.export().await;
    assert!(kept.users.contains_key("alice") && kept.roles.get("deploy").unwrap().boundary.is_some());

    insta::assert_snapshot!(
        town.plan(&less, true)
            .await
            .replace(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit(), ".")
    );
    town.import(&less, true).await;
    let left = town.export().await;
    assert_eq!(
        (left.users, left.groups, left.roles),
        (less.users, less.groups, less.roles)
    );
    assert_eq!(left.instance_profiles, less.instance_profiles);
    assert!(left.policies.get("run-web").unwrap().tags.is_empty());
    // Services keep their roles.
    assert_eq!(left.service_linked_roles.len(), 1);
}

fn text(document: &Value) -> Text {
    Text::of(document.to_string())
}

#[tokio::test]
async fn a_policy_with_five_versions_needs_room() {
    let town = Town::start().await;
    let mut wanted = office();
    town.import(&wanted, false).await;
    for number in 0..4 {
        wanted.policies.get_mut("edge").unwrap().document = text(&allow(&format!("ecs:A{number}*")));
        town.import(&wanted, false).await;
    }
    wanted.policies.get_mut("edge").unwrap().document = text(&allow("ecs:*"));
    let error = prepare(&town.admin, &town.caller().await, &wanted, false)
        .await
        .unwrap_err();
    insta::assert_snapshot!(error.to_string());
    town.import(&wanted, true).await;
    assert_eq!(
        town.export().await.policies.get("edge"),
        {
            let mut edge = wanted.policies.get("edge").cloned().unwrap();
            edge.other_versions = ["v2", "v3", "v4", "v5"].map(str::to_owned).to_vec();
            Some(edge)
        }
        .as_ref()
    );
}

#[tokio::test]
async fn an_import_stops_at_the_first_refusal_and_goes_on_later() {
    let town = Town::start().await;
    let mut helper = office();
    helper.users = serde_json::from_value(json!({
        "admin": {"policies": {"attached": ["arn:aws:iam::aws:policy/AdministratorAccess"]}},
        "helper": {"policies": {"inline": {"some": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["iam:Get*", "iam:List*", "iam:CreatePolicy", "iam:TagPolicy"], "Resource": "*"}]}}}},
    }))
    .unwrap();
    (helper.policies, helper.groups, helper.roles) = Default::default();
    helper.instance_profiles = Named::default();
    town.import(&helper, false).await;
    let client = town.key_of("helper").await;
    let who = caller(&client).await.unwrap();
    let plan = prepare(&client, &who, &office(), false).await.unwrap();
    let error = apply(&client, &plan.steps).await.unwrap_err().to_string();
    let (told, _id) = error.split_once(". Go to").unwrap();
    insta::assert_snapshot!(told);
    town.import(&office(), false).await;
    assert!(town.plan(&office(), false).await.contains("nothing to change"));
}

#[tokio::test]
async fn a_plan_that_cannot_be_carried_out_is_none() {
    let town = Town::start().await;
    town.import(&office(), false).await;
    let refused = async |change: &dyn Fn(&mut Identities), prune| {
        let mut wanted = office();
        change(&mut wanted);
        prepare(&town.admin, &town.caller().await, &wanted, prune)
            .await
            .unwrap_err()
            .to_string()
            + "\n"
    };
    let told = [
        refused(
            &|all| "/b/".clone_into(&mut all.roles.get_mut("web").unwrap().path),
            false,
        )
        .await,
        refused(
            &|all| all.policies.get_mut("edge").unwrap().description = Some("b".to_owned()),
            false,
        )
        .await,
        refused(
            &|all| {
                all.users
                    .get_mut("alice")
                    .unwrap()
                    .groups
                    .extend(["nobody".to_owned()])
            },
            false,
        )
        .await,
        refused(
            &|all| all.users.get_mut("alice").unwrap().boundary = Some("policy/none".to_owned()),
            false,
        )
        .await,
        refused(&|all| drop(all.users.remove("admin")), true).await,
    ];
    insta::assert_snapshot!(told.concat());
}

#[test]
fn files_that_are_none() {
    let told = [
        r#"{"format": "portcullis-iam-9", "account": "123456789012"}"#,
        r#"{"format": "portcullis-iam-1", "account": "123456789012", "people": {}}"#,
        r#"{"format": "portcullis-iam-1", "account": "123456789012", "users": {"mia": {}, "Mia": {}}}"#,
        r#"{"format": "portcullis-iam-1", "account": "123456789012", "users": {"mia": {"polices": {}}}}"#,
        r#"{"format": "portcullis-iam-1", "account": "123456789012", "roles": {"web": {}}}"#,
        r#"{"format": "portcullis-iam-1", "account": "123456789012", "policies": {"a": {"document": 7}}}"#,
        r#"{"format": "portcullis-iam-1""#,
    ]
    .map(|text| serde_json::from_str::<Identities>(text).unwrap_err().to_string() + "\n");
    insta::assert_snapshot!(told.concat());
}
