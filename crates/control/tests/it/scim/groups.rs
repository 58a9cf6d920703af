//! `/Groups`.

use portcullis_api::iam::{self, op};
use serde_json::{Value, json};

use super::provider::{GROUP, Provider};
use crate::harness::{Server, allow};

/// Names of the members, as IAM tells them.
async fn members(server: &Server, group: &str) -> Vec<String> {
    let input = iam::GetGroupRequest {
        group_name: group.to_owned(),
        ..Default::default()
    };
    let users = server.root.ok::<op::GetGroup>(&input).await.users;
    users.into_iter().map(|user| user.user_name).collect()
}

fn of(ids: &[&String]) -> Value {
    ids.iter().map(|id| json!({ "value": id })).collect()
}

#[tokio::test]
async fn a_group_is_made_shown_and_found() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let mia = provider.user("mia").await;
    let body = json!({ "schemas": [GROUP], "displayName": "developers", "externalId": "ignored", "members": of(&[&mia]) });
    let made = provider.post("/Groups", &body).await.is(201);
    assert_eq!(members(&server, "developers").await, ["mia"]);
    let id = made["id"].as_str().unwrap();
    let (path, at) = (format!("/Groups/{id}"), "http://scim.example/scim/v2");
    assert_eq!(
        made,
        json!({
            "schemas": [GROUP], "id": id, "displayName": "developers",
            "members": [{ "value": mia, "display": "mia", "$ref": format!("{at}/Users/{mia}"), "type": "User" }],
            "meta": { "resourceType": "Group", "created": "2026-11-22T00:00:00Z", "location": format!("{at}{path}") },
        })
    );
    assert_eq!(provider.post("/Groups", &body).await.error(), "409 uniqueness");
    assert_eq!(provider.get(&path).await.is(200), made);
    let user = provider.get(&format!("/Users/{mia}")).await.is(200);
    assert_eq!(user["groups"][0]["display"], "developers");
    let found = provider
        .get("/Groups?filter=displayName%20eq%20%22developers%22&excludedAttributes=members")
        .await
        .is(200);
    assert_eq!(
        (&found["totalResults"], &found["Resources"][0]["members"]),
        (&json!(1), &Value::Null)
    );
    let none = provider
        .get("/Groups?filter=displayName%20eq%20%22nobody%22")
        .await
        .is(200);
    assert_eq!(none["totalResults"], 0);
    assert_eq!(provider.get("/Groups").await.is(200)["Resources"], json!([made]));
}

#[tokio::test]
async fn members_come_and_go_and_a_group_goes_with_its_policies() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let (mia, tom, eva) = (
        provider.user("mia").await,
        provider.user("tom").await,
        provider.user("eva").await,
    );
    let body = json!({ "schemas": [GROUP], "displayName": "developers", "members": of(&[&mia]) });
    let made = provider.post("/Groups", &body).await.is(201);
    let id = made["id"].as_str().unwrap();
    let path = format!("/Groups/{id}");
    let change = async |operation: Value| {
        provider.patch(&path, json!([operation])).await.is(200);
        members(&server, "developers").await
    };
    assert_eq!(
        change(json!({ "op": "add", "path": "members", "value": of(&[&tom, &mia]) })).await,
        ["mia", "tom"]
    );
    assert_eq!(
        change(json!({ "op": "remove", "path": format!("members[value eq \"{mia}\"]") })).await,
        ["tom"]
    );
    assert_eq!(
        change(json!({ "op": "Replace", "path": "members", "value": of(&[&eva, &mia]) })).await,
        ["eva", "mia"]
    );
    assert_eq!(
        change(json!({ "op": "remove", "path": "members", "value": of(&[&eva]) })).await,
        ["mia"]
    );
    assert_eq!(
        change(json!({ "op": "add", "value": { "members": of(&[&tom]) } })).await,
        ["mia", "tom"]
    );
    assert!(
        change(json!({ "op": "remove", "path": "members" }))
            .await
            .is_empty()
    );

    let body = json!({ "schemas": [GROUP], "displayName": "builders", "members": of(&[&tom]) });
    assert_eq!(provider.put(&path, &body).await.is(200)["id"], id);
    assert_eq!(members(&server, "builders").await, ["tom"]);
    provider
        .patch(
            &path,
            json!([{ "op": "replace", "value": { "id": id, "displayName": "makers" } }]),
        )
        .await
        .is(200);

    let put = iam::PutGroupPolicyRequest {
        group_name: "makers".to_owned(),
        policy_name: "p".to_owned(),
        policy_document: allow("ecs:*", "*"),
    };
    server.root.ok::<op::PutGroupPolicy>(&put).await;
    assert_eq!(provider.delete(&path).await.status, 204);
    assert_eq!(provider.get(&path).await.error(), "404");
}

#[tokio::test]
async fn garbage_changes_no_group() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let mia = provider.user("mia").await;
    let body = json!({ "schemas": [GROUP], "displayName": "developers", "members": of(&[&mia]) });
    let made = provider.post("/Groups", &body).await.is(201);
    let path = format!("/Groups/{}", made["id"].as_str().unwrap());
    let nobody = "AIDANOBODY".to_owned();
    for (body, error) in [
        (json!({ "schemas": [GROUP] }), "400 invalidValue"),
        (
            json!({ "schemas": [GROUP], "displayName": "two words" }),
            "400 invalidValue",
        ),
        (
            json!({ "schemas": [GROUP], "displayName": "x", "members": of(&[&nobody]) }),
            "400 invalidValue",
        ),
        (
            json!({ "schemas": [GROUP], "displayName": "x", "members": [{ "value": mia, "type": "Group" }] }),
            "400 invalidValue",
        ),
        (
            json!({ "schemas": [GROUP], "displayName": "x", "members": "mia" }),
            "400 invalidValue",
        ),
    ] {
        assert_eq!(provider.post("/Groups", &body).await.error(), error, "{body}");
    }
    for (operation, error) in [
        (
            json!({ "op": "add", "path": "members", "value": of(&[&mia, &nobody]) }),
            "400 invalidValue",
        ),
        (
            json!({ "op": "add", "path": "owners", "value": [] }),
            "400 invalidPath",
        ),
        (
            json!({ "op": "remove", "path": "members[display eq \"mia\"]" }),
            "400 invalidPath",
        ),
        (
            json!({ "op": "remove", "path": "members[value eq mia]" }),
            "400 invalidPath",
        ),
        (json!({ "op": "remove", "path": "displayName" }), "400 mutability"),
        (
            json!({ "op": "replace", "path": "id", "value": "x" }),
            "400 mutability",
        ),
        (json!({ "op": "remove" }), "400 noTarget"),
    ] {
        assert_eq!(
            provider.patch(&path, json!([operation])).await.error(),
            error,
            "{operation}"
        );
    }
    assert_eq!(provider.get("/Groups").await.is(200)["Resources"], json!([made]));
}
