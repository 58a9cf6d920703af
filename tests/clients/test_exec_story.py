"""`portcullis exec` into real tasks of our own agent, as a person at a terminal has it. On Docker twice: with the agent
beside the engine, and where it cannot see the engine's processes."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from pathlib import Path
from signal import SIGWINCH

import pytest

from account import REGION, statement
from quickstart import Quickstart
from server import BINARY
from test_story import CLUSTER, IMAGE, import_busybox, wait_for

# Its quickstart and the story's would be in each other's way.
pytestmark = pytest.mark.xdist_group("story")

#: Without the machine's processes in sight.
APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture(scope="module", params=["beside", "apart"])
def admin(request, tmp_path_factory):
    engine, is_apart = request.config.getoption("--engine"), request.param == "apart"
    if engine == "process" and is_apart:
        pytest.skip("processes of the process engine are the agent's own")
    log = tmp_path_factory.mktemp("quickstart") / "log"
    with Quickstart(engine, log, APART if is_apart else ()) as quickstart:
        if engine == "docker":
            import_busybox()
        yield quickstart.administrator


def started(admin, role, *names, agents="RUNNING", log=None):
    """A task of these containers, which all sleep, with Execute Command; once its managed agents are as wanted."""
    containers = [
        {
            "name": name,
            "image": IMAGE,
            "memory": 32,
            "stopTimeout": 2,
            "entryPoint": ["/bin/sh", "-c"],
            "command": ["while :; do sleep 1; done"],
            "environment": [{"name": "WHO", "value": name}, {"name": "PATH", "value": "/bin:/usr/bin"}],
            **({"logConfiguration": log} if log else {}),
        }
        for name in names
    ]
    family, role_arn = admin.name("family"), admin.role_arn(role)
    roles = {"taskRoleArn": role_arn, **({"executionRoleArn": role_arn} if log else {})}
    admin.ecs.register_task_definition(family=family, **roles, containerDefinitions=containers)
    reply = admin.ecs.run_task(cluster=CLUSTER, taskDefinition=family, enableExecuteCommand=True)
    arn = reply["tasks"][0]["taskArn"]

    def ready():
        task = admin.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]
        assert task["lastStatus"] != "STOPPED", task
        found = [agent for one in task["containers"] for agent in one.get("managedAgents", [])]
        assert all(agent["lastStatus"] in ("PENDING", agents) for agent in found), found
        return len(found) == len(names) and all(agent["lastStatus"] == agents for agent in found)

    wait_for(ready)
    return arn


@pytest.fixture(scope="module")
def task(admin):
    arn = started(admin, admin.role(statement("ssmmessages:*")), "app", "side")
    yield arn
    admin.ecs.stop_task(cluster=CLUSTER, task=arn)


class Shell:
    """`portcullis exec` with a terminal of 101 columns and 33 rows, or with none."""

    def __init__(self, admin, task, *command, container="app", tty=False):
        arguments = [BINARY, "exec", "--cluster", CLUSTER, "--task", task]
        arguments += ["--container", container] if container else []
        environment = {
            "AWS_ACCESS_KEY_ID": admin.credentials["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": admin.credentials["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": admin.url,
        }
        self.shown = b""
        self.ours, theirs = pty.openpty() if tty else os.pipe()
        if tty:
            self.resize(101, 33)
        self.process = subprocess.Popen(
            [*arguments, "--", *command],
            env=environment,
            stdin=theirs if tty else subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)

    def resize(self, columns, rows):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.ours, text)

    def read(self, until=None):
        """What is shown until these words, or until the end."""
        deadline = time.monotonic() + 30
        while until is None or until not in self.shown:
            ready, _, _ = select.select([self.ours], [], [], max(0, deadline - time.monotonic()))
            assert ready, (until, self.shown)
            try:
                data = os.read(self.ours, 4096)
            except OSError:
                data = b""  # of a terminal that nobody holds any more
            if not data:
                assert until is None, (until, self.shown)
                break
            self.shown += data
        return self.shown.decode()

    def end(self):
        """All that was shown, and the exit code."""
        shown = self.read()
        os.close(self.ours)
        return shown, self.process.wait(timeout=10)


def test_output_and_exit_code_are_the_commands(admin, task):
    shown, code = Shell(admin, task, "sh", "-c", "echo $((6*7)); id -u; exit 3").end()
    assert "42\r\n0\r\n" in shown and code == 3, (shown, code)
    shown, code = Shell(admin, task, "no-such-program").end()
    assert code != 0 and "no-such-program" in shown, (shown, code)


def test_a_container_of_several_is_named(admin, task):
    for name in ("app", "side"):
        shown, code = Shell(admin, task, "sh", "-c", "echo I am $WHO", container=name).end()
        assert f"I am {name}\r\n" in shown and code == 0, (shown, code)
    shown, code = Shell(admin, task, "sh", container=None).end()
    assert "Container name must be specified" in shown and code == 1, (shown, code)


def test_the_command_has_the_terminals_size_and_its_keys(admin, task):
    grows = 'stty size; until [ "$(stty size)" = "44 120" ]; do sleep 0.1; done; echo grown; read line; echo "<$line>"'
    shell = Shell(admin, task, "sh", "-c", "sleep 0.5; " + grows, tty=True)
    shell.read(until=b"33 101\r\n")
    shell.resize(120, 44)
    shell.process.send_signal(SIGWINCH)
    shell.read(until=b"grown\r\n")
    shell.type(b"typed\r")
    shown, code = shell.end()
    assert "<typed>\r\n" in shown and code == 0, (shown, code)
    # The shell itself waits: while it forks, a child that has not become its program yet swallows the signal.
    shell = Shell(admin, task, "sh", "-c", "echo ready; read line", tty=True)
    shell.read(until=b"ready\r\n")
    shell.type(b"\x03")
    assert shell.end()[1] != 0


def running(mark):
    """Who has this in its command line, as far as the test sees."""

    def line(process):
        try:
            return (process / "cmdline").read_bytes()
        except OSError:
            return b""

    return [process.name for process in Path("/proc").glob("[0-9]*") if mark.encode() in line(process)]


@pytest.mark.parametrize("stubborn", ["", "trap '' HUP INT TERM QUIT; "], ids=["", "stubborn"])
def test_a_client_that_goes_takes_its_command_along(admin, task, stubborn):
    mark = f"77{time.monotonic_ns() % 10**7:07}"
    script = f"{stubborn}sleep {mark} & echo ready; while :; do sleep {mark}; done"
    shell = Shell(admin, task, "sh", "-c", script)
    shell.read(until=b"ready\r\n")
    wait_for(lambda: running(f"sleep\0{mark}"))
    shell.process.kill()
    shell.process.wait()
    os.close(shell.ours)
    wait_for(lambda: not running(mark))


CHANNELS = statement("ssmmessages:*")
LOGS = statement(["logs:DescribeLogGroups", "logs:CreateLogStream", "logs:PutLogEvents"])
OBJECTS = statement("s3:PutObject")


def configured(admin, **exec_):
    admin.ecs.update_cluster(cluster=CLUSTER, configuration={"executeCommandConfiguration": exec_})


def lines(admin, group, prefix=""):
    """All events of the group's only stream that begins with this; its name."""
    logs = admin.client("logs")
    (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]
    name = stream["logStreamName"]
    events = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)["events"]
    return "\n".join(event["message"] for event in events), name


@pytest.fixture
def demanded(admin):
    """Where the cluster's sessions are to be logged: group, bucket."""
    group, bucket = f"/{admin.name('exec')}", admin.name("exec-logs")
    admin.client("logs").create_log_group(logGroupName=group)
    admin.client("s3").create_bucket(Bucket=bucket)
    log = {"cloudWatchLogGroupName": group, "s3BucketName": bucket, "s3KeyPrefix": "shells"}
    configured(admin, logging="OVERRIDE", logConfiguration=log)
    yield group, bucket
    configured(admin)


def test_a_session_is_logged_where_its_cluster_demands_it_or_does_not_begin(admin, demanded):
    group, bucket = demanded
    role = admin.role(CHANNELS, LOGS, OBJECTS)
    task = started(admin, role, "app")
    shown, code = Shell(admin, task, "sh", "-c", "echo secret plan; exit 3").end()
    assert "secret plan\r\n" in shown and code == 3, (shown, code)
    logged, session = lines(admin, group, "ecs-execute-command-")
    assert "secret plan\n" in logged and "Script done on" in logged, logged
    kept = admin.client("s3").get_object(Bucket=bucket, Key=f"shells/{session}.log")["Body"].read()
    assert b"secret plan\r\n" in kept, kept
    # p2 is what lets it write objects.
    admin.iam.delete_role_policy(RoleName=role, PolicyName="p2")
    shown, code = Shell(admin, task, "sh", "-c", "echo ran").end()
    assert "Couldn't start the session" in shown and "s3:PutObject" in shown and code == 1, (shown, code)
    assert "ran" not in shown.split("Couldn't", 1)[0]
    admin.ecs.stop_task(cluster=CLUSTER, task=task)


def test_nothing_said_is_the_containers_own_log_group_and_no_demand(request, admin):
    if request.config.getoption("--engine") == "process":
        pytest.skip("processes have no log driver")
    group = f"/{admin.name('app')}"
    admin.client("logs").create_log_group(logGroupName=group)
    options = {"awslogs-group": group, "awslogs-region": REGION, "awslogs-stream-prefix": "web"}
    role = admin.role(CHANNELS, LOGS)
    task = started(admin, role, "app", log={"logDriver": "awslogs", "options": options})
    shown, code = Shell(admin, task, "sh", "-c", "echo hello").end()
    assert "hello\r\n" in shown and "not logged" not in shown and code == 0, shown
    assert "hello\n" in lines(admin, group, "ecs-execute-command-")[0]
    admin.iam.delete_role_policy(RoleName=role, PolicyName="p1")
    shown, code = Shell(admin, task, "sh", "-c", "echo hello").end()
    assert "This session is not logged. " in shown and "hello\r\n" in shown and code == 0, shown
    admin.ecs.stop_task(cluster=CLUSTER, task=task)


def test_without_the_permission_there_is_no_connection(admin):
    arn = started(admin, admin.role(statement("ecs:ListClusters")), "app", agents="STOPPED")
    task = admin.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]
    (agent,) = task["containers"][0]["managedAgents"]
    assert agent["lastStatus"] == "STOPPED" and "ssmmessages:CreateControlChannel" in agent["reason"], agent
    shown, code = Shell(admin, arn, "sh").end()
    assert "TargetNotConnectedException" in shown and code == 1, (shown, code)
    admin.ecs.stop_task(cluster=CLUSTER, task=arn)
