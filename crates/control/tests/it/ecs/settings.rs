//! Account settings (ecs.md 4).

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::{allow_if, err, ok};
use crate::harness::{ACCOUNT, Server, allow};

#[tokio::test]
async fn a_principals_own_setting_wins_over_the_accounts() {
    let server = Server::start().await;
    let user = server.user("u", &allow("ecs:*", "*")).await;
    let insights = async |cluster: &str| {
        let made = ok::<op::CreateCluster>(&user, json!({ "clusterName": cluster })).await;
        made["cluster"]["settings"][0]["value"].clone()
    };
    let put = |value: &str| json!({ "name": "containerInsights", "value": value });
    assert_eq!(insights("a").await, "disabled");
    let default = ok::<op::PutAccountSettingDefault>(&server.root, put("enabled")).await;
    assert_eq!(
        default["setting"]["principalArn"],
        format!("arn:aws:iam::{ACCOUNT}:root")
    );
    assert_eq!(insights("b").await, "enabled");
    ok::<op::PutAccountSetting>(&user, put("enhanced")).await;
    assert_eq!(insights("c").await, "enhanced");
    let gone = ok::<op::DeleteAccountSetting>(&user, json!({ "name": "containerInsights" })).await;
    assert_eq!(gone["setting"]["value"], "enabled");
    assert_eq!(insights("d").await, "enabled");
}

#[tokio::test]
async fn lists_show_explicit_settings_or_all_in_force() {
    let server = Server::start().await;
    let root = &server.root;
    assert_eq!(
        ok::<op::ListAccountSettings>(root, json!({})).await["settings"],
        json!([])
    );
    let mut names: Vec<Value> = Vec::new();
    let mut input = json!({ "effectiveSettings": true });
    loop {
        let page = ok::<op::ListAccountSettings>(root, input.clone()).await;
        names.extend(
            page["settings"]
                .as_array()
                .unwrap()
                .iter()
                .map(|setting| setting["name"].clone()),
        );
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(names.len(), 12);
    let without_name = err::<op::ListAccountSettings>(root, json!({ "value": "enabled" })).await;
    assert_eq!(
        without_name,
        "InvalidParameterException: The setting name must be specified when a value is specified."
    );
}

#[tokio::test]
async fn only_root_sets_for_others_and_the_name_is_a_key() {
    let server = Server::start().await;
    let policy = allow_if(
        "ecs:PutAccountSetting",
        "StringEquals",
        "ecs:account-setting",
        "containerInsights",
    );
    let user = server.user("u", &policy).await;
    let mut put = json!({ "name": "containerInsights", "value": "enabled" });
    ok::<op::PutAccountSetting>(&user, put.clone()).await;
    put["principalArn"] = json!(format!("arn:aws:iam::{ACCOUNT}:user/other"));
    let refused = err::<op::PutAccountSetting>(&user, put.clone()).await;
    assert!(
        refused.starts_with("InvalidParameterException: The principal ARN"),
        "{refused}"
    );
    ok::<op::PutAccountSetting>(&server.root, put).await;
    let other = json!({ "name": "awsvpcTrunking", "value": "disabled" });
    assert!(
        err::<op::PutAccountSetting>(&user, other)
            .await
            .starts_with("AccessDenied")
    );
}
