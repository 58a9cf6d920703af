"""The server as the genuine Amazon ECS agent (1.105) meets it, external and EC2 mode: what was recorded of that agent is
replayed (genuine.py), and whatever the server says is held against what its parser takes."""

import json

import pytest
import websocket

from account import ACCOUNT, Account, container, statement
from errors import refused
from genuine import REGISTER, GenuineAgent, Refused
from server import Server

FOR_INSTANCES = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
TRUST_ACCOUNT = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}],
}
MODES = ("external", "ec2")


@pytest.fixture(scope="module")
def hosts(shared_administrator):
    """The role of hosts, with the policy that AWS made for it."""
    role = shared_administrator.role(trust=TRUST_ACCOUNT)
    shared_administrator.iam.attach_role_policy(RoleName=role, PolicyArn=FOR_INSTANCES)
    return shared_administrator.role_arn(role)


@pytest.fixture
def host(shared_administrator, hosts):
    """Makes a host's view of the account: a session of its role."""
    return lambda: shared_administrator.assume(hosts, session=shared_administrator.name("i"))


@pytest.fixture(params=MODES)
def agent(request, shared_administrator, host):
    """A connected agent in a cluster of its own."""
    agent = GenuineAgent(host(), shared_administrator.cluster(), request.param)
    agent.register()
    agent.approve(shared_administrator)
    agent.discover()
    agent.connect()
    yield agent
    agent.disconnect()


def run(aws, agent, **more):
    """A task on the agent's instance: its ARN, and the payload as the agent took it."""
    task_role, execution_role = (aws.role_arn(aws.role(statement("ecs:ListClusters"))) for _ in range(2))
    changed = container(portMappings=[{"containerPort": 8080}], **more.pop("container", {}))
    definition = aws.ecs.register_task_definition(
        family=aws.name("probefam"),
        taskRoleArn=task_role,
        executionRoleArn=execution_role,
        containerDefinitions=[changed],
        **more,
    )["taskDefinition"]["taskDefinitionArn"]
    return start(aws, agent, definition)


def start(aws, agent, definition):
    started = aws.ecs.start_task(cluster=agent.cluster, taskDefinition=definition, containerInstances=[agent.instance])
    assert not started["failures"], started["failures"]
    arn = started["tasks"][0]["taskArn"]
    return arn, agent.task(arn)


def test_it_waits_until_an_operator_lets_it_in(shared_administrator, host):
    agent = GenuineAgent(host(), shared_administrator.cluster())
    agent.register()
    agent.discover()
    assert refusal(agent)[1] == "AccessDeniedException"
    assert refusal(agent, lambda agent: agent.open_telemetry())[1] == "AccessDeniedException"
    agent.approve(shared_administrator)
    agent.connect()
    agent.expect("TaskManifestMessage")
    agent.disconnect()


def test_tasks_are_placed_on_it_by_its_capabilities_and_launch_type(shared_administrator, agent):
    aws = shared_administrator
    more = {
        "healthCheck": {"command": ["CMD", "true"]},
        "restartPolicy": {"enabled": True},
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "us-east-1"}},
        "privileged": True,
    }
    role = aws.role_arn(aws.role())
    definition = aws.ecs.register_task_definition(
        family=aws.name("capable"), containerDefinitions=[container(**more)], taskRoleArn=role, executionRoleArn=role
    )["taskDefinition"]["taskDefinitionArn"]
    own, other = ("EXTERNAL", "EC2") if agent.mode == "external" else ("EC2", "EXTERNAL")
    placed = aws.ecs.run_task(cluster=agent.cluster, taskDefinition=definition, launchType=own)
    assert [task["containerInstanceArn"] for task in placed["tasks"]] == [agent.instance], placed["failures"]
    assert agent.task(placed["tasks"][0]["taskArn"])["launchType"] == own
    try:
        assert aws.ecs.run_task(cluster=agent.cluster, taskDefinition=definition, launchType=other)["tasks"] == []
    except aws.ecs.exceptions.InvalidParameterException as error:
        assert "No Container Instances" in str(error)  # noqa: PT017


def described(aws, agent, task):
    return aws.ecs.describe_tasks(cluster=agent.cluster, tasks=[task])["tasks"][0]


# 5.1 API calls


@pytest.mark.parametrize("mode", MODES)
def test_it_registers_and_finds_every_attribute_again(shared_administrator, host, mode):
    agent = GenuineAgent(host(), shared_administrator.cluster(), mode)
    found = agent.register()
    assert found["ec2InstanceId"] == "i-0123456789abcdef0" if mode == "ec2" else "ec2InstanceId" not in found
    assert agent.zone == {"external": "us-east-1a", "ec2": "us-east-1b"}[mode]
    endpoints = agent.discover()
    assert set(endpoints) == {"endpoint", "telemetryEndpoint"}
    assert all(url.startswith(agent.account.url) and url.endswith("/") for url in endpoints.values())


@pytest.mark.parametrize("mode", MODES)
def test_it_registers_again_as_itself_with_a_fresh_token(shared_administrator, host, mode):
    first = GenuineAgent(host(), shared_administrator.cluster(), mode)
    first.register()
    again = GenuineAgent(first.account, first.configured, mode, first.data)
    found = again.register()
    assert found["containerInstanceArn"] == first.instance
    # Custom attributes are sent at the first registration only, and stay.
    assert {"name": "stack", "value": "probe"}.items() <= attributes(shared_administrator, first)["stack"].items()
    with pytest.raises(Refused) as caught:
        GenuineAgent(first.account, first.configured, mode, {"tasks": {}, "instance": first.instance[:-1] + "x"}).register()
    assert caught.value.status == 400


def attributes(aws, agent):
    described = aws.ecs.describe_container_instances(cluster=agent.cluster, containerInstances=[agent.instance])
    return {one["name"]: one for one in described["containerInstances"][0]["attributes"]}


def test_another_instance_type_is_refused_with_the_text_that_ends_it(shared_administrator, host):
    agent = GenuineAgent(host(), shared_administrator.cluster(), "ec2")
    agent.register()
    document = json.loads(REGISTER["ec2"]["instanceIdentityDocument"]) | {"instanceType": "m7i.xlarge"}
    with pytest.raises(Refused) as caught:
        agent.register(instanceIdentityDocument=json.dumps(document))
    assert caught.value.name == "ClientException"
    assert caught.value.text.startswith("Container instance type changes are not supported. Container instance ")
    assert caught.value.text.endswith(" was previously registered as m7i.large.")
    agent.register()


def test_told_no_cluster_it_makes_the_default_one(tmp_path):
    server = Server(tmp_path / "data", "--store", "memory", "--account", ACCOUNT)
    root = Account.root(server.url)
    server.wait_until(root.sts.get_caller_identity)
    try:
        agent = GenuineAgent(root)
        agent.register()
        assert agent.instance.split("/")[-2] == "default"
        assert root.ecs.list_clusters()["clusterArns"] == [root.ecs_arn("cluster/default")]
        other = GenuineAgent(root)
        other.register()
        assert other.instance != agent.instance
    finally:
        server.stop()


def test_a_cluster_it_was_told_is_not_made(host):
    agent = GenuineAgent(host(), "nobody-made-this")
    with pytest.raises(Refused, match="Cluster not found."):
        agent.register()


def test_reports_move_a_task_from_pending_to_stopped(shared_administrator, agent):
    aws = shared_administrator
    task, _ = run(aws, agent)
    assert agent.submit("PENDING", task)["acknowledgment"]
    found = described(aws, agent, task)
    assert (found["lastStatus"], found["containers"][0]["imageDigest"]) == ("PENDING", "sha256:" + "ab" * 32)
    assert found["pullStartedAt"].timestamp() == 1795304401.2
    agent.submit("RUNNING", task)
    found = described(aws, agent, task)
    assert found["lastStatus"] == "RUNNING"
    bindings = found["containers"][0]["networkBindings"]
    assert bindings == [{"bindIP": "0.0.0.0", "containerPort": 8080, "hostPort": 32768, "protocol": "tcp"}]
    agent.submit("STOPPED", task)
    found = described(aws, agent, task)
    assert (found["lastStatus"], found["stopCode"]) == ("STOPPED", "EssentialContainerExited")
    assert found["containers"][0]["exitCode"] == 7
    assert found["executionStoppedAt"].timestamp() == 1795304472.737
    # Late and repeated reports are acknowledged and change nothing.
    for name in ("RUNNING", "PENDING", "STOPPED"):
        agent.submit(name, task)
    assert described(aws, agent, task) == found


def test_a_container_may_occur_twice_in_one_report(shared_administrator, agent):
    task, _ = run(shared_administrator, agent)
    agent.submit("twice", task)
    found = described(shared_administrator, agent, task)
    assert (found["lastStatus"], found["containers"][0]["exitCode"]) == ("STOPPED", 0)


def test_bindings_to_every_address_of_both_kinds_are_kept(shared_administrator, agent):
    task, _ = run(shared_administrator, agent)
    agent.submit("RUNNING on both", task)
    bindings = described(shared_administrator, agent, task)["containers"][0]["networkBindings"]
    assert [one["bindIP"] for one in bindings] == ["0.0.0.0", "::"]


def test_a_report_on_a_task_nobody_knows_is_dropped_for_good(agent):
    with pytest.raises(Refused) as caught:
        agent.submit("RUNNING", f"arn:aws:ecs:us-east-1:{ACCOUNT}:task/{agent.cluster}/{'0' * 32}")
    assert caught.value.name == "InvalidParameterException"


def test_the_calls_that_normal_life_does_not_need(shared_administrator, agent):
    aws = shared_administrator
    task, _ = run(aws, agent)
    one = {"cluster": agent.cluster, "task": task, "containerName": "app", "status": "RUNNING", "runtimeId": "9e8f"}
    assert agent.call("SubmitContainerStateChange", one)["acknowledgment"]
    assert described(aws, agent, task)["containers"][0]["lastStatus"] == "RUNNING"
    attached = [{"attachmentArn": f"arn:aws:ecs:us-east-1:{ACCOUNT}:attachment/{'0' * 32}", "status": "ATTACHED"}]
    assert agent.call("SubmitAttachmentStateChanges", {"cluster": agent.cluster, "attachments": attached})["acknowledgment"]
    # Of a task: alone, without a status.
    alone = {"cluster": agent.cluster, "task": task, "attachments": attached}
    assert agent.call("SubmitTaskStateChange", alone)["acknowledgment"]
    drain = {"cluster": agent.cluster, "containerInstances": [agent.instance], "status": "DRAINING"}
    assert agent.call("UpdateContainerInstancesState", drain)["containerInstances"][0]["status"] == "DRAINING"


def test_tags_are_asked_for_by_the_instance_with_the_containers_name(shared_administrator, agent):
    task, _ = run(shared_administrator, agent)
    for resource in (agent.instance, task):
        agent.call("ListTagsForResource", {"resourceArn": resource}, suffix=" container/app")
    looked = shared_administrator.cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ListTagsForResource"}]
    )
    # Records of callers that name no agent have no such member.
    agents = [json.loads(event["CloudTrailEvent"]).get("userAgent", "") for event in looked["Events"]]
    assert sum(one.startswith("Amazon ECS Agent - v1.105.1 ") and one.endswith(" container/app") for one in agents) >= 2


# 5.2 ACS


def test_everything_of_a_definition_is_in_the_payload_as_the_agent_reads_it(shared_administrator, agent):
    aws = shared_administrator
    full = {
        "entryPoint": ["/bin/sh", "-c"],
        "environment": [{"name": "MINE", "value": "1"}],
        "healthCheck": {"command": ["CMD", "true"], "interval": 5},
        "restartPolicy": {"enabled": True, "ignoredExitCodes": [0], "restartAttemptPeriod": 60},
        "mountPoints": [{"sourceVolume": name, "containerPath": f"/{name}"} for name in ("host", "bare", "docker")],
        "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 2048}],
        "linuxParameters": {"capabilities": {"add": ["NET_ADMIN"]}, "initProcessEnabled": True, "sharedMemorySize": 64},
        "dockerLabels": {"a": "b"},
        "user": "1000",
        "startTimeout": 30,
        "stopTimeout": 5,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": "g", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "web"},
        },
    }
    volumes = [
        {"name": "host", "host": {"sourcePath": "/srv"}},
        {"name": "bare"},
        {"name": "docker", "dockerVolumeConfiguration": {"scope": "shared", "driver": "local", "autoprovision": True}},
    ]
    arn, task = run(aws, agent, container=full, volumes=volumes)
    assert agent.trouble == []
    assert (task["overrides"], task["networkMode"], task["version"]) == ("{}", "bridge", "1")
    (one,) = task["containers"]
    config, host = (json.loads(one["dockerConfig"][name]) for name in ("config", "hostConfig"))
    assert one["environment"] == {"AWS_EXECUTION_ENV": "AWS_ECS_EC2", "MINE": "1"}
    assert one["restartPolicy"] == {"enabled": True, "ignoredExitCodes": [0], "restartAttemptPeriod": 60}
    assert (one["healthCheckType"], config["Healthcheck"]["Interval"]) == ("docker", 5_000_000_000)
    assert (one["logsAuthStrategy"], host["LogConfig"]["Config"]["awslogs-stream"]) == (
        "ExecutionRole",
        f"web/app/{arn.split('/')[-1]}",
    )
    assert "awslogs-stream-prefix" not in host["LogConfig"]["Config"]
    assert (config["User"], config["Labels"]) == ("1000", {"a": "b"})
    assert (host["CapAdd"], host["Init"], host["ShmSize"]) == (["NET_ADMIN"], True, 64 << 20)
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 1024, "Hard": 2048}]
    assert (one["startTimeout"], one["stopTimeout"], one["entryPoint"]) == (30, 5, ["/bin/sh", "-c"])
    shapes = {volume["name"]: volume for volume in task["volumes"]}
    assert shapes["host"] == {"name": "host", "type": "host", "host": {"sourcePath": "/srv"}}
    assert shapes["bare"] == {"name": "bare", "type": "host", "host": {"sourcePath": ""}}
    assert shapes["docker"]["type"] == "docker"
    assert shapes["docker"]["dockerVolumeConfiguration"]["scope"] == "shared"


def test_an_image_of_ecr_comes_with_how_to_log_in_there(shared_administrator, agent):
    image = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/app:1"
    _, task = run(shared_administrator, agent, container={"image": image})
    data = {"registryId": "111122223333", "region": "eu-west-1", "useExecutionRole": True}
    assert task["containers"][0]["registryAuthentication"] == {"type": "ecr", "ecrAuthData": data}


def test_a_log_router_comes_with_its_settings(shared_administrator, agent):
    aws = shared_administrator
    router = container("router", firelensConfiguration={"type": "fluentbit", "options": {"enable-ecs-log-metadata": "true"}})
    app = container(logConfiguration={"logDriver": "awsfirelens", "options": {"Name": "stdout"}})
    definition = aws.ecs.register_task_definition(family=aws.name("routed"), containerDefinitions=[router, app])
    _, task = start(aws, agent, definition["taskDefinition"]["taskDefinitionArn"])
    by_name = {one["name"]: one for one in task["containers"]}
    expected = {"type": "fluentbit", "options": {"enable-ecs-log-metadata": "true"}}
    assert by_name["router"]["firelensConfiguration"] == expected
    log = json.loads(by_name["app"]["dockerConfig"]["hostConfig"])["LogConfig"]
    assert log == {"Type": "awsfirelens", "Config": {"Name": "stdout"}}


@pytest.mark.parametrize(
    "volume",
    [
        {"efsVolumeConfiguration": {"fileSystemId": "fs-0123456789abcdef0"}},
        {"configuredAtLaunch": True},
    ],
    ids=["EFS", "EBS"],
)
def test_storage_that_is_not_here_is_refused_and_not_replaced_by_an_empty_folder(shared_administrator, agent, volume):
    aws = shared_administrator
    mount = {"mountPoints": [{"sourceVolume": "files", "containerPath": "/files"}]}
    definition = aws.ecs.register_task_definition(
        family=aws.name("files"), containerDefinitions=[container(**mount)], volumes=[{"name": "files", **volume}]
    )["taskDefinition"]["taskDefinitionArn"]
    with refused("UnsupportedFeatureException"):
        start(aws, agent, definition)


def test_both_roles_credentials_come_with_the_task_and_work(shared_administrator, agent):
    aws = shared_administrator
    arn, task = run(aws, agent)
    for name in ("roleCredentials", "executionRoleCredentials"):
        keys = agent.credentials[task[name]["credentialsId"]]
        inside = aws.with_credentials(
            {"AccessKeyId": keys["accessKeyId"], "SecretAccessKey": keys["secretAccessKey"], "SessionToken": keys["sessionToken"]}
        )
        assert inside.arn.endswith(f"/{arn.split('/')[-1]}")
    assert task["roleCredentials"]["credentialsId"] != task["executionRoleCredentials"]["credentialsId"]


def test_after_a_restart_it_gets_all_its_tasks_credentials_again_under_the_same_ids(shared_administrator, agent):
    aws = shared_administrator
    tasks = dict(run(aws, agent) for _ in range(2))
    for task in tasks:
        agent.submit("RUNNING", task)
    again = agent.restarted()
    again.connect()
    expected = {one[name]["credentialsId"] for one in tasks.values() for name in ("roleCredentials", "executionRoleCredentials")}
    got = set()
    while got != expected:
        message = again.expect("IAMRoleCredentialsMessage")
        assert message["roleType"] in ("TaskApplication", "TaskExecution")
        assert message["taskArn"] in tasks
        got.add(message["roleCredentials"]["credentialsId"])
    again.disconnect()


def test_a_plain_reconnection_says_that_it_has_them(shared_administrator, agent):
    aws = shared_administrator
    task, _ = run(aws, agent)
    agent.submit("RUNNING", task)
    agent.disconnect()
    agent.connect(send_credentials=False)
    agent.expect("TaskManifestMessage")
    other, _ = run(aws, agent)
    # The next thing it heard of was the new task: nothing was sent in between, or `task` had passed it over.
    assert other != task
    assert not [frame for frame in list(agent.frames.queue) if frame["type"] == "IAMRoleCredentialsMessage"]


def test_numbers_grow_over_payloads_manifests_and_connections(shared_administrator, agent):
    aws = shared_administrator
    first = agent.expect("TaskManifestMessage")["timeline"]
    run(aws, agent)
    second = agent.highest
    agent.disconnect()
    agent.connect()
    third = agent.expect("TaskManifestMessage")["timeline"]
    run(aws, agent)
    assert 1 < first < second < third < agent.highest
    assert agent.trouble == []


def test_a_task_that_runs_though_nobody_wants_it_is_confirmed_for_stopping(shared_administrator, agent):
    aws = shared_administrator
    wanted, _ = run(aws, agent)
    agent.submit("RUNNING", wanted)
    stranger = f"arn:aws:ecs:us-east-1:{ACCOUNT}:task/{agent.cluster}/{'0' * 32}"
    known = {"taskClusterArn": aws.ecs_arn(f"cluster/{agent.cluster}"), "desiredStatus": "RUNNING", "family": "f"}
    agent.data["tasks"][stranger] = known
    agent.disconnect()
    agent.connect(send_credentials=False)
    answer = agent.expect("TaskStopVerificationAck")
    assert [one["taskArn"] for one in answer["stopTasks"]] == [stranger]
    assert set(agent.data["tasks"]) == {wanted}


def test_a_task_placed_between_manifest_and_question_is_not_stopped(shared_administrator, agent):
    """The other order: the manifest is older than the task it does not name."""
    aws = shared_administrator
    agent.expect("TaskManifestMessage")
    placed, task = run(aws, agent)
    candidate = {"taskArn": placed, "taskClusterArn": task["taskClusterArn"], "desiredStatus": "STOPPED"}
    agent.send("TaskStopVerificationMessage", messageId=agent.manifest, stopCandidates=[candidate])
    assert agent.expect("TaskStopVerificationAck")["stopTasks"] == []
    aws.ecs.stop_task(cluster=agent.cluster, task=placed)
    agent.task(placed, "STOPPED")
    agent.send("TaskStopVerificationMessage", messageId=agent.manifest, stopCandidates=[candidate])
    assert agent.expect("TaskStopVerificationAck")["stopTasks"] == [candidate]


def test_a_task_it_cannot_read_is_reported_stopped_and_not_acknowledged(shared_administrator, agent):
    aws = shared_administrator
    family = aws.name("odd")
    agent.chokes_on.add(family)
    definition = aws.task_definition(family=family)
    arn, _ = start(aws, agent, definition)
    found = described(aws, agent, arn)
    assert (found["lastStatus"], found["stopCode"]) == ("STOPPED", "TaskFailedToStart")
    assert found["stoppedReason"].startswith("UnrecognizedTaskError: ")
    # The connection goes on.
    run(aws, agent)


def test_nacks_and_words_nobody_knows_do_no_harm(shared_administrator, agent):
    names = {"cluster": agent.cluster, "containerInstance": agent.instance, "messageId": "x"}
    agent.send("NackRequest", **names, reason="Updates are disabled")
    agent.send("AckRequest", **names)
    agent.send("IAMRoleCredentialsAckRequest", messageId="x", credentialsId="x", expiration="x")
    agent.send("HeartbeatAckRequest", messageId="x")
    agent.expect("TaskManifestMessage")
    agent.send("TaskStopVerificationMessage", messageId=agent.manifest, stopCandidates=[])
    agent.send("SomethingNew", anything=[1])
    for text in ("", "{", "[]", "null", '{"type":"AckRequest"}', '{"type":"AckRequest","message":7}', '{"message":{}}'):
        agent.acs.send(text)
    run(shared_administrator, agent)


def refusal(agent, opening=lambda agent: agent.connect()):
    """Name and text of a refused upgrade: the body's only member."""
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        opening(agent)
    body = json.loads(caught.value.resp_body)
    ((name, text),) = body.items()
    return caught.value.status_code, name, text


def test_refusals_have_names_that_the_agent_knows(shared_administrator, agent, host):
    aws = shared_administrator
    stranger = GenuineAgent(host(), agent.configured, agent.mode, dict(agent.data))
    stranger.discover()
    assert refusal(stranger)[1] == "AccessDeniedException"
    unknown = GenuineAgent(agent.account, agent.configured, agent.mode, {"instance": agent.instance[:-1] + "z", "tasks": {}})
    unknown.discover()
    assert refusal(unknown)[:2] == (400, "InvalidInstanceException")
    elsewhere = GenuineAgent(agent.account, aws.cluster(), agent.mode, dict(agent.data))
    elsewhere.discover()
    assert refusal(elsewhere)[1] == "InvalidClusterException"
    aws.ecs.deregister_container_instance(cluster=agent.cluster, containerInstance=agent.instance, force=True)
    agent.expect("closed")
    # On this name the agent waits an hour.
    assert refusal(agent)[:2] == (400, "InactiveInstanceException")
    assert refusal(agent, lambda agent: agent.open_telemetry())[1] == "InactiveInstanceException"


# 5.3 TCS


def test_telemetry_frames_with_their_heads_are_verified_and_answered(shared_administrator, agent):
    aws = shared_administrator
    task, _ = run(aws, agent, container={"healthCheck": {"command": ["CMD", "true"]}})
    agent.submit("RUNNING", task)
    telemetry = agent.open_telemetry()
    for name, expected in [
        ("idle metrics", "AckPublishMetric"),
        ("metrics", "AckPublishMetric"),
        ("status", "AckPublishInstanceStatus"),
        ("health", "AckPublishHealth"),
    ]:
        telemetry.publish(name, task)
        assert telemetry.answer() == expected, name
    assert described(aws, agent, task)["healthStatus"] == "HEALTHY"
    telemetry.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda head, body: (head, body.replace("true", "false")),
        lambda head, body: (head.replace("Signature=", "Signature=0"), body),
        lambda head, body: (head.replace("20", "19", 1), body),
        lambda head, body: ("", body),
        lambda head, body: ("nonsense\r\n", body),
        lambda head, body: (head + "X: " + "x" * 20_000 + "\r\n", body),
    ],
    ids=["other body", "other signature", "other head", "no head", "no header", "long head"],
)
def test_a_frame_that_is_not_signed_ends_the_connection(agent, damage):
    telemetry = agent.open_telemetry()
    telemetry.publish("idle metrics")
    assert telemetry.answer() == "AckPublishMetric"
    telemetry.publish("idle metrics", damage=damage)
    assert telemetry.answer() is None

