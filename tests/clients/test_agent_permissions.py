"""docs/agent-permissions.md is true: each action is taken out of the policies of instance roles, and the step of the table
fails, no other. Our agent is the program itself on the process engine, the genuine one its replay."""

import copy
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import websocket
from botocore.exceptions import ClientError

from account import ACCOUNT, Account, container
from genuine import RECORDED, GenuineAgent, Refused
from server import BINARY, ROOT, Server
from test_genuine_agent import FOR_INSTANCES, TRUST_ACCOUNT

DOC = (ROOT / "docs/agent-permissions.md").read_text()
ROW = re.compile(r"^\| `([a-z0-9]+:\w+)` \| (yes|no) \| (yes|no) \| (.+?) \| (.+?) \|$", re.MULTILINE)
TABLE = {action: cells for action, *cells in ROW.findall(DOC)}
MISSION = json.loads((RECORDED / "instance-policy-of-the-mission.json").read_text())
SUBMITS = [f"ecs:Submit{what}" for what in ("TaskStateChange", "ContainerStateChange", "AttachmentStateChanges")]
#: The events of our agent's steps in CloudTrail.
EVENTS = {
    "RegisterContainerInstance": "register",
    "CreateCluster": "default-cluster",
    "DiscoverPollEndpoint": "discover",
    "Poll": "poll",
    "StartTelemetrySession": "telemetry",
    "SubmitTaskStateChange": "task-state",
    "ListTagsForResource": "task-tags",
    "TagResource": "register-tags",
}
PATIENCE_S = 30


def steps(cell):
    return set(re.findall(r"`([\w-]+)`", cell))


def actions(policy):
    """Every action by itself, in the order of the policy."""
    listed = []
    for entry in policy["Statement"]:
        listed += [entry["Action"]] if isinstance(entry["Action"], str) else entry["Action"]
    return [one for action in listed for one in (SUBMITS if action == "ecs:Submit*" else [action])]


def without(policy, action):
    policy = copy.deepcopy(policy)
    for entry in policy["Statement"]:
        entry["Action"] = [one for one in actions({"Statement": [entry]}) if one != action]
    policy["Statement"] = [entry for entry in policy["Statement"] if entry["Action"]]
    return policy


@pytest.fixture(scope="module")
def today(root):
    policy = root.iam.get_policy(PolicyArn=FOR_INSTANCES)["Policy"]
    version = root.iam.get_policy_version(PolicyArn=FOR_INSTANCES, VersionId=policy["DefaultVersionId"])
    return version["PolicyVersion"]["Document"]


@pytest.fixture
def office(tmp_path):
    """A server that has no cluster yet."""
    server = Server(tmp_path / "data", "--store", "memory", "--account", ACCOUNT)
    root = Account.root(server.url)
    server.wait_until(root.sts.get_caller_identity)
    name = root.user()
    root.iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    yield root.as_user(name)
    server.stop()


def host_of(office, policy):
    role = office.role(policy, trust=TRUST_ACCOUNT)
    reply = office.sts.assume_role(RoleArn=office.role_arn(role), RoleSessionName="host")
    return office.with_credentials(reply["Credentials"]), reply["Credentials"]


def test_the_table_has_every_action_of_both_policies_and_no_other(today):
    for column, policy in ((0, MISSION), (1, today)):
        listed = {action for action, cells in TABLE.items() if cells[column] == "yes"}
        assert listed == set(actions(policy))


def refused(step):
    """Whether a step of the genuine agent is refused for lack of permission."""
    try:
        step()
    except Refused as error:
        assert error.name == "AccessDeniedException", error
        return True
    except websocket.WebSocketBadStatusException as error:
        assert "AccessDeniedException" in json.loads(error.resp_body)
        return True
    except ClientError as error:
        assert error.response["Error"]["Code"] == "UnauthorizedOperation", error
        return True
    return False


def genuine_life(office, host):
    """The steps that fail, of all that an agent does in its life: those that need one that failed are left out."""
    failed = set()

    def goes(name, step):
        if refused(step):
            failed.add(name)
        return name not in failed

    agent = GenuineAgent(host, "", "ec2")
    clusters = office.ecs.list_clusters()["clusterArns"]
    assert clusters == []
    if not goes("register", lambda: agent.register(tags=[])):
        denied = office.cloudtrail.lookup_events()["Events"]
        texts = [json.loads(event["CloudTrailEvent"]) for event in denied]
        if any(one["eventName"] == "CreateCluster" and one.get("errorCode") for one in texts):
            return {"default-cluster"}
        return failed
    goes("instance-tags", lambda: host.ec2.describe_tags())
    tagged = GenuineAgent(host, "default", "ec2")
    goes("register-tags", tagged.register)
    agent.approve(office)
    if not goes("discover", agent.discover):
        return failed
    goes("telemetry", lambda: agent.open_telemetry().close())
    if goes("poll", agent.connect):
        definition = office.task_definition()
        started = office.ecs.start_task(cluster="default", taskDefinition=definition, containerInstances=[agent.instance])
        task = started["tasks"][0]["taskArn"]
        agent.task(task)
        goes("task-state", lambda: agent.submit("RUNNING", task))
        goes("task-tags", lambda: agent.call("ListTagsForResource", {"resourceArn": task}, " container/app"))
        attached = {"attachmentArn": f"arn:aws:ecs:us-east-1:{ACCOUNT}:attachment/{'0' * 32}", "status": "ATTACHED"}
        attached = {"cluster": "default", "attachments": [attached]}
        goes("attachments", lambda: agent.call("SubmitAttachmentStateChanges", attached))
    drain = {"cluster": "default", "containerInstances": [agent.instance], "status": "DRAINING"}
    goes("spot-draining", lambda: agent.call("UpdateContainerInstancesState", drain))
    agent.disconnect()
    return failed


@pytest.mark.parametrize("action", [None, *TABLE])
def test_a_step_of_the_genuine_agent_fails_without_its_action(office, today, action):
    expected = steps(TABLE[action][3]) if action else set()
    host, _ = host_of(office, without(today, action))
    assert genuine_life(office, host) == expected


@pytest.mark.parametrize("action", [None, *(action for action, cells in TABLE.items() if cells[0] == "yes")])
def test_with_the_missions_policy_tags_fail_besides(office, action):
    expected = steps(TABLE[action][3]) if action else set()
    host, _ = host_of(office, without(MISSION, action))
    found = genuine_life(office, host)
    if "register" in expected or "default-cluster" in expected:
        assert found == expected
    elif expected & {"discover", "poll"}:
        assert found == expected | {"register-tags"}
    else:
        assert found == expected | {"register-tags", "task-tags"}


class OurAgent:
    """The program, with a credentials file of a role's session."""

    def __init__(self, office, keys, folder, *arguments, **variables):
        self.log = folder / "agent.log"
        credentials = {name: keys[name] for name in ("AccessKeyId", "SecretAccessKey")}
        (folder / "keys.json").write_text(json.dumps(credentials | {"Token": keys["SessionToken"]}))
        command = [BINARY, "agent", "--endpoint", office.url, "--engine", "process", "--state-dir", str(folder / "state")]
        command += ["--credentials-file", str(folder / "keys.json"), *arguments]
        environment = {"PATH": os.environ["PATH"], **variables}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def records(office):
    found = office.cloudtrail.get_paginator("lookup_events").paginate().search("Events[].CloudTrailEvent")
    return [json.loads(text) for text in found]


def denied_steps(office):
    """What the host was refused, by CloudTrail."""
    refusals = [one for one in records(office) if one.get("errorCode") in ("AccessDenied", "AccessDeniedException")]
    return {EVENTS[one["eventName"]] for one in refusals}


def our_life(office, keys, folder):
    """Waits until the agent has gone through everything, or through everything that the missing permission leaves."""
    agent = OurAgent(office, keys, folder, "--cluster", "")
    try:
        deadline = time.monotonic() + PATIENCE_S
        task = None
        while time.monotonic() < deadline:
            failed = denied_steps(office)
            if failed:
                return failed
            assert agent.process.poll() is None, agent.log.read_text()[-3000:]
            instances = office.ecs.list_container_instances()["containerInstanceArns"] if agent_is_in(office) else []
            if instances and task is None:
                one = office.ecs.describe_container_instances(containerInstances=instances)["containerInstances"][0]
                if one["agentConnected"]:
                    definition = office.ecs.register_task_definition(
                        family="sleeper", containerDefinitions=[container(command=["sleep", "60"])]
                    )["taskDefinition"]["taskDefinitionArn"]
                    started = office.ecs.start_task(taskDefinition=definition, containerInstances=instances)
                    task = started["tasks"][0]["taskArn"]
            if task:
                status = office.ecs.describe_tasks(tasks=[task])["tasks"][0]["lastStatus"]
                told = any(one["eventName"] == "StartTelemetrySession" for one in records(office))
                if status == "RUNNING" and told:
                    return denied_steps(office)
            time.sleep(0.1)
        raise AssertionError(agent.log.read_text()[-3000:])
    finally:
        agent.end()


def agent_is_in(office):
    return bool(office.ecs.list_clusters()["clusterArns"])


#: Steps of our agent that its plain life has not: they are arranged below.
ARRANGED = {"register-tags", "task-tags"}


@pytest.mark.parametrize("action", [None, *(action for action, cells in TABLE.items() if not steps(cells[2]) & ARRANGED)])
def test_a_step_of_our_agent_fails_without_its_action(office, today, tmp_path, action):
    expected = steps(TABLE[action][2]) if action else set()
    _, keys = host_of(office, without(today, action))
    assert our_life(office, keys, tmp_path) == expected


@pytest.mark.parametrize("action", [None, "ecs:TagResource"])
def test_our_agent_registers_with_tags_by_the_permission_of_the_table(office, today, tmp_path, action):
    _, keys = host_of(office, without(today, action))
    office.ecs.create_cluster(clusterName="default")
    agent = OurAgent(office, keys, tmp_path, ECS_CONTAINER_INSTANCE_TAGS='{"Stage":"probe"}')
    try:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if action:
                if agent.process.poll() is not None:
                    break
            elif office.ecs.list_container_instances()["containerInstanceArns"]:
                break
            time.sleep(0.1)
        else:
            raise AssertionError(agent.log.read_text()[-3000:])
    finally:
        agent.end()
    assert steps(TABLE["ecs:TagResource"][2]) == {"register-tags"}
    log = agent.log.read_text()
    assert ("is not authorized to perform: ecs:TagResource" in log) == bool(action), log[-3000:]


@pytest.mark.parametrize("action", [None, "ecs:ListTagsForResource"])
def test_our_agent_asks_for_tags_by_the_permission_of_the_table(office, today, tmp_path, action):
    """A task asks for `taskWithTags` and writes the answer where the test finds it."""
    _, keys = host_of(office, without(today, action))
    office.ecs.create_cluster(clusterName="default")
    answer = tmp_path / "answer"
    fetch = f"""
import os, urllib.request
with urllib.request.urlopen(os.environ["ECS_CONTAINER_METADATA_URI_V4"] + "/taskWithTags") as reply:
    open("{answer}.new", "wb").write(reply.read())
os.rename("{answer}.new", "{answer}")
"""
    agent = OurAgent(office, keys, tmp_path)
    try:
        deadline = time.monotonic() + PATIENCE_S
        started = False
        while not answer.exists():
            assert time.monotonic() < deadline and agent.process.poll() is None, agent.log.read_text()[-3000:]
            instances = office.ecs.list_container_instances()["containerInstanceArns"]
            if instances and not started:
                one = office.ecs.describe_container_instances(containerInstances=instances)["containerInstances"][0]
                if one["agentConnected"]:
                    asking = container(entryPoint=[sys.executable, "-c"], command=[fetch])
                    definition = office.ecs.register_task_definition(family="asker", containerDefinitions=[asking])
                    arn = definition["taskDefinition"]["taskDefinitionArn"]
                    office.ecs.start_task(taskDefinition=arn, containerInstances=instances, tags=[{"key": "a", "value": "b"}])
                    started = True
            time.sleep(0.1)
    finally:
        agent.end()
    found = json.loads(answer.read_text())
    assert found.get("TaskTags") == (None if action else {"a": "b"})
    refused = {one["ErrorCode"] for one in found.get("Errors", [])}
    assert refused == ({"AccessDeniedException"} if action else set())
    assert (denied_steps(office) == steps(TABLE["ecs:ListTagsForResource"][2])) == bool(action)


def test_the_smallest_policy_of_the_page_is_enough_for_our_agent(office, tmp_path):
    smallest = json.loads(re.search(r"```json\n(.+?)```", DOC, re.DOTALL).group(1))
    _, keys = host_of(office, smallest)
    office.ecs.create_cluster(clusterName="default")
    assert our_life(office, keys, tmp_path) == set()
