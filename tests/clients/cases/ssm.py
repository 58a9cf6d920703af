"""Activations of Systems Manager, and the machines that joined by them."""

from datetime import datetime, timedelta, timezone

from account import ACCOUNT
from case import Invalid, Ssm
from machine import Machine

TRUST_SSM = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def activation(aws, **more):
    return aws.client("ssm").create_activation(IamRole=aws.role(trust=TRUST_SSM), **more)


def machine(aws, **more):
    """The id of a machine that has joined."""
    made = activation(aws, **more)
    return Machine(aws.url).join(made["ActivationId"], made["ActivationCode"])


class CreateActivation(Ssm):
    def parameters(self, aws):
        return {"IamRole": aws.role(trust=TRUST_SSM), "DefaultInstanceName": "shelf", "Tags": [{"Key": "k", "Value": "v"}]}

    def check(self, aws, parameters, reply):
        filters = [{"FilterKey": "ActivationIds", "FilterValues": [reply["ActivationId"]]}]
        [shown] = aws.client("ssm").describe_activations(Filters=filters)["ActivationList"]
        assert shown["IamRole"] == parameters["IamRole"] and shown["DefaultInstanceName"] == "shelf"
        assert (shown["RegistrationLimit"], shown["RegistrationsCount"], shown["Expired"]) == (1, 0, False)
        life = shown["ExpirationDate"] - shown["CreatedDate"]
        assert life == timedelta(days=1) and shown["Tags"] == parameters["Tags"]
        assert len(reply["ActivationCode"]) == 20

    def invalid(self, aws):
        role = aws.role()
        text = rf"Nonexistent role or missing ssm service principal in trust policy: arn:aws:iam::{ACCOUNT}:role/{role}"
        return Invalid({"IamRole": role}, "ValidationException", text)


class DeleteActivation(Ssm):
    def parameters(self, aws):
        return {"ActivationId": activation(aws)["ActivationId"]}

    def check(self, aws, parameters, reply):
        filters = [{"FilterKey": "ActivationIds", "FilterValues": [parameters["ActivationId"]]}]
        assert aws.client("ssm").describe_activations(Filters=filters)["ActivationList"] == []

    def invalid(self, aws):
        unknown = {"ActivationId": "00000000-0000-0000-0000-000000000000"}
        return Invalid(unknown, "InvalidActivationId", r"The activation ID isn't valid\. .*")


class DescribeActivations(Ssm):
    def parameters(self, aws):
        role = aws.role(trust=TRUST_SSM)
        end = datetime.now(timezone.utc) + timedelta(days=2)
        for _ in range(3):
            aws.client("ssm").create_activation(IamRole=role, RegistrationLimit=7, ExpirationDate=end)
        return {"Filters": [{"FilterKey": "IamRole", "FilterValues": [role]}]}

    def check(self, aws, parameters, reply):
        assert [one["RegistrationLimit"] for one in reply["ActivationList"]] == [7, 7, 7]
        pages = aws.client("ssm").get_paginator("describe_activations").paginate(**parameters, PaginationConfig={"PageSize": 2})
        assert [one["ActivationId"] for page in pages for one in page["ActivationList"]] == [
            one["ActivationId"] for one in reply["ActivationList"]
        ]

    def invalid(self, aws):
        return Invalid({"MaxResults": 51}, "ValidationException", r"1 validation error detected: .*")


class DescribeInstanceInformation(Ssm):
    def parameters(self, aws):
        return {"Filters": [{"Key": "InstanceIds", "Values": [machine(aws, DefaultInstanceName="shelf")]}]}

    def check(self, aws, parameters, reply):
        [shown] = reply["InstanceInformationList"]
        assert shown["InstanceId"] == parameters["Filters"][0]["Values"][0]
        assert (shown["ResourceType"], shown["PingStatus"], shown["Name"]) == ("ManagedInstance", "Online", "shelf")

    def invalid(self, aws):
        filters = {"Filters": [{"Key": "Colour", "Values": ["red"]}]}
        machine(aws)
        return Invalid(filters, "InvalidFilterKey", r"The specified filter key isn't valid\.")


def resource(aws, instance):
    return f"arn:aws:ssm:{aws.region}:{ACCOUNT}:managed-instance/{instance}"


class DeregisterManagedInstance(Ssm):
    def parameters(self, aws):
        return {"InstanceId": machine(aws)}

    def check(self, aws, parameters, reply):
        filters = [{"Key": "InstanceIds", "Values": [parameters["InstanceId"]]}]
        assert aws.client("ssm").describe_instance_information(Filters=filters)["InstanceInformationList"] == []

    def resource(self, aws, parameters):
        return resource(aws, parameters["InstanceId"])

    def invalid(self, aws):
        unknown = {"InstanceId": "mi-00000000000000000"}
        return Invalid(unknown, "InvalidInstanceId", r"Not existing InstanceId mi-00000000000000000")


class AddTagsToResource(Ssm):
    def parameters(self, aws):
        tags = [{"Key": "rack", "Value": "7"}]
        return {"ResourceType": "ManagedInstance", "ResourceId": machine(aws), "Tags": tags}

    def check(self, aws, parameters, reply):
        named = {"ResourceType": "ManagedInstance", "ResourceId": parameters["ResourceId"]}
        assert aws.client("ssm").list_tags_for_resource(**named)["TagList"] == parameters["Tags"]

    def resource(self, aws, parameters):
        return resource(aws, parameters["ResourceId"])

    def invalid(self, aws):
        unknown = {"ResourceType": "Parameter", "ResourceId": "p", "Tags": [{"Key": "k", "Value": "v"}]}
        return Invalid(unknown, "InvalidResourceId", r"The resource ID isn't valid\. .*")


class ListTagsForResource(Ssm):
    def parameters(self, aws):
        made = machine(aws, Tags=[{"Key": "of", "Value": "activation"}])
        return {"ResourceType": "ManagedInstance", "ResourceId": made}

    def check(self, aws, parameters, reply):
        assert reply["TagList"] == [{"Key": "of", "Value": "activation"}]

    def resource(self, aws, parameters):
        return resource(aws, parameters["ResourceId"])

    def invalid(self, aws):
        unknown = {"ResourceType": "ManagedInstance", "ResourceId": "mi-00000000000000000"}
        return Invalid(unknown, "InvalidResourceId", r"The resource ID isn't valid\. .*")
