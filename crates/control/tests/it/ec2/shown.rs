//! Filters, pages, tags, and what Describe operations show of elsewhere.

use portcullis_api::ec2::op;
use serde_json::json;

use super::{err, ok, subnet, text, vpc};
use crate::ecs::Scene;
use crate::harness::Server;

#[tokio::test]
async fn filters_are_all_held_and_unknown_ones_refused() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc_id = vpc(root, "10.0.0.0/16").await;
    let one = subnet(root, &vpc_id, "10.0.0.0/24").await;
    let other = subnet(root, &vpc_id, "10.0.1.0/24").await;
    let tags = json!([{ "Key": "Name", "Value": "front-1" }]);
    ok::<op::CreateTags>(root, json!({ "Resources": [one], "Tags": tags })).await;
    for (filters, found) in [
        (
            json!([{ "Name": "vpc-id", "Values": [vpc_id] }]),
            vec![&one, &other],
        ),
        (json!([{ "Name": "tag:Name", "Values": ["front-?"] }]), vec![&one]),
        (json!([{ "Name": "tag-key", "Values": ["Na*"] }]), vec![&one]),
        (
            json!([{ "Name": "vpc-id", "Values": [vpc_id] }, { "Name": "cidr-block", "Values": ["10.0.1.0/24", "x"] }]),
            vec![&other],
        ),
        (json!([{ "Name": "state", "Values": ["pending"] }]), vec![]),
    ] {
        let shown = ok::<op::DescribeSubnets>(root, json!({ "Filters": filters })).await;
        let mut ids: Vec<_> = shown["Subnets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| text(row, "/SubnetId"))
            .collect();
        let mut found: Vec<_> = found.into_iter().cloned().collect();
        ids.sort();
        found.sort();
        assert_eq!(ids, found, "{filters}");
    }
    let unknown = json!({ "Filters": [{ "Name": "colour", "Values": ["blue"] }] });
    assert_eq!(
        err::<op::DescribeSubnets>(root, unknown).await,
        "InvalidParameterValue: The filter 'colour' is invalid"
    );
}

#[tokio::test]
async fn pages_follow_each_other() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc_id = vpc(root, "10.0.0.0/16").await;
    for number in 0..12 {
        subnet(root, &vpc_id, &format!("10.0.{number}.0/24")).await;
    }
    let filters = json!([{ "Name": "vpc-id", "Values": [vpc_id] }]);
    let mut input = json!({ "Filters": filters, "MaxResults": 5 });
    let (mut seen, mut pages) = (std::collections::BTreeSet::new(), 0);
    loop {
        let page = ok::<op::DescribeSubnets>(root, input.clone()).await;
        pages += 1;
        seen.extend(
            page["Subnets"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| text(row, "/SubnetId")),
        );
        match page.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!((pages, seen.len()), (3, 12));
    let id = seen.first().unwrap();
    assert_eq!(
        err::<op::DescribeSubnets>(root, json!({ "SubnetIds": [id], "MaxResults": 5 })).await,
        "InvalidParameterCombination: The parameter subnetSet cannot be used with the parameter maxResults"
    );
    for token in ["x", "%", ""] {
        let refused = err::<op::DescribeSubnets>(root, json!({ "NextToken": token })).await;
        assert!(refused.starts_with("InvalidPaginationToken: "), "{refused}");
    }
}

#[tokio::test]
async fn tags_are_given_shown_and_taken() {
    let server = Server::start().await;
    let root = &server.root;
    let specifications = json!([{ "ResourceType": "vpc", "Tags": [{ "Key": "a", "Value": "1" }] }]);
    let made = ok::<op::CreateVpc>(
        root,
        json!({ "CidrBlock": "10.0.0.0/16", "TagSpecifications": specifications }),
    )
    .await;
    let id = text(&made, "/Vpc/VpcId");
    assert_eq!(made["Vpc"]["Tags"], json!([{ "Key": "a", "Value": "1" }]));
    let more = json!([{ "Key": "a", "Value": "2" }, { "Key": "b", "Value": "3" }]);
    ok::<op::CreateTags>(root, json!({ "Resources": [id], "Tags": more })).await;
    let own = json!([{ "Name": "resource-id", "Values": [id] }]);
    let shown = ok::<op::DescribeTags>(root, json!({ "Filters": own })).await;
    assert_eq!(
        shown["Tags"],
        json!([
            { "Key": "a", "ResourceId": id, "ResourceType": "vpc", "Value": "2" },
            { "Key": "b", "ResourceId": id, "ResourceType": "vpc", "Value": "3" },
        ])
    );
    let with_value = json!([{ "Key": "a", "Value": "9" }, { "Key": "b" }]);
    ok::<op::DeleteTags>(root, json!({ "Resources": [id], "Tags": with_value })).await;
    let shown = ok::<op::DescribeTags>(root, json!({ "Filters": own })).await;
    assert_eq!(shown["Tags"].as_array().unwrap().len(), 1);
    ok::<op::DeleteTags>(root, json!({ "Resources": [id] })).await;
    for (resource, tags, refused) in [
        (
            &*id,
            json!([{ "Key": "aws:x", "Value": "" }]),
            "InvalidParameterValue: Tag keys starting with 'aws:' are reserved for internal use",
        ),
        (
            "nothing",
            json!([{ "Key": "a" }]),
            "InvalidID: The ID 'nothing' is not valid",
        ),
        (
            "vpc-0",
            json!([{ "Key": "a" }]),
            "InvalidID: The ID 'vpc-0' is not valid",
        ),
    ] {
        let input = json!({ "Resources": [resource], "Tags": tags });
        assert_eq!(err::<op::CreateTags>(root, input).await, refused);
    }
    let wrong = json!([{ "ResourceType": "subnet", "Tags": [{ "Key": "a" }] }]);
    assert_eq!(
        err::<op::CreateVpc>(
            root,
            json!({ "CidrBlock": "10.0.0.0/16", "TagSpecifications": wrong })
        )
        .await,
        "InvalidParameterValue: 'subnet' is not a valid taggable resource type for this operation."
    );
}

#[tokio::test]
async fn each_registered_host_is_an_instance() {
    let scene = Scene::set().await;
    let root = &scene.server.root;
    let shown = ok::<op::DescribeInstances>(root, json!({})).await;
    let instance = &shown["Reservations"][0]["Instances"][0];
    let id = text(instance, "/InstanceId");
    assert!(id.starts_with("i-"), "{id}");
    assert_eq!(instance["State"], json!({ "Code": 16, "Name": "running" }));
    let again = ok::<op::DescribeInstances>(root, json!({ "InstanceIds": [id] })).await;
    assert_eq!(again["Reservations"][0]["Instances"][0]["InstanceId"], json!(id));
}

#[tokio::test]
async fn regions_and_zones_are_known_and_others_refused() {
    let server = Server::start().await;
    let root = &server.root;
    let regions = ok::<op::DescribeRegions>(root, json!({ "RegionNames": ["eu-central-1"] })).await;
    assert_eq!(
        regions["Regions"],
        json!([{ "OptInStatus": "opt-in-not-required", "RegionName": "eu-central-1", "Endpoint": "ec2.eu-central-1.amazonaws.com" }])
    );
    assert_eq!(
        err::<op::DescribeRegions>(root, json!({ "RegionNames": ["mars-1"] })).await,
        "InvalidParameterValue: Invalid region names: [mars-1]"
    );
    let zones = ok::<op::DescribeAvailabilityZones>(root, json!({})).await;
    assert_eq!(zones["AvailabilityZones"][2]["ZoneId"], "use1-az3");
}
