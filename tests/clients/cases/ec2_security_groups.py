"""Security groups and their rules."""

from account import tags
from case import Ec2, Invalid
from cases.ec2_vpcs import NOTHING, specified
from errors import refused


def permission(port=443, description="web"):
    ranges = [{"CidrIp": "0.0.0.0/0", "Description": description}]
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": ranges}


def described(aws, group):
    return aws.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]


def group_with_rule(aws, direction="ingress"):
    """A group with one rule of its own: both ids."""
    group = aws.security_group()
    add = getattr(aws.ec2, f"authorize_security_group_{direction}")
    rule = add(GroupId=group, IpPermissions=[permission()])["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    return group, rule


class OnGroup:
    def resource(self, aws, parameters):
        return aws.ec2_arn(f"security-group/{parameters['GroupId']}")

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "GroupId": f"sg-{NOTHING}"}
        return Invalid(parameters, r"InvalidGroup\.NotFound", rf"The security group 'sg-{NOTHING}' does not exist")


class CreateSecurityGroup(Ec2):
    def parameters(self, aws):
        tagged = specified("security-group", Team="web")
        return {"VpcId": aws.vpc(), "GroupName": aws.name("web"), "Description": "web", "TagSpecifications": tagged}

    def check(self, aws, parameters, reply):
        found = described(aws, reply["GroupId"])
        assert (found["GroupName"], found["VpcId"]) == (parameters["GroupName"], parameters["VpcId"])
        assert found["IpPermissions"] == []
        assert found["IpPermissionsEgress"][0]["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]
        assert found["Tags"] == reply["Tags"] == tags("ec2", Team="web")

    def resource(self, aws, parameters):
        return aws.ec2_arn("security-group/*")

    def invalid(self, aws):
        parameters = {"GroupName": "default", "Description": "d"}
        message = r"Cannot use reserved security group name: default"
        return Invalid(parameters, "InvalidParameterValue", message)


class DescribeSecurityGroups(Ec2):
    def parameters(self, aws):
        return {"GroupIds": [aws.security_group()]}

    def check(self, aws, parameters, reply):
        assert [group["GroupId"] for group in reply["SecurityGroups"]] == parameters["GroupIds"]

    def invalid(self, aws):
        message = rf"The security group 'sg-{NOTHING}' does not exist"
        return Invalid({"GroupIds": [f"sg-{NOTHING}"]}, r"InvalidGroup\.NotFound", message)


class DeleteSecurityGroup(OnGroup, Ec2):
    def parameters(self, aws):
        return {"GroupId": aws.security_group()}

    def check(self, aws, parameters, reply):
        with refused(r"InvalidGroup\.NotFound"):
            described(aws, parameters["GroupId"])


class DescribeSecurityGroupRules(Ec2):
    def parameters(self, aws):
        _, rule = group_with_rule(aws)
        return {"SecurityGroupRuleIds": [rule]}

    def check(self, aws, parameters, reply):
        (found,) = reply["SecurityGroupRules"]
        assert (found["CidrIpv4"], found["FromPort"], found["IsEgress"]) == ("0.0.0.0/0", 443, False)

    def invalid(self, aws):
        message = rf"The security group rule ID 'sgr-{NOTHING}' does not exist"
        parameters = {"SecurityGroupRuleIds": [f"sgr-{NOTHING}"]}
        return Invalid(parameters, r"InvalidSecurityGroupRuleId\.NotFound", message)


class AuthorizeSecurityGroupIngress(OnGroup, Ec2):
    def parameters(self, aws):
        tagged = specified("security-group-rule", Purpose="web")
        return {"GroupId": aws.security_group(), "IpPermissions": [permission()], "TagSpecifications": tagged}

    def check(self, aws, parameters, reply):
        (found,) = described(aws, parameters["GroupId"])["IpPermissions"]
        assert (found["FromPort"], found["IpRanges"]) == (443, parameters["IpPermissions"][0]["IpRanges"])
        (rule,) = reply["SecurityGroupRules"]
        assert rule["Tags"] == tags("ec2", Purpose="web")


class AuthorizeSecurityGroupEgress(OnGroup, Ec2):
    def parameters(self, aws):
        return {"GroupId": aws.security_group(), "IpPermissions": [permission()]}

    def check(self, aws, parameters, reply):
        assert len(described(aws, parameters["GroupId"])["IpPermissionsEgress"]) == 2


class RevokeSecurityGroupIngress(OnGroup, Ec2):
    def parameters(self, aws):
        group, rule = group_with_rule(aws)
        return {"GroupId": group, "SecurityGroupRuleIds": [rule]}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["GroupId"])["IpPermissions"] == []


class RevokeSecurityGroupEgress(OnGroup, Ec2):
    def parameters(self, aws):
        group, _ = group_with_rule(aws, "egress")
        return {"GroupId": group, "IpPermissions": [permission()]}

    def check(self, aws, parameters, reply):
        (left,) = described(aws, parameters["GroupId"])["IpPermissionsEgress"]
        assert left["IpProtocol"] == "-1"


class UpdateSecurityGroupRuleDescriptionsIngress(OnGroup, Ec2):
    def parameters(self, aws):
        group, _ = group_with_rule(aws)
        return {"GroupId": group, "IpPermissions": [permission(description="other")]}

    def check(self, aws, parameters, reply):
        (found,) = described(aws, parameters["GroupId"])["IpPermissions"]
        assert found["IpRanges"][0]["Description"] == "other"


class UpdateSecurityGroupRuleDescriptionsEgress(OnGroup, Ec2):
    def parameters(self, aws):
        group, rule = group_with_rule(aws, "egress")
        said = [{"SecurityGroupRuleId": rule, "Description": "other"}]
        return {"GroupId": group, "SecurityGroupRuleDescriptions": said}

    def check(self, aws, parameters, reply):
        ids = [parameters["SecurityGroupRuleDescriptions"][0]["SecurityGroupRuleId"]]
        (found,) = aws.ec2.describe_security_group_rules(SecurityGroupRuleIds=ids)["SecurityGroupRules"]
        assert found["Description"] == "other"


class ModifySecurityGroupRules(OnGroup, Ec2):
    def parameters(self, aws):
        group, rule = group_with_rule(aws)
        wanted = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "CidrIpv6": "2001:db8::/32"}
        return {"GroupId": group, "SecurityGroupRules": [{"SecurityGroupRuleId": rule, "SecurityGroupRule": wanted}]}

    def check(self, aws, parameters, reply):
        ids = [parameters["SecurityGroupRules"][0]["SecurityGroupRuleId"]]
        (found,) = aws.ec2.describe_security_group_rules(SecurityGroupRuleIds=ids)["SecurityGroupRules"]
        assert (found["IpProtocol"], found["CidrIpv6"]) == ("udp", "2001:db8::/32")
