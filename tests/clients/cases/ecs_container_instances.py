"""Container instances, their attributes, and what the agent asks before it connects (ecs.md 5 and 8)."""

from account import resources, tags
from case import Ecs, Invalid
from cases.ecs_clusters import OnOneCluster

RACK = [{"name": "rack", "value": "r1"}]
NOBODY = "0" * 32


def instance(aws, **more):
    cluster = aws.cluster()
    return cluster, aws.container_instance(cluster, **more)


def described(aws, cluster, arn, include=()):
    reply = aws.ecs.describe_container_instances(cluster=cluster, containerInstances=[arn], include=list(include))
    return reply["containerInstances"][0]


class OnOneInstance:
    """Calls authorised on the instance they name."""

    def resource(self, aws, parameters):
        if "containerInstances" in parameters:
            return parameters["containerInstances"][0]
        return parameters["attributes"][0]["targetId"]


class RegisterContainerInstance(OnOneCluster, Ecs):
    def parameters(self, aws):
        return {
            "cluster": aws.cluster(),
            "totalResources": resources(cpu=2048, memory=4096),
            "attributes": RACK,
            "tags": tags("ecs", Department="QA"),
        }

    def check(self, aws, parameters, reply):
        registered = reply["containerInstance"]
        assert {"name": "rack", "value": "r1"} in registered["attributes"]
        assert any(found["name"] == "ecs.availability-zone" for found in registered["attributes"])
        found = described(aws, parameters["cluster"], registered["containerInstanceArn"], ["TAGS"])
        assert (found["status"], found["agentConnected"]) == ("ACTIVE", False)
        assert found["tags"] == parameters["tags"]
        remaining = {kind["name"]: kind for kind in found["remainingResources"]}
        assert (remaining["CPU"]["integerValue"], remaining["MEMORY"]["integerValue"]) == (2048, 4096)
        cluster = aws.ecs.describe_clusters(clusters=[parameters["cluster"]])["clusters"][0]
        assert cluster["registeredContainerInstancesCount"] == 1


class DescribeContainerInstances(OnOneInstance, Ecs):
    def parameters(self, aws):
        cluster, arn = instance(aws)
        return {"cluster": cluster, "containerInstances": [arn, NOBODY]}

    def check(self, aws, parameters, reply):
        (found,) = reply["containerInstances"]
        assert found["containerInstanceArn"] == parameters["containerInstances"][0]
        missing = aws.ecs_arn(f"container-instance/{parameters['cluster']}/{NOBODY}")
        assert reply["failures"] == [{"arn": missing, "reason": "MISSING"}]

    def invalid(self, aws):
        message = r"Container Instances cannot be empty\."
        return Invalid({"cluster": aws.cluster(), "containerInstances": []}, "ClientException", message)


class ListContainerInstances(OnOneCluster, Ecs):
    def parameters(self, aws):
        cluster, _ = instance(aws)
        return {"cluster": cluster}

    def check(self, aws, parameters, reply):
        (arn,) = reply["containerInstanceArns"]
        assert f":container-instance/{parameters['cluster']}/" in arn
        draining = aws.ecs.list_container_instances(cluster=parameters["cluster"], status="DRAINING")
        assert draining["containerInstanceArns"] == []


class UpdateContainerInstancesState(OnOneInstance, Ecs):
    def parameters(self, aws):
        cluster, arn = instance(aws)
        return {"cluster": cluster, "containerInstances": [arn], "status": "DRAINING"}

    def check(self, aws, parameters, reply):
        found = described(aws, parameters["cluster"], parameters["containerInstances"][0])
        assert found["status"] == "DRAINING"

    def invalid(self, aws):
        message = r"Container Instances cannot be empty\."
        parameters = {"cluster": aws.cluster(), "containerInstances": [], "status": "DRAINING"}
        return Invalid(parameters, "ClientException", message)


class UpdateContainerAgent(Ecs):
    # The server of these tests holds no builds; test_agent_updates.py has one that does.
    can_succeed = False

    def parameters(self, aws):
        cluster, arn = instance(aws, versionInfo={"agentVersion": "1.105.1"})
        return {"cluster": cluster, "containerInstance": arn}

    def resource(self, aws, parameters):
        return parameters["containerInstance"]

    def invalid(self, aws):
        message = r"There is no update available for this Amazon ECS container agent\."
        return Invalid(self.parameters(aws), "NoUpdateAvailableException", message)


class DeregisterContainerInstance(OnOneCluster, Ecs):
    def parameters(self, aws):
        cluster, arn = instance(aws)
        return {"cluster": cluster, "containerInstance": arn}

    def check(self, aws, parameters, reply):
        assert reply["containerInstance"]["status"] == "INACTIVE"
        listed = aws.ecs.list_container_instances(cluster=parameters["cluster"])
        assert listed["containerInstanceArns"] == []


class PutAttributes(OnOneInstance, Ecs):
    def parameters(self, aws):
        cluster, arn = instance(aws)
        return {"cluster": cluster, "attributes": [{"name": "stack", "value": "blue", "targetId": arn}]}

    def check(self, aws, parameters, reply):
        arn = parameters["attributes"][0]["targetId"]
        found = described(aws, parameters["cluster"], arn)["attributes"]
        assert {"name": "stack", "value": "blue"} in found

    def invalid(self, aws):
        message = r"attributes can not be empty"
        return Invalid({"cluster": aws.cluster(), "attributes": []}, "InvalidParameterException", message)


class DeleteAttributes(OnOneInstance, Ecs):
    def parameters(self, aws):
        cluster, arn = instance(aws, attributes=RACK)
        return {"cluster": cluster, "attributes": [{"name": "rack", "targetId": arn}]}

    def check(self, aws, parameters, reply):
        arn = parameters["attributes"][0]["targetId"]
        found = described(aws, parameters["cluster"], arn)["attributes"]
        assert "rack" not in [attribute["name"] for attribute in found]

    def invalid(self, aws):
        cluster = aws.cluster()
        lost = aws.ecs_arn(f"container-instance/{cluster}/{NOBODY}")
        parameters = {"cluster": cluster, "attributes": [{"name": "rack", "targetId": lost}]}
        return Invalid(parameters, "TargetNotFoundException", r".*")


class ListAttributes(OnOneCluster, Ecs):
    def parameters(self, aws):
        cluster, _ = instance(aws, attributes=RACK)
        return {"cluster": cluster, "targetType": "container-instance", "attributeName": "rack"}

    def check(self, aws, parameters, reply):
        (found,) = reply["attributes"]
        assert (found["name"], found["value"]) == ("rack", "r1")
        assert f":container-instance/{parameters['cluster']}/" in found["targetId"]


class DiscoverPollEndpoint(Ecs):
    def parameters(self, aws):
        cluster, arn = instance(aws)
        return {"cluster": cluster, "containerInstance": arn}

    def check(self, aws, parameters, reply):
        assert reply["endpoint"].startswith("http") and reply["telemetryEndpoint"].startswith("http")

    def invalid(self, aws):
        return Invalid({"cluster": {"not": "a string"}}, "SerializationException", r".*")
