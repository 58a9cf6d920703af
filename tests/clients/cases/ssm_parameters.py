"""Parameter Store."""

import uuid

from account import ACCOUNT
from case import Invalid, Ssm



def unique():
    return f"/case/{uuid.uuid4()}"


def parameter(aws, value="one", kind="String", name=None, **more):
    """The name of a parameter."""
    name = name or unique()
    aws.client("ssm").put_parameter(Name=name, Value=value, Type=kind, **more)
    return name


def value(aws, name):
    return aws.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]


def arn(aws, name):
    return f"arn:aws:ssm:{aws.region}:{ACCOUNT}:parameter{name}"


class Named(Ssm):
    def resource(self, aws, parameters):
        return arn(aws, parameters["Name"])

    def invalid(self, aws):
        return Invalid({"Name": "/case/missing"}, "ParameterNotFound", r".*")


class PutParameter(Named, Ssm):
    def parameters(self, aws):
        return {"Name": unique(), "Value": "hunter2", "Type": "SecureString", "Tags": [{"Key": "k", "Value": "v"}]}

    def check(self, aws, parameters, reply):
        assert (reply["Version"], reply["Tier"]) == (1, "Standard")
        assert value(aws, parameters["Name"]) == "hunter2"
        tags = aws.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=parameters["Name"])["TagList"]
        assert tags == parameters["Tags"]

    def invalid(self, aws):
        there = {"Name": parameter(aws), "Value": "two", "Type": "String"}
        return Invalid(there, "ParameterAlreadyExists", r"The parameter already exists\. To overwrite this value, .*")


class GetParameter(Named, Ssm):
    def parameters(self, aws):
        return {"Name": parameter(aws)}

    def check(self, aws, parameters, reply):
        shown = reply["Parameter"]
        assert (shown["Name"], shown["Value"], shown["Type"], shown["DataType"]) == (parameters["Name"], "one", "String", "text")
        assert shown["ARN"] == arn(aws, parameters["Name"])


class GetParameters(Ssm):
    def parameters(self, aws):
        return {"Names": [parameter(aws), parameter(aws, "secret", "SecureString"), "/case/missing"], "WithDecryption": True}

    def check(self, aws, parameters, reply):
        assert [one["Value"] for one in reply["Parameters"]] == ["one", "secret"]
        assert [one["Name"] for one in reply["Parameters"]] == parameters["Names"][:2]
        assert reply["InvalidParameters"] == ["/case/missing"]

    def resource(self, aws, parameters):
        return arn(aws, parameters["Names"][0])

    def invalid(self, aws):
        return Invalid({"Names": ["p"] * 11}, "ValidationException", r"1 validation error detected: .*")


class GetParametersByPath(Ssm):
    def parameters(self, aws):
        path = unique()
        for name in ("a", "b/c", "d"):
            parameter(aws, name, name=f"{path}/{name}")
        return {"Path": path, "Recursive": True}

    def check(self, aws, parameters, reply):
        assert [one["Value"] for one in reply["Parameters"]] == ["a", "b/c", "d"]
        pages = aws.client("ssm").get_paginator("get_parameters_by_path").paginate(**parameters, PaginationConfig={"PageSize": 2})
        assert [one["Value"] for page in pages for one in page["Parameters"]] == ["a", "b/c", "d"]

    def resource(self, aws, parameters):
        return arn(aws, parameters["Path"])

    def invalid(self, aws):
        return Invalid({"Path": "no-slash"}, "ValidationException", r"The parameter doesn't meet the parameter name requirements\..*")


class GetParameterHistory(Named, Ssm):
    def parameters(self, aws):
        name = parameter(aws)
        aws.client("ssm").put_parameter(Name=name, Value="two", Overwrite=True)
        aws.client("ssm").label_parameter_version(Name=name, ParameterVersion=1, Labels=["old"])
        return {"Name": name}

    def check(self, aws, parameters, reply):
        shown = [(one["Version"], one["Value"], one["Labels"]) for one in reply["Parameters"]]
        assert shown == [(1, "one", ["old"]), (2, "two", [])]


class DescribeParameters(Ssm):
    def parameters(self, aws):
        name = parameter(aws, Description="d", Tier="Advanced")
        return {"ParameterFilters": [{"Key": "Name", "Values": [name]}]}

    def check(self, aws, parameters, reply):
        [shown] = reply["Parameters"]
        assert (shown["Description"], shown["Tier"], shown["Version"]) == ("d", "Advanced", 1)

    def invalid(self, aws):
        filters = {"ParameterFilters": [{"Key": "Type", "Option": "Contains", "Values": ["String"]}]}
        return Invalid(filters, "InvalidFilterOption", r"The following filter option is not valid: Contains\.")


class LabelParameterVersion(Named, Ssm):
    def parameters(self, aws):
        return {"Name": parameter(aws), "Labels": ["good", "1bad"]}

    def check(self, aws, parameters, reply):
        assert (reply["InvalidLabels"], reply["ParameterVersion"]) == (["1bad"], 1)
        assert value(aws, f"{parameters['Name']}:good") == "one"

    def invalid(self, aws):
        missing = {"Name": parameter(aws), "ParameterVersion": 7, "Labels": ["x"]}
        return Invalid(missing, "ParameterVersionNotFound", r"Systems Manager could not find version 7 of .*")


class UnlabelParameterVersion(Named, Ssm):
    def parameters(self, aws):
        name = parameter(aws)
        aws.client("ssm").label_parameter_version(Name=name, Labels=["good"])
        return {"Name": name, "ParameterVersion": 1, "Labels": ["good"]}

    def check(self, aws, parameters, reply):
        [shown] = aws.client("ssm").get_parameter_history(Name=parameters["Name"])["Parameters"]
        assert shown["Labels"] == []

    def invalid(self, aws):
        missing = {"Name": parameter(aws), "ParameterVersion": 7, "Labels": ["x"]}
        return Invalid(missing, "ParameterVersionNotFound", r"Systems Manager could not find version 7 of .*")


class DeleteParameter(Named, Ssm):
    def parameters(self, aws):
        return {"Name": parameter(aws)}

    def check(self, aws, parameters, reply):
        assert aws.client("ssm").get_parameters(Names=[parameters["Name"]])["InvalidParameters"] == [parameters["Name"]]


class DeleteParameters(Ssm):
    def parameters(self, aws):
        return {"Names": [parameter(aws), "/case/missing"]}

    def check(self, aws, parameters, reply):
        assert reply["DeletedParameters"] == parameters["Names"][:1]
        assert reply["InvalidParameters"] == ["/case/missing"]

    def resource(self, aws, parameters):
        return arn(aws, parameters["Names"][0])

    def invalid(self, aws):
        return Invalid({"Names": ["p"] * 11}, "ValidationException", r"1 validation error detected: .*")


class RemoveTagsFromResource(Ssm):
    def parameters(self, aws):
        name = parameter(aws, Tags=[{"Key": "rack", "Value": "7"}, {"Key": "left", "Value": "over"}])
        return {"ResourceType": "Parameter", "ResourceId": name, "TagKeys": ["rack", "never"]}

    def check(self, aws, parameters, reply):
        named = {"ResourceType": "Parameter", "ResourceId": parameters["ResourceId"]}
        assert aws.client("ssm").list_tags_for_resource(**named)["TagList"] == [{"Key": "left", "Value": "over"}]

    def resource(self, aws, parameters):
        return arn(aws, parameters["ResourceId"])

    def invalid(self, aws):
        unknown = {"ResourceType": "Parameter", "ResourceId": "/case/missing", "TagKeys": ["k"]}
        return Invalid(unknown, "InvalidResourceId", r"The resource ID isn't valid\. .*")
