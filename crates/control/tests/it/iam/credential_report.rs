//! The credential report.

use std::collections::BTreeMap;

use portcullis_api::iam::{self as api, op};
use portcullis_wire::Empty;

use super::certificates::self_signed;
use crate::harness::{ACCOUNT, BEGINNING, Server, allow};

/// The rows by user, each by column.
async fn report(server: &Server) -> BTreeMap<String, BTreeMap<String, String>> {
    let reply = server.root.ok::<op::GetCredentialReport>(&Empty {}).await;
    assert_eq!(reply.report_format.as_deref(), Some("text/csv"));
    let text = String::from_utf8(reply.content.unwrap()).unwrap();
    assert!(!text.ends_with('\n'));
    let mut lines = text.lines();
    let header: Vec<_> = lines.next().unwrap().split(',').collect();
    assert_eq!(
        (header.len(), header[0], header[21]),
        (22, "user", "cert_2_last_rotated")
    );
    let rows = lines.map(|line| {
        let fields: Vec<_> = line.split(',').map(str::to_owned).collect();
        let row: BTreeMap<_, _> = header
            .iter()
            .map(|name| (*name).to_owned())
            .zip(fields.clone())
            .collect();
        (fields[0].clone(), row)
    });
    rows.collect()
}

#[tokio::test]
async fn a_report_is_asked_for_kept_for_four_hours_and_made_anew() {
    let server = Server::start().await;
    let missing = server.root.err::<op::GetCredentialReport>(&Empty {}).await;
    assert!(missing.starts_with("ReportNotPresent: "), "{missing}");
    let generate = || server.root.ok::<op::GenerateCredentialReport>(&Empty {});
    assert_eq!(generate().await.state.as_deref(), Some("STARTED"));
    server.user("late", "").await;
    let again = generate().await;
    assert_eq!(
        (again.state.as_deref(), again.description),
        (Some("COMPLETE"), None)
    );
    assert!(
        !report(&server).await.contains_key("late"),
        "a report stays as it was"
    );
    server.clock.advance_seconds(4 * 3_600);
    report(&server).await;
    server.clock.advance_seconds(1);
    let expired = server.root.err::<op::GetCredentialReport>(&Empty {}).await;
    assert!(expired.starts_with("ReportExpired: "), "{expired}");
    assert_eq!(generate().await.state.as_deref(), Some("STARTED"));
    assert!(report(&server).await.contains_key("late"));
}

#[tokio::test]
async fn a_row_tells_of_password_keys_and_certificates() {
    let server = Server::start().await;
    let user = server.user("u", &allow("ecs:ListClusters", "*")).await;
    server.user("bare", "").await;
    let policy = api::UpdateAccountPasswordPolicyRequest {
        max_password_age: Some(1),
        ..Default::default()
    };
    server.root.ok::<op::UpdateAccountPasswordPolicy>(&policy).await;
    let password = api::CreateLoginProfileRequest {
        user_name: Some("u".to_owned()),
        password: Some("simple".to_owned()),
        password_reset_required: None,
    };
    server.root.ok::<op::CreateLoginProfile>(&password).await;
    user.ok::<portcullis_api::ecs::op::ListClusters>(&Default::default())
        .await;
    let certificate = api::UploadSigningCertificateRequest {
        user_name: Some("u".to_owned()),
        certificate_body: self_signed().0,
    };
    server.root.ok::<op::UploadSigningCertificate>(&certificate).await;
    server.root.ok::<op::GenerateCredentialReport>(&Empty {}).await;
    let rows = report(&server).await;
    let expected = [
        ("arn", format!("arn:aws:iam::{ACCOUNT}:user/u")),
        ("user_creation_time", BEGINNING.to_owned()),
        ("password_enabled", "true".to_owned()),
        ("password_last_used", "no_information".to_owned()),
        ("password_last_changed", BEGINNING.to_owned()),
        ("password_next_rotation", "2026-11-23T00:00:00Z".to_owned()),
        ("mfa_active", "false".to_owned()),
        ("access_key_1_active", "true".to_owned()),
        ("access_key_1_last_used_date", BEGINNING.to_owned()),
        ("access_key_1_last_used_region", "us-east-1".to_owned()),
        ("access_key_1_last_used_service", "ecs".to_owned()),
        ("access_key_2_active", "false".to_owned()),
        ("access_key_2_last_rotated", "N/A".to_owned()),
        ("cert_1_active", "true".to_owned()),
        ("cert_2_active", "false".to_owned()),
    ];
    for (column, value) in expected {
        assert_eq!(rows["u"][column], value, "{column}");
    }
    assert_eq!(rows["bare"]["password_enabled"], "false");
    let root = &rows["<root_account>"];
    assert_eq!(root["arn"], format!("arn:aws:iam::{ACCOUNT}:root"));
    assert_eq!(root["access_key_1_active"], "true");
}
