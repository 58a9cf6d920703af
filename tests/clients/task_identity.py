"""Task identity as a whole: our server, our agent on two hosts that joined by an activation, real containers. curl and
unmodified boto3 in them, in every network mode, before and after a rotation; interfaces and security groups; instance
metadata out of reach; every fetch on record.

Each host has network namespace, Docker Engine and agent of its own (hosts.py). Not collected by itself: `cargo xtask test`
names this file inside `cargo xtask docker-room`. The metadata addresses are asked from those namespaces alone.
"""

import json
import os
import subprocess
import sys
import time

import pytest

import python_image
from account import ACCOUNT, REGION, Account, statement
from cases.ssm import TRUST_SSM
from errors import denied
from hosts import SERVER_ADDRESS, Host, build_bridge, remove_bridge, run
from server import BINARY, Server

CLUSTER = "identity"
FOR_INSTANCES = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
MODES = ("bridge", "host", "awsvpc")
#: Seconds that credentials of tasks live; new ones come at half of it.
LIFE = 60
FETCH = 'curl -s --max-time 5 "169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"'
#: One boto3 session for the whole life of a task: it is asked by a line and answers by one.
PROGRAM = f"""
import json, sys, boto3
session = boto3.session.Session(region_name="{REGION}")
sts, ecs = session.client("sts"), session.client("ecs")
for line in sys.stdin:
    caller, tasks = sts.get_caller_identity()["Arn"], ecs.list_tasks(cluster="{CLUSTER}")["taskArns"]
    keys = session.get_credentials()
    print(json.dumps([keys.method, keys.get_frozen_credentials().access_key, caller, tasks]), flush=True)
"""
SLEEP = "trap exit TERM; while :; do sleep 1; done"
SERVE = "for port in 8080 9090; do python3 -m http.server $port --directory /tmp & done; " + SLEEP
METADATA = ("169.254.169.254", "[fd00:ec2::254]")
FOR_A_TOKEN = ("-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60")


def wait_for(holds, explain=lambda: "it did not happen within 40 s", seconds=40):
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, explain()
        time.sleep(0.1)
    return value


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    build_bridge()
    options = ["--store", "memory", "--account", ACCOUNT, "--task-credentials-duration", str(LIFE)]
    server = Server(tmp_path_factory.mktemp("server") / "data", *options, host=SERVER_ADDRESS)
    root = Account.root(server.url)
    server.wait_until(root.sts.get_caller_identity)
    yield root
    server.stop()
    remove_bridge()


@pytest.fixture(scope="module")
def cluster(root):
    """Made by somebody who may not make service-linked roles: ECS has none of its own yet."""
    maker = root.as_user(root.user(statement("ecs:CreateCluster")))
    return maker.ecs.create_cluster(clusterName=CLUSTER)["cluster"]["clusterArn"]


@pytest.fixture(scope="module")
def hosts(root, cluster, tmp_path_factory):
    """Two hosts, as an operator joins them; the second with the settings for metadata and roles turned round."""
    folder = tmp_path_factory.mktemp("hosts")
    image = folder / "image.tar"
    python_image.write(image)
    role = root.role(trust=TRUST_SSM)
    root.iam.attach_role_policy(RoleName=role, PolicyArn=FOR_INSTANCES)
    token = root.client("ssm").create_activation(IamRole=role, RegistrationLimit=2)
    settings = {
        1: {"ECS_AWSVPC_BLOCK_IMDS": "true"},
        2: {"ECS_AWSVPC_BLOCK_IMDS": "false", "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST": "false"},
    }
    hosts = {}
    for number, variables in settings.items():
        variables |= {"PORTCULLIS_ACTIVATION_CODE": token["ActivationCode"]}
        variables |= {"ECS_INSTANCE_ATTRIBUTES": json.dumps({"place": str(number)})}
        arguments = ["--activation-id", token["ActivationId"], "--instance-metadata"]
        hosts[number] = Host(
            number, folder / str(number), root.url, CLUSTER, image=image, arguments=arguments, variables=variables
        )
        hosts[number].role = role
    try:
        wait_for(lambda: len(instances(root)) == 2, lambda: "\n".join(host.log.read_text()[-3000:] for host in hosts.values()))
        # As a router of the network would: the VPC is on the first host, one subnet of it on the second.
        run("ip", "route", "add", "172.31.0.0/16", "via", hosts[1].address)
        run("ip", "route", "add", SECOND_SUBNET, "via", hosts[2].address)
        yield hosts
    finally:
        for host in hosts.values():
            host.end()


SECOND_SUBNET = "172.31.128.0/20"


def instances(root):
    """The connected hosts, by the number they say they have."""
    arns = root.ecs.list_container_instances(cluster=CLUSTER)["containerInstanceArns"]
    if not arns:
        return {}
    found = root.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=arns)["containerInstances"]
    found = [(one, {attribute["name"]: attribute.get("value", "") for attribute in one["attributes"]}) for one in found]
    return {int(named["place"]): (one, named) for one, named in found if one["agentConnected"]}


@pytest.fixture(scope="module")
def network(root):
    """A subnet of each host and groups in the default VPC: of tasks that call, and of tasks that are called."""
    vpc = root.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "availability-zone", "Values": [f"{REGION}a"]}]
    subnet = root.ec2.describe_subnets(Filters=filters)["Subnets"][0]["SubnetId"]
    callers, called = (
        root.ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"] for name in ("callers", "called")
    )
    second = root.ec2.create_subnet(VpcId=vpc, CidrBlock=SECOND_SUBNET, AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
    return subnet, second, callers, called


@pytest.fixture(scope="module")
def role(root):
    """The tasks' role: may list the tasks of the cluster."""
    return root.role(statement("ecs:ListTasks", Condition={"ArnEquals": {"ecs:cluster": root.ecs_arn(f"cluster/{CLUSTER}")}}))


class Task:
    """A task of one container on one host."""

    def __init__(self, root, hosts, mode, *, role=None, number=1, script=SLEEP, subnet=None, group=None, **more):
        self.root, self.host, self.mode = root, hosts[number], mode
        container = {"name": "app", "image": "portcullis-hosts:latest", "memory": 128, "command": ["sh", "-c", script]}
        container |= {"stopTimeout": 2, "environment": [{"name": "PYTHONPATH", "value": python_image.PACKAGES}]}
        role = {"taskRoleArn": root.role_arn(role)} if role else {}
        size = {"requiresCompatibilities": ["EC2", "FARGATE"], "cpu": "256", "memory": "512"} if mode == "awsvpc" else {}
        family = root.name(mode)
        root.ecs.register_task_definition(
            family=family, networkMode=mode, containerDefinitions=[container], **role, **size
        )
        if subnet:
            more["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}}
        if "launchType" not in more:
            more["placementConstraints"] = [{"type": "memberOf", "expression": f"attribute:place == {number}"}]
        self.reply = root.ecs.run_task(cluster=CLUSTER, taskDefinition=family, **more)
        self.arn = self.reply["tasks"][0]["taskArn"] if self.reply["tasks"] else None

    def described(self):
        return self.root.ecs.describe_tasks(cluster=CLUSTER, tasks=[self.arn])["tasks"][0]

    def running(self):
        """The task once it runs, itself."""

        def is_running():
            task = self.described()
            assert task["lastStatus"] != "STOPPED", (task.get("stoppedReason"), task["containers"])
            return task["lastStatus"] == "RUNNING" and task["containers"][0].get("runtimeId")

        self.container = wait_for(is_running, lambda: (self.described(), self.host.log.read_text()[-3000:]))
        return self

    def stopped(self):
        return wait_for(lambda: (task := self.described())["lastStatus"] == "STOPPED" and task, self.described)

    def exec(self, script):
        """What a command in the container prints, and its exit code."""
        command = ["docker", "--host", self.host.engine, "exec", self.container, "sh", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr, done.returncode

    def fetch(self):
        text, code = self.exec(FETCH)
        assert code == 0, text
        return json.loads(text)

    def reaches(self, address, port):
        return self.exec(f"curl -s -o /dev/null --connect-timeout 1 {address}:{port}")[1] == 0

    @property
    def interface(self):
        (attachment,) = self.described()["attachments"]
        return {one["name"]: one["value"] for one in attachment["details"]}

    def start_program(self):
        command = ["docker", "--host", self.host.engine, "exec", "-i", self.container, "python3", "-c", PROGRAM]
        self.program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ask_program(self):
        self.program.stdin.write("\n")
        self.program.stdin.flush()
        line = self.program.stdout.readline()
        assert line.startswith("["), line + self.program.stdout.read()
        return json.loads(line)


@pytest.fixture(scope="module")
def with_linked_role(root, hosts, network):
    """ECS's own role, made after a task was refused for the lack of it."""
    subnet, _, callers, _ = network
    without = Task(root, hosts, "awsvpc", subnet=subnet, group=callers).stopped()
    root.iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    return without


@pytest.fixture(scope="module")
def tasks(root, hosts, network, role, with_linked_role):
    """A running task with a role in each network mode, on the first host."""
    subnet, _, callers, _ = network
    more = {"awsvpc": {"subnet": subnet, "group": callers}}
    tasks = {mode: Task(root, hosts, mode, role=role, **more.get(mode, {})) for mode in MODES}
    for task in tasks.values():
        task.running().start_program()
    yield tasks
    for task in tasks.values():
        task.program.kill()
        task.program.wait()


@pytest.fixture(scope="module")
def first(tasks):
    """The credentials each task got first."""
    return {mode: task.fetch() for mode, task in tasks.items()}


def test_1_without_ecs_own_role_there_is_no_interface(with_linked_role, root):
    assert with_linked_role["stopCode"] == "TaskFailedToStart"
    assert with_linked_role["stoppedReason"].startswith("Unable to assume the service linked role")
    deletion = root.iam.delete_service_linked_role(RoleName="AWSServiceRoleForECS")["DeletionTaskId"]
    assert root.iam.get_service_linked_role_deletion_status(DeletionTaskId=deletion)["Status"] == "FAILED"


@pytest.mark.parametrize("mode", MODES)
def test_2_curl_prints_the_five_fields(root, role, first, mode):
    assert set(first[mode]) == {"RoleArn", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert first[mode]["RoleArn"] == root.role_arn(role)
    inside = root.with_credentials({**first[mode], "SessionToken": first[mode]["Token"]})
    with denied("ecs", inside.arn, "ecs:ListClusters", "*"):
        inside.ecs.list_clusters()


@pytest.mark.parametrize("mode", MODES)
def test_2_unmodified_boto3_finds_its_credentials(tasks, first, role, mode):
    found_by, key, caller, listed = tasks[mode].ask_program()
    assert found_by == "container-role"
    assert key == first[mode]["AccessKeyId"]
    assert caller == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{tasks[mode].arn.split('/')[-1]}"
    assert {task.arn for task in tasks.values()} <= set(listed)


def test_3_an_interface_is_shown_by_ecs_and_ec2(root, tasks, network):
    subnet, _, callers, _ = network
    task, described = tasks["awsvpc"], tasks["awsvpc"].described()
    own = task.interface
    assert described["attachments"][0]["status"] == "ATTACHED" and own["subnetId"] == subnet
    (shown,) = root.ec2.describe_network_interfaces(NetworkInterfaceIds=[own["networkInterfaceId"]])["NetworkInterfaces"]
    assert (shown["Status"], shown["PrivateIpAddress"]) == ("in-use", own["privateIPv4Address"])
    assert [group["GroupId"] for group in shown["Groups"]] == [callers]
    (inside,) = described["containers"][0]["networkInterfaces"]
    assert inside["privateIpv4Address"] == own["privateIPv4Address"]
    addresses, _ = task.exec("cat /proc/net/fib_trie /sys/class/net/eth0/address /etc/hosts")
    assert own["privateIPv4Address"] in addresses and own["macAddress"] in addresses
    assert shown["PrivateDnsName"] in addresses


def test_4_security_groups_hold_and_change_while_tasks_run(root, hosts, tasks, network):
    subnet, _, callers, called = network

    def rule(port):
        pair = [{"GroupId": callers}]
        return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": pair}]

    root.ec2.authorize_security_group_ingress(GroupId=called, IpPermissions=rule(8080))
    server = Task(root, hosts, "awsvpc", script=SERVE, subnet=subnet, group=called).running()
    address, client = server.interface["privateIPv4Address"], tasks["awsvpc"]
    wait_for(lambda: server.reaches("127.0.0.1", 8080) and server.reaches("127.0.0.1", 9090))
    assert client.reaches(address, 8080)
    assert not client.reaches(address, 9090)
    assert not server.reaches(address.rsplit(".", 1)[0] + ".1", 8080)
    root.ec2.authorize_security_group_ingress(GroupId=called, IpPermissions=rule(9090))
    wait_for(lambda: client.reaches(address, 9090), seconds=5)
    root.ec2.revoke_security_group_ingress(GroupId=called, IpPermissions=rule(8080))
    wait_for(lambda: not client.reaches(address, 8080), seconds=5)
    assert client.reaches(address, 9090)
    root.ecs.stop_task(cluster=CLUSTER, task=server.arn)
    server.stopped()


def metadata_of_host(host, path):
    token = host.enter("curl", "-s", "--max-time", "2", *FOR_A_TOKEN, f"http://{METADATA[0]}/latest/api/token").stdout
    header = f"X-aws-ec2-metadata-token: {token}"
    return host.enter("curl", "-s", "--max-time", "2", "-H", header, f"http://{METADATA[0]}/latest/meta-data/{path}").stdout


@pytest.fixture(scope="module")
def open_door(hosts):
    """A program of each host at the metadata address, which other than our service takes packets from everywhere."""
    command = [sys.executable, "-m", "http.server", "8080", "--bind", METADATA[0], "--directory", "/var/empty"]
    programs = []
    for host in hosts.values():
        programs.append(subprocess.Popen(["nsenter", f"--net=/run/netns/{host.name}", *command], stderr=subprocess.DEVNULL))
        wait_for(lambda host=host: host.enter("curl", "-s", f"http://{METADATA[0]}:8080").returncode == 0)
    yield
    for program in programs:
        program.kill()
        program.wait()


def is_kept_from_metadata(task):
    words = " ".join(f"'{word}'" for word in FOR_A_TOKEN)
    urls = [f"http://{address}/latest/api/token" for address in METADATA] + [f"http://{METADATA[0]}:8080"]
    answers = [task.exec(f"curl -s -g --connect-timeout 1 {words} '{url}'") for url in urls]
    # 7: refused, or no way there; 28: nobody answered.
    assert all(text == "" and code in (7, 28) for text, code in answers), answers
    return True


@pytest.mark.parametrize("mode", MODES)
def test_5_metadata_is_the_hosts_alone(hosts, tasks, open_door, mode):
    assert metadata_of_host(hosts[1], "iam/security-credentials/") == hosts[1].role
    assert "AccessKeyId" in metadata_of_host(hosts[1], f"iam/security-credentials/{hosts[1].role}")
    assert is_kept_from_metadata(tasks[mode])


def test_5_both_settings_do_what_the_documents_say(root, hosts, network, role, with_linked_role, open_door):
    blocks, roles = "ecs.capability.task-eni-block-instance-metadata", "com.amazonaws.ecs.capability.task-iam-role-network-host"
    names = {number: set(named) for number, (_, named) in instances(root).items()}
    assert {blocks, roles} <= names[1] and not {blocks, roles} & names[2]
    refused = Task(root, hosts, "host", role=role, number=2).reply["failures"]
    assert "ATTRIBUTE" in [failure["reason"] for failure in refused], refused
    plain = [Task(root, hosts, mode, number=2) for mode in ("host", "bridge")]
    _, subnet, callers, _ = network
    let_through = Task(root, hosts, "awsvpc", number=2, subnet=subnet, group=callers).running()
    assert metadata_of_host(hosts[2], "iam/security-credentials/") == hosts[2].role
    assert all(is_kept_from_metadata(task.running()) for task in plain)
    # Our own service answers on the host's loopback alone; another, as EC2's, is reached.
    assert let_through.reaches(METADATA[0], 8080) and not let_through.reaches(METADATA[0], 80)
    for task in (*plain, let_through):
        root.ecs.stop_task(cluster=CLUSTER, task=task.arn)


def test_6_a_host_that_offers_itself_runs_fargate_tasks(root, hosts, network, role, with_linked_role):
    _, subnet, callers, _ = network
    offer = {"name": "portcullis.launch-type", "value": "FARGATE", "targetId": instances(root)[2][0]["containerInstanceArn"]}
    root.ecs.put_attributes(cluster=CLUSTER, attributes=[offer])
    task = Task(root, hosts, "awsvpc", role=role, number=2, subnet=subnet, group=callers, launchType="FARGATE").running()
    assert "containerInstanceArn" not in task.described()
    assert task.fetch()["RoleArn"] == root.role_arn(role)
    task.start_program()
    assert task.ask_program()[2].endswith(f"assumed-role/{role}/{task.arn.split('/')[-1]}")
    task.program.kill()
    task.program.wait()
    root.ecs.stop_task(cluster=CLUSTER, task=task.arn)
    assert task.stopped()["attachments"][0]["status"] == "DELETED"


@pytest.mark.parametrize("mode", MODES)
def test_7_after_a_rotation_both_have_the_new_credentials(tasks, first, mode):
    task = tasks[mode]
    after = wait_for(lambda: (got := task.fetch())["AccessKeyId"] != first[mode]["AccessKeyId"] and got)
    assert after["Expiration"] > first[mode]["Expiration"]
    found_by, key, caller, listed = task.ask_program()
    assert (found_by, key) == ("container-role", after["AccessKeyId"])
    assert task.arn in listed and caller.endswith(task.arn.split("/")[-1])


@pytest.mark.parametrize("mode", MODES)
def test_8_fetches_are_shown_beside_the_calls(root, tasks, role, mode):
    keys = root.credentials
    environment = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": root.url, "AWS_DEFAULT_REGION": REGION}
    environment |= {"AWS_ACCESS_KEY_ID": keys["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": keys["aws_secret_access_key"]}
    command = [BINARY, "audit", "--task", tasks[mode].arn, "--cluster", CLUSTER, "--json"]

    def entries():
        lines = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def are_both_shown():
        shown = entries()
        fetches = [entry["fetch"] for entry in shown if "fetch" in entry]
        agents = {fetch["userAgent"].split("/")[0] for fetch in fetches if fetch["status"] == 200}
        calls = {entry["call"]["eventName"] for entry in shown if "call" in entry}
        assert all(fetch["roleArn"] == root.role_arn(role) for fetch in fetches)
        return {"curl", "python-urllib3"} <= agents and {"ListTasks", "GetCallerIdentity"} <= calls

    wait_for(are_both_shown, lambda: json.dumps(entries())[:3000], seconds=15)


def test_9_a_stopped_task_leaves_neither_interface_nor_credentials(root, tasks):
    task = tasks["awsvpc"]
    interface, keys = task.interface["networkInterfaceId"], task.fetch()
    root.ecs.stop_task(cluster=CLUSTER, task=task.arn)
    assert task.stopped()["attachments"][0]["status"] == "DELETED"
    found = root.ec2.describe_network_interfaces(Filters=[{"Name": "network-interface-id", "Values": [interface]}])
    assert found["NetworkInterfaces"] == []
    thief = root.with_credentials({**keys, "SessionToken": keys["Token"]})
    with pytest.raises(thief.sts.exceptions.ClientError):
        thief.ecs.list_tasks(cluster=CLUSTER)
