//! `/Users` and what the endpoint says of itself.

use portcullis_api::iam::{self, op};
use serde_json::{Value, json};

use super::provider::{Provider, USER};
use crate::harness::Server;

async fn iam_user(server: &Server, name: &str) -> iam::User {
    let input = iam::GetUserRequest {
        user_name: Some(name.to_owned()),
    };
    server.root.ok::<op::GetUser>(&input).await.user
}

#[tokio::test]
async fn a_user_is_made_shown_found_changed_and_deleted() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let body = json!({
        "schemas": [USER], "userName": "mia", "externalId": "00u1", "displayName": "Mia O'Brien (web)",
        "name": { "givenName": "Mia", "familyName": "O'Brien", "formatted": "ignored" }, "active": true,
        "emails": [{ "value": "mia@example.com", "primary": true }],
    });
    let reply = provider.post("/Users", &body).await;
    let user = iam_user(&server, "mia").await;
    let at = format!("http://scim.example/scim/v2/Users/{}", user.user_id);
    assert!(reply.head.contains(&format!("location: {at}")), "{}", reply.head);
    let made = reply.is(201);
    assert_eq!(
        made,
        json!({
            "schemas": [USER], "id": user.user_id, "userName": "mia", "active": true, "groups": [],
            "meta": { "resourceType": "User", "created": "2026-11-22T00:00:00Z", "location": at },
            "externalId": "00u1", "displayName": "Mia O'Brien (web)", "name": { "givenName": "Mia", "familyName": "O'Brien" },
        })
    );
    assert_eq!(provider.post("/Users", &body).await.error(), "409 uniqueness");

    let path = format!("/Users/{}", user.user_id);
    assert_eq!(provider.get(&path).await.is(200), made);
    let found = provider
        .get("/Users?filter=userName%20eq%20%22MIA%22")
        .await
        .is(200);
    assert_eq!(
        (&found["totalResults"], &found["Resources"]),
        (&json!(1), &json!([made]))
    );
    for nobody in ["nobody", "not a name"] {
        let query = format!("/Users?filter=userName+eq+%22{}%22", nobody.replace(' ', "%20"));
        assert_eq!(provider.get(&query).await.is(200)["totalResults"], 0);
    }

    // Replacing leaves out what is not said, but nobody is activated by saying nothing.
    let body = json!({ "schemas": [USER], "userName": "mia.b", "displayName": "Mia" });
    let replaced = provider.put(&path, &body).await.is(200);
    assert_eq!(
        (&replaced["userName"], &replaced["displayName"]),
        (&json!("mia.b"), &json!("Mia"))
    );
    assert_eq!(
        (&replaced["externalId"], &replaced["name"], &replaced["active"]),
        (&Value::Null, &Value::Null, &json!(true))
    );
    assert_eq!(iam_user(&server, "mia.b").await.user_id, user.user_id);

    let patched = provider
        .patch(
            &path,
            json!([
                { "op": "Replace", "path": "name.givenName", "value": "Mia" },
                { "op": "add", "value": { "externalId": "00u2", "unknown": 1 } },
                { "op": "remove", "path": "urn:ietf:params:scim:schemas:core:2.0:User:displayName" },
            ]),
        )
        .await
        .is(200);
    assert_eq!(
        (&patched["externalId"], &patched["displayName"]),
        (&json!("00u2"), &Value::Null)
    );
    assert_eq!(patched["name"], json!({ "givenName": "Mia" }));

    assert_eq!(provider.delete(&path).await.status, 204);
    assert_eq!(provider.get(&path).await.error(), "404");
    assert_eq!(provider.delete(&path).await.error(), "404");
}

#[tokio::test]
async fn lists_come_in_pages_and_with_the_attributes_asked_for() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    for name in ["a", "b", "c"] {
        provider.user(name).await;
    }
    let page = provider
        .get("/Users?startIndex=2&count=2&attributes=userName")
        .await
        .is(200);
    assert_eq!(
        (&page["totalResults"], &page["startIndex"], &page["itemsPerPage"]),
        (&json!(4), &json!(2), &json!(2))
    );
    let users = page["Resources"].as_array().unwrap();
    let names: Vec<_> = users
        .iter()
        .map(|user| user["userName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["b", "c"]);
    assert!(
        users
            .iter()
            .all(|user| user["meta"].is_null() && user["id"].is_string())
    );
    let page = provider.get("/Users?count=0").await.is(200);
    assert_eq!(
        (&page["totalResults"], &page["Resources"]),
        (&json!(4), &json!([]))
    );
    let page = provider
        .get("/Users?excludedAttributes=groups,meta&count=1")
        .await
        .is(200);
    assert!(page["Resources"][0]["groups"].is_null() && page["Resources"][0]["userName"].is_string());
}

#[tokio::test]
async fn garbage_is_refused_with_the_standards_errors() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    for (method, path, body, error) in [
        ("POST", "/Users", "", "400 invalidSyntax"),
        ("POST", "/Users", "{", "400 invalidSyntax"),
        ("POST", "/Users", "[]", "400 invalidSyntax"),
        ("POST", "/Users", r#"{"userName": "x"}"#, "400 invalidSyntax"),
        (
            "POST",
            "/Users",
            r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]}"#,
            "400 invalidValue",
        ),
        (
            "POST",
            "/Users",
            r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": 7}"#,
            "400 invalidValue",
        ),
        (
            "POST",
            "/Users",
            r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "a b"}"#,
            "400 invalidValue",
        ),
        (
            "POST",
            "/Users",
            r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "x", "active": "perhaps"}"#,
            "400 invalidValue",
        ),
        (
            "GET",
            "/Users?filter=userName%20co%20%22m%22",
            "",
            "400 invalidFilter",
        ),
        (
            "GET",
            "/Users?filter=active%20eq%20%22m%22",
            "",
            "400 invalidFilter",
        ),
        ("GET", "/Users?filter=%FF", "", "400 invalidSyntax"),
        ("GET", "/Users?count=many", "", "400 invalidValue"),
        ("GET", "/Users/AIDANOBODY", "", "404"),
        ("GET", "/Roles", "", "404"),
        ("GET", "/Me", "", "501"),
        ("GET", "", "", "404"),
        ("DELETE", "/Users", "", "405"),
        ("POST", "/Schemas", "{}", "405"),
        ("POST", "/Bulk", "{}", "404"),
    ] {
        assert_eq!(
            provider.send(method, path, body).await.error(),
            error,
            "{method} {path} {body}"
        );
    }
    assert_eq!(provider.get("/Users").await.is(200)["totalResults"], 1);
}

#[tokio::test]
async fn garbage_changes_no_user() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let path = format!("/Users/{}", provider.user("mia").await);
    let before = provider.get(&path).await.is(200);
    for (operations, error) in [
        (json!([]), "400 invalidSyntax"),
        (json!({}), "400 invalidSyntax"),
        (json!([7]), "400 invalidSyntax"),
        (
            json!([{ "op": "copy", "path": "active", "value": true }]),
            "400 invalidSyntax",
        ),
        (json!([{ "op": "remove" }]), "400 noTarget"),
        (json!([{ "op": "replace", "path": "active" }]), "400 invalidValue"),
        (json!([{ "op": "replace", "value": 7 }]), "400 invalidValue"),
        (
            json!([{ "op": "replace", "path": 7, "value": 7 }]),
            "400 invalidPath",
        ),
        (
            json!([{ "op": "replace", "path": "active", "value": 1 }]),
            "400 invalidValue",
        ),
        (
            json!([{ "op": "replace", "path": "shoeSize", "value": 40 }]),
            "400 invalidPath",
        ),
        (
            json!([{ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "m" }]),
            "400 invalidPath",
        ),
        (
            json!([{ "op": "replace", "path": "displayName[value eq \"x\"]", "value": "m" }]),
            "400 invalidPath",
        ),
        (
            json!([{ "op": "replace", "path": "id", "value": "m" }]),
            "400 mutability",
        ),
        (json!([{ "op": "remove", "path": "userName" }]), "400 mutability"),
        (
            json!([{ "op": "replace", "path": "userName", "value": "okta" }]),
            "409 uniqueness",
        ),
    ] {
        assert_eq!(
            provider.patch(&path, operations.clone()).await.error(),
            error,
            "{operations}"
        );
    }
    assert_eq!(provider.get(&path).await.is(200), before);
}

#[tokio::test]
async fn the_endpoint_says_what_it_can() {
    let server = Server::start().await;
    let provider = Provider::open(&server).await;
    let mut told = Vec::new();
    for path in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"] {
        told.push(provider.get(path).await.is(200));
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&told).unwrap());
    assert_eq!(
        provider.get(&format!("/Schemas/{USER}")).await.is(200)["name"],
        "User"
    );
    assert_eq!(
        provider.get("/ResourceTypes/Group").await.is(200)["endpoint"],
        "/Groups"
    );
    assert_eq!(provider.get("/Schemas/urn:x").await.error(), "404");
}
