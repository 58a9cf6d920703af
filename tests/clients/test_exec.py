"""`aws ecs execute-command --interactive` and `portcullis exec` against a host in the hand of a test (`exec_host.py`). The
plugin is a stand-in that follows its protocol (`session_manager_plugin.py`)."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from account import REGION, statement
from errors import denied
from exec_host import ExecHost
from server import BINARY

PLUGIN = Path(__file__).with_name("session_manager_plugin.py")


@pytest.fixture
def host(aws):
    host = ExecHost(aws)
    yield host
    host.close()


def environment_of(aws, directory):
    return {
        "PATH": f"{directory}:{os.environ['PATH']}",
        "HOME": str(directory),
        "AWS_ACCESS_KEY_ID": aws.credentials["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": aws.credentials["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_MAX_ATTEMPTS": "1",
    }


def played(command, aws, host, directory, typed):
    serving = threading.Thread(target=host.serve, daemon=True)
    serving.start()
    done = subprocess.run(
        command,
        env=environment_of(aws, directory),
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    serving.join(timeout=20)
    assert not serving.is_alive()
    return done


def test_the_aws_cli_hands_its_session_to_the_plugin(aws, host, tmp_path):
    plugin = tmp_path / "session-manager-plugin"
    plugin.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{PLUGIN}" "$@"\n')
    plugin.chmod(0o755)
    command = [sys.executable, str(Path(sys.executable).with_name("aws")), "ecs", "execute-command"]
    command += ["--cluster", aws.busy_cluster, "--task", host.task, "--interactive", "--command", "sh -l"]
    done = played(command, aws, host, tmp_path, "hello\nq\n")
    assert done.returncode == 0, done.stderr
    for shown in ("Starting session with SessionId: ecs-execute-command-", "$ sh -l", "HELLO", "Exiting session"):
        assert shown in done.stdout, done.stdout


def test_portcullis_exec_needs_no_plugin(aws, host, tmp_path):
    command = [BINARY, "exec", "--cluster", aws.busy_cluster, "--task", host.task, "--", "sh", "-c", "echo $HOME"]
    done = played(command, aws, host, tmp_path, "hello\nq\n")
    assert "$ sh -c 'echo $HOME'" in done.stdout and "HELLO" in done.stdout, (done.stdout, done.stderr)


def test_cluster_and_task_must_both_be_allowed(aws, host):
    asked = {"cluster": aws.busy_cluster, "task": host.task, "command": "sh", "interactive": True}
    cluster = aws.ecs_arn(f"cluster/{aws.busy_cluster}")
    for allowed, refused in ((cluster, host.task), (host.task, cluster)):
        somebody = aws.as_user(aws.user(statement("ecs:ExecuteCommand", allowed)))
        with denied("ecs", somebody.arn, "ecs:ExecuteCommand", refused):
            somebody.ecs.execute_command(**asked)
    names = {"ecs:cluster": cluster, "ecs:task": host.task}
    conditions = {"StringEquals": {"ecs:container-name": "app"}, "ArnEquals": names}
    only = aws.as_user(aws.user(statement("ecs:ExecuteCommand", Condition=conditions)))
    assert only.ecs.execute_command(**asked)["session"]["tokenValue"]
    conditions = {"StringEquals": {"ecs:container-name": "other"}}
    other = aws.as_user(aws.user(statement("ecs:ExecuteCommand", Condition=conditions)))
    with denied("ecs", other.arn, "ecs:ExecuteCommand", cluster):
        other.ecs.execute_command(**asked)
