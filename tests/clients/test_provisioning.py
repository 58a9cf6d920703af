"""Tasks that wait for room of a capacity provider with managed scaling, as boto3 sees them (ecs.md 3)."""

import time

import pytest

from agent import ConnectedAgent

CAPABLE = {"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"}


@pytest.fixture
def scaled(shared_administrator):
    """A cluster without instances, whose default is a capacity provider that scales; what hosts of its group say."""
    aws = shared_administrator
    cluster, provider, group = aws.cluster(), aws.name("provider"), aws.name("hosts")
    aws.ecs.create_capacity_provider(
        name=provider,
        autoScalingGroupProvider={"autoScalingGroupArn": group, "managedScaling": {"status": "ENABLED"}},
    )
    aws.ecs.put_cluster_capacity_providers(
        cluster=cluster,
        capacityProviders=[provider],
        defaultCapacityProviderStrategy=[{"capacityProvider": provider}],
    )
    attributes = ({"name": "portcullis.auto-scaling-group", "value": group}, CAPABLE)
    return aws, cluster, provider, attributes


def task_of(aws, cluster, arn):
    return aws.ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]


def until(holds):
    """What `holds` returns as soon as it is something."""
    for _ in range(500):
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError("it never came")


def test_a_task_without_room_is_provisioning_until_a_host_joins(scaled):
    aws, cluster, provider, attributes = scaled
    reply = aws.ecs.run_task(cluster=cluster, taskDefinition=aws.task_definition())
    assert reply["failures"] == []
    (task,) = reply["tasks"]
    arn = task["taskArn"]
    assert (task["lastStatus"], task["desiredStatus"]) == ("PROVISIONING", "RUNNING")
    assert task["capacityProviderName"] == provider
    waiting = task_of(aws, cluster, arn)
    assert waiting["lastStatus"] == "PROVISIONING" and "containerInstanceArn" not in waiting
    assert aws.ecs.list_tasks(cluster=cluster)["taskArns"] == [arn]
    (described,) = aws.ecs.describe_clusters(clusters=[cluster])["clusters"]
    assert (described["pendingTasksCount"], described["runningTasksCount"]) == (1, 0)

    stranger = ConnectedAgent(aws, cluster)
    host = ConnectedAgent(aws, cluster, attributes)
    try:
        until(lambda: arn in host.tasks)
        assert arn not in stranger.tasks
        placed = task_of(aws, cluster, arn)
        assert (placed["lastStatus"], placed["containerInstanceArn"]) == ("PENDING", host.arn)
        containers = [{"containerName": container["name"], "status": "RUNNING"} for container in placed["containers"]]
        aws.ecs.submit_task_state_change(
            cluster=cluster, task=arn, status="RUNNING", reason="", containers=containers
        )
        running = until(lambda: (now := task_of(aws, cluster, arn))["lastStatus"] == "RUNNING" and now)
        assert running["startedAt"] >= running["createdAt"]
    finally:
        host.close()
        stranger.close()


def test_a_task_that_is_stopped_while_it_waits_never_gets_a_host(scaled):
    aws, cluster, _, attributes = scaled
    (task,) = aws.ecs.run_task(cluster=cluster, taskDefinition=aws.task_definition())["tasks"]
    stopped = aws.ecs.stop_task(cluster=cluster, task=task["taskArn"], reason="not needed")["task"]
    assert stopped["desiredStatus"] == "STOPPED"
    over = until(lambda: (now := task_of(aws, cluster, task["taskArn"]))["lastStatus"] == "STOPPED" and now)
    assert over["stoppedReason"] == "not needed" and "containerInstanceArn" not in over
    host = ConnectedAgent(aws, cluster, attributes)
    try:
        (later,) = aws.ecs.run_task(cluster=cluster, taskDefinition=aws.task_definition())["tasks"]
        until(lambda: later["taskArn"] in host.tasks)
        assert set(host.tasks) == {later["taskArn"]}
    finally:
        host.close()
