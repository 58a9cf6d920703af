"""Instance profiles."""

from account import tags
from case import Iam, Invalid
from cases.iam_roles import OnRole


class OnProfile:
    """Calls authorised on the profile they name; refusals show the name, not the ARN."""

    def resource(self, aws, parameters):
        return f"instance profile {parameters['InstanceProfileName']}"

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "InstanceProfileName": "nobody-of-this-name"}
        return Invalid(parameters, "NoSuchEntity", r"Instance Profile nobody-of-this-name cannot be found\.")


def described(aws, parameters):
    reply = aws.iam.get_instance_profile(InstanceProfileName=parameters["InstanceProfileName"])
    return reply["InstanceProfile"]


def with_role(aws):
    parameters = {"InstanceProfileName": aws.instance_profile(), "RoleName": aws.role()}
    aws.iam.add_role_to_instance_profile(**parameters)
    return parameters


class CreateInstanceProfile(OnProfile, Iam):
    def parameters(self, aws):
        return {"InstanceProfileName": aws.name("profile"), "Tags": tags("iam", Department="QA")}

    def check(self, aws, parameters, reply):
        found = described(aws, parameters)
        assert found["InstanceProfileId"].startswith("AIPA") and found["Roles"] == []
        assert found["Tags"] == parameters["Tags"]

    def resource(self, aws, parameters):
        return aws.iam_arn(f"instance-profile/{parameters['InstanceProfileName']}")

    def invalid(self, aws):
        name = aws.instance_profile()
        message = f"Instance Profile {name} already exists\\."
        return Invalid({"InstanceProfileName": name}, "EntityAlreadyExists", message)


class GetInstanceProfile(OnProfile, Iam):
    def parameters(self, aws):
        self.pair = with_role(aws)
        return {"InstanceProfileName": self.pair["InstanceProfileName"]}

    def check(self, aws, parameters, reply):
        assert [role["RoleName"] for role in reply["InstanceProfile"]["Roles"]] == [self.pair["RoleName"]]


class ListInstanceProfiles(Iam):
    def parameters(self, aws):
        self.profile = aws.instance_profile()
        return {"MaxItems": 1000}

    def check(self, aws, parameters, reply):
        assert self.profile in [profile["InstanceProfileName"] for profile in reply["InstanceProfiles"]]

    def resource(self, aws, parameters):
        return aws.iam_arn("instance-profile" + parameters.get("PathPrefix", "/"))

    def invalid(self, aws):
        return Invalid({"MaxItems": 0}, "ValidationError", r"1 validation error detected: .*maxItems.*")


class ListInstanceProfilesForRole(OnRole, Iam):
    def parameters(self, aws):
        self.pair = with_role(aws)
        return {"RoleName": self.pair["RoleName"]}

    def check(self, aws, parameters, reply):
        (profile,) = reply["InstanceProfiles"]
        assert profile["InstanceProfileName"] == self.pair["InstanceProfileName"]


class AddRoleToInstanceProfile(OnProfile, Iam):
    def parameters(self, aws):
        return {"InstanceProfileName": aws.instance_profile(), "RoleName": aws.role()}

    def check(self, aws, parameters, reply):
        assert [role["RoleName"] for role in described(aws, parameters)["Roles"]] == [parameters["RoleName"]]


class RemoveRoleFromInstanceProfile(OnProfile, Iam):
    def parameters(self, aws):
        return with_role(aws)

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["Roles"] == []


class DeleteInstanceProfile(OnProfile, Iam):
    def parameters(self, aws):
        return {"InstanceProfileName": aws.instance_profile()}

    def check(self, aws, parameters, reply):
        listed = aws.iam.list_instance_profiles(MaxItems=1000)["InstanceProfiles"]
        assert parameters["InstanceProfileName"] not in [profile["InstanceProfileName"] for profile in listed]


class TagInstanceProfile(OnProfile, Iam):
    def parameters(self, aws):
        return {"InstanceProfileName": aws.instance_profile(), "Tags": tags("iam", Owner="richard-roe")}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["Tags"] == parameters["Tags"]


class ListInstanceProfileTags(OnProfile, Iam):
    def parameters(self, aws):
        name = aws.instance_profile()
        aws.iam.tag_instance_profile(InstanceProfileName=name, Tags=tags("iam", A="1", B="2"))
        return {"InstanceProfileName": name}

    def check(self, aws, parameters, reply):
        assert reply["Tags"] == tags("iam", A="1", B="2")


class UntagInstanceProfile(OnProfile, Iam):
    def parameters(self, aws):
        name = aws.instance_profile()
        aws.iam.tag_instance_profile(InstanceProfileName=name, Tags=tags("iam", A="1", B="2"))
        return {"InstanceProfileName": name, "TagKeys": ["A"]}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["Tags"] == tags("iam", B="2")
