"""The Docker engine's own `awslogs` driver delivers to our server, as the execution role of the task and as nobody else.

Like life_on_two_hosts.py: a host with network namespace, Docker Engine and agent of its own. `cargo xtask test` names this file
inside `cargo xtask docker-room`. What each missing permission comes to on the whole is execution_role.py's matter.
"""

import json
import time

import pytest

from account import ACCOUNT, REGION, Account
from cases.ssm import TRUST_SSM
from hosts import IMAGE, SERVER_ADDRESS, Host, build_bridge, remove_bridge
from server import Server
from task_identity import FOR_INSTANCES, wait_for

CLUSTER = "logs"
SAY = "echo first; echo second >&2; trap exit TERM; while :; do sleep 1; done"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    build_bridge()
    server = Server(tmp_path_factory.mktemp("server") / "data", "--account", ACCOUNT, host=SERVER_ADDRESS)
    root = Account.root(server.url)
    server.wait_until(root.sts.get_caller_identity)
    root.ecs.create_cluster(clusterName=CLUSTER)
    yield root
    server.stop()
    remove_bridge()


@pytest.fixture(scope="module")
def host(root, tmp_path_factory):
    role = root.role(trust=TRUST_SSM)
    root.iam.attach_role_policy(RoleName=role, PolicyArn=FOR_INSTANCES)
    token = root.client("ssm").create_activation(IamRole=role)
    folder = tmp_path_factory.mktemp("hosts") / "1"
    variables = {"PORTCULLIS_ACTIVATION_CODE": token["ActivationCode"]}
    host = Host(1, folder, root.url, CLUSTER, arguments=["--activation-id", token["ActivationId"]], variables=variables)

    def connected():
        arns = root.ecs.list_container_instances(cluster=CLUSTER)["containerInstanceArns"]
        found = root.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=arns) if arns else {}
        return any(one["agentConnected"] for one in found.get("containerInstances", []))

    try:
        wait_for(connected, lambda: host.log.read_text()[-3000:])
        yield host
    finally:
        host.end()


def run(root, group, *actions, **options):
    """A task that says two lines, under an execution role that may do these actions; what it comes to."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}
    options = {"awslogs-group": group, "awslogs-region": REGION, "awslogs-stream-prefix": "web", **options}
    container = {"name": "app", "image": IMAGE, "memory": 64, "command": ["sh", "-c", SAY], "stopTimeout": 2}
    container["logConfiguration"] = {"logDriver": "awslogs", "options": options}
    family, role = root.name("logs"), root.role_arn(root.role(policy))
    root.ecs.register_task_definition(family=family, containerDefinitions=[container], executionRoleArn=role)
    reply = root.ecs.run_task(cluster=CLUSTER, taskDefinition=family)
    assert reply["tasks"], reply["failures"]
    arn = reply["tasks"][0]["taskArn"]

    def described():
        return root.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]

    return wait_for(lambda: (task := described())["lastStatus"] in ("RUNNING", "STOPPED") and task, described)


def followed(root, group, start):
    """What `aws logs tail --follow` of the AWS CLI asks, once: all pages, each event by its id."""
    pages = root.client("logs").get_paginator("filter_log_events")
    pages = pages.paginate(logGroupName=group, interleaved=True, startTime=start)
    return {event["eventId"]: event for page in pages for event in page["events"]}


def test_what_a_task_says_is_in_a_stream_of_its_own_in_a_group_made_for_it(root, host):
    start = int(time.time() * 1000) - 600_000
    allowed = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    task = run(root, "/made/for/it", *allowed, **{"awslogs-create-group": "true"})
    assert task["lastStatus"] == "RUNNING", task.get("stoppedReason")
    events = wait_for(lambda: len(found := followed(root, "/made/for/it", start)) == 2 and found)
    stream = f"web/app/{task['taskArn'].split('/')[-1]}"
    assert {event["logStreamName"] for event in events.values()} == {stream}
    assert {event["message"] for event in events.values()} == {"first", "second"}
    assert followed(root, "/made/for/it", start).keys() == events.keys()
    # On record is who made group and stream: the session of the execution role for this task.
    records = root.cloudtrail.get_paginator("lookup_events").paginate().search("Events[].CloudTrailEvent")
    records = [json.loads(record) for record in records]
    made = [one for one in records if one["eventName"] == "CreateLogStream" and not one.get("errorCode")]
    role = made[0]["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"]
    assert made[0]["userIdentity"]["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{stream.split('/')[-1]}"
    assert not [one for one in records if one["eventName"] == "PutLogEvents"]
    root.ecs.stop_task(cluster=CLUSTER, task=task["taskArn"])


@pytest.mark.parametrize("missing", ["logs:CreateLogGroup", "logs:CreateLogStream"])
def test_a_role_that_may_not_make_group_or_stream_starts_nothing(root, host, missing):
    allowed = {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"} - {missing}
    group = root.name("/none")
    task = run(root, group, *sorted(allowed), **{"awslogs-create-group": "true"})
    assert (task["lastStatus"], task["stopCode"]) == ("STOPPED", "TaskFailedToStart")
    assert task["stoppedReason"].startswith("CannotStartContainerError: "), task["stoppedReason"]
    assert f"is not authorized to perform: {missing} on resource: arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:" in task["stoppedReason"]


def test_a_group_that_is_not_there_starts_nothing(root, host):
    task = run(root, "/not/there", "logs:CreateLogStream", "logs:PutLogEvents")
    assert task["stopCode"] == "TaskFailedToStart"
    assert "ResourceNotFoundException: The specified log group does not exist." in task["stoppedReason"], task["stoppedReason"]
