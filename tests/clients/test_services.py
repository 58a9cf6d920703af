"""The life of a service, as boto3's own waiters see it, on a real agent in the quickstart's process engine."""

import json
import shutil

import pytest

from quickstart import Quickstart

CLUSTER = "default"
#: The waiters ask every 15 seconds by default.
OFTEN = {"Delay": 1, "MaxAttempts": 90}

pytestmark = pytest.mark.xdist_group("services")


@pytest.fixture(scope="module")
def admin(tmp_path_factory):
    with Quickstart("process", tmp_path_factory.mktemp("services") / "log") as quickstart:
        yield quickstart.administrator


def register(admin, family, script):
    shell = [shutil.which("sh"), "-c"]
    container = {"name": "app", "image": "none", "memory": 64, "entryPoint": shell, "command": [script], "stopTimeout": 2}
    reply = admin.ecs.register_task_definition(family=family, containerDefinitions=[container])
    return reply["taskDefinition"]["taskDefinitionArn"]


def described(admin, name):
    return admin.ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]


def stable(admin, name):
    admin.ecs.get_waiter("services_stable").wait(cluster=CLUSTER, services=[name], WaiterConfig=OFTEN)
    return described(admin, name)


def tasks(admin, name, status="RUNNING"):
    arns = admin.ecs.list_tasks(cluster=CLUSTER, serviceName=name, desiredStatus=status)["taskArns"]
    return admin.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []


def test_a_service_lives_from_create_to_delete(admin):
    name, family = admin.name("service"), admin.name("family")
    first = register(admin, family, "exec sleep 600")
    bounds = {
        "minimumHealthyPercent": 50,
        "maximumPercent": 200,
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
    }
    admin.ecs.create_service(
        cluster=CLUSTER, serviceName=name, taskDefinition=first, desiredCount=2, deploymentConfiguration=bounds
    )
    service = stable(admin, name)
    assert (service["runningCount"], service["pendingCount"]) == (2, 0)
    (deployment,) = service["deployments"]
    assert deployment["rolloutState"] == "COMPLETED"
    assert f"(service {name}) has reached a steady state." in [event["message"] for event in service["events"]]
    assert {task["startedBy"] for task in tasks(admin, name)} == {deployment["id"]}

    admin.ecs.update_service(cluster=CLUSTER, service=name, desiredCount=3)
    assert stable(admin, name)["runningCount"] == 3

    second = register(admin, family, "exec sleep 601")
    admin.ecs.update_service(cluster=CLUSTER, service=name, taskDefinition=family)
    assert stable(admin, name)["taskDefinition"] == second
    assert {task["taskDefinitionArn"] for task in tasks(admin, name)} == {second}

    # A definition whose tasks end before they run: the circuit breaker goes back.
    broken = admin.ecs.register_task_definition(
        family=family,
        containerDefinitions=[{"name": "app", "image": "none", "memory": 64, "entryPoint": ["/nowhere/at/all"]}],
    )["taskDefinition"]["taskDefinitionArn"]
    admin.ecs.update_service(cluster=CLUSTER, service=name, taskDefinition=broken)
    service = stable(admin, name)
    assert service["taskDefinition"] == second
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    history = admin.ecs.list_service_deployments(cluster=CLUSTER, service=name)["serviceDeployments"]
    assert history[0]["status"] == "ROLLBACK_SUCCESSFUL"

    admin.ecs.delete_service(cluster=CLUSTER, service=name, force=True)
    admin.ecs.get_waiter("services_inactive").wait(cluster=CLUSTER, services=[name], WaiterConfig=OFTEN)
    stopped = tasks(admin, name, "STOPPED")
    arns = [task["taskArn"] for task in stopped]
    admin.ecs.get_waiter("tasks_stopped").wait(cluster=CLUSTER, tasks=arns, WaiterConfig=OFTEN)
    assert {"ServiceSchedulerInitiated"} <= {task["stopCode"] for task in tasks(admin, name, "STOPPED")}


def test_a_task_that_dies_is_replaced_without_anybody_being_asked(admin):
    """The scheduler needs no permission of whoever made the service (ecs.md 15, rule 9)."""
    name = admin.name("service")
    definition = register(admin, admin.name("family"), "exec sleep 600")
    admin.ecs.create_service(cluster=CLUSTER, serviceName=name, taskDefinition=definition, desiredCount=1)
    stable(admin, name)
    (before,) = tasks(admin, name)
    admin.ecs.stop_task(cluster=CLUSTER, task=before["taskArn"])
    stable(admin, name)
    admin.ecs.get_waiter("tasks_stopped").wait(cluster=CLUSTER, tasks=[before["taskArn"]], WaiterConfig=OFTEN)
    (after,) = tasks(admin, name)
    assert after["taskArn"] != before["taskArn"]
    ran = admin.cloudtrail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "RunTask"}])
    made = [json.loads(event["CloudTrailEvent"])["responseElements"] for event in ran["Events"]]
    assert after["taskArn"] not in json.dumps(made)
    admin.ecs.delete_service(cluster=CLUSTER, service=name, force=True)
