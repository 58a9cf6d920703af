"""Sessions."""

from account import ACCOUNT
from case import Invalid, Sts


def trust_account():
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    allowed = {"Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    return {"Version": "2012-10-17", "Statement": [allowed]}


class GetCallerIdentity(Sts):
    needs_permission = False  # R130: always succeeds
    can_be_invalid = False

    def check(self, aws, parameters, reply):
        assert reply["Account"] == ACCOUNT
        assert reply["Arn"].startswith(aws.iam_arn("user/")) and reply["UserId"].startswith("AIDA")


class AssumeRole(Sts):
    def parameters(self, aws):
        role = aws.role(trust=trust_account())
        return {
            "RoleArn": aws.role_arn(role),
            "RoleSessionName": "story",
            "DurationSeconds": 900,
            "Tags": [{"Key": "Team", "Value": "blue"}],
        }

    def check(self, aws, parameters, reply):
        role = parameters["RoleArn"].split("/")[-1]
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/story"
        assert reply["AssumedRoleUser"]["Arn"] == session
        assert reply["Credentials"]["AccessKeyId"].startswith("ASIA")
        caller = aws.with_credentials(reply["Credentials"]).sts.get_caller_identity()
        assert caller["Arn"] == session and caller["UserId"] == reply["AssumedRoleUser"]["AssumedRoleId"]

    def resource(self, aws, parameters):
        return parameters["RoleArn"]

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "DurationSeconds": 3601}
        message = r"The requested DurationSeconds exceeds the MaxSessionDuration set for this role\."
        return Invalid(parameters, "ValidationError", message)


class GetSessionToken(Sts):
    needs_permission = False  # R130

    def parameters(self, aws):
        return {"DurationSeconds": 900}

    def check(self, aws, parameters, reply):
        session = aws.with_credentials(reply["Credentials"])
        assert session.arn.startswith(aws.iam_arn("user/"))

    def invalid(self, aws):
        parameters = {"DurationSeconds": 60}
        return Invalid(parameters, "ValidationError", r"1 validation error detected: .*durationSeconds.*")


class DecodeAuthorizationMessage(Sts):
    """Only EC2's refusals carry such messages, which is not served yet: a real one is decoded by the server's own tests."""

    can_succeed = False

    def invalid(self, aws):
        return Invalid({"EncodedMessage": "bm9uZQ"}, "InvalidAuthorizationMessageException", "Message is not valid")
