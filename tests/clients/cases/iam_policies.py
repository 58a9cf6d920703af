"""Managed policies and their versions."""

import json

from account import ALLOW_LISTING, statement, tags
from case import Iam, Invalid

SECOND = statement("ecs:DescribeClusters")


class OnPolicy:
    """Calls authorised on the managed policy they name."""

    def resource(self, aws, parameters):
        return f"policy {parameters['PolicyArn']}"

    def invalid(self, aws):
        lost = aws.iam_arn("policy/no-such-policy")
        message = r"Policy arn:aws:iam::123456789012:policy/no-such-policy (was not found|does not exist)\.?.*"
        return Invalid({**self.parameters(aws), "PolicyArn": lost}, "NoSuchEntity", message)


def two_versions(aws):
    arn = aws.policy()
    aws.iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(SECOND))
    return arn


class CreatePolicy(Iam):
    def parameters(self, aws):
        document = json.dumps(ALLOW_LISTING, indent=2)
        return {"PolicyName": aws.name("policy"), "PolicyDocument": document, "Description": "of the tests"}

    def check(self, aws, parameters, reply):
        arn = aws.iam_arn(f"policy/{parameters['PolicyName']}")
        found = aws.iam.get_policy(PolicyArn=arn)["Policy"]
        assert found["PolicyId"].startswith("ANPA")
        assert (found["DefaultVersionId"], found["AttachmentCount"]) == ("v1", 0)
        version = aws.iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
        assert version["Document"] == ALLOW_LISTING and version["IsDefaultVersion"]

    def resource(self, aws, parameters):
        return f"policy {parameters['PolicyName']}"

    def invalid(self, aws):
        document = json.dumps({**ALLOW_LISTING, "Version": "2008-10-17"})
        message = r"Policy document must be version 2012-10-17 or greater\."
        parameters = {"PolicyName": aws.name("policy"), "PolicyDocument": document}
        return Invalid(parameters, "MalformedPolicyDocument", message)


class GetPolicy(OnPolicy, Iam):
    def parameters(self, aws):
        return {"PolicyArn": aws.policy()}

    def check(self, aws, parameters, reply):
        assert reply["Policy"]["Arn"] == parameters["PolicyArn"]


class ListPolicies(Iam):
    def parameters(self, aws):
        self.arn = aws.policy()
        return {"Scope": "Local", "MaxItems": 1000}

    def check(self, aws, parameters, reply):
        assert self.arn in [policy["Arn"] for policy in reply["Policies"]]
        managed = aws.iam.get_paginator("list_policies").paginate(Scope="AWS").build_full_result()["Policies"]
        assert "arn:aws:iam::aws:policy/AmazonECS_FullAccess" in [policy["Arn"] for policy in managed]

    def resource(self, aws, parameters):
        return "policy path /"

    def invalid(self, aws):
        return Invalid({"Scope": "Everything"}, "ValidationError", r"1 validation error detected: .*scope.*")


class DeletePolicy(OnPolicy, Iam):
    def parameters(self, aws):
        return {"PolicyArn": aws.policy()}

    def check(self, aws, parameters, reply):
        listed = aws.iam.list_policies(Scope="Local", MaxItems=1000)["Policies"]
        assert parameters["PolicyArn"] not in [policy["Arn"] for policy in listed]


class CreatePolicyVersion(OnPolicy, Iam):
    def parameters(self, aws):
        return {"PolicyArn": aws.policy(), "PolicyDocument": json.dumps(SECOND), "SetAsDefault": True}

    def check(self, aws, parameters, reply):
        assert aws.iam.get_policy(PolicyArn=parameters["PolicyArn"])["Policy"]["DefaultVersionId"] == "v2"


class GetPolicyVersion(OnPolicy, Iam):
    def parameters(self, aws):
        return {"PolicyArn": two_versions(aws), "VersionId": "v2"}

    def resource(self, aws, parameters):
        return f"policy {parameters['PolicyArn']} version v2"

    def check(self, aws, parameters, reply):
        assert reply["PolicyVersion"]["Document"] == SECOND
        assert reply["PolicyVersion"]["IsDefaultVersion"] is False


class ListPolicyVersions(OnPolicy, Iam):
    def parameters(self, aws):
        return {"PolicyArn": two_versions(aws)}

    def check(self, aws, parameters, reply):
        found = {version["VersionId"]: version["IsDefaultVersion"] for version in reply["Versions"]}
        assert found == {"v2": False, "v1": True}


class SetDefaultPolicyVersion(OnPolicy, Iam):
    def parameters(self, aws):
        return {"PolicyArn": two_versions(aws), "VersionId": "v2"}

    def resource(self, aws, parameters):
        return f"policy {parameters['PolicyArn']} version v2"

    def check(self, aws, parameters, reply):
        assert aws.iam.get_policy(PolicyArn=parameters["PolicyArn"])["Policy"]["DefaultVersionId"] == "v2"


class DeletePolicyVersion(OnPolicy, Iam):
    def parameters(self, aws):
        return {"PolicyArn": two_versions(aws), "VersionId": "v2"}

    def check(self, aws, parameters, reply):
        versions = aws.iam.list_policy_versions(PolicyArn=parameters["PolicyArn"])["Versions"]
        assert [version["VersionId"] for version in versions] == ["v1"]

    def invalid(self, aws):
        parameters = {"PolicyArn": aws.policy(), "VersionId": "v1"}
        return Invalid(parameters, "DeleteConflict", r"Cannot delete the default version of a policy\.")


class ListEntitiesForPolicy(OnPolicy, Iam):
    def parameters(self, aws):
        arn, self.user, self.group, self.role = aws.policy(), aws.user(), aws.group(), aws.role()
        aws.iam.attach_user_policy(UserName=self.user, PolicyArn=arn)
        aws.iam.attach_group_policy(GroupName=self.group, PolicyArn=arn)
        aws.iam.attach_role_policy(RoleName=self.role, PolicyArn=arn)
        return {"PolicyArn": arn}

    def check(self, aws, parameters, reply):
        assert [user["UserName"] for user in reply["PolicyUsers"]] == [self.user]
        assert [group["GroupName"] for group in reply["PolicyGroups"]] == [self.group]
        assert [role["RoleName"] for role in reply["PolicyRoles"]] == [self.role]


class TagPolicy(OnPolicy, Iam):
    def parameters(self, aws):
        return {"PolicyArn": aws.policy(), "Tags": tags("iam", Owner="richard-roe")}

    def check(self, aws, parameters, reply):
        assert aws.iam.list_policy_tags(PolicyArn=parameters["PolicyArn"])["Tags"] == parameters["Tags"]


class ListPolicyTags(OnPolicy, Iam):
    def parameters(self, aws):
        return {"PolicyArn": aws.policy(Tags=tags("iam", A="1", B="2"))}

    def check(self, aws, parameters, reply):
        assert reply["Tags"] == tags("iam", A="1", B="2")


class UntagPolicy(OnPolicy, Iam):
    def parameters(self, aws):
        return {"PolicyArn": aws.policy(Tags=tags("iam", A="1", B="2")), "TagKeys": ["A"]}

    def check(self, aws, parameters, reply):
        assert aws.iam.list_policy_tags(PolicyArn=parameters["PolicyArn"])["Tags"] == tags("iam", B="2")
