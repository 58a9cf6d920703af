//! What users identify with beside access keys: SSH public keys, service-specific credentials, signing certificates.

use portcullis_api::iam::{self as api, op};

use super::certificates::self_signed;
use crate::harness::{ACCOUNT, BEGINNING, Server, allow};

const SSH: &str = include_str!("../../data/keys/rsa2048.pub");
const PEM: &str = include_str!("../../data/keys/rsa2048.pub.pem");
/// As `ssh-keygen -l -E md5` prints it.
const FINGERPRINT: &str = "b6:8c:d8:93:4d:df:61:ee:8d:fd:db:aa:c8:97:db:53";

fn upload(user: &str, body: &str) -> api::UploadSSHPublicKeyRequest {
    api::UploadSSHPublicKeyRequest {
        user_name: user.to_owned(),
        ssh_public_key_body: body.to_owned(),
    }
}

#[tokio::test]
async fn an_ssh_key_is_kept_without_comment_and_shown_in_both_writings() {
    let server = Server::start().await;
    server.user("u", "").await;
    let root = &server.root;
    let key = root
        .ok::<op::UploadSSHPublicKey>(&upload("u", SSH))
        .await
        .ssh_public_key
        .unwrap();
    assert_eq!(
        (key.fingerprint.as_str(), key.ssh_public_key_body.as_str()),
        (FINGERPRINT, SSH)
    );
    assert!(key.ssh_public_key_id.starts_with("APKA") && key.ssh_public_key_id.len() == 20);
    let get = |encoding: &str| api::GetSSHPublicKeyRequest {
        user_name: "u".to_owned(),
        ssh_public_key_id: key.ssh_public_key_id.clone(),
        encoding: encoding.to_owned(),
    };
    let shown = root
        .ok::<op::GetSSHPublicKey>(&get("SSH"))
        .await
        .ssh_public_key
        .unwrap();
    let words: Vec<_> = SSH.split(' ').take(2).collect();
    assert_eq!(shown.ssh_public_key_body, words.join(" "));
    let shown = root
        .ok::<op::GetSSHPublicKey>(&get("PEM"))
        .await
        .ssh_public_key
        .unwrap();
    assert_eq!(shown.ssh_public_key_body, PEM);
    let refused = root.err::<op::GetSSHPublicKey>(&get("ssh")).await;
    assert!(refused.starts_with("ValidationError: "), "{refused}");
    let again = root.err::<op::UploadSSHPublicKey>(&upload("u", PEM)).await;
    assert_eq!(again, "DuplicateSSHPublicKey: Duplicate SSH public key uploaded.");
}

#[tokio::test]
async fn an_ssh_key_has_a_status_and_one_owner() {
    let server = Server::start().await;
    for name in ["u", "other"] {
        server.user(name, "").await;
    }
    let root = &server.root;
    let key = root
        .ok::<op::UploadSSHPublicKey>(&upload("u", SSH))
        .await
        .ssh_public_key
        .unwrap();
    root.ok::<op::UploadSSHPublicKey>(&upload("other", SSH)).await;
    let update = |user: &str, status: &str| api::UpdateSSHPublicKeyRequest {
        user_name: user.to_owned(),
        ssh_public_key_id: key.ssh_public_key_id.clone(),
        status: status.to_owned(),
    };
    root.ok::<op::UpdateSSHPublicKey>(&update("u", "Inactive")).await;
    let list = api::ListSSHPublicKeysRequest {
        user_name: Some("u".to_owned()),
        ..Default::default()
    };
    let listed = root
        .ok::<op::ListSSHPublicKeys>(&list)
        .await
        .ssh_public_keys
        .unwrap();
    assert_eq!((listed.len(), listed[0].status.as_str()), (1, "Inactive"));
    let expired = root.err::<op::UpdateSSHPublicKey>(&update("u", "Expired")).await;
    assert_eq!(expired, "InvalidInput: Operation does not support status Expired");
    let foreign = root
        .err::<op::UpdateSSHPublicKey>(&update("other", "Active"))
        .await;
    assert_eq!(
        foreign,
        format!(
            "NoSuchEntity: User has no Public Key with id {}.",
            key.ssh_public_key_id
        )
    );
    let delete = api::DeleteSSHPublicKeyRequest {
        user_name: "u".to_owned(),
        ssh_public_key_id: key.ssh_public_key_id.clone(),
    };
    root.ok::<op::DeleteSSHPublicKey>(&delete).await;
    let gone = root.err::<op::DeleteSSHPublicKey>(&delete).await;
    assert_eq!(
        gone,
        format!(
            "NoSuchEntity: The Public Key with id {} cannot be found.",
            key.ssh_public_key_id
        )
    );
    let refused = root.err::<op::UploadSSHPublicKey>(&upload("u", "no key")).await;
    assert_eq!(
        refused,
        "UnrecognizedPublicKeyEncoding: Invalid public key uploaded."
    );
}

fn create(user: &str, service: &str) -> api::CreateServiceSpecificCredentialRequest {
    api::CreateServiceSpecificCredentialRequest {
        user_name: user.to_owned(),
        service_name: service.to_owned(),
        credential_age_days: Some(1),
    }
}

#[tokio::test]
async fn a_service_credential_is_shown_once_reset_and_expires() {
    let server = Server::start().await;
    server.user("u", "").await;
    let root = &server.root;
    let made = root
        .ok::<op::CreateServiceSpecificCredential>(&create("u", "CodeCommit.amazonaws.com"))
        .await;
    let made = made.service_specific_credential.unwrap();
    assert_eq!(made.service_name, "codecommit.amazonaws.com");
    assert_eq!(made.service_user_name, Some(format!("u-at-{ACCOUNT}")));
    assert_eq!(made.service_password.as_ref().unwrap().len(), 60);
    assert!(made.service_specific_credential_id.starts_with("ACCA"));
    let second = root
        .ok::<op::CreateServiceSpecificCredential>(&create("u", "codecommit.amazonaws.com"))
        .await;
    let second = second.service_specific_credential.unwrap();
    assert_eq!(second.service_user_name, Some(format!("u+1-at-{ACCOUNT}")));
    let third = root
        .err::<op::CreateServiceSpecificCredential>(&create("u", "codecommit.amazonaws.com"))
        .await;
    assert_eq!(
        third,
        "LimitExceeded: Cannot exceed quota for ContextSpecificCredentialsPerUserPerContext: 2"
    );
    let update = api::UpdateServiceSpecificCredentialRequest {
        user_name: Some("u".to_owned()),
        service_specific_credential_id: made.service_specific_credential_id.clone(),
        status: "Inactive".to_owned(),
    };
    root.ok::<op::UpdateServiceSpecificCredential>(&update).await;
    let reset = api::ResetServiceSpecificCredentialRequest {
        user_name: Some("u".to_owned()),
        service_specific_credential_id: made.service_specific_credential_id.clone(),
    };
    let again = root.ok::<op::ResetServiceSpecificCredential>(&reset).await;
    let again = again.service_specific_credential.unwrap();
    assert_ne!(again.service_password, made.service_password);
    assert_eq!(
        (again.status.as_str(), again.create_date, again.expiration_date),
        ("Inactive", made.create_date, made.expiration_date)
    );
    server.clock.advance_seconds(86_400);
    let list = api::ListServiceSpecificCredentialsRequest {
        user_name: Some("u".to_owned()),
        max_items: Some(1),
        ..Default::default()
    };
    let page = root.ok::<op::ListServiceSpecificCredentials>(&list).await;
    assert_eq!(page.is_truncated, Some(true));
    let listed = page.service_specific_credentials.unwrap();
    assert_eq!((listed.len(), listed[0].status.as_str()), (1, "Expired"));
}

#[tokio::test]
async fn an_api_key_holds_its_alias_and_password() {
    use base64::Engine as _;
    let server = Server::start().await;
    server.user("u", "").await;
    let made = server
        .root
        .ok::<op::CreateServiceSpecificCredential>(&create("u", "bedrock.amazonaws.com"))
        .await;
    let made = made.service_specific_credential.unwrap();
    let alias = made.service_credential_alias.unwrap();
    let secret = made.service_credential_secret.unwrap();
    let inside = base64::engine::general_purpose::STANDARD
        .decode(secret.strip_prefix("ABSK").unwrap())
        .unwrap();
    assert!(
        String::from_utf8(inside)
            .unwrap()
            .starts_with(&format!("{alias}:"))
    );
    assert_eq!((made.service_user_name, made.service_password), (None, None));
    let records = serde_json::to_string(&server.records().await).unwrap();
    assert!(
        records.contains("CreateServiceSpecificCredential") && !records.contains(&secret),
        "{records}"
    );
}

#[tokio::test]
async fn a_service_credential_belongs_to_its_user_and_its_service() {
    let server = Server::start().await;
    let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "iam:*ServiceSpecificCredential*", "Resource": "arn:aws:iam::*:user/u",
        "Condition": { "StringEqualsIfExists": {
            "iam:ServiceSpecificCredentialServiceName": "codecommit.amazonaws.com" } }
    }] });
    let keeper = server.user("keeper", &policy.to_string()).await;
    for name in ["u", "other"] {
        server.user(name, "").await;
    }
    let made = keeper
        .ok::<op::CreateServiceSpecificCredential>(&create("u", "codecommit.amazonaws.com"))
        .await;
    let id = made
        .service_specific_credential
        .unwrap()
        .service_specific_credential_id;
    let denied = keeper
        .err::<op::CreateServiceSpecificCredential>(&create("u", "bedrock.amazonaws.com"))
        .await;
    assert!(denied.starts_with("AccessDenied: "), "{denied}");
    let bedrock = server
        .root
        .ok::<op::CreateServiceSpecificCredential>(&create("u", "bedrock.amazonaws.com"))
        .await;
    let bedrock = bedrock
        .service_specific_credential
        .unwrap()
        .service_specific_credential_id;
    let delete = |user: &str, id: &str| api::DeleteServiceSpecificCredentialRequest {
        user_name: Some(user.to_owned()),
        service_specific_credential_id: id.to_owned(),
    };
    let denied = keeper
        .err::<op::DeleteServiceSpecificCredential>(&delete("u", &bedrock))
        .await;
    assert!(denied.starts_with("AccessDenied: "), "{denied}");
    let foreign = server
        .root
        .err::<op::DeleteServiceSpecificCredential>(&delete("other", &id))
        .await;
    assert_eq!(
        foreign,
        format!("ValidationError: User other does not have a service specific credential with id {id}")
    );
    keeper
        .ok::<op::DeleteServiceSpecificCredential>(&delete("u", &id))
        .await;
    let gone = keeper
        .err::<op::DeleteServiceSpecificCredential>(&delete("u", &id))
        .await;
    assert_eq!(gone, format!("NoSuchEntity: No such credential {id} exists"));
    let unknown = server
        .root
        .err::<op::CreateServiceSpecificCredential>(&create("u", "sqs.amazonaws.com"))
        .await;
    assert_eq!(
        unknown,
        "NoSuchEntity: No such service sqs.amazonaws.com is supported for Service Specific Credentials"
    );
    let all = api::ListServiceSpecificCredentialsRequest {
        all_users: Some(true),
        ..Default::default()
    };
    let denied = keeper.err::<op::ListServiceSpecificCredentials>(&all).await;
    assert!(
        denied.contains(&format!("arn:aws:iam::{ACCOUNT}:user/*")),
        "{denied}"
    );
    let listed = server
        .root
        .ok::<op::ListServiceSpecificCredentials>(&all)
        .await
        .service_specific_credentials
        .unwrap();
    assert_eq!((listed.len(), listed[0].user_name.as_str()), (1, "u"));
}

fn upload_signing(user: &str, body: &str) -> api::UploadSigningCertificateRequest {
    api::UploadSigningCertificateRequest {
        user_name: Some(user.to_owned()),
        certificate_body: body.to_owned(),
    }
}

#[tokio::test]
async fn signing_certificates_are_known_by_their_digest() {
    let server = Server::start().await;
    for name in ["u", "other"] {
        server.user(name, "").await;
    }
    let (body, _) = self_signed();
    let root = &server.root;
    let made = root
        .ok::<op::UploadSigningCertificate>(&upload_signing("u", &body))
        .await
        .certificate;
    assert_eq!(
        (made.certificate_id.len(), made.certificate_body.as_str()),
        (32, body.as_str())
    );
    let update = |status: &str| api::UpdateSigningCertificateRequest {
        user_name: Some("u".to_owned()),
        certificate_id: made.certificate_id.clone(),
        status: status.to_owned(),
    };
    root.ok::<op::UpdateSigningCertificate>(&update("Inactive")).await;
    server.clock.advance_seconds(60);
    let again = root
        .ok::<op::UploadSigningCertificate>(&upload_signing("u", &body))
        .await
        .certificate;
    assert_eq!(
        (again.certificate_id.as_str(), again.upload_date),
        (made.certificate_id.as_str(), Some(BEGINNING.parse().unwrap()))
    );
    let list = api::ListSigningCertificatesRequest {
        user_name: Some("u".to_owned()),
        ..Default::default()
    };
    let listed = root.ok::<op::ListSigningCertificates>(&list).await.certificates;
    assert_eq!((listed.len(), listed[0].status.as_str()), (1, "Inactive"));
    let duplicate = root
        .err::<op::UploadSigningCertificate>(&upload_signing("other", &body))
        .await;
    assert_eq!(duplicate, "DuplicateCertificate: Duplicate certificate uploaded.");
}

#[tokio::test]
async fn a_user_has_two_signing_certificates_of_his_own() {
    let server = Server::start().await;
    server.user("u", "").await;
    let root = &server.root;
    let malformed = root
        .err::<op::UploadSigningCertificate>(&upload_signing("u", "no certificate"))
        .await;
    assert_eq!(
        malformed,
        "MalformedCertificate: Certificate no certificate is malformed."
    );
    let made = root
        .ok::<op::UploadSigningCertificate>(&upload_signing("u", &self_signed().0))
        .await
        .certificate;
    root.ok::<op::UploadSigningCertificate>(&upload_signing("u", &self_signed().0))
        .await;
    let third = root
        .err::<op::UploadSigningCertificate>(&upload_signing("u", &self_signed().0))
        .await;
    assert_eq!(
        third,
        "LimitExceeded: Cannot exceed quota for CertificatesPerUser: 2"
    );
    let delete = |user: Option<&str>| api::DeleteSigningCertificateRequest {
        user_name: user.map(str::to_owned),
        certificate_id: made.certificate_id.clone(),
    };
    let foreign = root.err::<op::DeleteSigningCertificate>(&delete(None)).await;
    assert_eq!(
        foreign,
        format!(
            "NoSuchEntity: The Certificate with id {} cannot be found.",
            made.certificate_id
        )
    );
    root.ok::<op::DeleteSigningCertificate>(&delete(Some("u"))).await;
}

#[tokio::test]
async fn a_user_goes_after_its_password_certificates_and_keys() {
    let server = Server::start().await;
    let root = &server.root;
    let create_user = api::CreateUserRequest {
        user_name: "u".to_owned(),
        ..Default::default()
    };
    root.ok::<op::CreateUser>(&create_user).await;
    let password = api::CreateLoginProfileRequest {
        user_name: Some("u".to_owned()),
        password: Some("Correct-horse-1".to_owned()),
        password_reset_required: None,
    };
    root.ok::<op::CreateLoginProfile>(&password).await;
    let certificate = api::UploadSigningCertificateRequest {
        user_name: Some("u".to_owned()),
        certificate_body: self_signed().0,
    };
    let certificate = root
        .ok::<op::UploadSigningCertificate>(&certificate)
        .await
        .certificate;
    let key = root
        .ok::<op::UploadSSHPublicKey>(&upload("u", SSH))
        .await
        .ssh_public_key
        .unwrap();
    let delete = api::DeleteUserRequest {
        user_name: "u".to_owned(),
    };
    let conflict = |first: &str| format!("DeleteConflict: Cannot delete entity, must {first} first.");
    assert_eq!(
        root.err::<op::DeleteUser>(&delete).await,
        conflict("delete login profile")
    );
    let password = api::DeleteLoginProfileRequest {
        user_name: Some("u".to_owned()),
    };
    root.ok::<op::DeleteLoginProfile>(&password).await;
    assert_eq!(
        root.err::<op::DeleteUser>(&delete).await,
        conflict("delete certificates")
    );
    let certificate = api::DeleteSigningCertificateRequest {
        user_name: Some("u".to_owned()),
        certificate_id: certificate.certificate_id,
    };
    root.ok::<op::DeleteSigningCertificate>(&certificate).await;
    assert_eq!(
        root.err::<op::DeleteUser>(&delete).await,
        conflict("remove referenced objects")
    );
    let key = api::DeleteSSHPublicKeyRequest {
        user_name: "u".to_owned(),
        ssh_public_key_id: key.ssh_public_key_id,
    };
    root.ok::<op::DeleteSSHPublicKey>(&key).await;
    root.ok::<op::DeleteUser>(&delete).await;
}

#[tokio::test]
async fn the_keys_of_a_user_follow_his_name_and_not_his_successor() {
    let server = Server::start().await;
    let user = server.user("u", &allow("iam:List*", "*")).await;
    server.root.ok::<op::UploadSSHPublicKey>(&upload("u", SSH)).await;
    let rename = api::UpdateUserRequest {
        user_name: "u".to_owned(),
        new_user_name: Some("v".to_owned()),
        new_path: None,
    };
    server.root.ok::<op::UpdateUser>(&rename).await;
    server.user("u", "").await;
    let own = user
        .ok::<op::ListSSHPublicKeys>(&api::ListSSHPublicKeysRequest::default())
        .await;
    assert_eq!(own.ssh_public_keys.unwrap()[0].user_name, "v");
    let successor = api::ListSSHPublicKeysRequest {
        user_name: Some("u".to_owned()),
        ..Default::default()
    };
    let listed = server
        .root
        .ok::<op::ListSSHPublicKeys>(&successor)
        .await
        .ssh_public_keys
        .unwrap();
    assert!(listed.is_empty());
}
