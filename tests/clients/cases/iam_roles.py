"""Roles, their trust policies and boundaries."""

import json

from account import ALLOW_LISTING, TRUST_ECS_TASKS, tags
from case import Iam, Invalid
from cases.iam_users import READ_ONLY


class OnRole:
    """Calls authorised on the role they name; refusals show the name, not the ARN."""

    def resource(self, aws, parameters):
        return f"role {parameters['RoleName']}"

    def invalid(self, aws):
        message = r"The role with name nobody-of-this-name cannot be found\."
        return Invalid({**self.parameters(aws), "RoleName": "nobody-of-this-name"}, "NoSuchEntity", message)


def described(aws, parameters):
    return aws.iam.get_role(RoleName=parameters["RoleName"])["Role"]


class CreateRole(OnRole, Iam):
    def parameters(self, aws):
        return {
            "RoleName": aws.name("role"),
            "AssumeRolePolicyDocument": json.dumps(TRUST_ECS_TASKS),
            "Description": "of the tests",
            "MaxSessionDuration": 7200,
            "Tags": tags("iam", Department="QA"),
        }

    def check(self, aws, parameters, reply):
        found = described(aws, parameters)
        assert found["Arn"] == aws.role_arn(parameters["RoleName"])
        assert found["RoleId"].startswith("AROA")
        assert found["AssumeRolePolicyDocument"] == TRUST_ECS_TASKS
        assert (found["Description"], found["MaxSessionDuration"]) == ("of the tests", 7200)
        assert found["Tags"] == parameters["Tags"]

    def resource(self, aws, parameters):
        return aws.role_arn(parameters["RoleName"])

    def invalid(self, aws):
        trust = {**TRUST_ECS_TASKS, "Statement": [{**TRUST_ECS_TASKS["Statement"][0], "Resource": "*"}]}
        parameters = {"RoleName": aws.name("role"), "AssumeRolePolicyDocument": json.dumps(trust)}
        return Invalid(parameters, "MalformedPolicyDocument", r"Has prohibited field Resource\.?")


class GetRole(OnRole, Iam):
    def parameters(self, aws):
        return {"RoleName": aws.role()}

    def check(self, aws, parameters, reply):
        assert reply["Role"]["AssumeRolePolicyDocument"] == TRUST_ECS_TASKS


class ListRoles(Iam):
    def parameters(self, aws):
        prefix = f"/{aws.name('team')}/"
        self.role = aws.role(Path=prefix)
        return {"PathPrefix": prefix}

    def check(self, aws, parameters, reply):
        assert [role["RoleName"] for role in reply["Roles"]] == [self.role]

    def resource(self, aws, parameters):
        return aws.iam_arn("role" + parameters.get("PathPrefix", "/"))

    def invalid(self, aws):
        return Invalid({"MaxItems": 1001}, "ValidationError", r"1 validation error detected: .*maxItems.*")


class UpdateRole(OnRole, Iam):
    def parameters(self, aws):
        return {"RoleName": aws.role(), "Description": "changed", "MaxSessionDuration": 3600}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["Description"] == "changed"


class UpdateRoleDescription(OnRole, Iam):
    def parameters(self, aws):
        return {"RoleName": aws.role(), "Description": "changed"}

    def check(self, aws, parameters, reply):
        assert reply["Role"]["Description"] == described(aws, parameters)["Description"] == "changed"


class UpdateAssumeRolePolicy(OnRole, Iam):
    def parameters(self, aws):
        trust = {**TRUST_ECS_TASKS, "Statement": [{**TRUST_ECS_TASKS["Statement"][0], "Sid": "Tasks"}]}
        return {"RoleName": aws.role(), "PolicyDocument": json.dumps(trust)}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["AssumeRolePolicyDocument"] == json.loads(parameters["PolicyDocument"])

    def invalid(self, aws):
        lost = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": aws.iam_arn("user/no-such-user")}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [lost]})
        message = r'Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:user/no-such-user"'
        return Invalid({"RoleName": aws.role(), "PolicyDocument": document}, "MalformedPolicyDocument", message)


class DeleteRole(OnRole, Iam):
    def parameters(self, aws):
        return {"RoleName": aws.role()}

    def check(self, aws, parameters, reply):
        listed = aws.iam.get_paginator("list_roles").paginate().build_full_result()["Roles"]
        assert parameters["RoleName"] not in [role["RoleName"] for role in listed]

    def invalid(self, aws):
        message = r"Cannot delete entity, must delete policies first\."
        return Invalid({"RoleName": aws.role(ALLOW_LISTING)}, "DeleteConflict", message)


class PutRolePermissionsBoundary(OnRole, Iam):
    def parameters(self, aws):
        return {"RoleName": aws.role(), "PermissionsBoundary": READ_ONLY}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["PermissionsBoundary"]["PermissionsBoundaryArn"] == READ_ONLY


class DeleteRolePermissionsBoundary(OnRole, Iam):
    def parameters(self, aws):
        return {"RoleName": aws.role(PermissionsBoundary=READ_ONLY)}

    def check(self, aws, parameters, reply):
        assert "PermissionsBoundary" not in described(aws, parameters)


class TagRole(OnRole, Iam):
    def parameters(self, aws):
        return {"RoleName": aws.role(), "Tags": tags("iam", Owner="richard-roe")}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["Tags"] == parameters["Tags"]


class ListRoleTags(OnRole, Iam):
    def parameters(self, aws):
        return {"RoleName": aws.role(Tags=tags("iam", A="1", B="2"))}

    def check(self, aws, parameters, reply):
        assert reply["Tags"] == tags("iam", A="1", B="2")


class UntagRole(OnRole, Iam):
    def parameters(self, aws):
        return {"RoleName": aws.role(Tags=tags("iam", A="1", B="2")), "TagKeys": ["A"]}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["Tags"] == tags("iam", B="2")
