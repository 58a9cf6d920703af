//! Where AWS is silent: each test bears the name of the function of `open_points.rs` that decides, and shows what we chose.

use portcullis_reference::{Reach, action, reach};

#[test]
fn r112_claims_reach_every_action() {
    for claim in [
        "saml:sub",
        "saml:not-listed",
        "accounts.google.com:aud",
        "www.amazon.com:user_id",
        "token.actions.githubusercontent.com:sub",
    ] {
        assert_eq!(reach(claim), Reach::Everywhere, "{claim}");
        for name in ["sts:AssumeRoleWithWebIdentity", "s3:GetObject", "ecs:RunTask"] {
            assert!(action(name).unwrap().applies(claim), "{claim} for {name}");
        }
    }
}

#[test]
fn r112_keys_of_no_service_reach_every_action() {
    for key in [
        "oidc.example.com/id/1:sub",
        "acme:limit",
        "plain",
        "not-a-service:x/y",
    ] {
        assert_eq!(reach(key), Reach::Everywhere, "{key}");
        assert!(action("ecs:RunTask").unwrap().applies(key), "{key}");
    }
    assert_eq!(reach("ecs:not-listed"), Reach::Nowhere);
}
