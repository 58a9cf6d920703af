"""What EC2 shows of regions, hosts and the account; tags."""

from account import ACCOUNT, tags
from case import Ec2, Invalid
from cases.ec2_vpcs import NOTHING, described

UNKNOWN_FILTER = [{"Name": "colour", "Values": ["blue"]}]
FILTER_REFUSED = r"The filter 'colour' is invalid"


class DescribeRegions(Ec2):
    def parameters(self, aws):
        return {"RegionNames": ["us-east-1", "eu-central-1"]}

    def check(self, aws, parameters, reply):
        assert {region["RegionName"] for region in reply["Regions"]} == set(parameters["RegionNames"])
        assert all(region["Endpoint"].startswith("ec2.") for region in reply["Regions"])

    def invalid(self, aws):
        return Invalid({"RegionNames": ["mars-1"]}, "InvalidParameterValue", r"Invalid region names: \[mars-1\]")


class DescribeAvailabilityZones(Ec2):
    def check(self, aws, parameters, reply):
        names = [zone["ZoneName"] for zone in reply["AvailabilityZones"]]
        assert names == [f"{aws.region}{letter}" for letter in "abc"]

    def invalid(self, aws):
        message = r"Invalid availability zone: \[us-east-1z\]"
        return Invalid({"ZoneNames": ["us-east-1z"]}, "InvalidParameterValue", message)


class DescribeAccountAttributes(Ec2):
    def parameters(self, aws):
        return {"AttributeNames": ["default-vpc"]}

    def check(self, aws, parameters, reply):
        (found,) = reply["AccountAttributes"]
        default = aws.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        assert found["AttributeValues"] == [{"AttributeValue": default[0]["VpcId"]}]

    def invalid(self, aws):
        return Invalid({"AttributeNames": ["colour"]}, "InvalidParameterValue", r"1 validation error detected: .*")


class DescribeNetworkAcls(Ec2):
    def parameters(self, aws):
        return {"Filters": [{"Name": "vpc-id", "Values": [aws.vpc()]}]}

    def check(self, aws, parameters, reply):
        (found,) = reply["NetworkAcls"]
        assert (found["IsDefault"], found["OwnerId"]) == (True, ACCOUNT)
        assert {entry["RuleNumber"] for entry in found["Entries"]} == {100, 32767}

    def invalid(self, aws):
        message = rf"The networkAcl ID 'acl-{NOTHING}' does not exist"
        return Invalid({"NetworkAclIds": [f"acl-{NOTHING}"]}, r"InvalidNetworkAclID\.NotFound", message)


class DescribeDhcpOptions(Ec2):
    def check(self, aws, parameters, reply):
        (found,) = reply["DhcpOptions"]
        (vpc,) = described(aws, "vpc", aws.vpc())
        assert found["DhcpOptionsId"] == vpc["DhcpOptionsId"]

    def invalid(self, aws):
        return Invalid({"Filters": UNKNOWN_FILTER}, "InvalidParameterValue", FILTER_REFUSED)


class DescribeInstances(Ec2):
    def parameters(self, aws):
        cluster = aws.cluster()
        arn = aws.container_instance(cluster, tags=tags("ecs", Case=cluster))
        self.digits = arn.rsplit("/", 1)[1][:17]
        return {"Filters": [{"Name": "tag:Case", "Values": [cluster]}]}

    def check(self, aws, parameters, reply):
        (reservation,) = reply["Reservations"]
        (instance,) = reservation["Instances"]
        assert (instance["InstanceId"], instance["State"]["Name"]) == (f"i-{self.digits}", "running")

    def invalid(self, aws):
        # Not `NOTHING`: the recorded registrations of a genuine agent are an instance of that id.
        unknown = "i-0fedcba9876543210"
        message = rf"The instance ID '{unknown}' does not exist"
        return Invalid({"InstanceIds": [unknown]}, r"InvalidInstanceID\.NotFound", message)


class OnVpcs:
    def resource(self, aws, parameters):
        return aws.ec2_arn(f"vpc/{parameters['Resources'][0]}")

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "Resources": ["nothing"]}
        return Invalid(parameters, "InvalidID", r"The ID 'nothing' is not valid")


class CreateTags(OnVpcs, Ec2):
    def parameters(self, aws):
        vpc = aws.vpc()
        return {"Resources": [vpc, aws.subnet(vpc)], "Tags": tags("ec2", Team="network")}

    def check(self, aws, parameters, reply):
        vpc, subnet = parameters["Resources"]
        assert described(aws, "vpc", vpc)[0]["Tags"] == parameters["Tags"]
        assert described(aws, "subnet", subnet)[0]["Tags"] == parameters["Tags"]


class DeleteTags(OnVpcs, Ec2):
    def parameters(self, aws):
        vpc = aws.vpc()
        aws.ec2.create_tags(Resources=[vpc], Tags=tags("ec2", One="1", Two="2"))
        return {"Resources": [vpc], "Tags": [{"Key": "One"}]}

    def check(self, aws, parameters, reply):
        (found,) = described(aws, "vpc", *parameters["Resources"])
        assert found["Tags"] == tags("ec2", Two="2")


class DescribeTags(Ec2):
    def parameters(self, aws):
        vpc = aws.vpc()
        aws.ec2.create_tags(Resources=[vpc], Tags=tags("ec2", One="1"))
        return {"Filters": [{"Name": "resource-id", "Values": [vpc]}]}

    def check(self, aws, parameters, reply):
        (found,) = reply["Tags"]
        assert (found["Key"], found["Value"], found["ResourceType"]) == ("One", "1", "vpc")

    def invalid(self, aws):
        return Invalid({"Filters": UNKNOWN_FILTER}, "InvalidParameterValue", FILTER_REFUSED)
