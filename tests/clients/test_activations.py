"""Machines join by one-time tokens, and hosts without a key by an operator's word."""

import json
import os
import shutil
import subprocess
import time

import pytest
from botocore.exceptions import ClientError

from account import ACCOUNT
from cases.ssm import TRUST_SSM, activation
from machine import Machine
from server import BINARY


def test_a_machine_that_joins_acts_as_its_role(aws):
    role = aws.role(trust=TRUST_SSM)
    made = aws.client("ssm").create_activation(IamRole=role)
    machine = Machine(aws.url)
    instance = machine.join(made["ActivationId"], made["ActivationCode"])
    first, second = machine.credentials(instance), machine.credentials(instance)
    assert first["AccessKeyId"] != second["AccessKeyId"]
    for keys in (first, second):
        assert aws.with_credentials(keys).arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{instance}"
    aws.client("ssm").deregister_managed_instance(InstanceId=instance)
    with pytest.raises(ClientError):
        aws.with_credentials(second).arn


def test_a_token_is_good_once_and_with_its_code_only(aws):
    made = activation(aws)
    machine = Machine(aws.url)
    status, answer = machine.register(made["ActivationId"], "x" * 20)
    assert status == 400 and answer["__type"].endswith("InvalidActivation")
    machine.join(made["ActivationId"], made["ActivationCode"])
    status, answer = Machine(aws.url).register(made["ActivationId"], made["ActivationCode"])
    assert status == 400 and answer["__type"].endswith("RegistrationLimitExceeded")


def test_another_key_gets_no_credentials(aws):
    made = activation(aws)
    instance = Machine(aws.url).join(made["ActivationId"], made["ActivationCode"])
    status, answer = Machine(aws.url).call(instance, "RequestManagedInstanceRoleToken", Fingerprint="f")
    assert status == 400 and "AccessKeyId" not in answer


@pytest.fixture
def agent(aws, tmp_path):
    """Our agent, started with what it is given; ended with the test."""
    started = []

    def start(cluster, *arguments, state="state", **environment):
        command = [BINARY, "agent", "--endpoint", aws.url, "--cluster", cluster, "--engine", "process"]
        command += ["--state-dir", str(tmp_path / state), *arguments]
        variables = {"PATH": os.environ["PATH"], "ECS_INTROSPECTION_PORT": "0", **environment}
        with (tmp_path / "log").open("ab") as log:
            started.append(subprocess.Popen(command, env=variables, stdout=log, stderr=log))
        return tmp_path

    yield start
    for process in started:
        process.terminate()
        process.wait()


def logged(folder, text):
    """Waits until the agents' log says this."""
    deadline = time.monotonic() + 30
    while text not in (folder / "log").read_text():
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.1)


def connected(aws, cluster, folder):
    """The one connected container instance of a cluster."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        arns = aws.ecs.list_container_instances(cluster=cluster)["containerInstanceArns"]
        if arns:
            [shown] = aws.ecs.describe_container_instances(cluster=cluster, containerInstances=arns)["containerInstances"]
            if shown["agentConnected"]:
                return shown
        time.sleep(0.1)
    raise AssertionError((folder / "log").read_text())


def test_our_agent_joins_by_a_token_and_starts_again_without_one(aws, agent):
    policy = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
    role = aws.role(trust=TRUST_SSM)
    aws.iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    cluster = aws.ecs.create_cluster(clusterName=aws.name("joined"))["cluster"]["clusterName"]
    made = aws.client("ssm").create_activation(IamRole=role)
    token = ["--activation-id", made["ActivationId"]]
    code = {"PORTCULLIS_ACTIVATION_CODE": made["ActivationCode"]}
    folder = agent(cluster, *token, **code)
    first = connected(aws, cluster, folder)
    filters = [{"Key": "ActivationIds", "Values": [made["ActivationId"]]}]
    [machine] = aws.client("ssm").describe_instance_information(Filters=filters)["InstanceInformationList"]
    assert machine["IamRole"] == role
    key = folder / "state" / "agent-key"
    assert key.stat().st_mode & 0o777 == 0o600
    for path in (folder / "state").rglob("*"):
        assert not path.is_file() or made["ActivationCode"] not in path.read_bytes().decode(errors="replace"), path
    assert made["ActivationCode"] not in (folder / "log").read_text()
    # A second process beside it is told so.
    agent(cluster, *token, **code)
    logged(folder, "another agent runs with")
    # Whoever has the key is the agent: the newer session ends the older.
    shutil.copytree(folder / "state", folder / "copy")
    agent(cluster, *token, state="copy", **code)
    logged(folder, "ACS connection ended")
    assert connected(aws, cluster, folder)["containerInstanceArn"] == first["containerInstanceArn"]
    assert len(aws.client("ssm").describe_instance_information(Filters=filters)["InstanceInformationList"]) == 1


def test_a_genuine_agent_waits_until_an_operator_says_who_it_is(aws, tmp_path):
    cluster = aws.ecs.create_cluster(clusterName=aws.name("waits"))["cluster"]["clusterName"]
    arn = aws.container_instance(cluster)
    keys = aws.credentials
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": keys["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["aws_secret_access_key"],
    }

    def hosts(*arguments):
        return subprocess.run([BINARY, "hosts", *arguments], env=environment, capture_output=True, text=True)

    listed = hosts("list", "--cluster", cluster)
    assert listed.returncode == 0 and listed.stdout.startswith(f"WAITING   {arn}  from 127.0.0.1"), listed
    approved = hosts("approve", arn)
    assert approved.returncode == 0 and approved.stdout.startswith(f"APPROVED  {arn}"), approved
    [shown] = json.loads(hosts("list", "--cluster", cluster, "--json").stdout)["hosts"]
    assert shown["approval"]["source"] == "127.0.0.1" and shown["approval"]["by"] == aws.arn
    refused = hosts("approve", arn + "0", "--source", "127.0.0.1")
    assert refused.returncode == 1 and "ResourceNotFoundException" in refused.stderr
