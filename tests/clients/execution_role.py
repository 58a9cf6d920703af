"""docs/execution-role.md is true: an image made on one host is pushed by `docker push` and runs on another under an execution
role; each row of the page's table says what that task does without one action.

Like task_identity.py: our server, hosts with network namespace, Docker Engine and agent of their own, no registry but ours.
`cargo xtask test` names this file inside `cargo xtask docker-room`. Neither engine has a certificate; only the one that
pushes is told that the server's address speaks HTTP.
"""

import base64
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from account import ACCOUNT, REGION, Account
from cases.ssm import TRUST_SSM
from hosts import SERVER_ADDRESS, Host, build_bridge, busybox_image, remove_bridge, run
from server import ROOT, Server
from task_identity import FOR_INSTANCES, wait_for
from test_secrets import forms, told

CLUSTER = "starts"
POLICY = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
DOC = (ROOT / "docs/execution-role.md").read_text()
ROW = re.compile(r"^\| `([\w-]+:\w+)` \| (yes|no) \| (.+?) \| (.+?) \|$", re.MULTILINE)
TABLE = {action: cells for action, *cells in ROW.findall(DOC)}
ECR = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
IMAGE = f"{ECR}/app:1"
GROUP = "start"
SLEEP = "trap exit TERM; echo started; while :; do sleep 1; done"
CANARIES = {"PARAMETER": "canary-parameter", "PLAIN": "canary-plain", "SECRET": "canary-secret", "FILE": "canary-file"}


class PublicRegistry:
    """Stands for ECR Public: lets anybody read `team/app`, which is `app` of our server."""

    def __init__(self):
        registry, self.asked = self, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                registry.asked.append(self.path)
                login = base64.b64encode(":".join(login_of(Account.root(registry.url))).encode()).decode()
                address = registry.url + self.path.replace("/v2/team/app/", "/v2/app/")
                headers = {"Authorization": f"Basic {login}", "Accept": self.headers["Accept"]}
                try:
                    reply = urllib.request.urlopen(urllib.request.Request(address, headers=headers))
                except urllib.error.HTTPError as error:
                    reply = error
                body = reply.read()
                self.send_response(reply.status)
                for name in ("Content-Type", "Docker-Content-Digest"):
                    if value := reply.headers[name]:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port

    def serves(self, url):
        self.url = url
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    # Docker's command writes logins down.
    os.environ["DOCKER_CONFIG"] = str(tmp_path_factory.mktemp("docker"))
    build_bridge()
    public = PublicRegistry()
    server = Server(
        tmp_path_factory.mktemp("server") / "data",
        *("--store", "memory", "--account", ACCOUNT, "--upstream-registry", f"public.ecr.aws=http://127.0.0.1:{public.port}"),
        host=SERVER_ADDRESS,
    )
    server.wait_until(Account.root(server.url).sts.get_caller_identity)
    public.serves(server.url)
    yield server
    server.stop()
    public.stop()
    remove_bridge()


@pytest.fixture(scope="module")
def root(server):
    root = Account.root(server.url)
    root.ecs.create_cluster(clusterName=CLUSTER)
    return root


def login_of(root):
    """User name and password at the registry, as whoever asks."""
    (data,) = root.client("ecr").get_authorization_token()["authorizationData"]
    return base64.b64decode(data["authorizationToken"]).decode().split(":", 1)


@pytest.fixture(scope="module")
def registry(server):
    return server.url.removeprefix("http://")


@pytest.fixture(scope="module")
def hosts(root, server, registry, tmp_path_factory):
    """One that pushes, with a login of its operator's, and one whose engine knows nothing."""
    folder = tmp_path_factory.mktemp("hosts")
    role = root.role(trust=TRUST_SSM)
    root.iam.attach_role_policy(RoleName=role, PolicyArn=FOR_INSTANCES)
    token = root.client("ssm").create_activation(IamRole=role, RegistrationLimit=2)
    user, password = login_of(root)
    hosts = {}
    for number, daemon in ((1, {"insecure-registries": [registry]}), (2, {})):
        variables = {
            "PORTCULLIS_ACTIVATION_CODE": token["ActivationCode"],
            "ECS_INSTANCE_ATTRIBUTES": json.dumps({"place": str(number)}),
            "ECS_IMAGE_PULL_BEHAVIOR": "always",
            "ECS_ENGINE_AUTH_TYPE": "docker",
            "ECS_ENGINE_AUTH_DATA": json.dumps({registry: {"username": user, "password": password}}),
        }
        hosts[number] = Host(
            number,
            folder / str(number),
            server.url,
            CLUSTER,
            arguments=["--activation-id", token["ActivationId"], "--instance-metadata"],
            variables=variables,
            daemon=daemon,
        )
        hosts[number].role, hosts[number].password = role, password

    def connected():
        arns = root.ecs.list_container_instances(cluster=CLUSTER)["containerInstanceArns"]
        found = root.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=arns) if len(arns) == 2 else {}
        return len([one for one in found.get("containerInstances", []) if one["agentConnected"]]) == 2

    try:
        wait_for(connected, lambda: "\n".join(host.log.read_text()[-3000:] for host in hosts.values()))
        yield hosts
    finally:
        for host in hosts.values():
            host.end()


def push(host, registry, mark, name="app:1"):
    """An image made on the host goes to the registry; its digest."""
    run("docker", "--host", host.engine, "import", "-", f"{registry}/{name}", input=busybox_image(mark))
    told = host.docker("push", f"{registry}/{name}")
    return re.search(r"digest: (sha256:\w+)", told).group(1)


@pytest.fixture(scope="module")
def pushed(root, hosts, registry):
    root.client("ecr").create_repository(repositoryName="app")
    user, password = login_of(root)
    told = run(
        "docker", "--host", hosts[1].engine, "login", "--username", user, "--password-stdin", registry, input=password.encode()
    )
    assert b"Succeeded" in told
    return push(hosts[1], registry, "first")


@pytest.fixture(scope="module")
def supplies(root):
    """What the task wants: a parameter, a secret, a file and a log group; the first two under a key of the account's own."""
    key = root.client("kms").create_key()["KeyMetadata"]["Arn"]
    parameters = {"PARAMETER": {"Type": "SecureString", "KeyId": key}, "PLAIN": {"Type": "String"}}
    for name, more in parameters.items():
        root.client("ssm").put_parameter(Name=f"/start/{name}", Value=CANARIES[name], **more)
    text = json.dumps({"password": CANARIES["SECRET"]})
    secret = root.client("secretsmanager").create_secret(Name="start", SecretString=text, KmsKeyId=key)["ARN"]
    root.client("s3").create_bucket(Bucket="start-files")
    file = f"FILE={CANARIES['FILE']}\nMINE=file\n".encode()
    root.client("s3").put_object(Bucket="start-files", Key="app.env", Body=file)
    root.client("logs").create_log_group(logGroupName=GROUP)
    return {
        "secrets": [
            {"name": "PARAMETER", "valueFrom": "/start/PARAMETER"},
            {"name": "PLAIN", "valueFrom": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/start/PLAIN"},
            {"name": "SECRET", "valueFrom": f"{secret}:password::"},
        ],
        "environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::start-files/app.env"}],
        "environment": [{"name": "MINE", "value": "definition"}],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": GROUP, "awslogs-region": REGION, "awslogs-stream-prefix": "app"},
        },
    }


class Start:
    """A task on one host, from its start to where it comes."""

    def __init__(self, root, host, role=None, image=IMAGE, **container):
        self.root, self.host = root, host
        container = {"name": "app", "image": image, "memory": 64, "command": ["sh", "-c", SLEEP], "stopTimeout": 2, **container}
        role = {"executionRoleArn": root.role_arn(role)} if role else {}
        family = root.name("start")
        root.ecs.register_task_definition(family=family, containerDefinitions=[container], **role)
        place = [{"type": "memberOf", "expression": f"attribute:place == {host.name[-1]}"}]
        reply = root.ecs.run_task(cluster=CLUSTER, taskDefinition=family, placementConstraints=place)
        assert reply["tasks"], reply["failures"]
        self.arn = reply["tasks"][0]["taskArn"]

    def described(self):
        return self.root.ecs.describe_tasks(cluster=CLUSTER, tasks=[self.arn])["tasks"][0]

    def settled(self):
        """The task when it runs, or has ended."""
        task = wait_for(
            lambda: (task := self.described())["lastStatus"] in ("RUNNING", "STOPPED") and task,
            lambda: (self.described(), self.host.log.read_text()[-5000:]),
        )
        self.container = task["containers"][0].get("runtimeId")
        return task

    def running(self):
        task = self.settled()
        assert task["lastStatus"] == "RUNNING", (task.get("stoppedReason"), self.host.log.read_text()[-5000:])
        return task

    def end(self):
        self.root.ecs.stop_task(cluster=CLUSTER, task=self.arn)
        wait_for(lambda: self.described()["lastStatus"] == "STOPPED", self.described)
        return self

    def variables(self):
        return json.loads(self.host.docker("inspect", "--format", "{{json .Config.Env}}", self.container))

    def messages(self):
        """What CloudWatch Logs has of it."""
        stream = f"app/app/{self.arn.split('/')[-1]}"
        logs = self.root.client("logs")
        streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=stream)["logStreams"]
        if not streams:
            return []
        return [one["message"] for one in logs.get_log_events(logGroupName=GROUP, logStreamName=stream)["events"]]


def forget_images(host):
    """As on a host that never had the image: what pulls it asks for every layer."""
    containers = host.docker("ps", "--all", "--quiet").split()
    if containers:
        host.docker("rm", "--force", *containers)
    images = host.docker("images", "--quiet", "--filter", f"reference={ECR}/*").split()
    if images:
        host.docker("image", "rm", "--force", *set(images))


def allowing(root, actions):
    return root.role({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": sorted(actions), "Resource": "*"}]})


def test_1_the_table_has_the_managed_policy_and_what_the_issue_names(root):
    version = root.iam.get_policy(PolicyArn=POLICY)["Policy"]["DefaultVersionId"]
    document = root.iam.get_policy_version(PolicyArn=POLICY, VersionId=version)["PolicyVersion"]["Document"]
    (statement,) = document["Statement"]
    assert {action for action, cells in TABLE.items() if cells[0] == "yes"} == set(statement["Action"])
    others = {"secretsmanager:GetSecretValue", "ssm:GetParameters", "kms:Decrypt", "s3:GetObject", "s3:GetBucketLocation"}
    assert {action for action, cells in TABLE.items() if cells[0] == "no"} == others
    # What the page's own commands give the role.
    assert re.search(r'^ALL="([^"]*)"', DOC, re.MULTILINE).group(1).split() == list(TABLE)


def test_2_the_managed_policy_is_enough_for_image_and_logs(root, hosts, pushed, supplies):
    role = root.role()
    root.iam.attach_role_policy(RoleName=role, PolicyArn=POLICY)
    task = Start(root, hosts[2], role, logConfiguration=supplies["logConfiguration"])
    (container,) = task.running()["containers"]
    assert (container["image"], container["imageDigest"]) == (IMAGE, pushed)
    wait_for(lambda: task.messages() == ["started"], task.messages)
    names = hosts[2].docker("images", "--format", "{{.Repository}}:{{.Tag}}")
    assert IMAGE in names.split() and "127.0.0.1" not in names
    task.end()


def said_of(task, server):
    """All that is to be read of a task by those who are not to know its secrets."""
    root, host = task.root, task.host
    described = task.described()
    yield json.dumps(described, default=str)
    yield json.dumps(root.ecs.describe_task_definition(taskDefinition=described["taskDefinitionArn"]), default=str)
    if described["lastStatus"] == "RUNNING":
        fetch = 'wget -q -O - "$ECS_CONTAINER_METADATA_URI_V4/task"'
        yield host.docker("exec", task.container, "sh", "-c", fetch)
        yield host.docker("inspect", "--format", "{{json .Config.Labels}}", task.container)
    yield from root.cloudtrail.get_paginator("lookup_events").paginate().search("Events[].CloudTrailEvent")
    yield root.ours("GET", "events", params={"follow": "false"})
    yield root.ours("GET", "audit", params={"cluster": CLUSTER})
    yield root.ours("GET", "metrics", params={"cluster": CLUSTER, "task": task.arn})
    for path in (server.log, host.log, *(host.folder / "agent").rglob("*")):
        if path.is_file():
            yield path.read_bytes()


def test_3_what_the_task_wants_reaches_it_and_nobody_else(root, server, hosts, pushed, supplies):
    task = Start(root, hosts[2], allowing(root, TABLE), **supplies)
    task.running()
    variables = dict(pair.split("=", 1) for pair in task.variables())
    assert {name: variables[name] for name in CANARIES} == CANARIES
    assert variables["MINE"] == "definition"
    canaries = [form for canary in CANARIES.values() for form in forms(canary.encode())]
    assert not [text for text in said_of(task, server) if told(text, canaries)]
    task.end()


@pytest.mark.parametrize("action", TABLE)
def test_4_each_row_of_the_table(root, hosts, pushed, supplies, action):
    forget_images(hosts[2])
    _, step, without = TABLE[action]
    task = Start(root, hosts[2], allowing(root, set(TABLE) - {action}), **supplies)
    settled = task.settled()
    reason = re.search(r"`([^`]+…[^`]*)`", without)
    if reason:
        assert settled["lastStatus"] == "STOPPED", step
        assert settled["stopCode"] == "TaskFailedToStart"
        pattern = ".*".join(re.escape(part) for part in reason.group(1).split("…"))
        assert re.fullmatch(pattern, settled["stoppedReason"], re.DOTALL), settled["stoppedReason"]
        assert action in settled["stoppedReason"]
        assert hosts[2].docker("ps", "--quiet") == ""
        return
    assert settled["lastStatus"] == "RUNNING", settled.get("stoppedReason")
    if step == "-":
        wait_for(lambda: task.messages() == ["started"], task.messages)
    else:
        wait_for(lambda: f"is not authorized to perform: {action}" in hosts[2].log.read_text())
        assert task.messages() == []
    task.end()


def test_4_a_task_that_cannot_start_gives_its_interface_back(root, hosts, pushed, supplies):
    filters = [{"Name": "availability-zone", "Values": [f"{REGION}a"]}]
    subnets = [one["SubnetId"] for one in root.ec2.describe_subnets(Filters=filters)["Subnets"]]
    container = {"name": "app", "image": IMAGE, "memory": 64, "secrets": supplies["secrets"]}
    role = root.role_arn(allowing(root, set(TABLE) - {"ssm:GetParameters"}))
    root.ecs.register_task_definition(
        family="own-interface", networkMode="awsvpc", containerDefinitions=[container], executionRoleArn=role
    )
    reply = root.ecs.run_task(
        cluster=CLUSTER,
        taskDefinition="own-interface",
        networkConfiguration={"awsvpcConfiguration": {"subnets": subnets[:1]}},
    )
    assert reply["tasks"], reply["failures"]
    task = reply["tasks"][0]["taskArn"]
    shown = lambda: root.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"][0]  # noqa: E731
    wait_for(lambda: shown()["lastStatus"] == "STOPPED", shown)
    assert shown()["stopCode"] == "TaskFailedToStart"
    assert "ssm:GetParameters" in shown()["stoppedReason"]
    assert root.ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    assert all(host.docker("ps", "--quiet") == "" for host in hosts.values())


#: What docs/agent-permissions.md says of the host's role. The first one first: a login is kept.
OF_HOSTS = {
    "ecr:GetAuthorizationToken": "CannotPullECRContainerError: ",
    "ecr:BatchGetImage": "CannotPullECRContainerError: ",
    "ecr:GetDownloadUrlForLayer": "CannotPullECRContainerError: ",
    "logs:CreateLogStream": "CannotStartContainerError: ",
    "logs:PutLogEvents": None,
    None: None,
}


@pytest.mark.parametrize("action", OF_HOSTS)
def test_5_a_task_without_execution_role_is_pulled_and_logged_by_the_hosts_role(root, hosts, pushed, supplies, action):
    forget_images(hosts[2])
    denial = {"Effect": "Deny", "Action": action, "Resource": "*"}
    if action:
        document = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
        root.iam.put_role_policy(RoleName=hosts[2].role, PolicyName="without", PolicyDocument=document)
    try:
        task = Start(root, hosts[2], logConfiguration=supplies["logConfiguration"])
        settled = task.settled()
        if reason := OF_HOSTS[action]:
            assert settled["lastStatus"] == "STOPPED"
            assert settled["stoppedReason"].startswith(reason) and action in settled["stoppedReason"], settled["stoppedReason"]
        else:
            assert settled["lastStatus"] == "RUNNING", settled.get("stoppedReason")
            wait_for(lambda: task.messages() == ["started"] if action is None else action in hosts[2].log.read_text())
            task.end()
    finally:
        if action:
            root.iam.delete_role_policy(RoleName=hosts[2].role, PolicyName="without")


def test_6_logins_of_the_operator_and_of_the_task(root, server, hosts, pushed, registry):
    """The same registry under its address, where it is one like any other: it wants a login."""
    image = f"{registry}/app:1"
    with_operators = Start(root, hosts[1], image=image)
    with_operators.running()
    assert not [text for text in said_of(with_operators, server) if told(text, forms(hosts[1].password.encode()))]
    with_operators.end()
    user, password = login_of(root)
    secret = root.client("secretsmanager").create_secret(
        Name="login", SecretString=json.dumps({"username": user, "password": password})
    )["ARN"]
    for allowed, status in (("secretsmanager:GetSecretValue", "RUNNING"), ("ssm:GetParameters", "STOPPED")):
        task = Start(
            root, hosts[1], allowing(root, [allowed]), image=image, repositoryCredentials={"credentialsParameter": secret}
        )
        assert task.settled()["lastStatus"] == status, task.described()
        assert not [text for text in said_of(task, server) if told(text, forms(password.encode()))]
        task.end()
    reason = task.described()["stoppedReason"]
    assert reason.startswith("ResourceInitializationError: asm fetching secret from the service for arn:aws:secretsmanager:")
    assert "is not authorized to perform: secretsmanager:GetSecretValue on resource" in reason


def test_7_tasks_of_one_deployment_run_the_digest_the_first_one_found(root, hosts, pushed, registry):
    forget_images(hosts[2])
    role = root.role()
    root.iam.attach_role_policy(RoleName=role, PolicyArn=POLICY)
    container = {"name": "app", "image": IMAGE, "memory": 64, "command": ["sh", "-c", SLEEP], "stopTimeout": 2}
    root.ecs.register_task_definition(
        family="pinned", containerDefinitions=[container], executionRoleArn=root.role_arn(role)
    )
    place = [{"type": "memberOf", "expression": "attribute:place == 2"}]
    root.ecs.create_service(
        cluster=CLUSTER, serviceName="pinned", taskDefinition="pinned", desiredCount=1, placementConstraints=place
    )

    def digests(count):
        arns = root.ecs.list_tasks(cluster=CLUSTER, serviceName="pinned")["taskArns"]
        tasks = root.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
        running = [task["containers"][0] for task in tasks if task["lastStatus"] == "RUNNING"]
        return len(running) == count and {(one["image"], one["imageDigest"]) for one in running}

    def log():
        return hosts[2].log.read_text()[-5000:]

    assert wait_for(lambda: digests(1), log) == {(IMAGE, pushed)}
    moved = push(hosts[1], registry, "second")
    assert moved != pushed
    root.ecs.update_service(cluster=CLUSTER, service="pinned", desiredCount=2)
    assert wait_for(lambda: digests(2), log) == {(IMAGE, pushed)}
    root.ecs.update_service(cluster=CLUSTER, service="pinned", forceNewDeployment=True)
    wait_for(lambda: digests(2) == {(IMAGE, moved)}, log, seconds=90)
    deployment = root.ecs.list_service_deployments(cluster=CLUSTER, service="pinned")["serviceDeployments"][0]
    revision = root.ecs.describe_service_revisions(serviceRevisionArns=[deployment["targetServiceRevisionArn"]])
    (image,) = revision["serviceRevisions"][0]["containerImages"]
    assert image == {"containerName": "app", "image": IMAGE, "imageDigest": moved}
    root.ecs.delete_service(cluster=CLUSTER, service="pinned", force=True)
    wait_for(lambda: not root.ecs.list_tasks(cluster=CLUSTER, family="pinned")["taskArns"], log)


def test_8_the_page_can_be_acted_out_with_the_aws_cli_and_docker(root, hosts, registry, tmp_path):
    """But for its first block, which makes a server and a host: here are others."""
    first, *blocks = re.findall(r"```sh\n(.*?)```", DOC, re.DOTALL)[:5]
    exports = next(line for line in first.splitlines() if line.startswith("export AWS_ENDPOINT_URL"))
    script = "\necho =====\n".join([exports, *blocks])
    for page, here in (
        ("127.0.0.1:4566", registry),
        ("busybox", "portcullis-hosts:latest"),
        ("run-task", "run-task --placement-constraints 'type=memberOf,expression=attribute:place == 1'"),
        ("--cluster demo", f"--cluster {CLUSTER}"),
    ):
        assert page in script
        script = script.replace(page, here)
    keys = {name.upper(): value for name, value in root.credentials.items()}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    more = {"DOCKER_HOST": hosts[1].engine, "DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path), "PATH": path}
    done = subprocess.run(["bash", "-ec", script], env=keys | more, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr, hosts[1].log.read_text()[-5000:])
    _, _, refused, granted, without = done.stdout.split("=====\n")
    assert refused.startswith("STOPPED\nTaskFailedToStart\t")
    assert "is not authorized to perform: ssm:GetParameters on resource" in refused
    assert granted.startswith("RUNNING\n") and "careful green\n" in granted
    assert "assumed-role/web-execution/" in granted
    assert without.startswith("STOPPED\nTaskFailedToStart\tCannotPullECRContainerError: ")
    assert "is not authorized to perform: ecr:GetDownloadUrlForLayer on resource" in without


def test_9_images_of_ecr_public_come_from_the_registry_the_server_was_told(root, hosts, pushed):
    """Without an execution role, and without a permission at ECR that reads images. A copy of the image's layers is kept."""
    forget_images(hosts[2])
    names = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": names, "Resource": "*"}]}
    root.iam.put_role_policy(RoleName=hosts[2].role, PolicyName="without", PolicyDocument=json.dumps(document))
    try:
        task = Start(root, hosts[2], image="public.ecr.aws/team/app:1")
        (container,) = task.running()["containers"]
        assert container["imageDigest"].startswith("sha256:")
        images = hosts[2].docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        assert "public.ecr.aws/team/app:1" in images and not [name for name in images if name.startswith("127.0.0.1")]
        task.end()
        absent = Start(root, hosts[2], image="public.ecr.aws/team/app:absent").settled()
        assert absent["stopCode"] == "TaskFailedToStart"
        reason = absent["stoppedReason"]
        assert reason.startswith("CannotPull") and "public.ecr.aws" in reason and "127.0.0.1" not in reason, reason
    finally:
        root.iam.delete_role_policy(RoleName=hosts[2].role, PolicyName="without")


def test_9_a_fargate_task_starts_under_its_execution_role(root, hosts, pushed, supplies):
    filters = [{"Name": "availability-zone", "Values": [f"{REGION}a"]}]
    subnets = [one["SubnetId"] for one in root.ec2.describe_subnets(Filters=filters)["Subnets"]]
    arns = root.ecs.list_container_instances(cluster=CLUSTER, filter="attribute:place == 2")["containerInstanceArns"]
    offer = {"name": "portcullis.launch-type", "value": "FARGATE", "targetId": arns[0]}
    root.ecs.put_attributes(cluster=CLUSTER, attributes=[offer])
    forget_images(hosts[2])

    def start(actions):
        task = Start.__new__(Start)
        task.root, task.host = root, hosts[2]
        container = {"name": "app", "image": IMAGE, "command": ["sh", "-c", SLEEP], "stopTimeout": 2, **supplies}
        family = root.name("fargate")
        root.ecs.register_task_definition(
            family=family,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[container],
            executionRoleArn=root.role_arn(allowing(root, actions)),
        )
        network = {"awsvpcConfiguration": {"subnets": subnets[:1]}}
        reply = root.ecs.run_task(cluster=CLUSTER, taskDefinition=family, launchType="FARGATE", networkConfiguration=network)
        assert reply["tasks"], reply["failures"]
        task.arn = reply["tasks"][0]["taskArn"]
        return task

    task = start(TABLE)
    assert task.running()["launchType"] == "FARGATE"
    variables = dict(pair.split("=", 1) for pair in task.variables())
    assert {name: variables[name] for name in CANARIES} == CANARIES
    wait_for(lambda: task.messages() == ["started"], task.messages)
    task.end()
    words = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    for action in ("ssm:GetParameters", "ecr:GetAuthorizationToken"):
        refused = start(set(TABLE) - {action}).settled()
        assert refused["stopCode"] == "TaskFailedToStart", refused
        assert refused["stoppedReason"].startswith(words) and action in refused["stoppedReason"], refused["stoppedReason"]
