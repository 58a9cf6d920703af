//! Server certificates and SAML providers.

use portcullis_api::iam::{self as api, op};
use rcgen::{CertificateParams, CertifiedIssuer, Issuer, KeyPair, date_time_ymd};

use super::tag;
use crate::harness::{ACCOUNT, Server, allow};

/// A certificate and its key, made for this call.
pub fn self_signed() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["example.com".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// One whose time is over.
fn expired() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["example.com".to_owned()]).unwrap();
    params.not_after = date_time_ymd(2020, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn signed_by(issuer: &Issuer<'_, KeyPair>) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["example.com".to_owned()]).unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

/// What uploads it.
pub fn upload(name: &str, (body, key): (String, String)) -> api::UploadServerCertificateRequest {
    api::UploadServerCertificateRequest {
        server_certificate_name: name.to_owned(),
        certificate_body: body,
        private_key: key,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_server_certificate_is_kept_with_its_key_and_shown_without() {
    let server = Server::start().await;
    let root = &server.root;
    let (body, key) = self_signed();
    let made = api::UploadServerCertificateRequest {
        path: Some("/cloudfront/".to_owned()),
        tags: Some(vec![tag("Team", "one"), tag("team", "two")]),
        ..upload("web", (body.clone(), key.clone()))
    };
    let made = root
        .ok::<op::UploadServerCertificate>(&made)
        .await
        .server_certificate_metadata
        .unwrap();
    assert_eq!(
        made.arn,
        format!("arn:aws:iam::{ACCOUNT}:server-certificate/cloudfront/web")
    );
    assert!(made.server_certificate_id.starts_with("ASCA") && made.expiration.is_some());
    let get = |name: &str| api::GetServerCertificateRequest {
        server_certificate_name: name.to_owned(),
    };
    let found = root
        .ok::<op::GetServerCertificate>(&get("WEB"))
        .await
        .server_certificate;
    assert_eq!(found.certificate_body, body.trim());
    assert_eq!(found.tags.unwrap().len(), 2, "keys that differ in case are two");
    let update = api::UpdateServerCertificateRequest {
        server_certificate_name: "web".to_owned(),
        new_path: Some("/".to_owned()),
        new_server_certificate_name: Some("site".to_owned()),
    };
    root.ok::<op::UpdateServerCertificate>(&update).await;
    let gone = root.err::<op::GetServerCertificate>(&get("web")).await;
    assert_eq!(
        gone,
        "NoSuchEntity: The Server Certificate with name web cannot be found."
    );
    let found = root
        .ok::<op::GetServerCertificate>(&get("site"))
        .await
        .server_certificate;
    let found = found.server_certificate_metadata;
    assert_eq!(
        found.arn,
        format!("arn:aws:iam::{ACCOUNT}:server-certificate/site")
    );
    assert_eq!(found.server_certificate_id, made.server_certificate_id);
    let taken = root
        .err::<op::UploadServerCertificate>(&upload("SITE", self_signed()))
        .await;
    assert_eq!(
        taken,
        "EntityAlreadyExists: The Server Certificate with name SITE already exists."
    );
    let records = serde_json::to_string(&server.records().await).unwrap();
    assert!(records.contains("UploadServerCertificate") && !records.contains("PRIVATE KEY"));
    let delete = api::DeleteServerCertificateRequest {
        server_certificate_name: "site".to_owned(),
    };
    root.ok::<op::DeleteServerCertificate>(&delete).await;
    assert!(
        root.ok::<op::ListServerCertificates>(&Default::default())
            .await
            .server_certificate_metadata_list
            .is_empty()
    );
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_refused() {
    let server = Server::start().await;
    let (body, key) = self_signed();
    let cases = [
        (
            ("no certificate".to_owned(), key.clone()),
            "MalformedCertificate: Unable to parse certificate. Please ensure the certificate is in PEM format.",
        ),
        (
            (body.clone(), "no key".to_owned()),
            "MalformedCertificate: Unable to parse private key. Please ensure the private key is in PEM format.",
        ),
        (
            (body.clone(), self_signed().1),
            "KeyPairMismatch: The private key did not match the public key provided. Please verify the key material and \
             try again.",
        ),
        (
            expired(),
            "MalformedCertificate: Certificate is no longer valid. The 'Not After' date restriction on the certificate \
             has passed.",
        ),
    ];
    for (pair, text) in cases {
        let refused = server
            .root
            .err::<op::UploadServerCertificate>(&upload("web", pair))
            .await;
        assert_eq!(refused, text);
    }
}

#[tokio::test]
async fn a_chain_certifies_link_by_link() {
    let server = Server::start().await;
    let (top, other) = (authority("top"), authority("other"));
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "middle");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let middle = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &top).unwrap();
    let pair = signed_by(&middle);
    let with = |chain: &[&str]| api::UploadServerCertificateRequest {
        certificate_chain: Some(chain.concat()),
        ..upload("web", pair.clone())
    };
    let broken = |index: &str| {
        format!(
            "MalformedCertificate: Unable to validate certificate chain. The certificate chain must start with the \
             immediate signing certificate, followed by any intermediaries in order. The index within the chain of the \
             invalid certificate is: {index}"
        )
    };
    let cases = [
        (with(&[&top.pem(), &middle.pem()]), broken("-1")),
        (with(&[&middle.pem(), &other.pem()]), broken("1")),
        (with(&[&middle.pem(), &top.pem(), &pair.0]), broken("2")),
        (with(&["nothing"]), "MalformedCertificate: Unknown".to_owned()),
    ];
    for (chain, text) in cases {
        assert_eq!(server.root.err::<op::UploadServerCertificate>(&chain).await, text);
    }
    server
        .root
        .ok::<op::UploadServerCertificate>(&with(&[&middle.pem(), &top.pem(), &top.pem()]))
        .await;
}

#[tokio::test]
async fn certificates_are_tagged_filtered_by_path_and_limited() {
    let server = Server::start().await;
    let root = &server.root;
    for n in 0..20 {
        let made = api::UploadServerCertificateRequest {
            path: (n % 2 == 0).then(|| "/even/".to_owned()),
            ..upload(&format!("c{n:02}"), self_signed())
        };
        root.ok::<op::UploadServerCertificate>(&made).await;
    }
    let full = root
        .err::<op::UploadServerCertificate>(&upload("c20", self_signed()))
        .await;
    assert_eq!(
        full,
        "LimitExceeded: Cannot exceed quota for ServerCertificatesPerAccount: 20"
    );
    let list = api::ListServerCertificatesRequest {
        path_prefix: Some("/even/".to_owned()),
        max_items: Some(6),
        ..Default::default()
    };
    let page = root.ok::<op::ListServerCertificates>(&list).await;
    assert_eq!(
        (page.server_certificate_metadata_list.len(), page.is_truncated),
        (6, Some(true))
    );
    let rest = api::ListServerCertificatesRequest {
        marker: page.marker,
        ..list
    };
    assert_eq!(
        root.ok::<op::ListServerCertificates>(&rest)
            .await
            .server_certificate_metadata_list
            .len(),
        4
    );
    let name = "c01".to_owned();
    let add = |tags: Vec<api::Tag>| api::TagServerCertificateRequest {
        server_certificate_name: name.clone(),
        tags,
    };
    root.ok::<op::TagServerCertificate>(&add(vec![tag("Team", "one")]))
        .await;
    let none = root.err::<op::TagServerCertificate>(&add(Vec::new())).await;
    assert_eq!(none, "InvalidInput: The provided tag map must not be null/empty.");
    let remove = api::UntagServerCertificateRequest {
        server_certificate_name: name.clone(),
        tag_keys: vec!["team".to_owned()],
    };
    root.ok::<op::UntagServerCertificate>(&remove).await;
    let tags = api::ListServerCertificateTagsRequest {
        server_certificate_name: name,
        ..Default::default()
    };
    assert_eq!(
        root.ok::<op::ListServerCertificateTags>(&tags).await.tags,
        [tag("Team", "one")]
    );
    let tagger = server
        .user("tagger", &conditional("iam:GetServerCertificate"))
        .await;
    let get = |name: &str| api::GetServerCertificateRequest {
        server_certificate_name: name.to_owned(),
    };
    tagger.ok::<op::GetServerCertificate>(&get("c01")).await;
    let denied = tagger.err::<op::GetServerCertificate>(&get("c02")).await;
    assert!(denied.contains("on resource: server certificate c02"), "{denied}");
}

/// Allows an action on what is tagged Team=one.
fn conditional(action: &str) -> String {
    serde_json::json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": action, "Resource": "*",
        "Condition": { "StringEquals": { "aws:ResourceTag/Team": "one" } }
    }] })
    .to_string()
}

/// Metadata of at least as many characters as IAM asks for.
fn metadata(inside: &str) -> String {
    format!(
        r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com/">{inside}<!--{}--></EntityDescriptor>"#,
        "x".repeat(1_000)
    )
}

/// What makes a SAML provider.
pub fn create_provider(name: &str) -> api::CreateSAMLProviderRequest {
    api::CreateSAMLProviderRequest {
        name: name.to_owned(),
        saml_metadata_document: metadata("<IDPSSODescriptor/>"),
        ..Default::default()
    }
}

fn provider_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:saml-provider/{name}")
}

#[tokio::test]
async fn a_saml_provider_is_kept_as_it_came() {
    let server = Server::start().await;
    let root = &server.root;
    let made = root.ok::<op::CreateSAMLProvider>(&create_provider("idp")).await;
    assert_eq!(made.saml_provider_arn, Some(provider_arn("idp")));
    let get = api::GetSAMLProviderRequest {
        saml_provider_arn: provider_arn("idp"),
    };
    let found = root.ok::<op::GetSAMLProvider>(&get).await;
    assert_eq!(
        found.saml_metadata_document,
        Some(metadata("<IDPSSODescriptor/>"))
    );
    assert_eq!(found.assertion_encryption_mode.as_deref(), Some("Allowed"));
    assert!(found.saml_provider_uuid.unwrap().starts_with("SAMLSP"));
    let taken = root.err::<op::CreateSAMLProvider>(&create_provider("idp")).await;
    assert_eq!(taken, "EntityAlreadyExists: SAMLProvider idp already exists.");
    let other = metadata("<IDPSSODescriptor/><Organization/>");
    let update = api::UpdateSAMLProviderRequest {
        saml_provider_arn: provider_arn("idp"),
        saml_metadata_document: Some(other.clone()),
        ..Default::default()
    };
    root.ok::<op::UpdateSAMLProvider>(&update).await;
    let found = root.ok::<op::GetSAMLProvider>(&get).await;
    assert_eq!(found.saml_metadata_document, Some(other));
    let listed = root
        .ok::<op::ListSAMLProviders>(&Default::default())
        .await
        .saml_provider_list
        .unwrap();
    assert_eq!(listed[0].arn, Some(provider_arn("idp")));
    let nobody = server.user("nobody", &allow("ecs:*", "*")).await;
    let denied = nobody.err::<op::ListSAMLProviders>(&Default::default()).await;
    assert!(denied.contains(&provider_arn("*")), "{denied}");
    let delete = api::DeleteSAMLProviderRequest {
        saml_provider_arn: provider_arn("idp"),
    };
    root.ok::<op::DeleteSAMLProvider>(&delete).await;
    let gone = root.err::<op::DeleteSAMLProvider>(&delete).await;
    assert_eq!(
        gone,
        format!("NoSuchEntity: Manifest not found for arn {}", provider_arn("idp"))
    );
}

#[tokio::test]
async fn metadata_of_no_provider_is_refused() {
    let server = Server::start().await;
    let cases = [
        (
            metadata("<SPSSODescriptor/>"),
            "InvalidInput: SAML Providers must reference at least one SAML assertion issuer.",
        ),
        (
            metadata("<IDPSSODescriptor>"),
            "InvalidInput: Could not parse metadata",
        ),
        ("x".repeat(1_000), "InvalidInput: Could not parse metadata"),
    ];
    for (document, text) in cases {
        let create = api::CreateSAMLProviderRequest {
            saml_metadata_document: document,
            ..create_provider("idp")
        };
        assert_eq!(server.root.err::<op::CreateSAMLProvider>(&create).await, text);
    }
    let short = api::CreateSAMLProviderRequest {
        saml_metadata_document: "<x/>".to_owned(),
        ..create_provider("idp")
    };
    let refused = server.root.err::<op::CreateSAMLProvider>(&short).await;
    assert!(refused.starts_with("ValidationError: "), "{refused}");
}

#[tokio::test]
async fn a_provider_has_two_keys_and_needs_one_where_assertions_are_encrypted() {
    let server = Server::start().await;
    let root = &server.root;
    let required = || Some("Required".to_owned());
    let create = api::CreateSAMLProviderRequest {
        assertion_encryption_mode: required(),
        ..create_provider("idp")
    };
    assert_eq!(
        root.err::<op::CreateSAMLProvider>(&create).await,
        "ValidationError: Unable to set assertion encryption mode to Required because no private key is provided."
    );
    root.ok::<op::CreateSAMLProvider>(&create_provider("idp")).await;
    let update = || api::UpdateSAMLProviderRequest {
        saml_provider_arn: provider_arn("idp"),
        ..Default::default()
    };
    let encrypt = api::UpdateSAMLProviderRequest {
        assertion_encryption_mode: required(),
        ..update()
    };
    assert_eq!(
        root.err::<op::UpdateSAMLProvider>(&encrypt).await,
        "InvalidInput: Failed to set assertion encryption mode to Required because no private key is present."
    );
    assert_eq!(
        root.err::<op::UpdateSAMLProvider>(&update()).await,
        "ValidationError: Unable to update identity provider. No updates are defined for metadata or encryption assertion."
    );
    let key = || api::UpdateSAMLProviderRequest {
        add_private_key: Some(self_signed().1),
        ..update()
    };
    root.ok::<op::UpdateSAMLProvider>(&key()).await;
    root.ok::<op::UpdateSAMLProvider>(&key()).await;
    assert_eq!(
        root.err::<op::UpdateSAMLProvider>(&key()).await,
        "LimitExceeded: Private key limit of 2 is reached."
    );
    root.ok::<op::UpdateSAMLProvider>(&encrypt).await;
    let get = api::GetSAMLProviderRequest {
        saml_provider_arn: provider_arn("idp"),
    };
    let keys = root
        .ok::<op::GetSAMLProvider>(&get)
        .await
        .private_key_list
        .unwrap();
    let remove = |key: &api::SAMLPrivateKey| api::UpdateSAMLProviderRequest {
        remove_private_key: key.key_id.clone(),
        ..update()
    };
    root.ok::<op::UpdateSAMLProvider>(&remove(&keys[0])).await;
    assert_eq!(
        root.err::<op::UpdateSAMLProvider>(&remove(&keys[1])).await,
        "InvalidInput: Failed to remove private key."
    );
    let records = serde_json::to_string(&server.records().await).unwrap();
    assert!(records.contains("UpdateSAMLProvider") && !records.contains("PRIVATE KEY"));
}
