//! OpenID Connect providers: their form, their limits, their tags.

use portcullis_api::iam::{self as api, op};

use crate::harness::{ACCOUNT, Server, allow};

fn new(url: &str) -> api::CreateOpenIDConnectProviderRequest {
    api::CreateOpenIDConnectProviderRequest {
        url: url.to_owned(),
        ..Default::default()
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{name}")
}

#[tokio::test]
async fn a_provider_is_found_by_host_port_and_path() {
    let server = Server::start().await;
    for name in ["a.example", "a.example/", "a.example/realm", "a.example:8443"] {
        let reply = server
            .root
            .ok::<op::CreateOpenIDConnectProvider>(&new(&format!("https://{name}")))
            .await;
        assert_eq!(reply.open_id_connect_provider_arn, Some(arn(name)));
        let get = api::GetOpenIDConnectProviderRequest {
            open_id_connect_provider_arn: arn(name),
        };
        let found = server.root.ok::<op::GetOpenIDConnectProvider>(&get).await;
        assert_eq!(found.url.as_deref(), Some(name));
        assert_eq!(found.create_date, Some(server.root.now()));
    }
    let refused = server
        .root
        .err::<op::CreateOpenIDConnectProvider>(&new("https://a.example"))
        .await;
    assert_eq!(
        refused,
        "EntityAlreadyExists: Provider with url https://a.example already exists."
    );
    let listed = server
        .root
        .ok::<op::ListOpenIDConnectProviders>(&Default::default())
        .await;
    assert_eq!(listed.open_id_connect_provider_list.unwrap().len(), 4);
}

#[tokio::test]
async fn what_is_no_issuer_or_too_much_is_refused() {
    let server = Server::start().await;
    let root = &server.root;
    for url in [
        "a.example",
        "http://a.example",
        "https://a.example?x=y",
        "ftp://a.example",
        "https://",
    ] {
        let refused = root.err::<op::CreateOpenIDConnectProvider>(&new(url)).await;
        assert_eq!(
            refused, "ValidationError: Invalid Open ID Connect Provider URL",
            "{url}"
        );
    }
    let prints = |count: usize| vec!["a".repeat(40); count];
    let ids = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    let request = api::CreateOpenIDConnectProviderRequest {
        thumbprint_list: Some(prints(6)),
        ..new("https://a.example")
    };
    let refused = root.err::<op::CreateOpenIDConnectProvider>(&request).await;
    assert_eq!(
        refused,
        "InvalidInput: Thumbprint list must contain fewer than 5 entries."
    );
    let request = api::CreateOpenIDConnectProviderRequest {
        client_id_list: Some(ids(101)),
        ..new("https://a.example")
    };
    let refused = root.err::<op::CreateOpenIDConnectProvider>(&request).await;
    let too_many = "LimitExceeded: Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100";
    assert_eq!(refused, too_many);
    let request = api::CreateOpenIDConnectProviderRequest {
        client_id_list: Some(ids(100)),
        thumbprint_list: Some(prints(5)),
        ..new("https://a.example")
    };
    root.ok::<op::CreateOpenIDConnectProvider>(&request).await;
    let add = |id: &str| api::AddClientIDToOpenIDConnectProviderRequest {
        open_id_connect_provider_arn: arn("a.example"),
        client_id: id.to_owned(),
    };
    // One that is there already does no harm.
    root.ok::<op::AddClientIDToOpenIDConnectProvider>(&add("7")).await;
    let refused = root
        .err::<op::AddClientIDToOpenIDConnectProvider>(&add("100"))
        .await;
    assert_eq!(refused, too_many);
    for number in 1..100 {
        let url = format!("https://p{number}.example");
        root.ok::<op::CreateOpenIDConnectProvider>(&new(&url)).await;
    }
    let refused = root
        .err::<op::CreateOpenIDConnectProvider>(&new("https://one.more"))
        .await;
    assert_eq!(
        refused,
        "LimitExceeded: Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100"
    );
    let summary = root.ok::<op::GetAccountSummary>(&Default::default()).await;
    assert_eq!(summary.summary_map.unwrap()["Providers"], 100);
}

#[tokio::test]
async fn r168_tags_at_creation_need_their_permission_and_decide() {
    let server = Server::start().await;
    let user = server
        .user("u", &allow("iam:CreateOpenIDConnectProvider", &arn("*")))
        .await;
    user.ok::<op::CreateOpenIDConnectProvider>(&new("https://plain.example"))
        .await;
    let request = api::CreateOpenIDConnectProviderRequest {
        tags: Some(vec![api::Tag {
            key: "Team".to_owned(),
            value: "blue".to_owned(),
        }]),
        ..new("https://tagged.example")
    };
    let refused = user.err::<op::CreateOpenIDConnectProvider>(&request).await;
    assert!(
        refused.contains(&format!(
            "iam:TagOpenIDConnectProvider on resource: {}",
            arn("tagged.example")
        )),
        "{refused}"
    );
    server.root.ok::<op::CreateOpenIDConnectProvider>(&request).await;
    // What a tag decides.
    let policy = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": "iam:GetOpenIDConnectProvider", "Resource": "*",
            "Condition": { "StringEquals": { "aws:ResourceTag/Team": "blue" } },
        }]
    });
    server.allow("u", "q", &policy.to_string()).await;
    let get = |name: &str| api::GetOpenIDConnectProviderRequest {
        open_id_connect_provider_arn: arn(name),
    };
    user.ok::<op::GetOpenIDConnectProvider>(&get("tagged.example"))
        .await;
    let refused = user
        .err::<op::GetOpenIDConnectProvider>(&get("plain.example"))
        .await;
    assert!(refused.starts_with("AccessDenied: "), "{refused}");
}
