//! VPCs, subnets and network interfaces.

use portcullis_api::ec2::op;
use serde_json::json;

use super::{err, group, ok, subnet, text, vpc};
use crate::harness::Server;

#[tokio::test]
async fn ranges_of_vpcs_are_checked() {
    let server = Server::start().await;
    for (cidr, refused) in [
        (
            "10.0.0.0/15",
            "InvalidVpc.Range: The CIDR '10.0.0.0/15' is invalid.",
        ),
        (
            "10.0.0.0/29",
            "InvalidVpc.Range: The CIDR '10.0.0.0/29' is invalid.",
        ),
        (
            "0.1.0.0/16",
            "InvalidVpc.Range: The CIDR '0.1.0.0/16' is invalid.",
        ),
        (
            "127.0.0.0/16",
            "InvalidVpc.Range: The CIDR '127.0.0.0/16' is invalid.",
        ),
        (
            "169.254.1.0/24",
            "InvalidVpc.Range: The CIDR '169.254.1.0/24' is invalid.",
        ),
        (
            "239.0.0.0/16",
            "InvalidVpc.Range: The CIDR '239.0.0.0/16' is invalid.",
        ),
        (
            "10.0.0.0/016",
            "InvalidParameterValue: Value (10.0.0.0/016) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
        ),
        (
            "10.0.0.0",
            "InvalidParameterValue: Value (10.0.0.0) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
        ),
    ] {
        assert_eq!(
            err::<op::CreateVpc>(&server.root, json!({ "CidrBlock": cidr })).await,
            refused
        );
    }
    assert_eq!(
        err::<op::CreateVpc>(&server.root, json!({})).await,
        "MissingParameter: The request must contain the parameter CidrBlock"
    );
    let made = ok::<op::CreateVpc>(&server.root, json!({ "CidrBlock": "10.1.2.3/16" })).await;
    assert_eq!(text(&made, "/Vpc/CidrBlock"), "10.1.0.0/16");
}

#[tokio::test]
async fn subnets_lie_in_their_vpc_and_beside_each_other() {
    let server = Server::start().await;
    let vpc = vpc(&server.root, "10.0.0.0/16").await;
    subnet(&server.root, &vpc, "10.0.0.0/24").await;
    for (cidr, refused) in [
        (
            "10.1.0.0/24",
            "InvalidSubnet.Range: The CIDR '10.1.0.0/24' is invalid.",
        ),
        (
            "10.0.0.0/29",
            "InvalidSubnet.Range: The CIDR '10.0.0.0/29' is invalid.",
        ),
        (
            "10.0.0.128/25",
            "InvalidSubnet.Conflict: The CIDR '10.0.0.128/25' conflicts with another subnet",
        ),
        (
            "10.0.0.0/16",
            "InvalidSubnet.Conflict: The CIDR '10.0.0.0/16' conflicts with another subnet",
        ),
    ] {
        let input = json!({ "VpcId": vpc, "CidrBlock": cidr });
        assert_eq!(err::<op::CreateSubnet>(&server.root, input).await, refused);
    }
    let input = json!({ "VpcId": vpc, "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "us-east-1z" });
    assert_eq!(
        err::<op::CreateSubnet>(&server.root, input).await,
        "InvalidParameterValue: Value (us-east-1z) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: us-east-1a, us-east-1b, us-east-1c."
    );
    let input = json!({ "VpcId": vpc, "CidrBlock": "10.0.1.0/24", "AvailabilityZoneId": "use1-az2" });
    let made = ok::<op::CreateSubnet>(&server.root, input).await;
    assert_eq!(text(&made, "/Subnet/AvailabilityZone"), "us-east-1b");
}

#[tokio::test]
async fn attributes_change_one_at_a_time() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc = vpc(root, "10.0.0.0/16").await;
    let none = err::<op::ModifyVpcAttribute>(root, json!({ "VpcId": vpc })).await;
    assert_eq!(none, "InvalidParameterCombination: No attributes specified.");
    let both = json!({ "VpcId": vpc, "EnableDnsSupport": { "Value": true }, "EnableDnsHostnames": { "Value": true } });
    assert_eq!(
        err::<op::ModifyVpcAttribute>(root, both).await,
        "InvalidParameterCombination: Fields for multiple attribute types specified."
    );
    let on = json!({ "VpcId": vpc, "EnableDnsHostnames": { "Value": true } });
    ok::<op::ModifyVpcAttribute>(root, on).await;
    let asked = json!({ "VpcId": vpc, "Attribute": "enableDnsHostnames" });
    let shown = ok::<op::DescribeVpcAttribute>(root, asked).await;
    assert_eq!(
        shown,
        json!({ "VpcId": vpc, "EnableDnsHostnames": { "Value": true } })
    );
    let subnet = subnet(root, &vpc, "10.0.0.0/24").await;
    let on = json!({ "SubnetId": subnet, "MapPublicIpOnLaunch": { "Value": true } });
    ok::<op::ModifySubnetAttribute>(root, on).await;
    let shown = ok::<op::DescribeSubnets>(root, json!({ "SubnetIds": [subnet] })).await;
    assert_eq!(shown["Subnets"][0]["MapPublicIpOnLaunch"], true);
}

#[tokio::test]
async fn an_interface_takes_an_address_of_its_subnet_and_keeps_it_and_its_groups() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc_id = vpc(root, "10.0.0.0/16").await;
    let subnet = subnet(root, &vpc_id, "10.0.0.0/28").await;
    let own = group(root, &vpc_id, "own").await;
    let input = json!({ "SubnetId": subnet, "Groups": [own] });
    let made = ok::<op::CreateNetworkInterface>(root, input).await;
    assert_eq!(text(&made, "/NetworkInterface/PrivateIpAddress"), "10.0.0.4");
    let id = text(&made, "/NetworkInterface/NetworkInterfaceId");
    for (address, refused) in [
        (
            "10.0.0.4",
            "InvalidIPAddress.InUse: The specified address is already in use.",
        ),
        (
            "10.0.1.4",
            "InvalidParameterValue: Value (10.0.1.4) for parameter address is invalid. Address does not fall within the subnet's address range",
        ),
        (
            "10.0.0.1",
            "InvalidParameterValue: Value (10.0.0.1) for parameter address is invalid. Address is in subnet's reserved address range",
        ),
    ] {
        let input = json!({ "SubnetId": subnet, "PrivateIpAddress": address });
        assert_eq!(err::<op::CreateNetworkInterface>(root, input).await, refused);
    }
    let shown = ok::<op::DescribeSubnets>(root, json!({ "SubnetIds": [subnet] })).await;
    assert_eq!(shown["Subnets"][0]["AvailableIpAddressCount"], 10);
    let in_use = err::<op::DeleteSubnet>(root, json!({ "SubnetId": subnet })).await;
    assert_eq!(
        in_use,
        format!("DependencyViolation: The subnet '{subnet}' has dependencies and cannot be deleted.")
    );
    let in_use = err::<op::DeleteSecurityGroup>(root, json!({ "GroupId": own })).await;
    assert_eq!(
        in_use,
        format!("DependencyViolation: resource {own} has a dependent object")
    );
    let elsewhere = vpc(root, "10.9.0.0/16").await;
    let other = group(root, &elsewhere, "other").await;
    let foreign = json!({ "SubnetId": subnet, "Groups": [other] });
    assert_eq!(
        err::<op::CreateNetworkInterface>(root, foreign).await,
        format!("InvalidParameter: Security group {other} and subnet {subnet} belong to different networks.")
    );
    for _ in 0..10 {
        ok::<op::CreateNetworkInterface>(root, json!({ "SubnetId": subnet })).await;
    }
    let full = err::<op::CreateNetworkInterface>(root, json!({ "SubnetId": subnet })).await;
    assert!(full.starts_with("InsufficientFreeAddressesInSubnet: "), "{full}");
    ok::<op::DeleteNetworkInterface>(root, json!({ "NetworkInterfaceId": id })).await;
    ok::<op::DeleteSecurityGroup>(root, json!({ "GroupId": own })).await;
    let again = ok::<op::CreateNetworkInterface>(root, json!({ "SubnetId": subnet })).await;
    assert_eq!(text(&again, "/NetworkInterface/PrivateIpAddress"), "10.0.0.4");
}

#[tokio::test]
async fn a_client_token_makes_one_interface() {
    let server = Server::start().await;
    let vpc = vpc(&server.root, "10.0.0.0/16").await;
    let subnet = subnet(&server.root, &vpc, "10.0.0.0/28").await;
    let input = json!({ "SubnetId": subnet, "ClientToken": "once" });
    let one = ok::<op::CreateNetworkInterface>(&server.root, input.clone()).await;
    let other = ok::<op::CreateNetworkInterface>(&server.root, input).await;
    assert_eq!(
        text(&one, "/NetworkInterface/NetworkInterfaceId"),
        text(&other, "/NetworkInterface/NetworkInterfaceId")
    );
    let another = json!({ "SubnetId": subnet, "ClientToken": "once", "Description": "another" });
    assert_eq!(
        err::<op::CreateNetworkInterface>(&server.root, another).await,
        "IdempotentParameterMismatch: The request uses the same client token as a previous, but non-identical request."
    );
}

#[tokio::test]
async fn ids_of_nothing_and_texts_that_are_no_ids_are_told_apart() {
    let server = Server::start().await;
    let root = &server.root;
    let nothing = "0123456789abcdef0";
    let cases = [
        (
            err::<op::DescribeVpcs>(root, json!({ "VpcIds": [format!("vpc-{nothing}")] })).await,
            format!("InvalidVpcID.NotFound: The vpc ID 'vpc-{nothing}' does not exist"),
        ),
        (
            err::<op::DeleteSubnet>(root, json!({ "SubnetId": format!("subnet-{nothing}") })).await,
            format!("InvalidSubnetID.NotFound: The subnet ID 'subnet-{nothing}' does not exist"),
        ),
        (
            err::<op::DeleteSecurityGroup>(root, json!({ "GroupId": format!("sg-{nothing}") })).await,
            format!("InvalidGroup.NotFound: The security group 'sg-{nothing}' does not exist"),
        ),
        (
            err::<op::DeleteVpc>(root, json!({ "VpcId": "vpc-../x" })).await,
            "InvalidVpcId.Malformed: Invalid id: \"vpc-../x\" (expecting \"vpc-...\")".to_owned(),
        ),
        (
            err::<op::DeleteSecurityGroup>(root, json!({})).await,
            "MissingParameter: The request must contain the parameter groupName or groupId".to_owned(),
        ),
    ];
    for (refused, text) in cases {
        assert_eq!(refused, text);
    }
}

#[tokio::test]
async fn an_address_is_free_again_without_its_interface_and_tokens_make_one() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc_id = vpc(root, "10.0.0.0/16").await;
    let subnet = subnet(root, &vpc_id, "10.0.0.0/28").await;
    let free = async || {
        let shown = ok::<op::DescribeSubnets>(root, json!({ "SubnetIds": [subnet] })).await;
        shown["Subnets"][0]["AvailableIpAddressCount"].as_i64().unwrap()
    };
    let input = json!({ "SubnetId": subnet, "ClientToken": "one" });
    let made = ok::<op::CreateNetworkInterface>(root, input.clone()).await;
    let id = text(&made, "/NetworkInterface/NetworkInterfaceId");
    let again = ok::<op::CreateNetworkInterface>(root, input.clone()).await;
    assert_eq!(text(&again, "/NetworkInterface/NetworkInterfaceId"), id);
    let second = ok::<op::CreateNetworkInterface>(root, json!({ "SubnetId": subnet })).await;
    assert_eq!(text(&second, "/NetworkInterface/PrivateIpAddress"), "10.0.0.5");
    assert_eq!(free().await, 9);
    let change = json!({ "NetworkInterfaceId": id, "Description": { "Value": "d" } });
    ok::<op::ModifyNetworkInterfaceAttribute>(root, change).await;
    assert_eq!(free().await, 9);
    let bad = json!({ "NetworkInterfaceId": id, "Description": { "Value": "a\u{7}" } });
    let refused = err::<op::ModifyNetworkInterfaceAttribute>(root, bad).await;
    assert!(
        refused.starts_with("InvalidParameterValue: Value (a) for parameter description"),
        "{refused}"
    );
    ok::<op::DeleteNetworkInterface>(root, json!({ "NetworkInterfaceId": id })).await;
    assert_eq!(free().await, 10);
    let third = ok::<op::CreateNetworkInterface>(root, input).await;
    assert_ne!(text(&third, "/NetworkInterface/NetworkInterfaceId"), id);
    assert_eq!(text(&third, "/NetworkInterface/PrivateIpAddress"), "10.0.0.4");
}
