//! Tokens that are not accepted, and providers that do not behave.

use portcullis_api::{iam, sts};
use serde_json::{Value, json};

use super::provider::{Page, Provider};
use super::{AUDIENCE, Scene, register};
use crate::accounts::{account, create_role};
use crate::harness::ACCOUNT;

const NO_JWT: &str = "InvalidIdentityToken: The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
const NO_KEY: &str = "InvalidIdentityToken: Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements";

#[tokio::test]
async fn claims_that_do_not_fit_are_refused_with_their_reason() {
    let scene = Scene::set().await;
    let now = scene.server.root.now().as_seconds();
    let cases: [(&str, Value, String); 11] = [
        (
            "exp",
            json!(now),
            format!(
                "ExpiredTokenException: Token expired: current date/time {now} must be before the expiration date/time {now}"
            ),
        ),
        ("exp", Value::Null, NO_JWT.to_owned()),
        ("exp", json!("soon"), NO_JWT.to_owned()),
        (
            "iat",
            json!(now + 301),
            "InvalidIdentityToken: Token is not valid yet".to_owned(),
        ),
        (
            "nbf",
            json!(now + 301),
            "InvalidIdentityToken: Token is not valid yet".to_owned(),
        ),
        (
            "aud",
            json!("other"),
            "InvalidIdentityToken: Incorrect token audience".to_owned(),
        ),
        (
            "aud",
            json!([]),
            "InvalidIdentityToken: Missing a required claim: aud".to_owned(),
        ),
        ("sub", json!(""), NO_JWT.to_owned()),
        (
            "iss",
            json!("https://other.example"),
            "InvalidIdentityToken: No OpenIDConnect provider found in your account for https://other.example"
                .to_owned(),
        ),
        (
            "iss",
            json!(7),
            "InvalidIdentityToken: Missing a required claim: iss".to_owned(),
        ),
        (
            "https://aws.amazon.com/source_identity",
            json!("a b"),
            "ValidationError: The source identity of the token is invalid.".to_owned(),
        ),
    ];
    for (claim, value, expected) in cases {
        let mut claims = scene.claims();
        claims[claim] = value.clone();
        assert_eq!(scene.err(&claims).await, expected, "{claim} = {value}");
    }
    for claim in ["exp", "iat", "aud", "sub"] {
        let mut claims = scene.claims();
        claims.as_object_mut().unwrap().shift_remove(claim);
        let expected = format!("InvalidIdentityToken: Missing a required claim: {claim}");
        assert_eq!(scene.err(&claims).await, expected);
    }
    // Clocks may differ a little.
    let mut claims = scene.claims();
    claims["iat"] = json!(now + 300);
    scene.ok(&claims).await;
}

#[tokio::test]
async fn no_signature_but_the_provider_s_counts() {
    let scene = Scene::set().await;
    let claims = scene.claims();
    let good = scene.provider.token(&claims);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let other = Provider::start().await;
    let altered = {
        let mut claims = claims.clone();
        claims["sub"] = json!("repo:o/other");
        scene.provider.token(&claims)
    };
    let (_, altered_claims) = altered.rsplit_once('.').unwrap().0.split_once('.').unwrap();
    let wrong = "InvalidIdentityToken: The signature of the token is not valid";
    let with = |header: Value| scene.provider.token_of(&header, &claims);
    let cases = [
        (with(json!({ "alg": "none" })), NO_JWT),
        (with(json!({ "alg": "HS256", "kid": "ec" })), NO_JWT),
        (
            with(json!({ "alg": "ES256", "kid": "ec", "crit": ["x"] })),
            NO_JWT,
        ),
        (with(json!({ "alg": "ES256", "kid": "rsa" })), wrong),
        (with(json!({ "alg": "RS256", "kid": "ec" })), wrong),
        (with(json!({ "alg": "ES384", "kid": "ec" })), wrong),
        (with(json!({ "alg": "ES256", "kid": "gone" })), NO_KEY),
        (format!("{signed}."), wrong),
        (format!("{signed}.{signature}AA"), wrong),
        (format!("{signed}.{signature}="), NO_JWT),
        (format!("{header}.{altered_claims}.{signature}"), wrong),
        (other.token(&claims), wrong),
        ("not.a.token".to_owned(), NO_JWT),
        ("nothing".to_owned(), NO_JWT),
        (format!("{good}.{signature}"), NO_JWT),
    ];
    for (token, expected) in cases {
        let refused = scene.try_with(&scene.bearing(&token)).await.unwrap_err();
        assert_eq!(refused, expected, "{token}");
    }
}

#[tokio::test]
async fn r126_the_trust_policy_alone_decides_and_tells_strangers_nothing() {
    let scene = Scene::set().await;
    let denied = "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let mut stranger = scene.claims();
    stranger["sub"] = json!("repo:o/other");
    scene.server.clock.advance_seconds(1);
    assert!(scene.err(&stranger).await.starts_with(denied));
    let record = &scene.server.records().await[0];
    assert_eq!(record["eventName"], "AssumeRoleWithWebIdentity");
    assert_eq!(record["errorCode"], "AccessDenied");
    assert_eq!(record["userIdentity"]["userName"], "repo:o/other");
    assert_eq!(record["requestParameters"], Value::Null);
    for role in ["web2", "AWSServiceRoleForECS"] {
        let request = sts::AssumeRoleWithWebIdentityRequest {
            role_arn: format!("arn:aws:iam::{ACCOUNT}:role/{role}"),
            ..scene.request(&scene.claims())
        };
        assert!(
            scene.try_with(&request).await.unwrap_err().starts_with(denied),
            "{role}"
        );
    }
    for arn in [
        "arn:aws:iam::123456789012:user/web",
        "arn:aws:iam::short:role/web",
        "nonsense-of-twenty-letters",
    ] {
        let request = sts::AssumeRoleWithWebIdentityRequest {
            role_arn: arn.to_owned(),
            ..scene.request(&scene.claims())
        };
        let refused = scene.try_with(&request).await.unwrap_err();
        assert_eq!(refused, "ValidationError: Request ARN is invalid", "{arn}");
    }
    // Another account has not registered the provider.
    let request = sts::AssumeRoleWithWebIdentityRequest {
        role_arn: "arn:aws:iam::210987654321:role/web".to_owned(),
        ..scene.request(&scene.claims())
    };
    let refused = scene.try_with(&request).await.unwrap_err();
    assert!(refused.contains("No OpenIDConnect provider found"), "{refused}");
}

#[tokio::test]
async fn providers_that_do_not_behave_vouch_for_nobody() {
    let page = |status, headers: &str, body: String| Page {
        status,
        headers: headers.to_owned(),
        body,
    };
    let ok = |body: &str| page("200 OK", "", body.to_owned());
    let discovery = "/.well-known/openid-configuration";
    let redirect = |to: &str| page("302 Found", &format!("Location: {to}\r\n"), String::new());
    let elsewhere = Provider::start().await;
    let cases = [
        (discovery, page("500 Internal Server Error", "", String::new())),
        (discovery, redirect(&format!("{}{discovery}", elsewhere.url))),
        (discovery, ok("not JSON")),
        (discovery, ok("{}")),
        (
            discovery,
            ok(r#"{"issuer":"https://other.example","jwks_uri":"https://other.example/keys"}"#),
        ),
        ("/keys", redirect(&format!("{}/keys", elsewhere.url))),
        ("/keys", ok("{}")),
        ("/keys", ok(r#"{"keys":[]}"#)),
        ("/keys", ok(r#"{"keys":[{"kty":"oct","k":"AA","kid":"ec"}]}"#)),
        ("/keys", ok(&" ".repeat(256 * 1024 + 1))),
    ];
    for (path, answer) in cases {
        let scene = Scene::set().await;
        scene.provider.answer(path, answer.clone());
        let start: String = answer.body.chars().take(40).collect();
        assert_eq!(
            scene.err(&scene.claims()).await,
            NO_KEY,
            "{path} {} {start}",
            answer.status
        );
    }
    // No redirect was followed.
    assert!(elsewhere.asked().is_empty());
    for jwks_uri in [
        "ftp://example.com/keys",
        "http://example.com/keys",
        "keys",
        "http://user@127.0.0.1/keys",
    ] {
        let scene = Scene::set().await;
        scene.provider.document(
            discovery,
            &json!({ "issuer": scene.provider.url, "jwks_uri": jwks_uri }),
        );
        assert_eq!(scene.err(&scene.claims()).await, NO_KEY, "{jwks_uri}");
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_worth_another_try() {
    let scene = Scene::set().await;
    // An address nothing listens on: bound, then let go.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let discovery = "/.well-known/openid-configuration";
    let keys = format!("http://{gone}/keys");
    scene.provider.document(
        discovery,
        &json!({ "issuer": scene.provider.url, "jwks_uri": keys }),
    );
    let refused = scene.err(&scene.claims()).await;
    assert!(refused.starts_with("IDPCommunicationError: "), "{refused}");
    let asked = scene.provider.asked().len();
    scene.provider.publish();
    // Left alone for a while, then asked again.
    assert!(
        scene
            .err(&scene.claims())
            .await
            .starts_with("IDPCommunicationError: ")
    );
    assert_eq!(scene.provider.asked().len(), asked);
    scene.server.clock.advance_seconds(11);
    scene.ok(&scene.claims()).await;
}

#[tokio::test]
async fn only_an_issuer_that_is_exactly_the_registered_one_is_asked() {
    let scene = Scene::set().await;
    for issuer in [
        format!("{}/", scene.provider.url),
        scene.provider.url.replace("http://", "https://"),
        scene.provider.name().to_owned(),
    ] {
        let mut claims = scene.claims();
        claims["iss"] = json!(issuer);
        let refused = scene.err(&claims).await;
        assert!(refused.contains("No OpenIDConnect provider found"), "{refused}");
    }
    assert!(scene.provider.asked().is_empty());
}

#[tokio::test]
async fn audiences_can_be_added_and_taken_away() {
    let scene = Scene::set().await;
    let arn = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{}", scene.provider.name());
    let remove = iam::RemoveClientIDFromOpenIDConnectProviderRequest {
        open_id_connect_provider_arn: arn.clone(),
        client_id: AUDIENCE.to_owned(),
    };
    let root = &scene.server.root;
    root.ok::<iam::op::RemoveClientIDFromOpenIDConnectProvider>(&remove)
        .await;
    assert!(
        scene
            .err(&scene.claims())
            .await
            .contains("Incorrect token audience")
    );
    let add = iam::AddClientIDToOpenIDConnectProviderRequest {
        open_id_connect_provider_arn: arn,
        client_id: AUDIENCE.to_owned(),
    };
    root.ok::<iam::op::AddClientIDToOpenIDConnectProvider>(&add).await;
    scene.ok(&scene.claims()).await;
}

#[tokio::test]
async fn the_role_s_account_says_which_providers_count() {
    let scene = Scene::set().await;
    let (other, admin) = account(&scene.server, "other").await;
    let name = scene.provider.name();
    let trust = super::trust(&scene.provider, &[]).replace(ACCOUNT, &other);
    let role_arn = create_role(&admin, "web", &trust).await;
    let request = sts::AssumeRoleWithWebIdentityRequest {
        role_arn,
        ..scene.request(&scene.claims())
    };
    let refused = scene.try_with(&request).await.unwrap_err();
    assert!(refused.contains("No OpenIDConnect provider found"), "{refused}");
    let create = iam::CreateOpenIDConnectProviderRequest {
        url: scene.provider.url.clone(),
        client_id_list: Some(vec![AUDIENCE.to_owned()]),
        ..Default::default()
    };
    let reply = admin.ok::<iam::op::CreateOpenIDConnectProvider>(&create).await;
    let arn = format!("arn:aws:iam::{other}:oidc-provider/{name}");
    assert_eq!(reply.open_id_connect_provider_arn, Some(arn));
    let me = scene.client(scene.try_with(&request).await.unwrap().credentials);
    let who = me.ok::<sts::op::GetCallerIdentity>(&Default::default()).await;
    assert_eq!(
        who.arn.unwrap(),
        format!("arn:aws:sts::{other}:assumed-role/web/run-7")
    );
    // The first account's role is still the first account's.
    scene.ok(&scene.claims()).await;
}

#[tokio::test]
async fn saml_is_not_served_and_says_so_without_asking_for_a_signature() {
    let server = crate::harness::Server::start().await;
    let provider = Provider::start().await;
    register(&server, &provider).await;
    let request =
        portcullis_wire::encode_request::<sts::op::AssumeRoleWithSAML>(&sts::AssumeRoleWithSAMLRequest {
            role_arn: format!("arn:aws:iam::{ACCOUNT}:role/web"),
            principal_arn: format!("arn:aws:iam::{ACCOUNT}:saml-provider/p"),
            saml_assertion: "PHNhbWw+".to_owned(),
            ..Default::default()
        });
    let (parts, ()) = http::Request::post("/").body(()).unwrap().into_parts();
    let reply = server
        .accounts
        .serve(&parts, &request.body, server.root.peer.clone())
        .await;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(
        reply.status == 400 && text.contains("<Code>InvalidAction</Code>"),
        "{text}"
    );
}
