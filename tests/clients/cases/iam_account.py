"""The account as a whole, and roles that belong to services."""

from account import ALLOW_LISTING
from case import Iam, Invalid


class GetAccountSummary(Iam):
    can_be_invalid = False

    def parameters(self, aws):
        self.before = aws.iam.get_account_summary()["SummaryMap"]["Users"]
        aws.user()
        return {}

    def check(self, aws, parameters, reply):
        summary = reply["SummaryMap"]
        assert summary["Users"] > self.before
        assert (summary["AttachedPoliciesPerUserQuota"], summary["PolicySizeQuota"]) == (10, 6144)


class GetAccountAuthorizationDetails(Iam):
    def parameters(self, aws):
        self.user = aws.user(ALLOW_LISTING)
        return {"Filter": ["User"], "MaxItems": 1000}

    def check(self, aws, parameters, reply):
        (found,) = [user for user in reply["UserDetailList"] if user["UserName"] == self.user]
        assert found["UserPolicyList"] == [{"PolicyName": "p0", "PolicyDocument": ALLOW_LISTING}]
        assert reply["RoleDetailList"] == []

    def invalid(self, aws):
        return Invalid({"Filter": ["Everything"]}, "ValidationError", r"1 validation error detected: .*filter.*")


class CreateServiceLinkedRole(Iam):
    def parameters(self, aws):
        suffix = aws.name("s")
        return {"AWSServiceName": "autoscaling.amazonaws.com", "CustomSuffix": suffix}

    def check(self, aws, parameters, reply):
        name = f"AWSServiceRoleForAutoScaling_{parameters['CustomSuffix']}"
        found = aws.iam.get_role(RoleName=name)["Role"]
        assert found["Path"] == "/aws-service-role/autoscaling.amazonaws.com/"
        trusted = found["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
        assert trusted == {"Service": "autoscaling.amazonaws.com"}

    def resource(self, aws, parameters):
        name = f"AWSServiceRoleForAutoScaling_{parameters['CustomSuffix']}"
        return aws.iam_arn(f"role/aws-service-role/autoscaling.amazonaws.com/{name}")

    def invalid(self, aws):
        return Invalid({"AWSServiceName": "no-such-service.amazonaws.com"}, "InvalidInput", r".*")


def linked_role(aws):
    """A service-linked role of Auto Scaling: its name."""
    made = aws.iam.create_service_linked_role(
        AWSServiceName="autoscaling.amazonaws.com", CustomSuffix=aws.name("s")
    )
    return made["Role"]["RoleName"]


class DeleteServiceLinkedRole(Iam):
    def parameters(self, aws):
        return {"RoleName": linked_role(aws)}

    def check(self, aws, parameters, reply):
        task = reply["DeletionTaskId"]
        assert aws.iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
        listed = aws.iam.get_paginator("list_roles").paginate(PathPrefix="/aws-service-role/").build_full_result()
        assert parameters["RoleName"] not in [role["RoleName"] for role in listed["Roles"]]

    def resource(self, aws, parameters):
        return f"role {parameters['RoleName']}"

    def invalid(self, aws):
        message = r"The role with name no-such-role cannot be found\."
        return Invalid({"RoleName": "no-such-role"}, "NoSuchEntity", message)


class GetServiceLinkedRoleDeletionStatus(Iam):
    def parameters(self, aws):
        self.role = linked_role(aws)
        return {"DeletionTaskId": aws.iam.delete_service_linked_role(RoleName=self.role)["DeletionTaskId"]}

    def check(self, aws, parameters, reply):
        assert reply["Status"] == "SUCCEEDED"

    def resource(self, aws, parameters):
        return aws.iam_arn(f"role/aws-service-role/autoscaling.amazonaws.com/{self.role}")

    def invalid(self, aws):
        return Invalid({"DeletionTaskId": "no-task"}, "InvalidInput", r"Invalid task id")
