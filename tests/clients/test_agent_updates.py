"""UpdateContainerAgent on our own agent: a signed build is staged, started, and kept or given up, while its task runs on.
Builds are wrappers of the one program that say another version, which only builds for tests let them (docs/agent-updates.md)."""

import json
import os
import re
import signal
import subprocess
import time

import botocore.auth
import botocore.awsrequest
import pytest
import urllib3

from account import ACCOUNT, Account, container
from server import BINARY, Server
from test_genuine_agent import FOR_INSTANCES, TRUST_ACCOUNT

PATIENCE_S = 60
CLUSTER = "updated"
SLEEPER = {"image": "none", "command": ["/bin/sh", "-c", "sleep 600"], "stopTimeout": 2}


def program(*arguments):
    return subprocess.run([BINARY, "agent-build", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


class Office:
    """A server with a folder of builds, and the operator's key."""

    def __init__(self, folder):
        self.folder, self.builds, self.key = folder, folder / "builds", folder / "key"
        self.builds.mkdir()
        self.public_key = program("key", self.key).strip()
        self.server = Server(folder / "data", "--store", "memory", "--account", ACCOUNT, "--agent-builds", str(self.builds))
        root = Account.root(self.server.url)
        self.server.wait_until(root.sts.get_caller_identity)
        name = root.user()
        root.iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        self.aws = root.as_user(name)
        self.aws.ecs.create_cluster(clusterName=CLUSTER)
        self.agent = None

    def build(self, version, script=None, key=None):
        """A build that is the program under test, but says that it is `version`."""
        wrapper = self.folder / "wrapper"
        default = f'PORTCULLIS_TEST_AGENT_VERSION={version} exec {BINARY} "$@"'
        wrapper.write_text(f"#!/bin/sh\n# {version}\n{script or default}\n")
        program("sign", "--key", key or self.key, "--version", version, "--into", self.builds, wrapper)
        [name] = [path.name for path in self.builds.glob(f"portcullis-{version}-*") if path.suffix != ".sig"]
        return self.builds / name

    def start_agent(self, *arguments, enabled="true"):
        if not (self.folder / "keys.json").exists():
            role = self.aws.role(trust=TRUST_ACCOUNT)
            self.aws.iam.attach_role_policy(RoleName=role, PolicyArn=FOR_INSTANCES)
            keys = self.aws.sts.assume_role(RoleArn=self.aws.role_arn(role), RoleSessionName="i-1")["Credentials"]
            credentials = {name: keys[name] for name in ("AccessKeyId", "SecretAccessKey")} | {"Token": keys["SessionToken"]}
            (self.folder / "keys.json").write_text(json.dumps(credentials))
        command = [BINARY, "agent", "--supervise", "--endpoint", self.server.url, "--cluster", CLUSTER]
        command += ["--engine", "process", "--state-dir", str(self.folder / "state"), "--update-health-seconds", "5"]
        command += ["--credentials-file", str(self.folder / "keys.json"), *arguments]
        variables = {"PATH": os.environ["PATH"], "ECS_UPDATES_ENABLED": enabled, "PORTCULLIS_TEST_AGENT_VERSION": "1.0.0"}
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self.until(lambda shown: shown["agentConnected"])

    def shown(self):
        arns = self.aws.ecs.list_container_instances(cluster=CLUSTER)["containerInstanceArns"]
        found = self.aws.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=arns) if arns else {}
        return next(iter(found.get("containerInstances", [])), None)

    def until(self, holds, seen=None):
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            shown = self.shown()
            if shown and seen is not None and shown.get("agentUpdateStatus") not in seen[-1:]:
                seen.append(shown.get("agentUpdateStatus"))
            if shown and holds(shown):
                return shown
            time.sleep(0.02)
        raise AssertionError(f"{self.shown()}\n{(self.folder / 'agent.log').read_text()[-6000:]}")

    def update(self):
        """Asks for the update, once the server has seen what is in its folder."""
        instance = self.shown()["containerInstanceArn"]
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.aws.ecs.update_container_agent(cluster=CLUSTER, containerInstance=instance)["containerInstance"]
            except self.aws.ecs.exceptions.NoUpdateAvailableException:
                assert time.monotonic() < deadline
                time.sleep(0.2)

    def fail_to_become(self, newest):
        """Updates until the agent was offered that build; the server may still offer the one before. All of them fail."""
        deadline = time.monotonic() + PATIENCE_S
        while f'version="{newest}"' not in (self.folder / "agent.log").read_text():
            assert time.monotonic() < deadline
            self.update()
            shown = self.outcome()
            assert shown["agentUpdateStatus"] == "FAILED", newest
        return shown

    def outcome(self, seen=None):
        """How the update ended, with the agent back."""
        ended = ("UPDATED", "FAILED")
        return self.until(lambda shown: shown.get("agentUpdateStatus") in ended and shown["agentConnected"], seen)

    def end(self):
        if self.agent:
            self.agent.send_signal(signal.SIGTERM)
            self.agent.wait(timeout=30)
        self.server.stop()


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path)
    yield office
    office.end()


def version(shown):
    return shown["versionInfo"]["agentVersion"]


def run_task(office):
    definition = office.aws.ecs.register_task_definition(family="sleeper", containerDefinitions=[container(**SLEEPER)])
    arn = definition["taskDefinition"]["taskDefinitionArn"]
    task = office.aws.ecs.run_task(cluster=CLUSTER, taskDefinition=arn)["tasks"][0]["taskArn"]
    wait_for(office, task, "RUNNING")
    return task


def wait_for(office, task, status):
    deadline = time.monotonic() + PATIENCE_S
    while described(office, task)["lastStatus"] != status:
        assert time.monotonic() < deadline, (office.folder / "agent.log").read_text()[-6000:]
        time.sleep(0.05)


def described(office, task):
    return office.aws.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"][0]


def runtime_id(office, task):
    return described(office, task)["containers"][0]["runtimeId"]


def test_an_agent_becomes_a_newer_build_and_an_unhealthy_one_makes_room_again(office):
    office.start_agent("--update-public-key", office.public_key)
    assert version(office.shown()) == "1.0.0" and "agentUpdateStatus" not in office.shown()
    with pytest.raises(office.aws.ecs.exceptions.NoUpdateAvailableException):
        office.aws.ecs.update_container_agent(cluster=CLUSTER, containerInstance=office.shown()["containerInstanceArn"])
    task = run_task(office)
    before = runtime_id(office, task)

    office.build("0.9.0")
    office.build("1.1.0")
    seen = []
    asked = office.update()
    assert asked["agentUpdateStatus"] == "PENDING"
    shown = office.outcome(seen)
    assert (shown["agentUpdateStatus"], version(shown)) == ("UPDATED", "1.1.0")
    order = ["PENDING", "STAGING", "STAGED", "UPDATING", "UPDATED"]
    assert seen == sorted(seen, key=order.index)
    assert (described(office, task)["lastStatus"], runtime_id(office, task)) == ("RUNNING", before)
    with pytest.raises(office.aws.ecs.exceptions.NoUpdateAvailableException):
        office.aws.ecs.update_container_agent(cluster=CLUSTER, containerInstance=shown["containerInstanceArn"])

    # One that ends at once, and one that hangs.
    for newer, script in (("1.2.0", "exit 3"), ("1.3.0", "exec sleep 600")):
        office.build(newer, script)
        assert version(office.fail_to_become(newer)) == "1.1.0"
        assert (described(office, task)["lastStatus"], runtime_id(office, task)) == ("RUNNING", before)

    # The task still obeys, and a restart of all of it starts the build that proved its health.
    office.aws.ecs.stop_task(cluster=CLUSTER, task=task)
    wait_for(office, task, "STOPPED")
    office.agent.send_signal(signal.SIGTERM)
    assert office.agent.wait(timeout=30) == 0
    office.until(lambda shown: not shown["agentConnected"])
    assert version(office.start_agent("--update-public-key", office.public_key)) == "1.1.0"


def test_bad_builds_never_start(office):
    office.start_agent("--update-public-key", office.public_key)
    thief = office.folder / "thief"
    program("key", thief)
    office.build("2.0.0", key=thief)
    assert version(office.fail_to_become("2.0.0")) == "1.0.0"
    changed = office.build("2.1.0")
    changed.write_bytes(changed.read_bytes().replace(b"exec", b"EXEC"))
    assert version(office.fail_to_become("2.1.0")) == "1.0.0"
    truncated = office.build("2.2.0")
    truncated.write_bytes(truncated.read_bytes()[:-5])
    assert version(office.fail_to_become("2.2.0")) == "1.0.0"
    log = (office.folder / "agent.log").read_text()
    refused = dict(re.findall(r'version="(2\.\d\.0)" reason="(.*)"', log))
    hash_is_wrong = "The update cannot be staged: its hash is not the one that was signed"
    not_the_operators = "The signature of the update is not the operator's"
    assert refused == {"2.0.0": not_the_operators, "2.1.0": hash_is_wrong, "2.2.0": hash_is_wrong}
    assert not any(path.name.startswith("portcullis-") for path in (office.folder / "state" / "updates").iterdir())
    assert log.count("an agent is started") == 1


@pytest.mark.parametrize("has_key, enabled", [(False, "true"), (True, "false")])
def test_agents_that_take_no_builds_say_so(office, has_key, enabled):
    office.build("1.1.0")
    office.start_agent(*(["--update-public-key", office.public_key] if has_key else []), enabled=enabled)
    office.update()
    assert version(office.outcome()) == "1.0.0"
    assert "Updates are disabled" in office.server.log.read_text()


def test_builds_are_for_the_agent_alone(office):
    instance = office.start_agent()["containerInstanceArn"]
    build = office.build("1.1.0")
    office.update()
    office.outcome()
    url = f"{office.server.url}/portcullis/agent-builds/{build.name}?containerInstance={instance}&offset=0"
    keys = office.aws.client("sts")._request_signer._credentials
    request = botocore.awsrequest.AWSRequest("GET", url)
    botocore.auth.SigV4Auth(keys, "ecs", "us-east-1").add_auth(request)
    for headers in (dict(request.headers), {}):
        answer = urllib3.request("GET", url, headers=headers, retries=False)
        assert answer.status in (400, 403), answer.data
        assert b"exec" not in answer.data
