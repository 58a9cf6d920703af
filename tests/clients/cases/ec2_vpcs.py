"""VPCs and subnets."""

from account import ACCOUNT, tags
from case import Ec2, Invalid
from errors import refused

NOTHING = "0123456789abcdef0"


def specified(kind, **pairs):
    """Tags for something new."""
    return [{"ResourceType": kind, "Tags": tags("ec2", **pairs)}]


def described(aws, kind, *ids):
    """The VPCs or subnets with these ids."""
    if kind == "vpc":
        return aws.ec2.describe_vpcs(VpcIds=list(ids))["Vpcs"]
    return aws.ec2.describe_subnets(SubnetIds=list(ids))["Subnets"]


class OnVpc:
    def resource(self, aws, parameters):
        return aws.ec2_arn(f"vpc/{parameters['VpcId']}")

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "VpcId": f"vpc-{NOTHING}"}
        return Invalid(parameters, r"InvalidVpcID\.NotFound", rf"The vpc ID 'vpc-{NOTHING}' does not exist")


class OnSubnet:
    def resource(self, aws, parameters):
        return aws.ec2_arn(f"subnet/{parameters['SubnetId']}")

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "SubnetId": f"subnet-{NOTHING}"}
        message = rf"The subnet ID 'subnet-{NOTHING}' does not exist"
        return Invalid(parameters, r"InvalidSubnetID\.NotFound", message)


class CreateVpc(Ec2):
    def parameters(self, aws):
        return {"CidrBlock": "10.7.0.0/16", "TagSpecifications": specified("vpc", Team="network")}

    def check(self, aws, parameters, reply):
        (found,) = described(aws, "vpc", reply["Vpc"]["VpcId"])
        assert (found["CidrBlock"], found["IsDefault"], found["State"]) == ("10.7.0.0/16", False, "available")
        assert found["Tags"] == tags("ec2", Team="network")
        mine = [{"Name": "vpc-id", "Values": [found["VpcId"]]}]
        (table,) = aws.ec2.describe_route_tables(Filters=mine)["RouteTables"]
        assert table["Associations"][0]["Main"] and table["Routes"][0]["GatewayId"] == "local"
        (group,) = aws.ec2.describe_security_groups(Filters=mine)["SecurityGroups"]
        assert group["GroupName"] == "default"

    def resource(self, aws, parameters):
        return aws.ec2_arn("vpc/*")

    def invalid(self, aws):
        return Invalid({"CidrBlock": "10.0.0.0/8"}, r"InvalidVpc\.Range", r"The CIDR '10\.0\.0\.0/8' is invalid\.")


class CreateDefaultVpc(Ec2):
    once_per_server = True

    def parameters(self, aws):
        client = aws.ec2
        vpcs = client.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        for vpc in vpcs:
            mine = {"Name": "vpc-id", "Values": [vpc["VpcId"]]}
            for subnet in client.describe_subnets(Filters=[mine])["Subnets"]:
                client.delete_subnet(SubnetId=subnet["SubnetId"])
            attached = {"Name": "attachment.vpc-id", "Values": [vpc["VpcId"]]}
            for gateway in client.describe_internet_gateways(Filters=[attached])["InternetGateways"]:
                named = {"InternetGatewayId": gateway["InternetGatewayId"]}
                client.detach_internet_gateway(VpcId=vpc["VpcId"], **named)
                client.delete_internet_gateway(**named)
            client.delete_vpc(VpcId=vpc["VpcId"])
        return {}

    def check(self, aws, parameters, reply):
        vpc = reply["Vpc"]
        assert (vpc["CidrBlock"], vpc["IsDefault"]) == ("172.31.0.0/16", True)
        mine = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
        assert len(aws.ec2.describe_subnets(Filters=mine)["Subnets"]) == 3
        with refused("DefaultVpcAlreadyExists"):
            aws.ec2.create_default_vpc()

    def resource(self, aws, parameters):
        return aws.ec2_arn("vpc/*")

    def invalid(self, aws):
        aws.ec2.describe_vpcs()
        if not aws.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]:
            aws.ec2.create_default_vpc()
        message = r"A Default VPC already exists for this account in this region\."
        return Invalid({}, "DefaultVpcAlreadyExists", message)


class DescribeVpcs(Ec2):
    def parameters(self, aws):
        return {"VpcIds": [aws.vpc()]}

    def check(self, aws, parameters, reply):
        (found,) = reply["Vpcs"]
        assert (found["VpcId"], found["OwnerId"]) == (parameters["VpcIds"][0], ACCOUNT)

    def invalid(self, aws):
        message = r"Invalid id: \"nonsense\" \(expecting \"vpc-\.\.\.\"\)"
        return Invalid({"VpcIds": ["nonsense"]}, r"InvalidVpcId\.Malformed", message)


class ModifyVpcAttribute(OnVpc, Ec2):
    def parameters(self, aws):
        return {"VpcId": aws.vpc(), "EnableDnsHostnames": {"Value": True}}

    def check(self, aws, parameters, reply):
        shown = aws.ec2.describe_vpc_attribute(VpcId=parameters["VpcId"], Attribute="enableDnsHostnames")
        assert shown["EnableDnsHostnames"] == {"Value": True}


class DescribeVpcAttribute(OnVpc, Ec2):
    def parameters(self, aws):
        return {"VpcId": aws.vpc(), "Attribute": "enableDnsSupport"}

    def check(self, aws, parameters, reply):
        assert (reply["VpcId"], reply["EnableDnsSupport"]) == (parameters["VpcId"], {"Value": True})


class DeleteVpc(OnVpc, Ec2):
    def parameters(self, aws):
        return {"VpcId": aws.vpc()}

    def check(self, aws, parameters, reply):
        with refused(r"InvalidVpcID\.NotFound"):
            described(aws, "vpc", parameters["VpcId"])


class CreateSubnet(Ec2):
    def parameters(self, aws):
        zone = f"{aws.region}b"
        tagged = specified("subnet", Team="network")
        return {"VpcId": aws.vpc(), "CidrBlock": "10.0.3.0/24", "AvailabilityZone": zone, "TagSpecifications": tagged}

    def check(self, aws, parameters, reply):
        (found,) = described(aws, "subnet", reply["Subnet"]["SubnetId"])
        assert (found["VpcId"], found["AvailabilityZone"]) == (parameters["VpcId"], parameters["AvailabilityZone"])
        assert (found["CidrBlock"], found["AvailableIpAddressCount"]) == ("10.0.3.0/24", 251)
        assert found["Tags"] == tags("ec2", Team="network")

    def resource(self, aws, parameters):
        return aws.ec2_arn("subnet/*")

    def invalid(self, aws):
        vpc = aws.vpc()
        aws.subnet(vpc)
        message = r"The CIDR '10\.0\.0\.128/25' conflicts with another subnet"
        return Invalid({"VpcId": vpc, "CidrBlock": "10.0.0.128/25"}, r"InvalidSubnet\.Conflict", message)


class DescribeSubnets(Ec2):
    def parameters(self, aws):
        return {"Filters": [{"Name": "subnet-id", "Values": [aws.subnet()]}]}

    def check(self, aws, parameters, reply):
        (found,) = reply["Subnets"]
        assert [found["SubnetId"]] == parameters["Filters"][0]["Values"]

    def invalid(self, aws):
        return Invalid(
            {"Filters": [{"Name": "colour", "Values": ["blue"]}]},
            "InvalidParameterValue",
            r"The filter 'colour' is invalid",
        )


class ModifySubnetAttribute(OnSubnet, Ec2):
    def parameters(self, aws):
        return {"SubnetId": aws.subnet(), "MapPublicIpOnLaunch": {"Value": True}}

    def check(self, aws, parameters, reply):
        (found,) = described(aws, "subnet", parameters["SubnetId"])
        assert found["MapPublicIpOnLaunch"]


class DeleteSubnet(OnSubnet, Ec2):
    def parameters(self, aws):
        return {"SubnetId": aws.subnet()}

    def check(self, aws, parameters, reply):
        with refused(r"InvalidSubnetID\.NotFound"):
            described(aws, "subnet", parameters["SubnetId"])
