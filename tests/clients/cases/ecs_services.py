"""Services (ecs.md 11)."""

from account import tags
from case import Ecs, Invalid


def no_such_cluster(parameters):
    return Invalid({**parameters, "cluster": "no-such-cluster"}, "ClusterNotFoundException", r"Cluster not found\.")


def described(aws, parameters, name, include=()):
    reply = aws.ecs.describe_services(cluster=parameters["cluster"], services=[name], include=list(include))
    return reply["services"][0]


def service(aws, **more):
    """A service without tasks: its cluster and its name."""
    cluster, name = aws.cluster(), aws.name("service")
    definition = aws.task_definition()
    aws.ecs.create_service(cluster=cluster, serviceName=name, taskDefinition=definition, desiredCount=0, **more)
    return cluster, name


class CreateService(Ecs):
    def parameters(self, aws):
        return {
            "cluster": aws.cluster(),
            "serviceName": aws.name("service"),
            "taskDefinition": aws.task_definition(),
            "desiredCount": 0,
            "tags": tags("ecs", Owner="richard-roe"),
        }

    def check(self, aws, parameters, reply):
        found = described(aws, parameters, parameters["serviceName"], ["TAGS"])
        assert (found["status"], found["desiredCount"]) == ("ACTIVE", 0)
        assert found["taskDefinition"] == parameters["taskDefinition"]
        assert found["tags"] == parameters["tags"]

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"service/{parameters['cluster']}/{parameters['serviceName']}")

    def invalid(self, aws):
        return no_such_cluster(self.parameters(aws))


class UpdateService(Ecs):
    def parameters(self, aws):
        cluster, name = service(aws, propagateTags="SERVICE")
        self.definition = aws.task_definition()
        return {
            "cluster": cluster,
            "service": name,
            "taskDefinition": self.definition,
            "desiredCount": 2,
            "deploymentConfiguration": {"minimumHealthyPercent": 50, "maximumPercent": 150},
        }

    def check(self, aws, parameters, reply):
        found = described(aws, parameters, parameters["service"])
        assert (found["taskDefinition"], found["desiredCount"]) == (self.definition, 2)
        assert found["deploymentConfiguration"]["maximumPercent"] == 150
        assert found["propagateTags"] == "SERVICE"
        primary = found["deployments"][0]
        assert (primary["status"], primary["taskDefinition"]) == ("PRIMARY", self.definition)

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"service/{parameters['cluster']}/{parameters['service']}")

    def invalid(self, aws):
        parameters = {"cluster": aws.cluster(), "service": "no-such-service"}
        return Invalid(parameters, "ServiceNotFoundException", r"Service not found\.")


class DescribeServices(Ecs):
    def parameters(self, aws):
        cluster, name = service(aws)
        return {"cluster": cluster, "services": [name, "no-such-service"]}

    def check(self, aws, parameters, reply):
        (found,) = reply["services"]
        assert found["serviceName"] == parameters["services"][0]
        missing = aws.ecs_arn(f"service/{parameters['cluster']}/no-such-service")
        assert reply["failures"] == [{"arn": missing, "reason": "MISSING"}]

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"service/{parameters['cluster']}/{parameters['services'][0]}")

    def invalid(self, aws):
        return no_such_cluster({"services": ["s"]})


class ListServices(Ecs):
    def parameters(self, aws):
        cluster, self.name = service(aws)
        return {"cluster": cluster}

    def check(self, aws, parameters, reply):
        assert reply["serviceArns"] == [aws.ecs_arn(f"service/{parameters['cluster']}/{self.name}")]

    def invalid(self, aws):
        return no_such_cluster({})


class ListServicesByNamespace(Ecs):
    def parameters(self, aws):
        namespace = f"arn:aws:servicediscovery:us-east-1:123456789012:namespace/{aws.name('ns')}"
        aws.cluster(serviceConnectDefaults={"namespace": namespace})
        return {"namespace": namespace}

    def check(self, aws, parameters, reply):
        assert reply["serviceArns"] == []

    def invalid(self, aws):
        message = r"The specified namespace wasn't found\."
        return Invalid({"namespace": "no-such-namespace"}, "NamespaceNotFoundException", message)


class DeleteService(Ecs):
    def parameters(self, aws):
        cluster, name = service(aws)
        return {"cluster": cluster, "service": name}

    def check(self, aws, parameters, reply):
        assert aws.ecs.list_services(cluster=parameters["cluster"])["serviceArns"] == []
        assert described(aws, parameters, parameters["service"])["status"] in ("DRAINING", "INACTIVE")

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"service/{parameters['cluster']}/{parameters['service']}")

    def invalid(self, aws):
        parameters = {"cluster": aws.cluster(), "service": "no-such-service"}
        return Invalid(parameters, "ServiceNotFoundException", r"Service not found\.")
