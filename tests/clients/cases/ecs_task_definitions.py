"""Task definitions (ecs.md 7)."""

from account import container, tags
from case import Ecs, Invalid


class RegisterTaskDefinition(Ecs):
    def parameters(self, aws):
        return {
            "family": aws.name("family"),
            "containerDefinitions": [container(environment=[{"name": "A", "value": "1"}])],
            "cpu": "1 vCPU",
            "memory": "1GB",
            "tags": tags("ecs", Department="QA"),
        }

    def check(self, aws, parameters, reply):
        reply = aws.ecs.describe_task_definition(taskDefinition=parameters["family"], include=["TAGS"])
        found = reply["taskDefinition"]
        assert (found["revision"], found["status"]) == (1, "ACTIVE")
        assert (found["cpu"], found["memory"]) == ("1024", "1024")
        assert found["containerDefinitions"][0]["essential"] is True
        assert found["registeredBy"] == aws.arn
        assert reply["tags"] == parameters["tags"]

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"task-definition/{parameters['family']}:*")

    def invalid(self, aws):
        homeless = {"name": "c", "image": "busybox"}
        return Invalid(
            {"family": "f", "containerDefinitions": [homeless]},
            "ClientException",
            r"Invalid setting for container 'c'\. At least one of 'memory' or 'memoryReservation' must be specified\.",
        )


class DescribeTaskDefinition(Ecs):
    def parameters(self, aws):
        arn = aws.task_definition(tags=tags("ecs", Department="QA"))
        return {"taskDefinition": arn, "include": ["TAGS"]}

    def check(self, aws, parameters, reply):
        assert reply["taskDefinition"]["taskDefinitionArn"] == parameters["taskDefinition"]
        assert reply["tags"] == tags("ecs", Department="QA")

    def invalid(self, aws):
        message = r"Unable to describe task definition\."
        return Invalid({"taskDefinition": "no-such-family"}, "ClientException", message)


class ListTaskDefinitions(Ecs):
    def parameters(self, aws):
        family = aws.name("family")
        aws.task_definition(family), aws.task_definition(family)
        return {"familyPrefix": family, "sort": "DESC"}

    def check(self, aws, parameters, reply):
        family = parameters["familyPrefix"]
        assert reply["taskDefinitionArns"] == [aws.ecs_arn(f"task-definition/{family}:{n}") for n in (2, 1)]

    def invalid(self, aws):
        return Invalid({"status": "LOST"}, "InvalidParameterException", r".*")


class ListTaskDefinitionFamilies(Ecs):
    def parameters(self, aws):
        family = aws.name("family")
        aws.task_definition(family)
        return {"familyPrefix": family[:-1]}

    def check(self, aws, parameters, reply):
        (family,) = reply["families"]
        assert family.startswith(parameters["familyPrefix"])

    def invalid(self, aws):
        return Invalid({"nextToken": "not-a-token"}, "InvalidParameterException", r"Invalid token\.")


class DeregisterTaskDefinition(Ecs):
    def parameters(self, aws):
        return {"taskDefinition": aws.task_definition()}

    def check(self, aws, parameters, reply):
        arn = parameters["taskDefinition"]
        found = aws.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        assert found["status"] == "INACTIVE" and found["deregisteredAt"]
        family = found["family"]
        assert aws.ecs.list_task_definitions(familyPrefix=family)["taskDefinitionArns"] == []
        assert aws.task_definition(family).endswith(":2")

    def invalid(self, aws):
        return Invalid({"taskDefinition": "family-alone"}, "ClientException", r"Revision is missing\.")


class DeleteTaskDefinitions(Ecs):
    def parameters(self, aws):
        active, inactive = aws.task_definition(), aws.task_definition()
        aws.ecs.deregister_task_definition(taskDefinition=inactive)
        return {"taskDefinitions": [inactive, active]}

    def check(self, aws, parameters, reply):
        inactive, active = parameters["taskDefinitions"]
        (deleted,) = reply["taskDefinitions"]
        assert (deleted["taskDefinitionArn"], deleted["status"]) == (inactive, "DELETE_IN_PROGRESS")
        (failure,) = reply["failures"]
        assert failure["arn"] == active and "still in ACTIVE status" in failure["reason"]
        family = deleted["family"]
        assert aws.ecs.list_task_definitions(familyPrefix=family, status="INACTIVE")["taskDefinitionArns"] == []

    def resource(self, aws, parameters):
        return parameters["taskDefinitions"][0]

    def invalid(self, aws):
        eleven = [aws.ecs_arn(f"task-definition/f:{n}") for n in range(1, 12)]
        message = r"Size of TaskDefinition references list cannot exceed 10"
        return Invalid({"taskDefinitions": eleven}, "InvalidParameterException", message)
