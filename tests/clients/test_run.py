"""`portcullis run`: a program with a task role's credentials, by the whole chain, and what was decided of its calls; and
`portcullis agent doctor`."""

import os
import re
import subprocess
import sys
import textwrap

import pytest

from account import ACCOUNT, REGION, TRUST_ECS_TASKS, statement
from server import BINARY

PROGRAM = textwrap.dedent(
    """
    import boto3, botocore.exceptions, sys
    def client(name):
        return boto3.client(name)
    print(client("sts").get_caller_identity()["Arn"])
    print(boto3.Session().get_credentials().method)
    client("ecs").list_clusters()
    try:
        client("ecs").delete_cluster(cluster="nothing")
    except botocore.exceptions.ClientError as error:
        print(error.response["Error"]["Code"])
    sys.exit(7)
    """
)
#: All that docs/run.md says a caller needs.
NEEDED = [
    "ecs:RegisterTaskDefinition",
    "ecs:DeregisterTaskDefinition",
    "ecs:StartTask",
    "ecs:RegisterContainerInstance",
    "ecs:DeregisterContainerInstance",
    "ecs:DiscoverPollEndpoint",
    "ecs:Poll",
    "ecs:StartTelemetrySession",
    "ecs:Submit*",
    "ecs:DescribeClusters",
    "ecs:CreateCluster",
    "ecs:DescribeTasks",
    "cloudtrail:LookupEvents",
]


@pytest.fixture
def role(aws):
    return aws.role(statement("ecs:ListClusters"))


@pytest.fixture
def developer(aws, role):
    """Somebody who may run tasks with that role alone."""
    pass_role = statement("iam:PassRole", aws.role_arn(role))
    return aws.as_user(aws.user(statement(NEEDED), pass_role))


def run(somebody, home, *command, role, execution_role=None, cluster="run"):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "AWS_ACCESS_KEY_ID": somebody.credentials["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": somebody.credentials["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": somebody.url,
        "AWS_PROFILE": "nobody",
    }
    roles = ["--task-role", role] + (["--execution-role", execution_role] if execution_role else [])
    return subprocess.run(
        [BINARY, "run", *roles, "--cluster", cluster, "--", *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_program_has_the_task_role_and_its_decisions_are_told(aws, developer, role, tmp_path):
    done = run(developer, tmp_path, sys.executable, "-c", PROGRAM, role=role)
    assert done.returncode == 7, done.stderr
    identity, method, code = done.stdout.splitlines()
    task = re.search(r"portcullis run: task ([0-9a-f]{32}) with role", done.stderr).group(1)
    assert identity == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{task}"
    assert method == "container-role"
    assert code == "AccessDeniedException"
    assert "allowed  ecs:ListClusters\n" in done.stderr, done.stderr
    assert re.search(r"denied   ecs:DeleteCluster  User: \S+ is not authorized", done.stderr), done.stderr
    assert "2 allowed, 1 denied, 0 failed" in done.stderr, done.stderr
    # Nothing is left behind, and the task ended as the program did.
    assert aws.ecs.list_container_instances(cluster="run")["containerInstanceArns"] == []
    (stopped,) = aws.ecs.describe_tasks(cluster="run", tasks=[task])["tasks"]
    assert (stopped["lastStatus"], stopped["containers"][0]["exitCode"]) == ("STOPPED", 7)
    assert list(tmp_path.glob("portcullis-run-*")) == []


def test_it_runs_whatever_other_hosts_the_caller_has(aws, role, tmp_path):
    """A further host of one principal waits for an operator; this machine takes nobody else's tasks, and does not."""
    aws.container_instance(aws.cluster())
    for number in ("1", "2"):
        done = run(aws, tmp_path, "sh", "-c", f"echo {number}", role=role)
        assert (done.returncode, done.stdout) == (0, f"{number}\n"), done.stderr


def test_who_may_not_pass_the_role_runs_nothing(aws, role, tmp_path):
    somebody = aws.as_user(aws.user(statement(NEEDED)))
    done = run(somebody, tmp_path, "sh", "-c", "echo ran", role=role)
    assert (done.returncode, done.stdout) == (125, "")
    assert "not authorized to perform: iam:PassRole" in done.stderr, done.stderr
    assert aws.ecs.list_container_instances(cluster="run")["containerInstanceArns"] == []


def test_an_execution_role_is_passed_too_and_gives_the_program_nothing(aws, developer, role, tmp_path):
    execution_role = aws.role(statement("ecs:DeleteCluster"))
    done = run(developer, tmp_path, "sh", "-c", "echo ran", role=role, execution_role=execution_role)
    assert (done.returncode, done.stdout) == (125, "")
    assert f"iam:PassRole on resource: {aws.role_arn(execution_role)}" in done.stderr, done.stderr
    done = run(aws, tmp_path, sys.executable, "-c", PROGRAM, role=role, execution_role=execution_role)
    assert done.returncode == 7, done.stderr
    identity, _, code = done.stdout.splitlines()
    task = re.search(r"portcullis run: task ([0-9a-f]{32}) with role", done.stderr).group(1)
    assert (identity, code) == (f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{task}", "AccessDeniedException")
    (stopped,) = aws.ecs.describe_tasks(cluster="run", tasks=[task])["tasks"]
    definition = aws.ecs.describe_task_definition(taskDefinition=stopped["taskDefinitionArn"])["taskDefinition"]
    assert definition["executionRoleArn"] == aws.role_arn(execution_role)


def test_a_role_that_does_not_trust_tasks_runs_nothing(aws, tmp_path):
    statements = [TRUST_ECS_TASKS["Statement"][0] | {"Principal": {"Service": "lambda.amazonaws.com"}}]
    role = aws.role(trust=TRUST_ECS_TASKS | {"Statement": statements})
    done = run(aws, tmp_path, "sh", "-c", "echo ran", role=role)
    assert (done.returncode, done.stdout) == (125, "")
    assert "ECS was unable to assume the role" in done.stderr, done.stderr


def test_a_program_that_is_not_there(aws, role, tmp_path):
    done = run(aws, tmp_path, "/no/such/program", role=role)
    assert done.returncode == 125 and "/no/such/program could not be started" in done.stderr, done.stderr


def test_nobody_else_starts_anything_on_the_machine(aws, role, tmp_path):
    """Another task on the developer's machine is refused by its agent, whoever may place it there."""
    other = (
        "import boto3, time\n"
        "ecs = boto3.Session(aws_access_key_id=ID, aws_secret_access_key=KEY).client('ecs')\n"
        "made = ecs.register_task_definition(family='other', containerDefinitions=["
        "{'name': 'app', 'image': 'none', 'memory': 16, 'entryPoint': ['/bin/sh', '-c', 'echo stolen > ' + MARK]}])\n"
        "host = ecs.list_container_instances(cluster='run')['containerInstanceArns']\n"
        "(task,) = ecs.start_task(cluster='run', taskDefinition='other', containerInstances=host)['tasks']\n"
        "ecs.get_waiter('tasks_stopped').wait(cluster='run', tasks=[task['taskArn']], WaiterConfig={'Delay': 1})\n"
        "(task,) = ecs.describe_tasks(cluster='run', tasks=[task['taskArn']])['tasks']\n"
        "print(task['containers'][0].get('reason'))\n"
    )
    mark = tmp_path / "stolen"
    keys = f"ID = {aws.credentials['aws_access_key_id']!r}\nKEY = {aws.credentials['aws_secret_access_key']!r}\nMARK = {str(mark)!r}\n"
    done = run(aws, tmp_path, sys.executable, "-c", keys + other, role=role)
    assert done.returncode == 0, done.stderr
    assert "takes no other" in done.stdout, done.stdout
    assert not mark.exists()


def test_the_doctor_says_what_to_do(server, tmp_path):
    command = [BINARY, "agent", "doctor", "--docker-host", f"unix://{tmp_path}/none.sock", "--endpoint", server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert all(re.match(r"(ok  |warn|BAD )  \S", line) for line in lines), done.stdout
    assert any(line.startswith("BAD   Docker does not answer") for line in lines), done.stdout
    assert "ok    this clock and the server's agree" in lines, done.stdout
