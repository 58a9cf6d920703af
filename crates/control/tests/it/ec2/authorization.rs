//! Who may do what with EC2's objects, and what a refusal says.

use portcullis_api::ec2::op;
use portcullis_api::{ec2, sts};
use serde_json::{Value, json};

use super::{err, ok, subnet, text, vpc};
use crate::harness::{ACCOUNT, Client, Server, allow};

fn statement(action: Value, resource: &str, condition: Value) -> Value {
    json!({ "Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition })
}

fn policy(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn arn(resource: &str) -> String {
    format!("arn:aws:ec2:us-east-1:{ACCOUNT}:{resource}")
}

fn refusal(user: &str, action: &str, resource: &str) -> String {
    format!(
        "UnauthorizedOperation: You are not authorized to perform this operation. User: arn:aws:iam::{ACCOUNT}:user/{user} is not authorized to perform: {action} on resource: {resource} because no identity-based policy allows the {action} action"
    )
}

async fn refused_whole(client: &Client, input: Value) -> String {
    let input: ec2::CreateVpcRequest = portcullis_wire::json::from_value(&input).unwrap();
    client
        .call::<op::CreateVpc>(&input)
        .await
        .unwrap_err()
        .to_string()
}

#[tokio::test]
async fn r177_a_refusal_carries_a_message_that_sts_decodes() {
    let server = Server::start().await;
    let nobody = server.user("nobody", "").await;
    let whole = refused_whole(&nobody, json!({ "CidrBlock": "10.0.0.0/16" })).await;
    let (before, encoded) = whole
        .split_once(". Encoded authorization failure message: ")
        .unwrap();
    assert!(
        before.starts_with(&refusal("nobody", "ec2:CreateVpc", &arn("vpc/*"))),
        "{before}"
    );
    let decode = sts::DecodeAuthorizationMessageRequest {
        encoded_message: encoded.to_owned(),
    };
    let decoded = server
        .root
        .ok::<sts::op::DecodeAuthorizationMessage>(&decode)
        .await;
    let decoded: Value = serde_json::from_str(&decoded.decoded_message.unwrap()).unwrap();
    assert_eq!(decoded["allowed"], false);
    assert_eq!(decoded["explicitDeny"], false);
    assert_eq!(decoded["context"]["action"], "ec2:CreateVpc");
    assert_eq!(decoded["context"]["resource"], json!(arn("vpc/*")));
    assert_eq!(
        decoded["context"]["principal"]["arn"],
        format!("arn:aws:iam::{ACCOUNT}:user/nobody")
    );
    assert!(decoded.to_string().contains("ec2:Region"));
}

#[tokio::test]
async fn r176_an_action_without_resource_is_refused_without_naming_one() {
    let server = Server::start().await;
    let nobody = server.user("nobody", "").await;
    let refused = nobody
        .call::<op::DescribeVpcs>(&ec2::DescribeVpcsRequest::default())
        .await
        .unwrap_err();
    assert_eq!((refused.status(), refused.code()), (403, "UnauthorizedOperation"));
    let text = refused.to_string();
    assert!(
        !text.contains("Encoded") && !text.contains(" on resource: "),
        "{text}"
    );
    let records = server.records().await;
    let record = records
        .iter()
        .find(|record| record["eventName"] == "DescribeVpcs")
        .unwrap();
    assert_eq!(record["errorCode"], "Client.UnauthorizedOperation");
    assert_eq!(record["eventSource"], "ec2.amazonaws.com");
}

#[tokio::test]
async fn a_dry_run_says_whether_the_call_may_and_changes_nothing() {
    let server = Server::start().await;
    let nobody = server.user("nobody", "").await;
    let input = json!({ "CidrBlock": "10.0.0.0/16", "DryRun": true });
    let request: ec2::CreateVpcRequest = portcullis_wire::json::from_value(&input).unwrap();
    let allowed = server.root.call::<op::CreateVpc>(&request).await.unwrap_err();
    assert_eq!(allowed.status(), 412);
    assert_eq!(
        allowed.to_string(),
        "DryRunOperation: Request would have succeeded, but DryRun flag is set."
    );
    assert!(
        err::<op::CreateVpc>(&nobody, input)
            .await
            .starts_with("UnauthorizedOperation")
    );
    let shown = ok::<op::DescribeVpcs>(&server.root, json!({})).await;
    assert_eq!(shown["Vpcs"].as_array().unwrap().len(), 1);
    let read = err::<op::DescribeVpcs>(&server.root, json!({ "DryRun": true })).await;
    assert!(read.starts_with("DryRunOperation"), "{read}");
}

#[tokio::test]
async fn keys_come_from_the_objects_and_the_request() {
    let server = Server::start().await;
    let root = &server.root;
    let (blue, red) = (vpc(root, "10.0.0.0/16").await, vpc(root, "10.1.0.0/16").await);
    for (vpc, team) in [(&blue, "blue"), (&red, "red")] {
        let tags = json!([{ "Key": "Team", "Value": team }]);
        ok::<op::CreateTags>(root, json!({ "Resources": [vpc], "Tags": tags })).await;
    }
    let blues = subnet(root, &blue, "10.0.0.0/24").await;
    let reds = subnet(root, &red, "10.1.0.0/24").await;
    let cases = [
        ("ec2:ResourceTag/Team", "blue".to_owned(), "ec2:DeleteVpc"),
        ("aws:ResourceTag/Team", "blue".to_owned(), "ec2:DeleteVpc"),
        ("ec2:VpcID", blue.clone(), "ec2:DeleteVpc"),
    ];
    for (number, (key, value, action)) in cases.into_iter().enumerate() {
        let name = format!("u{number}");
        let text = policy(&[statement(
            json!(action),
            "*",
            json!({ "StringEquals": { key: value } }),
        )]);
        let user = server.user(&name, &text).await;
        let mine = err::<op::DeleteVpc>(&user, json!({ "VpcId": blue })).await;
        assert!(mine.starts_with("DependencyViolation"), "{key}: {mine}");
        let theirs = err::<op::DeleteVpc>(&user, json!({ "VpcId": red })).await;
        assert_eq!(
            theirs,
            refusal(&name, action, &arn(&format!("vpc/{red}"))),
            "{key}"
        );
    }
    let by_vpc = json!({ "ArnEquals": { "ec2:Vpc": arn(&format!("vpc/{blue}")) }, "StringEquals": {
        "ec2:AvailabilityZone": "us-east-1a", "ec2:Region": "us-east-1" } });
    let text = policy(&[statement(json!("ec2:DeleteSubnet"), "*", by_vpc)]);
    let user = server.user("by-vpc", &text).await;
    assert_eq!(
        err::<op::DeleteSubnet>(&user, json!({ "SubnetId": reds })).await,
        refusal("by-vpc", "ec2:DeleteSubnet", &arn(&format!("subnet/{reds}")))
    );
    ok::<op::DeleteSubnet>(&user, json!({ "SubnetId": blues })).await;
    let attribute = json!({ "StringEquals": { "ec2:Attribute": "MapPublicIpOnLaunch", "ec2:Attribute/MapPublicIpOnLaunch": "false" } });
    let text = policy(&[statement(json!("ec2:ModifySubnetAttribute"), "*", attribute)]);
    let user = server.user("private", &text).await;
    let set = |value: bool| json!({ "SubnetId": reds, "MapPublicIpOnLaunch": { "Value": value } });
    ok::<op::ModifySubnetAttribute>(&user, set(false)).await;
    assert!(
        err::<op::ModifySubnetAttribute>(&user, set(true))
            .await
            .starts_with("UnauthorizedOperation")
    );
}

#[tokio::test]
async fn r148_tags_on_create_need_create_tags_for_that_creation() {
    let server = Server::start().await;
    let tagging = |operation: &str| {
        policy(&[
            statement(json!("ec2:CreateVpc"), "*", json!({})),
            statement(
                json!("ec2:CreateTags"),
                &arn("vpc/*"),
                json!({ "StringEquals": { "ec2:CreateAction": operation, "aws:RequestTag/Team": "blue" } }),
            ),
        ])
    };
    let input = |team: &str| {
        json!({ "CidrBlock": "10.0.0.0/16", "TagSpecifications": [
            { "ResourceType": "vpc", "Tags": [{ "Key": "Team", "Value": team }] },
        ] })
    };
    let may = server.user("may", &tagging("CreateVpc")).await;
    ok::<op::CreateVpc>(&may, input("blue")).await;
    let denied = err::<op::CreateVpc>(&may, input("red")).await;
    assert_eq!(denied, refusal("may", "ec2:CreateTags", &arn("vpc/*")));
    let other = server.user("other", &tagging("CreateSubnet")).await;
    assert!(
        err::<op::CreateVpc>(&other, input("blue"))
            .await
            .starts_with("UnauthorizedOperation")
    );
    ok::<op::CreateVpc>(&other, json!({ "CidrBlock": "10.0.0.0/16" })).await;
    // Tags of what is there are not given under that condition.
    let id = text(
        &ok::<op::DescribeVpcs>(&server.root, json!({})).await,
        "/Vpcs/0/VpcId",
    );
    let later = json!({ "Resources": [id], "Tags": [{ "Key": "Team", "Value": "blue" }] });
    assert!(
        err::<op::CreateTags>(&may, later)
            .await
            .starts_with("UnauthorizedOperation")
    );
}

#[tokio::test]
async fn r181_what_is_not_there_is_refused_like_what_is() {
    let server = Server::start().await;
    let nobody = server.user("nobody", "").await;
    let may = server.user("may", &allow("ec2:DeleteVpc", "*")).await;
    let id = "vpc-0123456789abcdef0";
    assert_eq!(
        err::<op::DeleteVpc>(&nobody, json!({ "VpcId": id })).await,
        refusal("nobody", "ec2:DeleteVpc", &arn(&format!("vpc/{id}")))
    );
    assert!(
        err::<op::DeleteVpc>(&may, json!({ "VpcId": id }))
            .await
            .starts_with("InvalidVpcID.NotFound")
    );
}

#[tokio::test]
async fn a_creation_needs_both_the_new_and_what_it_lies_in() {
    let server = Server::start().await;
    let vpc = vpc(&server.root, "10.0.0.0/16").await;
    let input = json!({ "VpcId": vpc, "CidrBlock": "10.0.0.0/24" });
    let new = server
        .user("new", &allow("ec2:CreateSubnet", &arn("subnet/*")))
        .await;
    assert_eq!(
        err::<op::CreateSubnet>(&new, input.clone()).await,
        refusal("new", "ec2:CreateSubnet", &arn(&format!("vpc/{vpc}")))
    );
    let old = server
        .user("old", &allow("ec2:CreateSubnet", &arn("vpc/*")))
        .await;
    assert_eq!(
        err::<op::CreateSubnet>(&old, input).await,
        refusal("old", "ec2:CreateSubnet", &arn("subnet/*"))
    );
}

#[tokio::test]
async fn a_refusal_names_what_was_named_and_no_id_that_it_was_found_by() {
    let server = Server::start().await;
    let root = &server.root;
    let nobody = server.user("nobody", "").await;
    let vpc_id = vpc(root, "10.0.0.0/16").await;
    let subnet_id = subnet(root, &vpc_id, "10.0.0.0/24").await;
    let made = ok::<op::CreateRouteTable>(root, json!({ "VpcId": vpc_id })).await;
    let table = text(&made, "/RouteTable/RouteTableId");
    let input = json!({ "RouteTableId": table, "SubnetId": subnet_id });
    let there = text(
        &ok::<op::AssociateRouteTable>(root, input).await,
        "/AssociationId",
    );
    let visible = |refused: String| refused.split(". Encoded").next().unwrap_or_default().to_owned();
    let mut seen = Vec::new();
    for id in [there.as_str(), "rtbassoc-0123456789abcdef0"] {
        let input = json!({ "AssociationId": id });
        seen.push(visible(err::<op::DisassociateRouteTable>(&nobody, input).await));
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].contains(&arn("route-table/*")), "{}", seen[0]);
    seen.clear();
    for name in ["default", "none"] {
        let input = json!({ "GroupName": name });
        seen.push(visible(
            err::<op::AuthorizeSecurityGroupIngress>(&nobody, input).await,
        ));
    }
    assert_eq!(seen[0], seen[1]);
    // Who may on the table alone, may; decided is on what was found.
    let actions = json!("ec2:DisassociateRouteTable");
    let may = policy(&[
        statement(actions.clone(), &arn(&format!("route-table/{table}")), json!({})),
        statement(actions, &arn(&format!("subnet/{subnet_id}")), json!({})),
    ]);
    let somebody = server.user("somebody", &may).await;
    ok::<op::DisassociateRouteTable>(&somebody, json!({ "AssociationId": there })).await;
    // Of two tables, the one that was not named is not shown either, nor whether there is one.
    let other = ok::<op::CreateRouteTable>(root, json!({ "VpcId": vpc_id })).await;
    let other = text(&other, "/RouteTable/RouteTableId");
    let input = json!({ "RouteTableId": table, "SubnetId": subnet_id });
    let there = text(
        &ok::<op::AssociateRouteTable>(root, input).await,
        "/AssociationId",
    );
    let may = policy(&[statement(
        json!("ec2:ReplaceRouteTableAssociation"),
        &arn(&format!("route-table/{other}")),
        json!({}),
    )]);
    let half = server.user("half", &may).await;
    seen.clear();
    for id in [there.as_str(), "rtbassoc-0123456789abcdef0"] {
        let input = json!({ "AssociationId": id, "RouteTableId": other });
        seen.push(visible(
            err::<op::ReplaceRouteTableAssociation>(&half, input).await,
        ));
    }
    assert_eq!(seen[0], seen[1]);
}
