"""Capacity providers (ecs.md 3)."""

from account import tags
from case import Ecs, Invalid


def group(aws, name):
    owner = aws.ecs_arn("x").split(":")[4]
    return (
        f"arn:aws:autoscaling:us-east-1:{owner}:autoScalingGroup:11111111-2222-3333-4444-555555555555"
        f":autoScalingGroupName/{name}"
    )


def creation(aws):
    name = aws.name("hosts")
    return {"name": name, "autoScalingGroupProvider": {"autoScalingGroupArn": group(aws, name)}}


def made(aws):
    parameters = creation(aws)
    aws.ecs.create_capacity_provider(**parameters)
    return parameters["name"]


def described(aws, name):
    reply = aws.ecs.describe_capacity_providers(capacityProviders=[name], include=["TAGS"])
    return reply["capacityProviders"][0]


class CreateCapacityProvider(Ecs):
    def parameters(self, aws):
        return {**creation(aws), "tags": tags("ecs", Department="QA")}

    def check(self, aws, parameters, reply):
        found = described(aws, parameters["name"])
        assert found == reply["capacityProvider"]
        assert found["status"] == "ACTIVE" and found["type"] == "EC2_AUTOSCALING"
        assert found["tags"] == parameters["tags"]
        scaling = found["autoScalingGroupProvider"]["managedScaling"]
        assert scaling["targetCapacity"] == 100 and scaling["status"] == "DISABLED"

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"capacity-provider/{parameters['name']}")

    def invalid(self, aws):
        parameters = {**creation(aws), "name": "aws-mine"}
        return Invalid(parameters, "ClientException", r"The specified capacity provider name is invalid\..*")


class UpdateCapacityProvider(Ecs):
    def parameters(self, aws):
        scaling = {"status": "ENABLED", "targetCapacity": 80}
        return {"name": made(aws), "autoScalingGroupProvider": {"managedScaling": scaling}}

    def check(self, aws, parameters, reply):
        found = described(aws, parameters["name"])
        assert found["autoScalingGroupProvider"]["managedScaling"]["targetCapacity"] == 80
        assert found["updateStatus"] == "UPDATE_COMPLETE"

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"capacity-provider/{parameters['name']}")

    def invalid(self, aws):
        steps = {"minimumScalingStepSize": 3, "maximumScalingStepSize": 2}
        parameters = {"name": made(aws), "autoScalingGroupProvider": {"managedScaling": steps}}
        return Invalid(parameters, "ClientException", r"The minimum or maximum scaling step size value is invalid\..*")


class DeleteCapacityProvider(Ecs):
    def parameters(self, aws):
        return {"capacityProvider": made(aws)}

    def check(self, aws, parameters, reply):
        assert reply["capacityProvider"]["status"] == "INACTIVE"
        assert described(aws, parameters["capacityProvider"])["updateStatus"] == "DELETE_COMPLETE"

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"capacity-provider/{parameters['capacityProvider']}")

    def invalid(self, aws):
        return Invalid({"capacityProvider": "FARGATE"}, "ClientException", r"The specified capacity provider is reserved.*")


class DescribeCapacityProviders(Ecs):
    def parameters(self, aws):
        return {"capacityProviders": ["FARGATE", made(aws), "no-such-provider"]}

    def check(self, aws, parameters, reply):
        built_in, own = reply["capacityProviders"]
        assert (built_in["name"], built_in["status"], built_in["type"]) == ("FARGATE", "ACTIVE", "FARGATE")
        assert own["name"] == parameters["capacityProviders"][1]
        missing = aws.ecs_arn("capacity-provider/no-such-provider")
        assert reply["failures"] == [{"arn": missing, "reason": "MISSING"}]

    def resource(self, aws, parameters):
        return aws.ecs_arn("capacity-provider/FARGATE")

    def invalid(self, aws):
        return Invalid({"nextToken": "not-a-token"}, "InvalidParameterException", r"Invalid token\.")
