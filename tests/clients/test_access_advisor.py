"""Who has access, and is it still warranted: the mission's Access Advisor example, and `portcullis iam audit`."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from account import ACCOUNT, REGION, TRUST_ECS_TASKS, Account, statement
from errors import refused
from server import BINARY, Server


@pytest.fixture
def start(tmp_path):
    """Starts servers on one data directory; what is still running at the end of the test is killed."""
    servers = []

    def start():
        server = Server(tmp_path / "data")
        servers.append(server)
        root = Account.root(server.url)
        server.wait_until(root.sts.get_caller_identity)
        return server, root

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def account(start):
    """An account of its own: an audit lists everybody."""
    return start()[1]


def environment(account, home):
    keys = account.credentials
    found = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AWS_ACCESS_KEY_ID": keys["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": account.url,
        "AWS_PAGER": "",
    }
    if "aws_session_token" in keys:
        found["AWS_SESSION_TOKEN"] = keys["aws_session_token"]
    return found


def aws_cli(account, home, *arguments):
    command = [sys.executable, str(Path(sys.executable).with_name("aws")), *arguments, "--output", "json"]
    done = subprocess.run(
        command, env=environment(account, home), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def audit(account, home, *arguments):
    command = [BINARY, "iam", "audit", *arguments]
    return subprocess.run(
        command, env=environment(account, home), capture_output=True, text=True, timeout=60, check=False
    )


def test_the_missions_example_finds_what_was_used_and_what_was_not(aws, tmp_path):
    """`generate-service-last-accessed-details` and `get-service-last-accessed-details`, as the guide has them."""
    document = statement(["ecs:ListClusters", "ecs:ListTasks", "ecs:StopTask", "iam:GetUser"])
    name = "ExamplePolicy1"
    arn = aws.iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/ExamplePolicy1"
    user = aws.user()
    aws.iam.attach_user_policy(UserName=user, PolicyArn=arn)
    caller = aws.as_user(user)
    caller.ecs.list_clusters()
    with refused("ClusterNotFoundException", r"Cluster not found\."):
        caller.ecs.stop_task(cluster="no-such-cluster", task="0123456789abcdef0123456789abcdef")

    def report(*more):
        command = ("iam", "generate-service-last-accessed-details", "--arn", arn, *more)
        job = aws_cli(aws, tmp_path, *command)["JobId"]
        return aws_cli(aws, tmp_path, "iam", "get-service-last-accessed-details", "--job-id", job)

    services = {one["ServiceNamespace"]: one for one in report()["ServicesLastAccessed"]}
    assert services.keys() == {"ecs", "iam"}
    assert services["ecs"]["LastAuthenticatedEntity"] == aws.iam_arn(f"user/{user}")
    assert "LastAuthenticated" not in services["iam"]
    found = report("--granularity", "ACTION_LEVEL")
    assert (found["JobStatus"], found["IsTruncated"]) == ("COMPLETED", False)
    ecs = found["ServicesLastAccessed"][0]
    used = {one["ActionName"]: "LastAccessedTime" in one for one in ecs["TrackedActionsLastAccessed"]}
    assert used == {"ListClusters": True, "ListTasks": False, "StopTask": True}


def test_an_orderly_end_loses_no_use(start):
    server, root = start()
    user = root.user()
    role = root.role(trust={**TRUST_ECS_TASKS, "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": root.iam_arn(f"user/{user}")}, "Action": "sts:AssumeRole"}
    ]})
    caller = root.as_user(user)
    key = caller.credentials["aws_access_key_id"]
    caller.assume(root.role_arn(role)).sts.get_caller_identity()
    before = (
        root.iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"],
        root.iam.get_role(RoleName=role)["Role"]["RoleLastUsed"],
    )
    assert before[0]["ServiceName"] == "sts" and before[1]["Region"] == REGION
    server.stop()
    _, root = start()
    after = (
        root.iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"],
        root.iam.get_role(RoleName=role)["Role"]["RoleLastUsed"],
    )
    assert after == before


def test_the_audit_lists_who_may_what_by_which_statement_and_when_it_was_used(account, tmp_path):
    cluster = account.ecs_arn("cluster/default")
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
            {"Sid": "Look", "Effect": "Allow", "Action": "ecs:DescribeClusters", "Resource": cluster},
            {"Sid": "Tidy", "Effect": "Allow", "Action": "ecs:DeleteCluster", "Resource": cluster},
        ],
    }
    policy, user, group = account.policy(document), account.user(), account.group()
    account.iam.attach_group_policy(GroupName=group, PolicyArn=policy)
    account.iam.add_user_to_group(GroupName=group, UserName=user)
    account.ecs.create_cluster(clusterName="default")
    account.as_user(user).ecs.describe_clusters(clusters=["default"])

    done = audit(account, tmp_path, "--service", "ecs", "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = [row for row in json.loads(done.stdout) if row["principal"] == account.iam_arn(f"user/{user}")]
    assert [row["action"] for row in rows] == ["ecs:DeleteCluster", "ecs:DescribeClusters"]
    delete, describe = rows
    assert delete["lastUsed"] is None and describe["lastUsed"].endswith("Z") and describe["tracked"]
    assert delete["resource"] == cluster and delete["allowed"] == "always"
    assert delete["grantedBy"] == {
        "policy": policy.rsplit("/", 1)[1], "policyArn": policy, "group": group, "sid": "Tidy", "statement": 3
    }

    done = audit(account, tmp_path, "--service", "ecs", "--format", "csv")
    listed = list(csv.DictReader(io.StringIO(done.stdout)))
    found = {row["action"]: row["last_used"] for row in listed if row["group"] == group}
    assert found == {"ecs:DeleteCluster": "never", "ecs:DescribeClusters": describe["lastUsed"]}

    done = audit(account, tmp_path, "--service", "ecs")
    (line,) = [line for line in done.stdout.splitlines() if "ecs:DeleteCluster" in line and user in line]
    assert line.startswith(f"user/{user} ") and line.endswith("never") and "Tidy" in line

    # Nothing is old enough to be missed yet.
    done = audit(account, tmp_path, "--service", "ecs", "--unused-for", "1", "--format", "json")
    assert json.loads(done.stdout) == []


def test_the_audit_needs_permission(account, tmp_path):
    stranger = account.as_user(account.user())
    done = audit(stranger, tmp_path, "--service", "ecs")
    assert done.returncode == 1
    assert "AccessDenied" in done.stderr and "iam:GetAccountAuthorizationDetails" in done.stderr
    done = audit(account, tmp_path, "--service", "no-such-service")
    assert done.returncode == 1 and "no-such-service" in done.stderr
