"""Daemon task definitions."""

from account import container, tags
from case import Ecs, Invalid


def daemon_task_definition(aws):
    reply = aws.ecs.register_daemon_task_definition(
        family=aws.name("daemon"), containerDefinitions=[container()]
    )
    return reply["daemonTaskDefinitionArn"]


class RegisterDaemonTaskDefinition(Ecs):
    def parameters(self, aws):
        return {
            "family": aws.name("daemon"),
            "containerDefinitions": [container(environment=[{"name": "A", "value": "1"}])],
            "cpu": "1 vCPU",
            "tags": tags("ecs", Department="QA"),
        }

    def check(self, aws, parameters, reply):
        arn = reply["daemonTaskDefinitionArn"]
        found = aws.ecs.describe_daemon_task_definition(daemonTaskDefinition=arn)["daemonTaskDefinition"]
        assert (found["revision"], found["status"], found["cpu"]) == (1, "ACTIVE", "1024")
        assert aws.ecs.list_tags_for_resource(resourceArn=arn)["tags"] == parameters["tags"]

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"daemon-task-definition/{parameters['family']}:*")

    def invalid(self, aws):
        return Invalid(
            {"family": "f f", "containerDefinitions": [container()]},
            "ClientException",
            r"Family contains invalid characters\.",
        )


class DescribeDaemonTaskDefinition(Ecs):
    def parameters(self, aws):
        return {"daemonTaskDefinition": daemon_task_definition(aws)}

    def check(self, aws, parameters, reply):
        found = reply["daemonTaskDefinition"]
        assert found["daemonTaskDefinitionArn"] == parameters["daemonTaskDefinition"]
        waiter = aws.ecs.get_waiter("daemon_task_definition_active")
        waiter.wait(daemonTaskDefinition=parameters["daemonTaskDefinition"])

    def resource(self, aws, parameters):
        return parameters["daemonTaskDefinition"]

    def invalid(self, aws):
        message = r"Unable to describe daemon task definition\."
        return Invalid({"daemonTaskDefinition": "no-such-family"}, "ClientException", message)


class ListDaemonTaskDefinitions(Ecs):
    def parameters(self, aws):
        return {"family": daemon_task_definition(aws).split("/")[1].split(":")[0]}

    def check(self, aws, parameters, reply):
        (found,) = reply["daemonTaskDefinitions"]
        assert found["arn"] == aws.ecs_arn(f"daemon-task-definition/{parameters['family']}:1")

    def invalid(self, aws):
        return Invalid({"nextToken": "not-a-token"}, "InvalidParameterException", r"Invalid token\.")


class DeleteDaemonTaskDefinition(Ecs):
    def parameters(self, aws):
        return {"daemonTaskDefinition": daemon_task_definition(aws)}

    def check(self, aws, parameters, reply):
        waiter = aws.ecs.get_waiter("daemon_task_definition_deleted")
        waiter.wait(daemonTaskDefinition=parameters["daemonTaskDefinition"])

    def resource(self, aws, parameters):
        return parameters["daemonTaskDefinition"]

    def invalid(self, aws):
        return Invalid({"daemonTaskDefinition": "f"}, "ClientException", r"Revision is missing\.")
