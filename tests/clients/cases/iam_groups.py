"""Groups and who is in them."""

from case import Iam, Invalid


class OnGroup:
    """Calls authorised on the group they name; refusals show the name, not the ARN."""

    def resource(self, aws, parameters):
        return f"group {parameters['GroupName']}"

    def invalid(self, aws):
        message = r"The group with name nobody-of-this-name cannot be found\."
        return Invalid({**self.parameters(aws), "GroupName": "nobody-of-this-name"}, "NoSuchEntity", message)


def members(aws, group):
    return [user["UserName"] for user in aws.iam.get_group(GroupName=group)["Users"]]


class CreateGroup(OnGroup, Iam):
    def parameters(self, aws):
        return {"GroupName": aws.name("group"), "Path": "/team/"}

    def check(self, aws, parameters, reply):
        found = aws.iam.get_group(GroupName=parameters["GroupName"])["Group"]
        assert found["Arn"] == aws.iam_arn(f"group/team/{parameters['GroupName']}")
        assert found["GroupId"].startswith("AGPA")

    def resource(self, aws, parameters):
        return aws.iam_arn(f"group/team/{parameters['GroupName']}")

    def invalid(self, aws):
        name = aws.group()
        return Invalid({"GroupName": name}, "EntityAlreadyExists", f"Group with name {name} already exists\\.")


class GetGroup(OnGroup, Iam):
    def parameters(self, aws):
        name, self.user = aws.group(), aws.user()
        aws.iam.add_user_to_group(GroupName=name, UserName=self.user)
        return {"GroupName": name}

    def check(self, aws, parameters, reply):
        assert [user["UserName"] for user in reply["Users"]] == [self.user]


class ListGroups(Iam):
    def parameters(self, aws):
        self.group = aws.group()
        return {}

    def check(self, aws, parameters, reply):
        listed = aws.iam.get_paginator("list_groups").paginate().build_full_result()["Groups"]
        assert self.group in [group["GroupName"] for group in listed]

    def resource(self, aws, parameters):
        return aws.iam_arn("group" + parameters.get("PathPrefix", "/"))

    def invalid(self, aws):
        return Invalid({"MaxItems": 0}, "ValidationError", r"1 validation error detected: .*maxItems.*")


class UpdateGroup(OnGroup, Iam):
    def parameters(self, aws):
        return {"GroupName": aws.group(), "NewGroupName": aws.name("renamed")}

    def check(self, aws, parameters, reply):
        assert aws.iam.get_group(GroupName=parameters["NewGroupName"])


class DeleteGroup(OnGroup, Iam):
    def parameters(self, aws):
        return {"GroupName": aws.group()}

    def check(self, aws, parameters, reply):
        listed = aws.iam.get_paginator("list_groups").paginate().build_full_result()["Groups"]
        assert parameters["GroupName"] not in [group["GroupName"] for group in listed]


class AddUserToGroup(OnGroup, Iam):
    def parameters(self, aws):
        return {"GroupName": aws.group(), "UserName": aws.user()}

    def check(self, aws, parameters, reply):
        assert members(aws, parameters["GroupName"]) == [parameters["UserName"]]


class RemoveUserFromGroup(OnGroup, Iam):
    def parameters(self, aws):
        parameters = {"GroupName": aws.group(), "UserName": aws.user()}
        aws.iam.add_user_to_group(**parameters)
        return parameters

    def check(self, aws, parameters, reply):
        assert members(aws, parameters["GroupName"]) == []
