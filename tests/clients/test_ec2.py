"""EC2 beyond single operations: boto3's paginators and waiters, dry runs, and what a refusal lets its caller find out."""

import json

import pytest

from account import statement, tags
from errors import ENCODED, refused

PAGED = {
    "describe_vpcs": "Vpcs",
    "describe_subnets": "Subnets",
    "describe_security_groups": "SecurityGroups",
    "describe_security_group_rules": "SecurityGroupRules",
    "describe_internet_gateways": "InternetGateways",
    "describe_route_tables": "RouteTables",
    "describe_network_interfaces": "NetworkInterfaces",
    "describe_network_acls": "NetworkAcls",
    "describe_tags": "Tags",
    "describe_instances": "Reservations",
    "describe_dhcp_options": "DhcpOptions",
}


@pytest.fixture(scope="module")
def filled(shared_administrator):
    """An account with more than five of everything."""
    aws = shared_administrator
    for _ in range(6):
        vpc = aws.vpc()
        subnet = aws.subnet(vpc)
        aws.network_interface(subnet)
        aws.internet_gateway(vpc)
        aws.security_group(vpc)
        aws.container_instance(aws.cluster())
        aws.ec2.create_tags(Resources=[vpc], Tags=tags("ec2", Team="network"))
    return aws


@pytest.mark.parametrize("operation", PAGED)
def test_a_paginator_gives_everything(filled, operation):
    def keys(rows):
        return sorted(json.dumps(row, sort_keys=True, default=str) for row in rows)

    whole = getattr(filled.ec2, operation)()[PAGED[operation]]
    pages = filled.ec2.get_paginator(operation).paginate(PaginationConfig={"PageSize": 5})
    paged = [page[PAGED[operation]] for page in pages]
    assert all(len(page) <= 5 for page in paged)
    assert keys(row for page in paged for row in page) == keys(whole)


def test_waiters_find_what_is_there(aws):
    vpc = aws.vpc()
    subnet = aws.subnet(vpc)
    waits = [
        ("vpc_exists", {"VpcIds": [vpc]}),
        ("vpc_available", {"VpcIds": [vpc]}),
        ("subnet_available", {"SubnetIds": [subnet]}),
        ("security_group_exists", {"GroupIds": [aws.security_group(vpc)]}),
        ("internet_gateway_exists", {"InternetGatewayIds": [aws.internet_gateway()]}),
        ("network_interface_available", {"NetworkInterfaceIds": [aws.network_interface(subnet)]}),
    ]
    for name, parameters in waits:
        aws.ec2.get_waiter(name).wait(**parameters, WaiterConfig={"Delay": 0, "MaxAttempts": 1})


def test_a_dry_run_changes_nothing(aws, nobody):
    with refused("DryRunOperation", r"Request would have succeeded, but DryRun flag is set\.", 412):
        aws.ec2.create_vpc(CidrBlock="10.99.0.0/16", DryRun=True)
    with refused("UnauthorizedOperation", status=403):
        nobody.ec2.create_vpc(CidrBlock="10.99.0.0/16", DryRun=True)
    found = aws.ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.99.0.0/16"]}])
    assert found["Vpcs"] == []


def test_sts_decodes_what_a_refusal_carries(aws, nobody):
    vpc = aws.vpc()
    with refused("UnauthorizedOperation") as caught:
        nobody.ec2.delete_vpc(VpcId=vpc)
    encoded = ENCODED.search(caught.value.response["Error"]["Message"])["message"]
    decoded = json.loads(aws.sts.decode_authorization_message(EncodedMessage=encoded)["DecodedMessage"])
    assert (decoded["allowed"], decoded["context"]["action"]) == (False, "ec2:DeleteVpc")
    assert decoded["context"]["resource"] == aws.ec2_arn(f"vpc/{vpc}")
    with refused("AccessDenied"):
        nobody.sts.decode_authorization_message(EncodedMessage=encoded)


def test_ec2_resource_tag_decides(aws):
    mine, theirs = aws.vpc(), aws.vpc()
    aws.ec2.create_tags(Resources=[mine], Tags=tags("ec2", Team="blue"))
    condition = {"StringEquals": {"ec2:ResourceTag/Team": "blue"}}
    user = aws.as_user(aws.user(statement("ec2:DeleteVpc", Condition=condition)))
    with refused("UnauthorizedOperation"):
        user.ec2.delete_vpc(VpcId=theirs)
    user.ec2.delete_vpc(VpcId=mine)
