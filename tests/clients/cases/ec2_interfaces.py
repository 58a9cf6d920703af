"""Network interfaces."""

from account import tags
from case import Ec2, Invalid
from cases.ec2_vpcs import NOTHING, OnSubnet, specified
from errors import refused


def described(aws, interface):
    return aws.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"][0]


class OnInterface:
    def resource(self, aws, parameters):
        return aws.ec2_arn(f"network-interface/{parameters['NetworkInterfaceId']}")

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "NetworkInterfaceId": f"eni-{NOTHING}"}
        message = rf"The networkInterface ID 'eni-{NOTHING}' does not exist"
        return Invalid(parameters, r"InvalidNetworkInterfaceID\.NotFound", message)


class CreateNetworkInterface(OnSubnet, Ec2):
    def parameters(self, aws):
        vpc = aws.vpc()
        tagged = specified("network-interface", Team="network")
        groups = [aws.security_group(vpc)]
        return {"SubnetId": aws.subnet(vpc), "Groups": groups, "Description": "mine", "TagSpecifications": tagged}

    def check(self, aws, parameters, reply):
        found = described(aws, reply["NetworkInterface"]["NetworkInterfaceId"])
        assert (found["SubnetId"], found["PrivateIpAddress"]) == (parameters["SubnetId"], "10.0.0.4")
        assert [group["GroupId"] for group in found["Groups"]] == parameters["Groups"]
        assert (found["Description"], found["Status"]) == ("mine", "available")
        assert found["TagSet"] == tags("ec2", Team="network")

    def resource(self, aws, parameters):
        return aws.ec2_arn("network-interface/*")


class DescribeNetworkInterfaces(Ec2):
    def parameters(self, aws):
        return {"Filters": [{"Name": "subnet-id", "Values": [described(aws, aws.network_interface())["SubnetId"]]}]}

    def check(self, aws, parameters, reply):
        (found,) = reply["NetworkInterfaces"]
        assert [found["SubnetId"]] == parameters["Filters"][0]["Values"]

    def invalid(self, aws):
        message = r"The filter 'colour' is invalid"
        filters = [{"Name": "colour", "Values": ["blue"]}]
        return Invalid({"Filters": filters}, "InvalidParameterValue", message)


class DescribeNetworkInterfaceAttribute(OnInterface, Ec2):
    def parameters(self, aws):
        interface = aws.network_interface(Description="mine")
        return {"NetworkInterfaceId": interface, "Attribute": "description"}

    def check(self, aws, parameters, reply):
        assert reply["Description"] == {"Value": "mine"}

    def resource(self, aws, parameters):
        return "*"


class ModifyNetworkInterfaceAttribute(OnInterface, Ec2):
    def parameters(self, aws):
        return {"NetworkInterfaceId": aws.network_interface(), "SourceDestCheck": {"Value": False}}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["NetworkInterfaceId"])["SourceDestCheck"] is False


class DeleteNetworkInterface(OnInterface, Ec2):
    def parameters(self, aws):
        return {"NetworkInterfaceId": aws.network_interface()}

    def check(self, aws, parameters, reply):
        with refused(r"InvalidNetworkInterfaceID\.NotFound"):
            described(aws, parameters["NetworkInterfaceId"])
