"""What Terraform does in the life of a cluster, a definition and a service, by boto3, with real containers on two hosts.

Each host has network namespace, Docker Engine and agent of its own (hosts.py). Not collected by itself: `cargo xtask test`
names this file inside `cargo xtask docker-room`.
"""

import json
import time

import pytest

from account import ACCOUNT, Account, statement, tags
from errors import denied, refused
from hosts import IMAGE, SERVER_ADDRESS, Host, build_bridge, remove_bridge
from server import Server

CLUSTER, SERVICE, FAMILY = "production", "web", "web"
#: The waiters ask every 15 seconds by default.
OFTEN = {"Delay": 1, "MaxAttempts": 90}
TRUST_ACCOUNT = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}],
}
FOR_INSTANCES = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
FETCH = 'wget -q -O - "http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"'


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    build_bridge()
    server = Server(
        tmp_path_factory.mktemp("server") / "data", "--store", "memory", "--account", ACCOUNT, host=SERVER_ADDRESS
    )
    root = Account.root(server.url)
    server.wait_until(root.sts.get_caller_identity)
    yield root
    server.stop()
    remove_bridge()


@pytest.fixture(scope="module")
def deployer(root):
    """Who applies the plan: may do what ECS asks of it here, and pass the one role to tasks."""
    allowed = statement("ecs:*", [root.ecs_arn(f"*/{CLUSTER}*"), root.ecs_arn(f"task-definition/{FAMILY}:*")])
    without_resource = statement(["ecs:DescribeTaskDefinition", "ecs:DeregisterTaskDefinition", "ecs:ListServices"])
    return root.as_user(root.user(allowed, without_resource))


@pytest.fixture(scope="module")
def cluster(deployer):
    made = deployer.ecs.create_cluster(clusterName=CLUSTER, tags=tags("ecs", Stage="production"))["cluster"]
    assert made["status"] == "ACTIVE"
    (read,) = deployer.ecs.describe_clusters(clusters=[made["clusterArn"]], include=["TAGS", "SETTINGS"])["clusters"]
    assert read["tags"] == tags("ecs", Stage="production")
    return made["clusterArn"]


@pytest.fixture(scope="module")
def hosts(root, cluster, tmp_path_factory):
    """Two hosts, once both are connected."""
    role = root.role(trust=TRUST_ACCOUNT)
    root.iam.attach_role_policy(RoleName=role, PolicyArn=FOR_INSTANCES)
    allowed = statement("sts:AssumeRole", root.role_arn(role))
    operator, folder, hosts = root.as_user(root.user(allowed)), tmp_path_factory.mktemp("hosts"), []
    for number in (1, 2):
        credentials = operator.sts.assume_role(RoleArn=root.role_arn(role), RoleSessionName=f"i-{number:017x}")["Credentials"]
        hosts.append(Host(number, folder / str(number), root.url, CLUSTER, credentials))
    try:
        wait_for(lambda: len(connected(root)) == 2, lambda: "\n".join(host.log.read_text()[-3000:] for host in hosts))
        yield hosts
    finally:
        for host in hosts:
            host.end()


def connected(account):
    arns = account.ecs.list_container_instances(cluster=CLUSTER)["containerInstanceArns"]
    if not arns:
        return []
    found = account.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=arns)["containerInstances"]
    return [instance["containerInstanceArn"] for instance in found if instance["agentConnected"]]


def wait_for(holds, explain=lambda: "it did not happen within a minute", seconds=60):
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, explain()
        time.sleep(0.2)
    return value


@pytest.fixture(scope="module")
def role(root):
    """The tasks' role: may describe their cluster."""
    return root.role(statement("ecs:DescribeClusters", root.ecs_arn(f"cluster/{CLUSTER}")))


@pytest.fixture(scope="module")
def register(root, deployer, role):
    """Registers the next revision; without the permission to pass the role it is refused."""

    def register(version):
        sleeping = {"name": "app", "image": IMAGE, "memory": 32, "command": ["sh", "-c", "trap exit TERM; sleep 600 & wait"]}
        container = {**sleeping, "environment": [{"name": "VERSION", "value": version}], "stopTimeout": 2}
        parameters = {"family": FAMILY, "taskRoleArn": root.role_arn(role), "containerDefinitions": [container]}
        return deployer.ecs.register_task_definition(**parameters)["taskDefinition"]["taskDefinitionArn"]

    with denied("ecs", deployer.arn, "iam:PassRole", root.role_arn(role)):
        register("0")
    only_to_tasks = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    pass_role = json.dumps(statement("iam:PassRole", root.role_arn(role), Condition=only_to_tasks))
    user = deployer.arn.split("/")[-1]
    root.iam.put_user_policy(UserName=user, PolicyName="pass", PolicyDocument=pass_role)
    return register


@pytest.fixture(scope="module")
def service(deployer, hosts, register):
    """The service with two tasks, one on each host, once it is stable."""
    made = deployer.ecs.create_service(
        cluster=CLUSTER,
        serviceName=SERVICE,
        taskDefinition=register("1"),
        desiredCount=2,
        deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 200},
        placementStrategy=[{"type": "spread", "field": "instanceId"}],
    )["service"]
    assert made["status"] == "ACTIVE"
    stable(deployer)
    return made["serviceArn"]


def stable(account):
    account.ecs.get_waiter("services_stable").wait(cluster=CLUSTER, services=[SERVICE], WaiterConfig=OFTEN)
    return described(account)


def described(account):
    return account.ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]


def tasks(root):
    arns = root.ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    return root.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []


def counts(hosts):
    return [len(host.containers()) for host in hosts]


def versions(hosts):
    """What the running containers say they are."""
    return sorted(host.docker("exec", one, "sh", "-c", "echo $VERSION").strip() for host in hosts for one in host.containers())


def test_1_two_hosts_with_engines_of_their_own_run_one_task_each(root, hosts, service):
    assert counts(hosts) == [1, 1]
    running = tasks(root)
    assert {task["lastStatus"] for task in running} == {"RUNNING"}
    assert {task["containerInstanceArn"] for task in running} == set(connected(root))
    known = {container["runtimeId"] for task in running for container in task["containers"]}
    assert known == {one for host in hosts for one in host.containers()}


def test_2_each_container_has_credentials_of_its_own_task(root, hosts, service, role):
    sessions = set()
    for host in hosts:
        (container,) = host.containers()
        keys = json.loads(host.docker("exec", container, "sh", "-c", FETCH))
        inside = root.with_credentials({**keys, "SessionToken": keys["Token"]})
        sessions.add(inside.arn)
        assert inside.ecs.describe_clusters(clusters=[CLUSTER])["clusters"][0]["runningTasksCount"] == 2
        with denied("ecs", inside.arn, "ecs:ListClusters", "*"):
            inside.ecs.list_clusters()
    ids = {task["taskArn"].split("/")[-1] for task in tasks(root)}
    assert sessions == {f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{one}" for one in ids}


def test_3_a_new_revision_rolls_out_within_its_percentages(root, deployer, hosts, service, register):
    second = register("2")
    deployer.ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=second)
    seen = []

    def rolled_out():
        deployments = described(deployer)["deployments"]
        seen.append((sum(counts(hosts)), sum(deployment["runningCount"] for deployment in deployments)))
        return len(deployments) == 1 and deployments[0]["rolloutState"] == "COMPLETED"

    wait_for(rolled_out)
    # 50 % of two tasks are one, 200 % are four.
    assert all(1 <= real <= 4 and 1 <= known <= 4 for real, known in seen), seen
    assert stable(deployer)["taskDefinition"] == second
    # A container that is being stopped may still be listed but not asked.
    wait_for(lambda: counts(hosts) == [1, 1])
    assert versions(hosts) == ["2", "2"]


def test_4_a_container_that_is_killed_is_replaced(root, deployer, hosts, service):
    (before,) = hosts[0].containers()
    hosts[0].docker("kill", before)
    wait_for(lambda: before not in {c["runtimeId"] for task in tasks(root) for c in task["containers"] if "runtimeId" in c})
    stable(deployer)
    wait_for(lambda: sum(counts(hosts)) == 2)


def test_5_it_scales_out_over_both_hosts_and_in_again(deployer, hosts, service):
    deployer.ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=4)
    assert stable(deployer)["runningCount"] == 4
    assert counts(hosts) == [2, 2]
    deployer.ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=2)
    stable(deployer)
    wait_for(lambda: counts(hosts) == [1, 1])


def test_6_a_draining_host_is_emptied_and_a_lost_one_is_noticed(root, deployer, hosts, service):
    on = {container: host for host in hosts for container in host.containers()}
    first = next(
        task["containerInstanceArn"] for task in tasks(root) if on[task["containers"][0]["runtimeId"]] is hosts[0]
    )
    root.ecs.update_container_instances_state(cluster=CLUSTER, containerInstances=[first], status="DRAINING")
    wait_for(lambda: counts(hosts) == [0, 2])
    stable(deployer)
    hosts[0].process.kill()
    wait_for(lambda: first not in connected(root))
    root.ecs.deregister_container_instance(cluster=CLUSTER, containerInstance=first, force=True)
    assert stable(deployer)["runningCount"] == 2


def test_7_everything_is_taken_away_in_terraforms_order(root, deployer, hosts, service, cluster):
    with refused("ClusterContains(Services|ContainerInstances|Tasks)Exception"):
        deployer.ecs.delete_cluster(cluster=CLUSTER)
    deployer.ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=0)
    stable(deployer)
    deployer.ecs.delete_service(cluster=CLUSTER, service=SERVICE)
    deployer.ecs.get_waiter("services_inactive").wait(cluster=CLUSTER, services=[SERVICE], WaiterConfig=OFTEN)
    wait_for(lambda: hosts[1].containers() == [])
    for revision in (1, 2):
        gone = deployer.ecs.deregister_task_definition(taskDefinition=f"{FAMILY}:{revision}")["taskDefinition"]
        assert gone["status"] == "INACTIVE"
    (last,) = connected(root)
    root.ecs.deregister_container_instance(cluster=CLUSTER, containerInstance=last, force=True)
    assert deployer.ecs.delete_cluster(cluster=CLUSTER)["cluster"]["status"] == "INACTIVE"
    assert cluster not in root.ecs.list_clusters()["clusterArns"]
