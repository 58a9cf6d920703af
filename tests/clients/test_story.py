"""The quickstart's story, driven by programs that are not ours: boto3 outside, busybox and boto3 inside the task.

The quickstart keeps its server and its agent running (`--keep`); what the story needs is made anew in the same account.
The engine is `--engine process` unless pytest is told `--engine docker`, which needs a Docker Engine and root.
"""

import io
import json
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from account import ACCOUNT, REGION, statement
from errors import denied, refused, without_authorization_id
from quickstart import Quickstart
from totp import code, two_codes

CLUSTER = "default"
PATIENCE_S = 60

# One process plays the whole story, in order.
pytestmark = pytest.mark.xdist_group("story")


@pytest.fixture(scope="module")
def engine(request):
    return request.config.getoption("--engine")


@pytest.fixture(scope="module")
def stage(engine, tmp_path_factory):
    with Quickstart(engine, tmp_path_factory.mktemp("quickstart") / "log") as quickstart:
        yield quickstart


@pytest.fixture(scope="module")
def admin(stage):
    return stage.administrator


@pytest.fixture(scope="module")
def family(admin):
    return admin.name("family")


@pytest.fixture(scope="module")
def roles(admin):
    """The task role, which may describe one cluster, and the execution role; both trust ECS tasks alone."""
    describe = statement("ecs:DescribeClusters", admin.ecs_arn(f"cluster/{CLUSTER}"))
    return admin.role(describe), admin.role()


@pytest.fixture(scope="module")
def richard_name(admin, family):
    """A user with policies of the mission's documents, for this family."""
    run = statement(
        "ecs:RunTask",
        admin.ecs_arn(f"task-definition/{family}:*"),
        Condition={"ArnEquals": {"ecs:cluster": admin.ecs_arn(f"cluster/{CLUSTER}")}},
    )
    delete = statement("ecs:DeleteCluster", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
    register = statement("ecs:RegisterTaskDefinition")
    return admin.user(run, delete, register)


@pytest.fixture(scope="module")
def richard(admin, richard_name):
    return admin.as_user(richard_name)


@pytest.fixture(scope="module")
def definition(admin, richard, richard_name, family, roles, engine, report):
    """The task definition, registered by richard once he may pass both roles."""
    task_role, execution_role = (admin.role_arn(role) for role in roles)
    parameters = {
        "family": family,
        "taskRoleArn": task_role,
        "executionRoleArn": execution_role,
        **IN_TASK[engine](report),
    }
    with denied("ecs", richard.arn, "iam:PassRole", task_role):
        richard.ecs.register_task_definition(**parameters)
    only_to_tasks = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    allowed = json.dumps(statement("iam:PassRole", [task_role, execution_role], Condition=only_to_tasks))
    admin.iam.put_user_policy(UserName=richard_name, PolicyName="pass", PolicyDocument=allowed)
    return richard.ecs.register_task_definition(**parameters)["taskDefinition"]["taskDefinitionArn"]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The file in which the task writes down what it saw."""
    return tmp_path_factory.mktemp("task") / "report.json"


# What runs in the task: busybox fetches the credentials, boto3 (with nothing but its own defaults) calls with them.
FETCH = (
    'if [ -n "$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" ]; then'
    ' wget -q -O - "http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"; else'
    ' wget -q -O - --header "Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN" "$AWS_CONTAINER_CREDENTIALS_FULL_URI"; fi'
)
CALLS = f"""
import boto3, json, os, sys, time
from botocore.config import Config
fetched = json.loads(os.environ["FETCHED"])
config = Config(region_name="{REGION}", retries={{"total_max_attempts": 1}})
ecs, sts = boto3.client("ecs", config=config), boto3.client("sts", config=config)
report = {{"role": fetched["RoleArn"], "caller": sts.get_caller_identity()["Arn"]}}
report["access_key_id"] = fetched["AccessKeyId"]
report["secret_access_key"], report["token"] = fetched["SecretAccessKey"], fetched["Token"]
report["uri"] = os.environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") or os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
report["authorization"] = os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
report["described"] = ecs.describe_clusters(clusters=["{CLUSTER}"])["clusters"][0]["status"]
try:
    ecs.list_clusters()
except ecs.exceptions.ClientError as error:
    report["refusal"] = error.response["Error"]
with open(os.environ["REPORT"] + ".part", "w") as file:
    json.dump(report, file)
os.rename(os.environ["REPORT"] + ".part", os.environ["REPORT"])
time.sleep(600)
"""


def in_process(report):
    """A child process of the agent."""
    script = f'FETCHED="$(busybox sh -c \'{FETCH}\')" exec "$PYTHON" -c "$CALLS"'
    shell = [shutil.which("sh"), "-c"]
    return {"containerDefinitions": [{**APP, "image": "none", "entryPoint": shell, "command": [script]}]}


def in_container(report):
    """A container of a busybox image; Python and boto3 are the host's, mounted read-only, in the container's network."""
    import_busybox()
    script = f'FETCHED="$({FETCH})" exec chroot /host "$PYTHON" -c "$CALLS"'
    mounts = [
        {"sourceVolume": "host", "containerPath": "/host", "readOnly": True},
        {"sourceVolume": "report", "containerPath": f"/host{report.parent}"},
    ]
    shell = ["/bin/sh", "-c"]
    program = {**APP, "image": IMAGE, "entryPoint": shell, "command": [script], "mountPoints": mounts}
    volumes = [{"name": "host", "host": {"sourcePath": "/"}}]
    volumes += [{"name": "report", "host": {"sourcePath": str(report.parent)}}]
    return {"containerDefinitions": [program], "volumes": volumes}


def import_busybox():
    """An image of the machine's own static busybox."""
    busybox, layer = Path(shutil.which("busybox")).read_bytes(), io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        program = tarfile.TarInfo("bin/busybox")
        program.size, program.mode = len(busybox), 0o755
        archive.addfile(program, io.BytesIO(busybox))
        for name in ("sh", "wget", "chroot", "id", "sleep", "stty"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    subprocess.run(["docker", "import", "-", IMAGE], input=layer.getvalue(), check=True, capture_output=True)


IMAGE = "portcullis-story:latest"
APP = {"name": "app", "memory": 256, "stopTimeout": 2}
IN_TASK = {"process": in_process, "docker": in_container}


@pytest.fixture(scope="module")
def task(admin, richard, definition, report):
    """The running task, once it has written its report."""
    settings = {"PYTHON": sys.executable, "CALLS": CALLS, "REPORT": str(report), "PATH": "/usr/bin:/bin"}
    environment = [{"name": name, "value": value} for name, value in settings.items()]
    overrides = {"containerOverrides": [{"name": "app", "environment": environment}]}
    reply = richard.ecs.run_task(cluster=CLUSTER, taskDefinition=definition, overrides=overrides)
    assert reply["failures"] == []
    arn = reply["tasks"][0]["taskArn"]
    wait_for(lambda: report.exists() or ended(admin, arn))
    return arn


def described(admin, arn):
    return admin.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]


def ended(admin, arn):
    found = described(admin, arn)
    assert found["lastStatus"] != "STOPPED", (found.get("stoppedReason"), found["containers"])
    return False


def wait_for(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not (value := holds()):
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.1)
    return value


def test_2_register_needs_pass_role_for_both_roles(definition, family):
    assert definition.endswith(f":task-definition/{family}:1")


def test_3_run_task_is_refused_on_another_cluster(admin, richard, definition):
    elsewhere = admin.cluster()
    with denied("ecs", richard.arn, "ecs:RunTask", definition):
        richard.ecs.run_task(cluster=elsewhere, taskDefinition=definition)


def test_3_run_task_is_refused_for_another_family(admin, richard):
    other = admin.task_definition()
    with denied("ecs", richard.arn, "ecs:RunTask", other):
        richard.ecs.run_task(cluster=CLUSTER, taskDefinition=other)


def test_4_the_task_calls_as_its_role_and_may_do_only_what_the_role_may(admin, task, report, roles):
    seen = json.loads(report.read_text())
    task_id = task.split("/")[-1]
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{roles[0]}/{task_id}"
    assert seen["role"] == admin.role_arn(roles[0])
    assert seen["caller"] == session
    assert seen["described"] == "ACTIVE"
    assert seen["refusal"]["Code"] == "AccessDeniedException"
    assert without_authorization_id(seen["refusal"]["Message"]) == (
        f"User: {session} is not authorized to perform: ecs:ListClusters on resource: * "
        "because no identity-based policy allows the ecs:ListClusters action"
    )
    assert described(admin, task)["lastStatus"] == "RUNNING"


def test_5_delete_cluster_needs_a_session_with_mfa(admin, richard, richard_name):
    cluster = admin.cluster()
    arn = admin.ecs_arn(f"cluster/{cluster}")
    with denied("ecs", richard.arn, "ecs:DeleteCluster", arn):
        richard.ecs.delete_cluster(cluster=cluster)
    plain = richard.with_credentials(richard.sts.get_session_token()["Credentials"])
    with denied("ecs", richard.arn, "ecs:DeleteCluster", arn):
        plain.ecs.delete_cluster(cluster=cluster)

    serial, seed = admin.mfa_device()
    first, second = two_codes(seed)
    admin.iam.enable_mfa_device(
        UserName=richard_name, SerialNumber=serial, AuthenticationCode1=first, AuthenticationCode2=second
    )
    with refused("AccessDenied", r"MultiFactorAuthentication failed.*"):
        richard.sts.get_session_token(SerialNumber=serial, TokenCode="000000")
    session = richard.sts.get_session_token(SerialNumber=serial, TokenCode=code(seed, 1))["Credentials"]
    with_mfa = richard.with_credentials(session)
    assert with_mfa.ecs.delete_cluster(cluster=cluster)["cluster"]["status"] == "INACTIVE"
    with refused("AccessDenied", r"MultiFactorAuthentication failed.*"):
        richard.sts.get_session_token(SerialNumber=serial, TokenCode=code(seed, 1))


def test_6_a_stopped_task_has_no_credentials_any_more(admin, task, report):
    seen = json.loads(report.read_text())
    credentials = {
        "AccessKeyId": seen["access_key_id"],
        "SecretAccessKey": seen["secret_access_key"],
        "SessionToken": seen["token"],
    }
    thief = admin.with_credentials(credentials)
    assert thief.arn == seen["caller"]
    admin.ecs.stop_task(cluster=CLUSTER, task=task, reason="the story ends")
    stopped = wait_for(lambda: (found := described(admin, task))["lastStatus"] == "STOPPED" and found)
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "the story ends")
    with refused("ExpiredTokenException|UnrecognizedClientException"):
        thief.ecs.describe_clusters(clusters=[CLUSTER])


def test_6_everything_is_on_record(admin, richard, richard_name, task):
    def records(name, value):
        lookup = [{"AttributeKey": name, "AttributeValue": value}]
        events = admin.cloudtrail.get_paginator("lookup_events").paginate(LookupAttributes=lookup)
        return [json.loads(event["CloudTrailEvent"]) for page in events for event in page["Events"]]

    richards = records("Username", richard_name)
    denials = {found["eventName"] for found in richards if found.get("errorCode") == "AccessDenied"}
    seen = [(found["eventTime"], found["eventName"], found.get("errorCode")) for found in richards]
    assert {"RegisterTaskDefinition", "RunTask", "DeleteCluster"} <= denials, seen
    for found in richards:
        assert found["userIdentity"]["type"] == "IAMUser"
        assert found["userIdentity"]["arn"] == richard.arn
        if found.get("errorCode") == "AccessDenied":
            assert found["requestParameters"] is None and found["responseElements"] is None
    (allowed,) = [
        found
        for found in records("EventName", "DeleteCluster")
        if "errorCode" not in found and found["userIdentity"].get("userName") == richard_name
    ]
    assert allowed["userIdentity"]["sessionContext"]["attributes"]["mfaAuthenticated"] == "true"

    task_id = task.split("/")[-1]
    refusals = [
        found for found in records("EventName", "ListClusters") if found["userIdentity"]["type"] == "AssumedRole"
    ]
    assert task_id in [found["userIdentity"]["principalId"].split(":")[1] for found in refusals]
    assumed = [
        found
        for found in records("EventName", "AssumeRole")
        if (found["requestParameters"] or {}).get("roleSessionName") == task_id
    ]
    assert assumed and all(
        found["userIdentity"] == {"type": "AWSService", "invokedBy": "ecs-tasks.amazonaws.com"} for found in assumed
    )
