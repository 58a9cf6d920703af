//! What every region has from the first start.

use portcullis_api::ec2::op;
use serde_json::{Value, json};

use super::{err, ok, text, vpc};
use crate::harness::{Client, Server};

/// Everything a region has, as the Describe operations show it.
async fn everything(client: &Client) -> Value {
    json!([
        ok::<op::DescribeVpcs>(client, json!({})).await,
        ok::<op::DescribeSubnets>(client, json!({})).await,
        ok::<op::DescribeSecurityGroups>(client, json!({})).await,
        ok::<op::DescribeSecurityGroupRules>(client, json!({})).await,
        ok::<op::DescribeInternetGateways>(client, json!({})).await,
        ok::<op::DescribeRouteTables>(client, json!({})).await,
        ok::<op::DescribeNetworkAcls>(client, json!({})).await,
        ok::<op::DescribeDhcpOptions>(client, json!({})).await,
    ])
}

#[tokio::test]
async fn a_region_begins_with_a_default_vpc_and_all_that_belongs_to_it() {
    let server = Server::start().await;
    let all = everything(&server.root).await;
    let vpc = &all[0]["Vpcs"][0];
    assert_eq!(
        (&vpc["CidrBlock"], &vpc["IsDefault"]),
        (&json!("172.31.0.0/16"), &json!(true))
    );
    let subnets = all[1]["Subnets"].as_array().unwrap();
    let mut zones: Vec<_> = subnets
        .iter()
        .map(|subnet| {
            assert_eq!(subnet["VpcId"], vpc["VpcId"]);
            assert_eq!(subnet["DefaultForAz"], true);
            assert_eq!(subnet["MapPublicIpOnLaunch"], true);
            assert_eq!(subnet["AvailableIpAddressCount"], 4091);
            (text(subnet, "/AvailabilityZone"), text(subnet, "/CidrBlock"))
        })
        .collect();
    zones.sort();
    let pair = |zone: &str, cidr: &str| (zone.to_owned(), cidr.to_owned());
    assert_eq!(
        zones,
        [
            pair("us-east-1a", "172.31.0.0/20"),
            pair("us-east-1b", "172.31.16.0/20"),
            pair("us-east-1c", "172.31.32.0/20"),
        ]
    );
    let group = &all[2]["SecurityGroups"][0];
    assert_eq!(group["GroupName"], "default");
    assert_eq!(
        group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"],
        group["GroupId"]
    );
    assert_eq!(
        group["IpPermissionsEgress"][0]["IpRanges"][0]["CidrIp"],
        "0.0.0.0/0"
    );
    let gateway = &all[4]["InternetGateways"][0];
    assert_eq!(gateway["Attachments"][0]["VpcId"], vpc["VpcId"]);
    let table = &all[5]["RouteTables"][0];
    assert_eq!(table["Associations"][0]["Main"], true);
    assert_eq!(table["Routes"][0]["GatewayId"], "local");
    assert_eq!(table["Routes"][1]["GatewayId"], gateway["InternetGatewayId"]);
    assert_eq!(table["Routes"][1]["State"], "active");
    assert_eq!(
        all[6]["NetworkAcls"][0]["Associations"].as_array().unwrap().len(),
        3
    );
    assert_eq!(vpc["DhcpOptionsId"], all[7]["DhcpOptions"][0]["DhcpOptionsId"]);
    for id in [
        text(vpc, "/VpcId"),
        text(&subnets[0], "/SubnetId"),
        text(group, "/GroupId"),
    ] {
        let (_, digits) = id.split_once('-').unwrap();
        assert_eq!(digits.len(), 17, "{id}");
    }
}

#[tokio::test]
async fn what_is_shown_before_the_first_change_is_what_is_there_after_it() {
    let server = Server::start().await;
    let before = everything(&server.root).await;
    let made = vpc(&server.root, "10.0.0.0/16").await;
    ok::<op::DeleteVpc>(&server.root, json!({ "VpcId": made })).await;
    assert_eq!(everything(&server.root).await, before);
    let elsewhere = everything(&server.root.region("eu-central-1")).await;
    assert_ne!(elsewhere[0]["Vpcs"][0]["VpcId"], before[0]["Vpcs"][0]["VpcId"]);
    assert_eq!(elsewhere[1]["Subnets"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_default_vpc_that_was_deleted_comes_back_only_when_asked_for() {
    let server = Server::start().await;
    let root = &server.root;
    let exists = err::<op::CreateDefaultVpc>(root, json!({})).await;
    assert_eq!(
        exists,
        "DefaultVpcAlreadyExists: A Default VPC already exists for this account in this region."
    );
    let all = everything(root).await;
    let id = text(&all[0], "/Vpcs/0/VpcId");
    let gateway = text(&all[4], "/InternetGateways/0/InternetGatewayId");
    let detach = json!({ "VpcId": id, "InternetGatewayId": gateway });
    ok::<op::DetachInternetGateway>(root, detach).await;
    ok::<op::DeleteInternetGateway>(root, json!({ "InternetGatewayId": gateway })).await;
    for subnet in all[1]["Subnets"].as_array().unwrap() {
        let in_use = err::<op::DeleteVpc>(root, json!({ "VpcId": id })).await;
        assert_eq!(
            in_use,
            format!("DependencyViolation: The vpc '{id}' has dependencies and cannot be deleted.")
        );
        ok::<op::DeleteSubnet>(root, json!({ "SubnetId": subnet["SubnetId"] })).await;
    }
    ok::<op::DeleteVpc>(root, json!({ "VpcId": id })).await;
    let empty = everything(root).await;
    assert_eq!(empty[0]["Vpcs"], json!([]));
    assert_eq!(empty[2]["SecurityGroups"], json!([]));
    assert_eq!(empty[5]["RouteTables"], json!([]));
    let none = json!({ "GroupName": "g", "Description": "d" });
    assert_eq!(
        err::<op::CreateSecurityGroup>(root, none).await,
        "VPCIdNotSpecified: No default VPC for this user"
    );
    let again = ok::<op::CreateDefaultVpc>(root, json!({})).await;
    assert_ne!(text(&again, "/Vpc/VpcId"), id);
    assert_eq!(everything(root).await[1]["Subnets"].as_array().unwrap().len(), 3);
}
