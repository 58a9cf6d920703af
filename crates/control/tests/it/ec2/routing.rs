//! Internet gateways, route tables and routes.

use portcullis_api::ec2::op;
use serde_json::json;

use super::{err, ok, subnet, text, vpc};
use crate::harness::Server;

#[tokio::test]
async fn a_gateway_hangs_on_one_vpc_and_a_vpc_has_one_gateway() {
    let server = Server::start().await;
    let root = &server.root;
    let (one, other) = (vpc(root, "10.0.0.0/16").await, vpc(root, "10.1.0.0/16").await);
    let gateway = ok::<op::CreateInternetGateway>(root, json!({})).await;
    let gateway = text(&gateway, "/InternetGateway/InternetGatewayId");
    let attach = |vpc: &str, gateway: &str| json!({ "VpcId": vpc, "InternetGatewayId": gateway });
    ok::<op::AttachInternetGateway>(root, attach(&one, &gateway)).await;
    assert_eq!(
        err::<op::AttachInternetGateway>(root, attach(&other, &gateway)).await,
        format!("Resource.AlreadyAssociated: resource {gateway} is already attached to network {one}")
    );
    let second = ok::<op::CreateInternetGateway>(root, json!({})).await;
    let second = text(&second, "/InternetGateway/InternetGatewayId");
    assert_eq!(
        err::<op::AttachInternetGateway>(root, attach(&one, &second)).await,
        format!("InvalidParameterValue: Network {one} already has an internet gateway attached")
    );
    assert_eq!(
        err::<op::DeleteInternetGateway>(root, json!({ "InternetGatewayId": gateway })).await,
        format!(
            "DependencyViolation: The internetGateway '{gateway}' has dependencies and cannot be deleted."
        )
    );
    assert_eq!(
        err::<op::DetachInternetGateway>(root, attach(&other, &gateway)).await,
        format!("Gateway.NotAttached: resource {gateway} is not attached to network {other}")
    );
    ok::<op::DetachInternetGateway>(root, attach(&one, &gateway)).await;
    ok::<op::DeleteInternetGateway>(root, json!({ "InternetGatewayId": gateway })).await;
}

#[tokio::test]
async fn routes_lead_to_gateways_of_their_vpc_and_turn_black_without_them() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc_id = vpc(root, "10.0.0.0/16").await;
    let gateway = ok::<op::CreateInternetGateway>(root, json!({})).await;
    let gateway = text(&gateway, "/InternetGateway/InternetGatewayId");
    let table = ok::<op::CreateRouteTable>(root, json!({ "VpcId": vpc_id })).await;
    let table = text(&table, "/RouteTable/RouteTableId");
    let route = json!({ "RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway });
    assert_eq!(
        err::<op::CreateRoute>(root, route.clone()).await,
        format!(
            "InvalidParameterValue: route table {table} and network gateway {gateway} belong to different networks"
        )
    );
    let attach = json!({ "VpcId": vpc_id, "InternetGatewayId": gateway });
    ok::<op::AttachInternetGateway>(root, attach.clone()).await;
    ok::<op::CreateRoute>(root, route.clone()).await;
    assert_eq!(
        err::<op::CreateRoute>(root, route.clone()).await,
        "RouteAlreadyExists: The route identified by 0.0.0.0/0 already exists."
    );
    ok::<op::ReplaceRoute>(root, route).await;
    ok::<op::DetachInternetGateway>(root, attach).await;
    let shown = ok::<op::DescribeRouteTables>(root, json!({ "RouteTableIds": [table] })).await;
    let routes = &shown["RouteTables"][0]["Routes"];
    assert_eq!(
        (&routes[0]["GatewayId"], &routes[1]["State"]),
        (&json!("local"), &json!("blackhole"))
    );
    let local = json!({ "RouteTableId": table, "DestinationCidrBlock": "10.0.0.0/16" });
    assert_eq!(
        err::<op::DeleteRoute>(root, local).await,
        format!("InvalidParameterValue: cannot remove local route 10.0.0.0/16 in route table {table}")
    );
    let route = json!({ "RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0" });
    ok::<op::DeleteRoute>(root, route.clone()).await;
    assert_eq!(
        err::<op::DeleteRoute>(root, route).await,
        format!(
            "InvalidRoute.NotFound: no route with destination-cidr-block 0.0.0.0/0 in route table {table}"
        )
    );
}

#[tokio::test]
async fn a_subnet_has_one_route_table_and_a_vpc_one_main_one() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc_id = vpc(root, "10.0.0.0/16").await;
    let subnet_id = subnet(root, &vpc_id, "10.0.0.0/24").await;
    let mut tables = Vec::new();
    for _ in 0..2 {
        let table = ok::<op::CreateRouteTable>(root, json!({ "VpcId": vpc_id })).await;
        tables.push(text(&table, "/RouteTable/RouteTableId"));
    }
    let associate = |table: &str| json!({ "RouteTableId": table, "SubnetId": subnet_id });
    let own = ok::<op::AssociateRouteTable>(root, associate(&tables[0])).await;
    let own = text(&own, "/AssociationId");
    let again = ok::<op::AssociateRouteTable>(root, associate(&tables[0])).await;
    assert_eq!(text(&again, "/AssociationId"), own);
    assert!(
        err::<op::AssociateRouteTable>(root, associate(&tables[1]))
            .await
            .starts_with("Resource.AlreadyAssociated: ")
    );
    assert_eq!(
        err::<op::DeleteRouteTable>(root, json!({ "RouteTableId": tables[0] })).await,
        format!(
            "DependencyViolation: The routeTable '{}' has dependencies and cannot be deleted.",
            tables[0]
        )
    );
    let replace = json!({ "AssociationId": own, "RouteTableId": tables[1] });
    let moved = ok::<op::ReplaceRouteTableAssociation>(root, replace).await;
    let moved = text(&moved, "/NewAssociationId");
    ok::<op::DeleteRouteTable>(root, json!({ "RouteTableId": tables[0] })).await;
    ok::<op::DisassociateRouteTable>(root, json!({ "AssociationId": moved })).await;

    let filters =
        json!([{ "Name": "vpc-id", "Values": [vpc_id] }, { "Name": "association.main", "Values": ["true"] }]);
    let main = ok::<op::DescribeRouteTables>(root, json!({ "Filters": filters })).await;
    let association = text(&main, "/RouteTables/0/Associations/0/RouteTableAssociationId");
    assert_eq!(
        err::<op::DisassociateRouteTable>(root, json!({ "AssociationId": association })).await,
        format!("InvalidParameterValue: cannot disassociate the main route table association {association}")
    );
    let replace = json!({ "AssociationId": association, "RouteTableId": tables[1] });
    ok::<op::ReplaceRouteTableAssociation>(root, replace).await;
    let main = ok::<op::DescribeRouteTables>(root, json!({ "Filters": filters })).await;
    assert_eq!(text(&main, "/RouteTables/0/RouteTableId"), tables[1]);
    ok::<op::AssociateRouteTable>(root, associate(&tables[1])).await;
    ok::<op::DeleteSubnet>(root, json!({ "SubnetId": subnet_id })).await;
    let main = ok::<op::DescribeRouteTables>(root, json!({ "Filters": filters })).await;
    assert_eq!(
        main["RouteTables"][0]["Associations"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn routes_within_the_vpc_lead_to_interfaces_only() {
    let server = Server::start().await;
    let root = &server.root;
    let vpc_id = vpc(root, "10.0.0.0/16").await;
    let made = ok::<op::CreateInternetGateway>(root, json!({})).await;
    let gateway = text(&made, "/InternetGateway/InternetGatewayId");
    let attach = json!({ "VpcId": vpc_id, "InternetGatewayId": gateway });
    ok::<op::AttachInternetGateway>(root, attach).await;
    let table = ok::<op::CreateRouteTable>(root, json!({ "VpcId": vpc_id })).await;
    let table = text(&table, "/RouteTable/RouteTableId");
    for within in ["10.0.0.0/16", "10.0.5.0/24", "10.0.0.7/32"] {
        let input = json!({ "RouteTableId": table, "DestinationCidrBlock": within, "GatewayId": gateway });
        assert_eq!(
            err::<op::CreateRoute>(root, input).await,
            "InvalidParameterValue: Route target is not supported. This route only supports interface and instance targets."
        );
    }
    let subnet = subnet(root, &vpc_id, "10.0.5.0/24").await;
    let interface = ok::<op::CreateNetworkInterface>(root, json!({ "SubnetId": subnet })).await;
    let interface = text(&interface, "/NetworkInterface/NetworkInterfaceId");
    let to = |range: &str| json!({ "RouteTableId": table, "DestinationCidrBlock": range, "NetworkInterfaceId": interface });
    ok::<op::CreateRoute>(root, to("10.0.5.0/24")).await;
    let out = json!({ "RouteTableId": table, "DestinationCidrBlock": "10.0.5.0/24", "GatewayId": gateway });
    let refused = err::<op::ReplaceRoute>(root, out).await;
    assert!(
        refused.starts_with("InvalidParameterValue: Route target is not supported."),
        "{refused}"
    );
    assert_eq!(
        err::<op::CreateRoute>(root, to("10.0.0.0/16")).await,
        "RouteAlreadyExists: The route identified by 10.0.0.0/16 already exists."
    );
    let wider = json!({ "RouteTableId": table, "DestinationCidrBlock": "10.0.0.0/8", "GatewayId": gateway });
    ok::<op::CreateRoute>(root, wider).await;
}
