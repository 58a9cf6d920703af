"""Service deployments and revisions (ecs.md 11)."""

import time

from case import Ecs, Invalid

PATIENCE_SECONDS = 30


def service(aws):
    """A service without tasks: the parameters that name it."""
    cluster, name = aws.cluster(), aws.name("service")
    definition = aws.task_definition()
    aws.ecs.create_service(cluster=cluster, serviceName=name, taskDefinition=definition, desiredCount=0)
    return {"cluster": cluster, "service": name}


def newest(aws, home):
    return aws.ecs.list_service_deployments(**home)["serviceDeployments"][0]


def ended(aws, home):
    """The newest deployment, once it has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "finishedAt" not in (found := newest(aws, home)):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def stuck(aws):
    """A deployment that finds no room for its tasks, after one that completed."""
    home = service(aws)
    assert ended(aws, home)["status"] == "SUCCESSFUL"
    aws.ecs.update_service(**home, desiredCount=1, forceNewDeployment=True)
    return newest(aws, home)


def missing(aws, what):
    return aws.ecs_arn(f"{what}/no-such-cluster/no-such-service/1")


def no_such_deployment(aws, **more):
    parameters = {"serviceDeploymentArn": missing(aws, "service-deployment"), **more}
    message = r"The service deployment that you specified wasn't found\."
    return Invalid(parameters, "ServiceDeploymentNotFoundException", message)


class ListServiceDeployments(Ecs):
    def parameters(self, aws):
        home = service(aws)
        ended(aws, home)
        return {**home, "status": ["SUCCESSFUL"], "maxResults": 1}

    def check(self, aws, parameters, reply):
        (found,) = reply["serviceDeployments"]
        assert found["serviceArn"] == self.resource(aws, parameters)
        assert found["status"] == "SUCCESSFUL"

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"service/{parameters['cluster']}/{parameters['service']}")

    def invalid(self, aws):
        parameters = {"cluster": aws.cluster(), "service": "no-such-service"}
        return Invalid(parameters, "ServiceNotFoundException", r"Service not found\.")


class OfHistory:
    """What is asked for by ARN is authorised on its service first."""

    def service_of(self, arn):
        head, resource = arn.rsplit(":", 1)
        _, cluster, name, _ = resource.split("/")
        return f"{head}:service/{cluster}/{name}"


class DescribeServiceDeployments(OfHistory, Ecs):
    def parameters(self, aws):
        known = newest(aws, service(aws))["serviceDeploymentArn"]
        return {"serviceDeploymentArns": [known, missing(aws, "service-deployment")]}

    def check(self, aws, parameters, reply):
        (found,) = reply["serviceDeployments"]
        known, unknown = parameters["serviceDeploymentArns"]
        assert found["serviceDeploymentArn"] == known
        assert found["deploymentConfiguration"]["maximumPercent"] == 200
        assert reply["failures"] == [{"arn": unknown, "reason": "MISSING"}]

    def resource(self, aws, parameters):
        return self.service_of(parameters["serviceDeploymentArns"][0])

    def invalid(self, aws):
        message = r"serviceDeploymentArns can not be empty\."
        return Invalid({"serviceDeploymentArns": []}, "InvalidParameterException", message)


class DescribeServiceRevisions(OfHistory, Ecs):
    def parameters(self, aws):
        known = newest(aws, service(aws))["targetServiceRevisionArn"]
        return {"serviceRevisionArns": [known, missing(aws, "service-revision")]}

    def check(self, aws, parameters, reply):
        (found,) = reply["serviceRevisions"]
        known, unknown = parameters["serviceRevisionArns"]
        assert found["serviceRevisionArn"] == known
        assert found["launchType"] == "EC2"
        assert [image["containerName"] for image in found["containerImages"]] == ["app"]
        assert reply["failures"] == [{"arn": unknown, "reason": "MISSING"}]

    def resource(self, aws, parameters):
        return self.service_of(parameters["serviceRevisionArns"][0])

    def invalid(self, aws):
        message = r"Invalid identifier: no-arn"
        return Invalid({"serviceRevisionArns": ["no-arn"]}, "InvalidParameterException", message)


class StopServiceDeployment(OfHistory, Ecs):
    def parameters(self, aws):
        return {"serviceDeploymentArn": stuck(aws)["serviceDeploymentArn"], "stopType": "ROLLBACK"}

    def check(self, aws, parameters, reply):
        arns = [parameters["serviceDeploymentArn"]]
        (found,) = aws.ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
        assert found["status"].startswith("ROLLBACK_")
        assert "stoppedAt" in found

    def resource(self, aws, parameters):
        return self.service_of(parameters["serviceDeploymentArn"])

    def invalid(self, aws):
        return no_such_deployment(aws)


class ContinueServiceDeployment(OfHistory, Ecs):
    #: Nothing pauses at a hook, because there are no hooks (docs/fidelity.md).
    can_succeed = False

    def parameters(self, aws):
        return {"serviceDeploymentArn": newest(aws, service(aws))["serviceDeploymentArn"], "hookId": "hook"}

    def resource(self, aws, parameters):
        return self.service_of(parameters["serviceDeploymentArn"])

    def invalid(self, aws):
        return no_such_deployment(aws, hookId="hook")
