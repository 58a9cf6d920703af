//! Amazon EC2's network objects, as far as ECS refers to them.

mod attachments;
mod checks;
mod cidr;
mod describe;
mod errors;
pub(crate) mod for_tasks;
mod gateways;
mod ids;
mod instances;
mod interface_permissions;
mod interface_view;
mod interfaces;
mod options;
mod place;
mod route_tables;
mod routes;
mod security_groups;
mod subnets;
mod tagging;
mod tags;
mod vpcs;
mod zones;

pub(crate) use attachments::TASK_DEVICE;
pub(crate) use place::Place;

use portcullis_api::ec2::op;

use crate::gate::operation::{Row, read, write};

/// The operations of the service.
pub fn table() -> Vec<Row> {
    [
        region_rows(),
        vpc_rows(),
        subnet_rows(),
        security_group_rows(),
        security_group_rule_rows(),
        gateway_rows(),
        route_table_rows(),
        route_rows(),
        interface_rows(),
        attachment_rows(),
        instance_rows(),
        tag_rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn region_rows() -> Vec<Row> {
    vec![
        read::<op::DescribeRegions>(&["ec2:DescribeRegions"], zones::require_regions, zones::regions),
        read::<op::DescribeAvailabilityZones>(
            &["ec2:DescribeAvailabilityZones"],
            zones::require_zones,
            zones::describe,
        ),
        read::<op::DescribeAccountAttributes>(
            &["ec2:DescribeAccountAttributes"],
            options::require_account,
            options::account,
        ),
        read::<op::DescribeNetworkAcls>(&["ec2:DescribeNetworkAcls"], options::require_acls, options::acls),
        read::<op::DescribeDhcpOptions>(&["ec2:DescribeDhcpOptions"], options::require_dhcp, options::dhcp),
    ]
}

fn vpc_rows() -> Vec<Row> {
    vec![
        write::<op::CreateVpc>(
            &["ec2:CreateVpc", "ec2:CreateTags"],
            vpcs::require_create,
            vpcs::create,
        ),
        write::<op::CreateDefaultVpc>(
            &["ec2:CreateDefaultVpc"],
            vpcs::require_create_default,
            vpcs::create_default,
        ),
        read::<op::DescribeVpcs>(&["ec2:DescribeVpcs"], vpcs::require_describe, vpcs::describe),
        write::<op::ModifyVpcAttribute>(&["ec2:ModifyVpcAttribute"], vpcs::require_modify, vpcs::modify),
        read::<op::DescribeVpcAttribute>(
            &["ec2:DescribeVpcAttribute"],
            vpcs::require_attribute,
            vpcs::attribute,
        ),
        write::<op::DeleteVpc>(&["ec2:DeleteVpc"], vpcs::require_delete, vpcs::delete),
    ]
}

fn subnet_rows() -> Vec<Row> {
    vec![
        write::<op::CreateSubnet>(
            &["ec2:CreateSubnet", "ec2:CreateTags"],
            subnets::require_create,
            subnets::create,
        ),
        read::<op::DescribeSubnets>(
            &["ec2:DescribeSubnets"],
            subnets::require_describe,
            subnets::describe,
        ),
        write::<op::ModifySubnetAttribute>(
            &["ec2:ModifySubnetAttribute"],
            subnets::require_modify,
            subnets::modify,
        ),
        write::<op::DeleteSubnet>(&["ec2:DeleteSubnet"], subnets::require_delete, subnets::delete),
    ]
}

fn security_group_rows() -> Vec<Row> {
    vec![
        write::<op::CreateSecurityGroup>(
            &["ec2:CreateSecurityGroup", "ec2:CreateTags"],
            security_groups::require_create,
            security_groups::create,
        ),
        read::<op::DescribeSecurityGroups>(
            &["ec2:DescribeSecurityGroups"],
            security_groups::require_describe,
            security_groups::describe,
        ),
        write::<op::DeleteSecurityGroup>(
            &["ec2:DeleteSecurityGroup"],
            security_groups::require_delete,
            security_groups::delete,
        ),
    ]
}

fn security_group_rule_rows() -> Vec<Row> {
    vec![
        read::<op::DescribeSecurityGroupRules>(
            &["ec2:DescribeSecurityGroupRules"],
            security_groups::require_describe_rules,
            security_groups::describe_rules,
        ),
        write::<op::AuthorizeSecurityGroupIngress>(
            &["ec2:AuthorizeSecurityGroupIngress", "ec2:CreateTags"],
            security_groups::require_authorize_ingress,
            security_groups::authorize_ingress,
        ),
        write::<op::AuthorizeSecurityGroupEgress>(
            &["ec2:AuthorizeSecurityGroupEgress", "ec2:CreateTags"],
            security_groups::require_authorize_egress,
            security_groups::authorize_egress,
        ),
        write::<op::RevokeSecurityGroupIngress>(
            &["ec2:RevokeSecurityGroupIngress"],
            security_groups::require_revoke_ingress,
            security_groups::revoke_ingress,
        ),
        write::<op::RevokeSecurityGroupEgress>(
            &["ec2:RevokeSecurityGroupEgress"],
            security_groups::require_revoke_egress,
            security_groups::revoke_egress,
        ),
        write::<op::UpdateSecurityGroupRuleDescriptionsIngress>(
            &["ec2:UpdateSecurityGroupRuleDescriptionsIngress"],
            security_groups::require_describe_ingress,
            security_groups::describe_ingress,
        ),
        write::<op::UpdateSecurityGroupRuleDescriptionsEgress>(
            &["ec2:UpdateSecurityGroupRuleDescriptionsEgress"],
            security_groups::require_describe_egress,
            security_groups::describe_egress,
        ),
        write::<op::ModifySecurityGroupRules>(
            &["ec2:ModifySecurityGroupRules"],
            security_groups::require_modify_rules,
            security_groups::modify_rules,
        ),
    ]
}

fn gateway_rows() -> Vec<Row> {
    vec![
        write::<op::CreateInternetGateway>(
            &["ec2:CreateInternetGateway", "ec2:CreateTags"],
            gateways::require_create,
            gateways::create,
        ),
        read::<op::DescribeInternetGateways>(
            &["ec2:DescribeInternetGateways"],
            gateways::require_describe,
            gateways::describe,
        ),
        write::<op::AttachInternetGateway>(
            &["ec2:AttachInternetGateway"],
            gateways::require_attach,
            gateways::attach,
        ),
        write::<op::DetachInternetGateway>(
            &["ec2:DetachInternetGateway"],
            gateways::require_detach,
            gateways::detach,
        ),
        write::<op::DeleteInternetGateway>(
            &["ec2:DeleteInternetGateway"],
            gateways::require_delete,
            gateways::delete,
        ),
    ]
}

fn route_table_rows() -> Vec<Row> {
    vec![
        write::<op::CreateRouteTable>(
            &["ec2:CreateRouteTable", "ec2:CreateTags"],
            route_tables::require_create,
            route_tables::create,
        ),
        read::<op::DescribeRouteTables>(
            &["ec2:DescribeRouteTables"],
            route_tables::require_describe,
            route_tables::describe,
        ),
        write::<op::DeleteRouteTable>(
            &["ec2:DeleteRouteTable"],
            route_tables::require_delete,
            route_tables::delete,
        ),
        write::<op::AssociateRouteTable>(
            &["ec2:AssociateRouteTable"],
            route_tables::require_associate,
            route_tables::associate,
        ),
        write::<op::DisassociateRouteTable>(
            &["ec2:DisassociateRouteTable"],
            route_tables::require_disassociate,
            route_tables::disassociate,
        ),
        write::<op::ReplaceRouteTableAssociation>(
            &["ec2:ReplaceRouteTableAssociation"],
            route_tables::require_replace,
            route_tables::replace,
        ),
    ]
}

fn route_rows() -> Vec<Row> {
    vec![
        write::<op::CreateRoute>(&["ec2:CreateRoute"], routes::require_create, routes::create),
        write::<op::ReplaceRoute>(&["ec2:ReplaceRoute"], routes::require_replace, routes::replace),
        write::<op::DeleteRoute>(&["ec2:DeleteRoute"], routes::require_delete, routes::delete),
    ]
}

fn interface_rows() -> Vec<Row> {
    vec![
        write::<op::CreateNetworkInterface>(
            &["ec2:CreateNetworkInterface", "ec2:CreateTags"],
            interfaces::require_create,
            interfaces::create,
        ),
        read::<op::DescribeNetworkInterfaces>(
            &["ec2:DescribeNetworkInterfaces"],
            interfaces::require_describe,
            interfaces::describe,
        ),
        read::<op::DescribeNetworkInterfaceAttribute>(
            &["ec2:DescribeNetworkInterfaceAttribute"],
            interfaces::require_attribute,
            interfaces::attribute,
        ),
        write::<op::ModifyNetworkInterfaceAttribute>(
            &["ec2:ModifyNetworkInterfaceAttribute"],
            interfaces::require_modify,
            interfaces::modify,
        ),
        write::<op::DeleteNetworkInterface>(
            &["ec2:DeleteNetworkInterface"],
            interfaces::require_delete,
            interfaces::delete,
        ),
    ]
}

fn attachment_rows() -> Vec<Row> {
    vec![
        write::<op::AttachNetworkInterface>(
            &["ec2:AttachNetworkInterface"],
            attachments::require_attach,
            attachments::attach,
        ),
        write::<op::DetachNetworkInterface>(
            &["ec2:DetachNetworkInterface"],
            attachments::require_detach,
            attachments::detach,
        ),
        write::<op::CreateNetworkInterfacePermission>(
            &["ec2:CreateNetworkInterfacePermission"],
            interface_permissions::require_create,
            interface_permissions::create,
        ),
        write::<op::DeleteNetworkInterfacePermission>(
            &["ec2:DeleteNetworkInterfacePermission"],
            interface_permissions::require_delete,
            interface_permissions::delete,
        ),
        read::<op::DescribeNetworkInterfacePermissions>(
            &["ec2:DescribeNetworkInterfacePermissions"],
            interface_permissions::require_describe,
            interface_permissions::describe,
        ),
    ]
}

fn instance_rows() -> Vec<Row> {
    vec![read::<op::DescribeInstances>(
        &["ec2:DescribeInstances"],
        instances::require_describe,
        instances::describe,
    )]
}

fn tag_rows() -> Vec<Row> {
    vec![
        write::<op::CreateTags>(&["ec2:CreateTags"], tagging::require_create, tagging::create),
        write::<op::DeleteTags>(&["ec2:DeleteTags"], tagging::require_delete, tagging::delete),
        read::<op::DescribeTags>(
            &["ec2:DescribeTags"],
            tagging::require_describe,
            tagging::describe,
        ),
    ]
}
