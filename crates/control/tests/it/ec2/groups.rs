//! Security groups and their rules.

use portcullis_api::ec2::op;
use serde_json::{Value, json};

use super::{err, group, ok, text, vpc};
use crate::harness::Server;

fn web() -> Value {
    json!([{ "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{ "CidrIp": "10.1.2.3/8", "Description": "all" }] }])
}

#[tokio::test]
async fn rules_come_and_go_and_are_shown_together_and_one_by_one() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc = vpc(root, "10.0.0.0/16").await;
    let id = group(root, &vpc, "web").await;
    let add = json!({ "GroupId": id, "IpPermissions": web() });
    let made = ok::<op::AuthorizeSecurityGroupIngress>(root, add.clone()).await;
    let rule = text(&made, "/SecurityGroupRules/0/SecurityGroupRuleId");
    assert_eq!(made["SecurityGroupRules"][0]["CidrIpv4"], "10.0.0.0/8");
    assert_eq!(
        err::<op::AuthorizeSecurityGroupIngress>(root, add.clone()).await,
        "InvalidPermission.Duplicate: the specified rule \"peer: 10.0.0.0/8, TCP, from port: 80, to port: 80, ALLOW\" already exists"
    );
    let from_group = json!([{ "IpProtocol": "-1", "UserIdGroupPairs": [{ "GroupId": id }] }]);
    ok::<op::AuthorizeSecurityGroupIngress>(root, json!({ "GroupId": id, "IpPermissions": from_group }))
        .await;
    let shown = ok::<op::DescribeSecurityGroups>(root, json!({ "GroupIds": [id] })).await;
    let shown = &shown["SecurityGroups"][0];
    assert_eq!(shown["IpPermissions"].as_array().unwrap().len(), 2);
    assert_eq!(
        shown["IpPermissions"][0]["IpRanges"],
        json!([{ "Description": "all", "CidrIp": "10.0.0.0/8" }])
    );
    assert!(shown["IpPermissions"][1].get("FromPort").is_none());
    assert_eq!(shown["IpPermissionsEgress"].as_array().unwrap().len(), 1);

    let change = json!({ "GroupId": id, "SecurityGroupRules": [{
        "SecurityGroupRuleId": rule,
        "SecurityGroupRule": { "IpProtocol": "tcp", "FromPort": 443, "ToPort": 444, "CidrIpv6": "2001:db8::1/32" },
    }] });
    ok::<op::ModifySecurityGroupRules>(root, change).await;
    let asked = json!({ "SecurityGroupRuleIds": [rule] });
    let one = ok::<op::DescribeSecurityGroupRules>(root, asked).await;
    assert_eq!(one["SecurityGroupRules"][0]["CidrIpv6"], "2001:db8::/32");
    assert_eq!(one["SecurityGroupRules"][0]["ToPort"], 444);
    assert_eq!(
        err::<op::RevokeSecurityGroupIngress>(root, add).await,
        "InvalidPermission.NotFound: The specified rule does not exist in this security group."
    );
    let revoke = json!({ "GroupId": id, "SecurityGroupRuleIds": [rule] });
    let gone = ok::<op::RevokeSecurityGroupIngress>(root, revoke).await;
    assert_eq!(
        gone["RevokedSecurityGroupRules"][0]["SecurityGroupRuleId"],
        json!(rule)
    );
    ok::<op::DeleteSecurityGroup>(root, json!({ "GroupId": id })).await;
}

#[tokio::test]
async fn what_comes_in_and_what_goes_out_are_kept_apart() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc = vpc(root, "10.0.0.0/16").await;
    let id = group(root, &vpc, "g").await;
    ok::<op::AuthorizeSecurityGroupEgress>(root, json!({ "GroupId": id, "IpPermissions": web() })).await;
    let there = json!({ "GroupId": id, "IpPermissions": web() });
    assert!(
        err::<op::RevokeSecurityGroupIngress>(root, there.clone())
            .await
            .starts_with("InvalidPermission.NotFound")
    );
    let mut said = web();
    said[0]["IpRanges"][0]["Description"] = json!("other");
    ok::<op::UpdateSecurityGroupRuleDescriptionsEgress>(
        root,
        json!({ "GroupId": id, "IpPermissions": said }),
    )
    .await;
    let shown = ok::<op::DescribeSecurityGroups>(root, json!({ "GroupIds": [id] })).await;
    let permissions = shown["SecurityGroups"][0]["IpPermissionsEgress"]
        .as_array()
        .unwrap();
    assert_eq!(permissions[1]["IpRanges"][0]["Description"], "other");
    ok::<op::RevokeSecurityGroupEgress>(root, there).await;
}

#[tokio::test]
async fn names_are_unique_in_a_vpc_and_default_is_reserved() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc = vpc(root, "10.0.0.0/16").await;
    let id = group(root, &vpc, "web").await;
    let named = |name: &str| json!({ "VpcId": vpc, "GroupName": name, "Description": "d" });
    for (name, refused) in [
        ("web", format!("InvalidGroup.Duplicate: The security group 'web' already exists for VPC '{vpc}'")),
        (
            "default",
            "InvalidParameterValue: Cannot use reserved security group name: default".to_owned(),
        ),
        (
            "sg-web",
            "InvalidParameterValue: Value (sg-web) for parameter GroupName is invalid. Group names may not be in the format sg-*.".to_owned(),
        ),
    ] {
        assert_eq!(err::<op::CreateSecurityGroup>(root, named(name)).await, refused);
    }
    // The same name elsewhere is another group; without a VPC the default one is meant.
    let other = ok::<op::CreateSecurityGroup>(root, json!({ "GroupName": "web", "Description": "d" })).await;
    assert_ne!(text(&other, "/GroupId"), id);
    let by_name = ok::<op::DescribeSecurityGroups>(root, json!({ "GroupNames": ["web"] })).await;
    assert_eq!(by_name["SecurityGroups"][0]["GroupId"], other["GroupId"]);
    let own = ok::<op::DescribeSecurityGroups>(root, json!({ "GroupNames": ["default"] })).await;
    let own = text(&own, "/SecurityGroups/0/GroupId");
    assert_eq!(
        err::<op::DeleteSecurityGroup>(root, json!({ "GroupId": own })).await,
        format!("CannotDelete: the specified group: \"{own}\" name: \"default\" cannot be deleted by a user")
    );
}

#[tokio::test]
async fn a_group_that_another_ones_rules_name_stays() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc = vpc(root, "10.0.0.0/16").await;
    let (front, back) = (group(root, &vpc, "front").await, group(root, &vpc, "back").await);
    let rule = json!({ "GroupId": back, "IpPermissions": [{ "IpProtocol": "-1", "UserIdGroupPairs": [{ "GroupId": front }] }] });
    ok::<op::AuthorizeSecurityGroupIngress>(root, rule.clone()).await;
    let delete = json!({ "GroupId": front });
    assert_eq!(
        err::<op::DeleteSecurityGroup>(root, delete.clone()).await,
        format!("DependencyViolation: resource {front} has a dependent object")
    );
    ok::<op::RevokeSecurityGroupIngress>(root, rule).await;
    ok::<op::DeleteSecurityGroup>(root, delete).await;
}

#[tokio::test]
async fn rules_that_mean_nothing_are_refused() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc = vpc(root, "10.0.0.0/16").await;
    let id = group(root, &vpc, "g").await;
    let any = json!([{ "CidrIp": "0.0.0.0/0" }]);
    for (permission, refused) in [
        (
            json!({ "IpProtocol": "tcp", "FromPort": 90, "ToPort": 80, "IpRanges": any }),
            "InvalidParameterValue: Invalid TCP/UDP port range (90:80)",
        ),
        (
            json!({ "IpProtocol": "tcp", "FromPort": 1, "ToPort": 65536, "IpRanges": any }),
            "InvalidParameterValue: Invalid value '65536' for port. Must be between 0 and 65535.",
        ),
        (
            json!({ "IpProtocol": "tcp", "IpRanges": any }),
            "InvalidParameterValue: Invalid value 'Must specify both from and to ports with TCP.' for portRange.",
        ),
        (
            json!({ "IpProtocol": "smoke", "IpRanges": any }),
            "InvalidParameterValue: Invalid value 'smoke' for IP protocol. Unknown protocol.",
        ),
        (
            json!({ "IpProtocol": "-1", "IpRanges": [{ "CidrIp": "anywhere" }] }),
            "InvalidParameterValue: CIDR block anywhere is malformed",
        ),
        (
            json!({ "IpProtocol": "-1" }),
            "MissingParameter: The request must contain the parameter cidrIp",
        ),
    ] {
        let input = json!({ "GroupId": id, "IpPermissions": [permission] });
        assert_eq!(
            err::<op::AuthorizeSecurityGroupIngress>(root, input).await,
            refused
        );
    }
    let many: Vec<_> = (0..61)
        .map(|port| json!({ "IpProtocol": "udp", "FromPort": port, "ToPort": port, "IpRanges": any }))
        .collect();
    let input = json!({ "GroupId": id, "IpPermissions": many });
    assert_eq!(
        err::<op::AuthorizeSecurityGroupIngress>(root, input).await,
        "RulesPerSecurityGroupLimitExceeded: The maximum number of rules per security group has been reached."
    );
    let shown = ok::<op::DescribeSecurityGroups>(root, json!({ "GroupIds": [id] })).await;
    assert_eq!(shown["SecurityGroups"][0]["IpPermissions"], json!([]));
}

#[tokio::test]
async fn the_owner_of_a_group_is_an_account() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc_id = vpc(root, "10.0.0.0/16").await;
    let own = group(root, &vpc_id, "own").await;
    let input = |owner: &str| {
        let peer = json!({ "GroupId": own, "UserId": owner });
        let rule = json!({ "IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [peer] });
        json!({ "GroupId": own, "IpPermissions": [rule] })
    };
    for owner in ["garbage", "12345678901", "1234567890123", "12345678901x"] {
        assert_eq!(
            err::<op::AuthorizeSecurityGroupIngress>(root, input(owner)).await,
            format!("InvalidUserID.Malformed: Invalid user id: \"{owner}\"")
        );
    }
    ok::<op::AuthorizeSecurityGroupIngress>(root, input(crate::harness::ACCOUNT)).await;
}
