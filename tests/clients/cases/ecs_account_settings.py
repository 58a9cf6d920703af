"""Account settings (ecs.md 4)."""

from case import Ecs, Invalid

UNKNOWN = r".* \[.*containerInsights.*\]"


def values(aws, name, **more):
    return [found["value"] for found in aws.ecs.list_account_settings(name=name, **more)["settings"]]


class ListAccountSettings(Ecs):
    def parameters(self, aws):
        return {"effectiveSettings": True, "name": "taskLongArnFormat"}

    def check(self, aws, parameters, reply):
        (found,) = reply["settings"]
        assert (found["name"], found["value"]) == ("taskLongArnFormat", "enabled")

    def invalid(self, aws):
        return Invalid({"name": "colour"}, "InvalidParameterException", UNKNOWN)


class PutAccountSetting(Ecs):
    def parameters(self, aws):
        return {"name": "containerInsights", "value": "enabled"}

    def check(self, aws, parameters, reply):
        assert reply["setting"]["principalArn"] == aws.arn
        assert values(aws, "containerInsights") == ["enabled"]
        aws.ecs.delete_account_setting(name="containerInsights")

    def invalid(self, aws):
        return Invalid({"name": "colour", "value": "blue"}, "InvalidParameterException", UNKNOWN)


class PutAccountSettingDefault(Ecs):
    def parameters(self, aws):
        return {"name": "defaultLogDriverMode", "value": "blocking"}

    def check(self, aws, parameters, reply):
        assert values(aws, "defaultLogDriverMode", effectiveSettings=True) == ["blocking"]

    def invalid(self, aws):
        return Invalid({"name": "colour", "value": "blue"}, "InvalidParameterException", UNKNOWN)


class DeleteAccountSetting(Ecs):
    def parameters(self, aws):
        aws.ecs.put_account_setting(name="containerInsights", value="enhanced")
        return {"name": "containerInsights"}

    def check(self, aws, parameters, reply):
        assert values(aws, "containerInsights") == []

    def invalid(self, aws):
        return Invalid({"name": "colour"}, "InvalidParameterException", UNKNOWN)
