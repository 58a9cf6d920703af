"""Tasks and what the agent reports of them (ecs.md 8 and 9)."""

from account import tags
from case import Ecs, Invalid
from exec_host import ExecHost

NOBODY = "0" * 32


def described(aws, task, include=()):
    cluster = task["clusterArn"]
    return aws.ecs.describe_tasks(cluster=cluster, tasks=[task["taskArn"]], include=list(include))["tasks"][0]


class RunTask(Ecs):
    def parameters(self, aws):
        assert aws.busy_instance
        return {
            "cluster": aws.busy_cluster,
            "taskDefinition": aws.task_definition(),
            "count": 2,
            "startedBy": "client-tests",
            "tags": tags("ecs", Department="QA"),
        }

    def check(self, aws, parameters, reply):
        assert reply["failures"] == []
        assert len(reply["tasks"]) == 2
        for task in reply["tasks"]:
            found = described(aws, task, ["TAGS"])
            assert (found["lastStatus"], found["desiredStatus"]) == ("PENDING", "RUNNING")
            assert found["taskDefinitionArn"] == parameters["taskDefinition"]
            assert (found["startedBy"], found["tags"]) == ("client-tests", parameters["tags"])
            assert found["group"].startswith("family:")

    def resource(self, aws, parameters):
        return parameters["taskDefinition"]

    def invalid(self, aws):
        parameters = {"cluster": aws.busy_cluster, "taskDefinition": aws.task_definition(), "count": 11}
        return Invalid(parameters, "InvalidParameterException", r".*")


class StartTask(Ecs):
    def parameters(self, aws):
        return {
            "cluster": aws.busy_cluster,
            "taskDefinition": aws.task_definition(),
            "containerInstances": [aws.busy_instance],
        }

    def check(self, aws, parameters, reply):
        (task,) = reply["tasks"]
        assert described(aws, task)["containerInstanceArn"] == aws.busy_instance

    def resource(self, aws, parameters):
        return parameters["taskDefinition"]

    def invalid(self, aws):
        parameters = {"cluster": "no-such-cluster", "taskDefinition": aws.task_definition()}
        parameters["containerInstances"] = [NOBODY]
        return Invalid(parameters, "ClusterNotFoundException", r"Cluster not found\.")


class StopTask(Ecs):
    def parameters(self, aws):
        return {"cluster": aws.busy_cluster, "task": aws.task()["taskArn"], "reason": "no longer needed"}

    def check(self, aws, parameters, reply):
        found = described(aws, reply["task"])
        assert (found["desiredStatus"], found["stopCode"]) == ("STOPPED", "UserInitiated")
        assert found["stoppedReason"] == "no longer needed"

    def resource(self, aws, parameters):
        return parameters["task"]

    def invalid(self, aws):
        message = r"The referenced task was not found\."
        return Invalid({"cluster": aws.busy_cluster, "task": NOBODY}, "InvalidParameterException", message)


class DescribeTasks(Ecs):
    def parameters(self, aws):
        return {"cluster": aws.busy_cluster, "tasks": [aws.task()["taskArn"], NOBODY]}

    def check(self, aws, parameters, reply):
        (found,) = reply["tasks"]
        assert found["taskArn"] == parameters["tasks"][0]
        assert found["containers"][0]["name"] == "app"
        missing = aws.ecs_arn(f"task/{aws.busy_cluster}/{NOBODY}")
        assert reply["failures"] == [{"arn": missing, "reason": "MISSING"}]

    def resource(self, aws, parameters):
        return parameters["tasks"][0]

    def invalid(self, aws):
        message = r"Tasks cannot be empty\."
        return Invalid({"cluster": aws.busy_cluster, "tasks": []}, "InvalidParameterException", message)


class ListTasks(Ecs):
    def parameters(self, aws):
        family = aws.name("family")
        aws.task(aws.task_definition(family))
        return {"cluster": aws.busy_cluster, "family": family}

    def check(self, aws, parameters, reply):
        (arn,) = reply["taskArns"]
        assert f":task/{aws.busy_cluster}/" in arn
        stopped = aws.ecs.list_tasks(**parameters, desiredStatus="STOPPED")
        assert stopped["taskArns"] == []

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"container-instance/{parameters['cluster']}/*")

    def invalid(self, aws):
        return Invalid({"cluster": "no-such-cluster"}, "ClusterNotFoundException", r"Cluster not found\.")


class GetTaskProtection(Ecs):
    def parameters(self, aws):
        return {"cluster": aws.busy_cluster, "tasks": [aws.task()["taskArn"], NOBODY]}

    def check(self, aws, parameters, reply):
        standalone = {"arn": parameters["tasks"][0], "reason": "TASK_NOT_VALID"}
        missing = {"arn": aws.ecs_arn(f"task/{aws.busy_cluster}/{NOBODY}"), "reason": "MISSING"}
        assert (reply["protectedTasks"], reply["failures"]) == ([], [standalone, missing])

    def resource(self, aws, parameters):
        return parameters["tasks"][0]

    def invalid(self, aws):
        parameters = {"cluster": aws.busy_cluster, "tasks": []}
        return Invalid(parameters, "InvalidParameterException", r"Tasks cannot be empty\.")


class UpdateTaskProtection(Ecs):
    def parameters(self, aws):
        task = aws.task()["taskArn"]
        return {"cluster": aws.busy_cluster, "tasks": [task], "protectionEnabled": True, "expiresInMinutes": 5}

    def check(self, aws, parameters, reply):
        # Protection is for tasks of services; those are tested where services run.
        standalone = {"arn": parameters["tasks"][0], "reason": "TASK_NOT_VALID"}
        assert (reply["protectedTasks"], reply["failures"]) == ([], [standalone])

    def resource(self, aws, parameters):
        return parameters["tasks"][0]

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "expiresInMinutes": 2881}
        message = r"expiresInMinutes must be between 1 and 2880\."
        return Invalid(parameters, "InvalidParameterException", message)


class ExecuteCommand(Ecs):
    # The CLI hands the session to a plugin; test_exec.py lets it.
    is_in_cli = False

    def parameters(self, aws):
        # Kept: its channel closes with it.
        self.host = ExecHost(aws)
        return {"cluster": aws.busy_cluster, "task": self.host.task, "command": "/bin/sh", "interactive": True}

    def check(self, aws, parameters, reply):
        assert (reply["taskArn"], reply["containerName"]) == (parameters["task"], "app")
        session = reply["session"]
        assert session["sessionId"].startswith("ecs-execute-command-")
        assert f"/v1/data-channel/{session['sessionId']}" in session["streamUrl"]
        assert len(session["tokenValue"]) >= 40

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"cluster/{parameters['cluster']}")

    def invalid(self, aws):
        parameters = {"cluster": aws.busy_cluster, "task": NOBODY, "command": "sh", "interactive": False}
        message = r"Interactive is the only mode supported currently\."
        return Invalid(parameters, "InvalidParameterException", message)


class FromTheAgent:
    """Calls an agent makes, authorised on its cluster."""

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"cluster/{parameters['cluster']}")

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "cluster": "no-such-cluster"}
        return Invalid(parameters, "ClusterNotFoundException", r"Cluster not found\.")


class SubmitTaskStateChange(FromTheAgent, Ecs):
    def parameters(self, aws):
        running = {"containerName": "app", "status": "RUNNING", "runtimeId": "9e8f"}
        task = aws.task()["taskArn"]
        return {"cluster": aws.busy_cluster, "task": task, "status": "RUNNING", "containers": [running]}

    def check(self, aws, parameters, reply):
        assert reply["acknowledgment"] == "ACK"
        (found,) = aws.ecs.describe_tasks(cluster=aws.busy_cluster, tasks=[parameters["task"]])["tasks"]
        assert found["lastStatus"] == "RUNNING" and found["startedAt"]
        assert (found["containers"][0]["lastStatus"], found["containers"][0]["runtimeId"]) == ("RUNNING", "9e8f")
        aws.ecs.submit_task_state_change(**{**parameters, "status": "PENDING"})
        (late,) = aws.ecs.describe_tasks(cluster=aws.busy_cluster, tasks=[parameters["task"]])["tasks"]
        assert late["lastStatus"] == "RUNNING", "statuses only move forward"


class SubmitContainerStateChange(FromTheAgent, Ecs):
    def parameters(self, aws):
        task = aws.task()["taskArn"]
        change = {"containerName": "app", "status": "RUNNING", "runtimeId": "9e8f"}
        return {"cluster": aws.busy_cluster, "task": task, **change}

    def check(self, aws, parameters, reply):
        assert reply["acknowledgment"] == "ACK"
        (found,) = aws.ecs.describe_tasks(cluster=aws.busy_cluster, tasks=[parameters["task"]])["tasks"]
        assert found["containers"][0]["lastStatus"] == "RUNNING"


class SubmitAttachmentStateChanges(FromTheAgent, Ecs):
    def parameters(self, aws):
        arn = aws.ecs_arn(f"attachment/{'0' * 8}-0000-0000-0000-{'0' * 12}")
        attachments = [{"attachmentArn": arn, "status": "ATTACHED"}]
        return {"cluster": aws.busy_cluster, "attachments": attachments}

    def check(self, aws, parameters, reply):
        assert reply["acknowledgment"] == "ACK"
