"""Secrets Manager."""

import re
import uuid

from account import ACCOUNT
from case import Invalid, SecretsManager

NOT_FOUND = r"Secrets Manager can't find the specified secret\."


def unique():
    return f"case/{uuid.uuid4()}"


def secret(aws, value="hunter2", **more):
    """The name of a secret."""
    name = unique()
    aws.client("secretsmanager").create_secret(Name=name, SecretString=value, **more)
    return name


def value(aws, name, **which):
    return aws.client("secretsmanager").get_secret_value(SecretId=name, **which)["SecretString"]


def described(aws, name):
    return aws.client("secretsmanager").describe_secret(SecretId=name)


def reading_policy(principal=ACCOUNT):
    return (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},'
        '"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}' % principal
    )


class Named(SecretsManager):
    """What refusals name is what the caller named."""

    def resource(self, aws, parameters):
        return parameters["SecretId"]

    def invalid(self, aws):
        return Invalid({"SecretId": "case/missing"}, "ResourceNotFoundException", NOT_FOUND)


class CreateSecret(SecretsManager):
    def parameters(self, aws):
        return {"Name": unique(), "SecretString": "one", "Tags": [{"Key": "k", "Value": "v"}], "ClientRequestToken": str(uuid.uuid4())}

    def check(self, aws, parameters, reply):
        assert re.fullmatch(rf"arn:aws:secretsmanager:{aws.region}:{ACCOUNT}:secret:{parameters['Name']}-[A-Za-z0-9]{{6}}", reply["ARN"])
        assert reply["VersionId"] == parameters["ClientRequestToken"]
        assert value(aws, parameters["Name"]) == "one"
        assert described(aws, reply["ARN"])["Tags"] == parameters["Tags"]

    def resource(self, aws, parameters):
        return parameters["Name"]

    def invalid(self, aws):
        text = r"Invalid name\. Must be a valid name containing alphanumeric characters, or any of the following: -/_\+=\.@!"
        return Invalid({"Name": "a b"}, "ValidationException", text)


class GetSecretValue(Named, SecretsManager):
    def parameters(self, aws):
        return {"SecretId": secret(aws)}

    def check(self, aws, parameters, reply):
        assert (reply["SecretString"], reply["VersionStages"]) == ("hunter2", ["AWSCURRENT"])


class PutSecretValue(Named, SecretsManager):
    def parameters(self, aws):
        return {"SecretId": secret(aws), "SecretString": "two", "ClientRequestToken": str(uuid.uuid4())}

    def check(self, aws, parameters, reply):
        assert reply["VersionStages"] == ["AWSCURRENT"]
        assert value(aws, parameters["SecretId"]) == "two"
        assert value(aws, parameters["SecretId"], VersionStage="AWSPREVIOUS") == "hunter2"

    def invalid(self, aws):
        both = {"SecretId": secret(aws), "SecretString": "a", "SecretBinary": b"a"}
        return Invalid(both, "InvalidParameterException", r"You can't specify both a binary secret value and a string secret value .*")


class UpdateSecret(Named, SecretsManager):
    def parameters(self, aws):
        return {"SecretId": secret(aws), "Description": "new", "SecretString": "two", "ClientRequestToken": str(uuid.uuid4())}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["SecretId"])["Description"] == "new"
        assert value(aws, parameters["SecretId"]) == "two"


class DescribeSecret(Named, SecretsManager):
    def parameters(self, aws):
        return {"SecretId": secret(aws, Description="d")}

    def check(self, aws, parameters, reply):
        assert (reply["Name"], reply["Description"]) == (parameters["SecretId"], "d")
        assert list(reply["VersionIdsToStages"].values()) == [["AWSCURRENT"]]


class DeleteSecret(Named, SecretsManager):
    def parameters(self, aws):
        return {"SecretId": secret(aws), "ForceDeleteWithoutRecovery": True}

    def check(self, aws, parameters, reply):
        filters = [{"Key": "name", "Values": [parameters["SecretId"]]}]
        assert aws.client("secretsmanager").list_secrets(Filters=filters)["SecretList"] == []

    def invalid(self, aws):
        days = {"SecretId": secret(aws), "RecoveryWindowInDays": 6}
        return Invalid(days, "InvalidParameterException", r"RecoveryWindowInDays value must be between 7 and 30 days \(inclusive\)\.")


class RestoreSecret(Named, SecretsManager):
    def parameters(self, aws):
        name = secret(aws)
        aws.client("secretsmanager").delete_secret(SecretId=name)
        return {"SecretId": name}

    def check(self, aws, parameters, reply):
        assert value(aws, parameters["SecretId"]) == "hunter2"


class ListSecrets(SecretsManager):
    def parameters(self, aws):
        prefix = unique()
        for number in range(3):
            aws.client("secretsmanager").create_secret(Name=f"{prefix}/{number}")
        return {"Filters": [{"Key": "name", "Values": [prefix]}], "SortBy": "name", "SortOrder": "desc"}

    def check(self, aws, parameters, reply):
        assert [one["Name"][-1] for one in reply["SecretList"]] == ["2", "1", "0"]
        pages = aws.client("secretsmanager").get_paginator("list_secrets").paginate(**parameters, PaginationConfig={"PageSize": 2})
        assert [one["Name"] for page in pages for one in page["SecretList"]] == [one["Name"] for one in reply["SecretList"]]

    def invalid(self, aws):
        return Invalid({"NextToken": "%"}, "InvalidNextTokenException", r"The NextToken value is invalid\.")


class ListSecretVersionIds(Named, SecretsManager):
    def parameters(self, aws):
        name = secret(aws)
        aws.client("secretsmanager").put_secret_value(SecretId=name, SecretString="two")
        return {"SecretId": name}

    def check(self, aws, parameters, reply):
        assert sorted(one["VersionStages"] for one in reply["Versions"]) == [["AWSCURRENT"], ["AWSPREVIOUS"]]
        assert reply["Versions"][0]["KmsKeyIds"] == ["DefaultEncryptionKey"]


class UpdateSecretVersionStage(Named, SecretsManager):
    def parameters(self, aws):
        name = secret(aws)
        put = aws.client("secretsmanager").put_secret_value(SecretId=name, SecretString="two")
        [old] = [id for id, stages in described(aws, name)["VersionIdsToStages"].items() if stages == ["AWSPREVIOUS"]]
        return {"SecretId": name, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": put["VersionId"], "MoveToVersionId": old}

    def check(self, aws, parameters, reply):
        assert value(aws, parameters["SecretId"]) == "hunter2"
        assert value(aws, parameters["SecretId"], VersionStage="AWSPREVIOUS") == "two"

    def invalid(self, aws):
        missing = {"SecretId": secret(aws), "VersionStage": "x"}
        return Invalid(missing, "InvalidParameterException", r"You must specify MoveToVersionId, RemoveFromVersionId, or both\.")


class BatchGetSecretValue(SecretsManager):
    def parameters(self, aws):
        return {"SecretIdList": [secret(aws, "one"), secret(aws, "two"), "case/missing"]}

    def check(self, aws, parameters, reply):
        assert [one["SecretString"] for one in reply["SecretValues"]] == ["one", "two"]
        assert [one["ErrorCode"] for one in reply["Errors"]] == ["ResourceNotFoundException"]

    def invalid(self, aws):
        both = {"SecretIdList": ["a"], "MaxResults": 1}
        return Invalid(both, "InvalidParameterException", r"Specify either SecretIdList or Filters, .*")


class GetRandomPassword(SecretsManager):
    def parameters(self, aws):
        return {"PasswordLength": 20, "ExcludePunctuation": True}

    def check(self, aws, parameters, reply):
        assert re.fullmatch(r"[A-Za-z0-9]{20}", reply["RandomPassword"])

    def invalid(self, aws):
        return Invalid({"PasswordLength": 3}, "InvalidParameterException", r"Password length must be between 4 and 4096\.")


class GetResourcePolicy(Named, SecretsManager):
    def parameters(self, aws):
        name = secret(aws)
        aws.client("secretsmanager").put_resource_policy(SecretId=name, ResourcePolicy=reading_policy())
        return {"SecretId": name}

    def check(self, aws, parameters, reply):
        assert reply["ResourcePolicy"] == reading_policy()


class PutResourcePolicy(Named, SecretsManager):
    def parameters(self, aws):
        return {"SecretId": secret(aws), "ResourcePolicy": reading_policy(), "BlockPublicPolicy": True}

    def check(self, aws, parameters, reply):
        found = aws.client("secretsmanager").get_resource_policy(SecretId=parameters["SecretId"])
        assert found["ResourcePolicy"] == parameters["ResourcePolicy"]

    def invalid(self, aws):
        public = {"SecretId": secret(aws), "ResourcePolicy": reading_policy("*"), "BlockPublicPolicy": True}
        return Invalid(public, "PublicPolicyException", r"You can't attach a resource-based policy that allows public access .*")


class DeleteResourcePolicy(Named, SecretsManager):
    def parameters(self, aws):
        name = secret(aws)
        aws.client("secretsmanager").put_resource_policy(SecretId=name, ResourcePolicy=reading_policy())
        return {"SecretId": name}

    def check(self, aws, parameters, reply):
        assert "ResourcePolicy" not in aws.client("secretsmanager").get_resource_policy(SecretId=parameters["SecretId"])


class ValidateResourcePolicy(SecretsManager):
    def parameters(self, aws):
        return {"ResourcePolicy": reading_policy("*")}

    def check(self, aws, parameters, reply):
        assert reply["PolicyValidationPassed"] is False
        assert [one["CheckName"] for one in reply["ValidationErrors"]] == ["BLOCK_PUBLIC_POLICY"]

    def invalid(self, aws):
        missing = {"SecretId": "case/missing", "ResourcePolicy": reading_policy()}
        return Invalid(missing, "ResourceNotFoundException", NOT_FOUND)


class RotateSecret(Named, SecretsManager):
    #: A rotation is done by a Lambda function, and there are none.
    can_succeed = False

    def invalid(self, aws):
        text = r"No Lambda rotation function ARN is associated with this secret\."
        return Invalid({"SecretId": secret(aws)}, "InvalidRequestException", text)


class CancelRotateSecret(Named, SecretsManager):
    def parameters(self, aws):
        return {"SecretId": secret(aws)}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["SecretId"])["RotationEnabled"] is False


class TagResource(Named, SecretsManager):
    def parameters(self, aws):
        return {"SecretId": secret(aws), "Tags": [{"Key": "rack", "Value": "7"}]}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["SecretId"])["Tags"] == parameters["Tags"]

    def invalid(self, aws):
        missing = {"SecretId": "case/missing", "Tags": [{"Key": "k", "Value": "v"}]}
        return Invalid(missing, "ResourceNotFoundException", NOT_FOUND)


class UntagResource(Named, SecretsManager):
    def parameters(self, aws):
        return {"SecretId": secret(aws, Tags=[{"Key": "rack", "Value": "7"}]), "TagKeys": ["rack"]}

    def check(self, aws, parameters, reply):
        assert "Tags" not in described(aws, parameters["SecretId"])

    def invalid(self, aws):
        missing = {"SecretId": "case/missing", "TagKeys": ["k"]}
        return Invalid(missing, "ResourceNotFoundException", NOT_FOUND)
