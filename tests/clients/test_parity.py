"""Those of the parity tests (docs/ecs-parity.md) that want unmodified clients, or several things of a cluster at once."""

import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from account import tags
from agent import ConnectedAgent
from errors import refused
from server import ROOT

ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")


def test_3_a_cluster_that_holds_something_is_not_deleted(aws):
    definition = aws.task_definition()

    def refuses(cluster, holding):
        with refused(f"ClusterContains{holding}Exception"):
            aws.ecs.delete_cluster(cluster=cluster)

    cluster = aws.cluster()
    aws.ecs.create_service(cluster=cluster, serviceName="s", taskDefinition=definition, desiredCount=0)
    refuses(cluster, "Services")
    cluster = aws.cluster()
    instance = aws.container_instance(cluster)
    refuses(cluster, "ContainerInstances")
    aws.ecs.deregister_container_instance(cluster=cluster, containerInstance=instance)
    aws.ecs.delete_cluster(cluster=cluster)

    cluster = aws.cluster()
    agent = ConnectedAgent(aws, cluster)
    aws.ecs.run_task(cluster=cluster, taskDefinition=definition)
    with refused("ClusterContains(Tasks|ContainerInstances)Exception"):
        aws.ecs.delete_cluster(cluster=cluster)
    agent.close()


@pytest.fixture(scope="module")
def nine(shared_administrator):
    """A cluster of three zones with three instances each: its name, and the zone of each instance."""
    aws = shared_administrator
    cluster, zones = aws.cluster(), {}
    with ExitStack() as stack:
        for zone in ZONES:
            for _ in range(3):
                agent = ConnectedAgent(aws, cluster, [{"name": "ecs.availability-zone", "value": zone}])
                stack.callback(agent.close)
                zones[agent.arn] = zone
        yield cluster, zones


def placed(aws, cluster, count, **more):
    """The instances of new tasks that count for nobody else, and the reasons of those not placed."""
    more.setdefault("group", aws.name("group"))
    reply = aws.ecs.run_task(cluster=cluster, taskDefinition=aws.task_definition(), count=count, **more)
    return [task["containerInstanceArn"] for task in reply["tasks"]], [failure["reason"] for failure in reply["failures"]]


BY_ZONE = {"type": "spread", "field": "attribute:ecs.availability-zone"}
BY_INSTANCE = {"type": "spread", "field": "instanceId"}


@pytest.mark.parametrize("count", [3, 6, 9])
def test_12_spread_over_zones_and_then_instances(aws, nine, count):
    cluster, zones = nine
    instances, failures = placed(aws, cluster, count, placementStrategy=[BY_ZONE, BY_INSTANCE])
    assert failures == []
    assert set(Counter(zones[one] for one in instances).values()) == {count // 3}
    assert set(Counter(instances).values()) == {1}


def test_12_binpack_within_zones(aws, nine):
    cluster, zones = nine
    instances, _ = placed(aws, cluster, 9, placementStrategy=[BY_ZONE, {"type": "binpack", "field": "memory"}])
    assert Counter(zones[one] for one in instances) == dict.fromkeys(ZONES, 3)
    assert sorted(Counter(instances).values()) == [3, 3, 3]


def test_12_binpack_fills_one(aws, nine):
    cluster, _ = nine
    instances, _ = placed(aws, cluster, 10, placementStrategy=[{"type": "binpack", "field": "memory"}])
    assert len(set(instances)) == 1


def test_12_distinct_instances_are_as_many_as_there_are(aws, nine):
    cluster, zones = nine
    constraints = [{"type": "distinctInstance"}]
    instances, failures = placed(aws, cluster, 10, placementConstraints=constraints)
    assert sorted(instances) == sorted(zones)
    # One failure for each instance that was looked at.
    assert set(failures) == {"DistinctInstance placement constraint unsatisfied."}
    group = aws.name("group")
    in_one = [*constraints, {"type": "memberOf", "expression": f"attribute:ecs.availability-zone == {ZONES[1]}"}]
    instances, _ = placed(aws, cluster, 5, placementConstraints=in_one, group=group)
    assert Counter(zones[one] for one in instances) == {ZONES[1]: 3}


def wait_by_cli(aws, directory, *words):
    """`aws ecs wait ...`: how it ends."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "AWS_ACCESS_KEY_ID": aws.credentials["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": aws.credentials["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": aws.region,
        "AWS_ENDPOINT_URL": aws.url,
    }
    command = [sys.executable, str(Path(sys.executable).with_name("aws")), "ecs", "wait", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False).returncode


def test_15_the_waiters_of_the_aws_cli(aws, tmp_path):
    cluster = aws.cluster()
    service = {"cluster": cluster, "serviceName": "s", "taskDefinition": aws.task_definition(), "desiredCount": 0}
    aws.ecs.create_service(**service)
    named = ("--cluster", cluster, "--services", "s")
    assert wait_by_cli(aws, tmp_path, "services-stable", *named) == 0
    aws.ecs.delete_service(cluster=cluster, service="s")
    assert wait_by_cli(aws, tmp_path, "services-inactive", *named) == 0
    assert wait_by_cli(aws, tmp_path, "services-stable", *named) != 0
    unknown = ("--cluster", cluster, "--services", "unknown")
    assert wait_by_cli(aws, tmp_path, "services-inactive", *unknown) != 0


def test_19_fifty_tags_and_none_of_awss_own(aws):
    fifty = tags("ecs", **{f"k{number}": "v" for number in range(50)})
    one_more = tags("ecs", more="v")
    cluster = aws.name("cluster")
    with refused("InvalidParameterException|LimitExceededException"):
        aws.ecs.create_cluster(clusterName=cluster, tags=fifty + one_more)
    arn = aws.ecs.create_cluster(clusterName=cluster, tags=fifty)["cluster"]["clusterArn"]
    with refused("LimitExceededException"):
        aws.ecs.tag_resource(resourceArn=arn, tags=one_more)
    aws.ecs.tag_resource(resourceArn=arn, tags=tags("ecs", k0="another"))
    for reserved in ("aws:mine", "AWS:mine"):
        with refused("InvalidParameterException"):
            aws.ecs.tag_resource(resourceArn=arn, tags=[{"key": reserved, "value": "v"}])
        with refused("InvalidParameterException"):
            aws.ecs.untag_resource(resourceArn=arn, tagKeys=[reserved])
        with refused("InvalidParameterException"):
            aws.ecs.create_cluster(clusterName=aws.name("cluster"), tags=[{"key": reserved, "value": "v"}])


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("managed", [False, True])
@pytest.mark.parametrize("propagate", [None, "TASK_DEFINITION"])
@pytest.mark.parametrize("method", ["run_task", "start_task"])
def test_19_what_a_tasks_tags_come_from(aws, method, propagate, managed, own):
    definition = aws.task_definition(tags=tags("ecs", of="definition", both="definition"))
    call = {"cluster": aws.busy_cluster, "taskDefinition": definition, "enableECSManagedTags": managed}
    instance = aws.busy_instance
    if method == "start_task":
        call["containerInstances"] = [instance]
    expected = {}
    if propagate:
        call["propagateTags"] = propagate
        expected |= {"of": "definition", "both": "definition"}
    if own:
        call["tags"] = tags("ecs", both="call")
        expected |= {"both": "call"}
    if managed:
        expected |= {"aws:ecs:clusterName": aws.busy_cluster}
    (task,) = getattr(aws.ecs, method)(**call)["tasks"]
    assert {tag["key"]: tag["value"] for tag in task["tags"]} == expected


def test_the_page_of_parity_tests_names_tests_that_are_there():
    text = (ROOT / "docs/ecs-parity.md").read_text()
    rows = re.findall(r"^\| (\d+) \|.*\| (.*) \|$", text, re.MULTILINE)
    assert [number for number, _ in rows] == [str(number) for number in range(1, 21)]
    for _, shown in rows:
        source = None
        for name in re.findall(r"`([^`]+)`", shown):
            if name.endswith(".md"):
                assert (ROOT / name).exists()
            elif name.endswith((".rs", ".py")):
                folder = ROOT / ("crates" if name.endswith(".rs") else "tests/clients")
                source = (folder / name).read_text()
            else:
                assert name.removesuffix("...").split(".")[0] in source, name
