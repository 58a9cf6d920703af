"""Task sets (ecs.md 11)."""

from account import tags
from case import Ecs, Invalid

PERCENT = {"value": 25.0, "unit": "PERCENT"}


def external(aws):
    """A service that wants 4 tasks and leaves their versions to task sets: its cluster and its name."""
    cluster, name = aws.cluster(), aws.name("service")
    controller = {"type": "EXTERNAL"}
    aws.ecs.create_service(cluster=cluster, serviceName=name, desiredCount=4, deploymentController=controller)
    return {"cluster": cluster, "service": name}


def task_set(aws, **more):
    """A task set of a service of its own: the parameters that name it."""
    home = external(aws)
    made = aws.ecs.create_task_set(**home, taskDefinition=aws.task_definition(), **more)["taskSet"]
    return {**home, "taskSet": made["id"]}


def found(aws, parameters, task_set):
    home = {name: parameters[name] for name in ("cluster", "service")}
    reply = aws.ecs.describe_task_sets(**home, taskSets=[task_set], include=["TAGS"])
    return reply["taskSets"][0] if reply["taskSets"] else None


def set_arn(aws, parameters, task_set):
    return aws.ecs_arn(f"task-set/{parameters['cluster']}/{parameters['service']}/{task_set}")


def no_such_set(aws, member="taskSet", **more):
    parameters = {**external(aws), member: "ecs-svc/1", **more}
    return Invalid(parameters, "TaskSetNotFoundException", r"The specified task set does not exist\.")


class CreateTaskSet(Ecs):
    def parameters(self, aws):
        return {
            **external(aws),
            "taskDefinition": aws.task_definition(),
            "externalId": "blue",
            "scale": PERCENT,
            "tags": tags("ecs", Owner="richard-roe"),
        }

    def check(self, aws, parameters, reply):
        made = found(aws, parameters, reply["taskSet"]["id"])
        assert (made["status"], made["externalId"], made["scale"]) == ("ACTIVE", "blue", PERCENT)
        assert (made["computedDesiredCount"], made["taskDefinition"]) == (1, parameters["taskDefinition"])
        assert made["tags"] == parameters["tags"]

    def resource(self, aws, parameters):
        return set_arn(aws, parameters, "*")

    def invalid(self, aws):
        parameters = {"cluster": aws.cluster(), "service": "no-such-service", "taskDefinition": aws.task_definition()}
        return Invalid(parameters, "ServiceNotFoundException", r"Service not found\.")


class UpdateTaskSet(Ecs):
    def parameters(self, aws):
        return {**task_set(aws), "scale": PERCENT}

    def check(self, aws, parameters, reply):
        assert found(aws, parameters, parameters["taskSet"])["computedDesiredCount"] == 1

    def resource(self, aws, parameters):
        return set_arn(aws, parameters, parameters["taskSet"])

    def invalid(self, aws):
        return no_such_set(aws, scale=PERCENT)


class DeleteTaskSet(Ecs):
    def parameters(self, aws):
        return {**task_set(aws, scale=PERCENT), "force": True}

    def check(self, aws, parameters, reply):
        assert reply["taskSet"]["status"] == "DRAINING"
        left = found(aws, parameters, parameters["taskSet"])
        assert left is None or left["status"] == "DRAINING"

    def resource(self, aws, parameters):
        return set_arn(aws, parameters, parameters["taskSet"])

    def invalid(self, aws):
        return no_such_set(aws)


class DescribeTaskSets(Ecs):
    def parameters(self, aws):
        parameters = task_set(aws)
        known = parameters.pop("taskSet")
        return {**parameters, "taskSets": [known, "ecs-svc/1"]}

    def check(self, aws, parameters, reply):
        (known,) = reply["taskSets"]
        assert known["id"] == parameters["taskSets"][0]
        assert reply["failures"] == [{"arn": set_arn(aws, parameters, "ecs-svc/1"), "reason": "MISSING"}]

    def resource(self, aws, parameters):
        return set_arn(aws, parameters, parameters["taskSets"][0])

    def invalid(self, aws):
        parameters = {"cluster": aws.cluster(), "service": "no-such-service"}
        return Invalid(parameters, "ServiceNotFoundException", r"Service not found\.")


class UpdateServicePrimaryTaskSet(Ecs):
    def parameters(self, aws):
        parameters = task_set(aws)
        primary = parameters.pop("taskSet")
        return {**parameters, "primaryTaskSet": primary}

    def check(self, aws, parameters, reply):
        primary = found(aws, parameters, parameters["primaryTaskSet"])
        assert primary["status"] == "PRIMARY"
        cluster, name = parameters["cluster"], parameters["service"]
        (service,) = aws.ecs.describe_services(cluster=cluster, services=[name])["services"]
        assert service["taskDefinition"] == primary["taskDefinition"]

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"service/{parameters['cluster']}/{parameters['service']}")

    def invalid(self, aws):
        return no_such_set(aws, "primaryTaskSet")
