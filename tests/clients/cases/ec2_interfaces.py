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


def host(aws):
    """The id by which EC2 knows the host of a container instance."""
    return "i-" + aws.container_instance(aws.cluster()).rsplit("/", 1)[1][:17]


def attached(aws):
    """An interface on a host: its id, the host's, the attachment's."""
    interface, instance = aws.network_interface(), host(aws)
    attachment = aws.ec2.attach_network_interface(NetworkInterfaceId=interface, InstanceId=instance, DeviceIndex=1)
    return interface, instance, attachment["AttachmentId"]


def permitted(aws):
    """An interface that another account may attach: its id, the permission's."""
    interface = aws.network_interface()
    given = aws.ec2.create_network_interface_permission(
        NetworkInterfaceId=interface, AwsAccountId="111122223333", Permission="INSTANCE-ATTACH"
    )
    return interface, given["InterfacePermission"]["NetworkInterfacePermissionId"]


def permissions(aws, permission):
    found = aws.ec2.describe_network_interface_permissions(NetworkInterfacePermissionIds=[permission])
    return found["NetworkInterfacePermissions"]


class AttachNetworkInterface(OnInterface, Ec2):
    def parameters(self, aws):
        return {"NetworkInterfaceId": aws.network_interface(), "InstanceId": host(aws), "DeviceIndex": 1}

    def check(self, aws, parameters, reply):
        found = described(aws, parameters["NetworkInterfaceId"])
        attachment = found["Attachment"]
        assert (found["Status"], attachment["AttachmentId"]) == ("in-use", reply["AttachmentId"])
        assert (attachment["InstanceId"], attachment["DeviceIndex"]) == (parameters["InstanceId"], 1)
        with refused("InvalidParameterValue", r".* is currently in use\."):
            aws.ec2.delete_network_interface(NetworkInterfaceId=parameters["NetworkInterfaceId"])

    def resource(self, aws, parameters):
        return aws.ec2_arn(f"instance/{parameters['InstanceId']}")


class DetachNetworkInterface(Ec2):
    def parameters(self, aws):
        self.interface, self.instance, attachment = attached(aws)
        return {"AttachmentId": attachment}

    def check(self, aws, parameters, reply):
        found = described(aws, self.interface)
        assert (found["Status"], found.get("Attachment")) == ("available", None)

    def resource(self, aws, parameters):
        return aws.ec2_arn(f"instance/{self.instance}")

    def invalid(self, aws):
        message = rf"Attachment 'eni-attach-{NOTHING}' does not exist\."
        return Invalid({"AttachmentId": f"eni-attach-{NOTHING}"}, r"InvalidAttachmentID\.NotFound", message)


class CreateNetworkInterfacePermission(OnInterface, Ec2):
    def parameters(self, aws):
        own = {"AwsAccountId": "111122223333", "Permission": "INSTANCE-ATTACH"}
        return {"NetworkInterfaceId": aws.network_interface(), **own}

    def check(self, aws, parameters, reply):
        (found,) = permissions(aws, reply["InterfacePermission"]["NetworkInterfacePermissionId"])
        assert found == reply["InterfacePermission"]
        assert found["NetworkInterfaceId"] == parameters["NetworkInterfaceId"]
        assert (found["AwsAccountId"], found["PermissionState"]) == ("111122223333", {"State": "granted"})


class DescribeNetworkInterfacePermissions(Ec2):
    def parameters(self, aws):
        self.interface, permission = permitted(aws)
        return {"NetworkInterfacePermissionIds": [permission]}

    def check(self, aws, parameters, reply):
        (found,) = reply["NetworkInterfacePermissions"]
        assert found["NetworkInterfaceId"] == self.interface

    def invalid(self, aws):
        message = rf"The network interface permission ID 'eni-perm-{NOTHING}' does not exist"
        parameters = {"NetworkInterfacePermissionIds": [f"eni-perm-{NOTHING}"]}
        return Invalid(parameters, r"InvalidPermissionID\.NotFound", message)


class DeleteNetworkInterfacePermission(Ec2):
    def parameters(self, aws):
        _, permission = permitted(aws)
        return {"NetworkInterfacePermissionId": permission}

    def check(self, aws, parameters, reply):
        assert reply["Return"] is True
        with refused(r"InvalidPermissionID\.NotFound"):
            permissions(aws, parameters["NetworkInterfacePermissionId"])

    def invalid(self, aws):
        message = rf"The network interface permission ID 'eni-perm-{NOTHING}' does not exist"
        return Invalid({"NetworkInterfacePermissionId": f"eni-perm-{NOTHING}"}, r"InvalidPermissionID\.NotFound", message)
