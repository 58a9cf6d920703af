"""Users, their access keys, memberships and boundaries."""

from account import ALLOW_LISTING, tags
from case import Iam, Invalid

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def no_such_user(parameters):
    message = r"The user with name nobody-of-this-name cannot be found\."
    return Invalid({**parameters, "UserName": "nobody-of-this-name"}, "NoSuchEntity", message)


class OnUser:
    """Calls authorised on the user they name; refusals show the name, not the ARN."""

    def resource(self, aws, parameters):
        return f"user {parameters['UserName']}"

    def invalid(self, aws):
        return no_such_user(self.parameters(aws))


class CreateUser(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.name("user"), "Tags": tags("iam", Department="QA")}

    def check(self, aws, parameters, reply):
        found = aws.iam.get_user(UserName=parameters["UserName"])["User"]
        assert found["Arn"] == aws.iam_arn(f"user/{parameters['UserName']}")
        assert found["UserId"].startswith("AIDA") and found["Path"] == "/"
        assert found["Tags"] == parameters["Tags"]

    def resource(self, aws, parameters):
        return aws.iam_arn(f"user/{parameters['UserName']}")

    def invalid(self, aws):
        name = aws.user()
        return Invalid({"UserName": name}, "EntityAlreadyExists", f"User with name {name} already exists\\.")


class GetUser(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.user()}

    def check(self, aws, parameters, reply):
        assert reply["User"]["UserName"] == parameters["UserName"]


class ListUsers(Iam):
    def parameters(self, aws):
        prefix = f"/{aws.name('team')}/"
        aws.user(Path=prefix), aws.user(Path=prefix)
        return {"PathPrefix": prefix}

    def check(self, aws, parameters, reply):
        assert len(reply["Users"]) == 2 and not reply.get("IsTruncated")
        pages = aws.iam.get_paginator("list_users").paginate(**parameters, PaginationConfig={"PageSize": 1})
        assert len([user for page in pages for user in page["Users"]]) == 2

    def resource(self, aws, parameters):
        return aws.iam_arn("user" + parameters.get("PathPrefix", "/"))

    def invalid(self, aws):
        return Invalid({"PathPrefix": "no slash"}, "ValidationError", r"1 validation error detected: .*pathPrefix.*")


class UpdateUser(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.user(), "NewUserName": aws.name("renamed"), "NewPath": "/moved/"}

    def check(self, aws, parameters, reply):
        name = parameters["NewUserName"]
        assert aws.iam.get_user(UserName=name)["User"]["Arn"] == aws.iam_arn(f"user/moved/{name}")


class DeleteUser(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.user()}

    def check(self, aws, parameters, reply):
        listed = aws.iam.get_paginator("list_users").paginate().build_full_result()["Users"]
        assert parameters["UserName"] not in [user["UserName"] for user in listed]

    def invalid(self, aws):
        message = r"Cannot delete entity, must delete policies first\."
        return Invalid({"UserName": aws.user(ALLOW_LISTING)}, "DeleteConflict", message)


class CreateAccessKey(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.user()}

    def check(self, aws, parameters, reply):
        key = reply["AccessKey"]
        assert key["AccessKeyId"].startswith("AKIA") and key["Status"] == "Active"
        caller = aws.with_credentials(key).sts.get_caller_identity()
        assert caller["Arn"] == aws.iam_arn(f"user/{parameters['UserName']}")


class ListAccessKeys(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        aws.iam.create_access_key(UserName=name)
        return {"UserName": name}

    def check(self, aws, parameters, reply):
        (key,) = reply["AccessKeyMetadata"]
        assert (key["UserName"], key["Status"]) == (parameters["UserName"], "Active")
        assert "SecretAccessKey" not in key


class UpdateAccessKey(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        key = aws.iam.create_access_key(UserName=name)["AccessKey"]
        return {"UserName": name, "AccessKeyId": key["AccessKeyId"], "Status": "Inactive"}

    def check(self, aws, parameters, reply):
        (key,) = aws.iam.list_access_keys(UserName=parameters["UserName"])["AccessKeyMetadata"]
        assert key["Status"] == "Inactive"


class DeleteAccessKey(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        key = aws.iam.create_access_key(UserName=name)["AccessKey"]
        return {"UserName": name, "AccessKeyId": key["AccessKeyId"]}

    def check(self, aws, parameters, reply):
        assert aws.iam.list_access_keys(UserName=parameters["UserName"])["AccessKeyMetadata"] == []

    def invalid(self, aws):
        parameters = {"UserName": aws.user(), "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}
        message = r"The Access Key with id AKIAIOSFODNN7EXAMPLE cannot be found\.?"
        return Invalid(parameters, "NoSuchEntity", message)


class GetAccessKeyLastUsed(Iam):
    def parameters(self, aws):
        self.user = aws.user()
        return {"AccessKeyId": aws.iam.create_access_key(UserName=self.user)["AccessKey"]["AccessKeyId"]}

    def check(self, aws, parameters, reply):
        assert reply["UserName"] == self.user
        assert set(reply["AccessKeyLastUsed"]) >= {"Region", "ServiceName"}

    def resource(self, aws, parameters):
        return f"user {self.user}"

    def invalid(self, aws):
        message = r"The Access Key with id AKIAIOSFODNN7EXAMPLE cannot be found\."
        return Invalid({"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}, "NoSuchEntity", message)


class PutUserPermissionsBoundary(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.user(), "PermissionsBoundary": READ_ONLY}

    def check(self, aws, parameters, reply):
        found = aws.iam.get_user(UserName=parameters["UserName"])["User"]["PermissionsBoundary"]
        assert found["PermissionsBoundaryArn"] == READ_ONLY


class DeleteUserPermissionsBoundary(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.user(PermissionsBoundary=READ_ONLY)}

    def check(self, aws, parameters, reply):
        assert "PermissionsBoundary" not in aws.iam.get_user(**parameters)["User"]


class ListGroupsForUser(OnUser, Iam):
    def parameters(self, aws):
        name, self.group = aws.user(), aws.group()
        aws.iam.add_user_to_group(UserName=name, GroupName=self.group)
        return {"UserName": name}

    def check(self, aws, parameters, reply):
        assert [group["GroupName"] for group in reply["Groups"]] == [self.group]


class TagUser(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.user(), "Tags": tags("iam", Owner="richard-roe")}

    def check(self, aws, parameters, reply):
        assert aws.iam.list_user_tags(UserName=parameters["UserName"])["Tags"] == parameters["Tags"]


class ListUserTags(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.user(Tags=tags("iam", A="1", B="2"))}

    def check(self, aws, parameters, reply):
        assert reply["Tags"] == tags("iam", A="1", B="2") and not reply.get("IsTruncated")


class UntagUser(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.user(Tags=tags("iam", A="1", B="2")), "TagKeys": ["A"]}

    def check(self, aws, parameters, reply):
        assert aws.iam.list_user_tags(UserName=parameters["UserName"])["Tags"] == tags("iam", B="2")
