"""boto3's own helpers on ECS: every paginator gives everything in pages of one, what boto3 has no paginator for does so by
hand, and every waiter ends as its resources do."""

import time

import pytest
from botocore.exceptions import WaiterError

from account import ACCOUNT, Account
from agent import ConnectedAgent
from cases.ecs_capacity_providers import made
from conftest import served_operations
from errors import refused
from server import Server

#: What boto3 pages through but this server does not have.
WITHOUT_GATEWAYS = {"list_gateways", "list_gateway_routes", "list_gateway_cluster_associations"}
#: Operations with a nextToken for which boto3 has no paginator: the list in the reply.
BY_HAND = {
    "describe_capacity_providers": "capacityProviders",
    "list_service_deployments": "serviceDeployments",
    "list_daemon_task_definitions": "daemonTaskDefinitions",
    "list_daemons": "daemonSummariesList",
    "list_daemon_deployments": "daemonDeployments",
}
#: Less than two would be a page of one whatever is asked for.
AT_LEAST = 2


class Filled:
    """A cluster with two of everything that can be listed."""

    def __init__(self, root):
        self.root, self.ecs, self.cluster = root, root.ecs, root.cluster()
        root.cluster(serviceConnectDefaults={"namespace": "shop"})
        self.family = root.name("family")
        self.definitions = [root.task_definition(self.family) for _ in range(2)]
        root.task_definition()
        self.agent = ConnectedAgent(root, self.cluster)
        root.container_instance(self.cluster)
        for name in ("color", "size"):
            attribute = {"name": name, "value": "some", "targetId": self.agent.arn}
            self.ecs.put_attributes(cluster=self.cluster, attributes=[attribute])
        self.services = [self.service(self.definitions[0]) for _ in range(2)]
        self.ecs.update_service(cluster=self.cluster, service=self.services[0], taskDefinition=self.definitions[1])
        self.ecs.run_task(cluster=self.cluster, taskDefinition=self.definitions[0], count=2)
        for _ in range(2):
            self.ecs.register_daemon_task_definition(
                family=self.family,
                containerDefinitions=[{"name": "app", "image": "busybox", "memory": 16}],
            )
        self.provider = made(root)
        self.ecs.put_cluster_capacity_providers(
            cluster=self.cluster, capacityProviders=[self.provider], defaultCapacityProviderStrategy=[]
        )
        self.daemons = [self.daemon() for _ in range(2)]
        self.ecs.update_daemon(daemonArn=self.daemons[0]["daemonArn"], **self.of_daemons())

    def service(self, definition, desired=0):
        name = self.root.name("service")
        self.ecs.create_service(
            cluster=self.cluster, serviceName=name, taskDefinition=definition, desiredCount=desired
        )
        return name

    def of_daemons(self):
        return {
            "daemonTaskDefinitionArn": self.root.ecs_arn(f"daemon-task-definition/{self.family}:2"),
            "capacityProviderArns": [self.root.ecs_arn(f"capacity-provider/{self.provider}")],
        }

    def daemon(self):
        """A daemon, which has nowhere to run as long as its provider has no host."""
        arn = self.root.ecs_arn(f"cluster/{self.cluster}")
        return self.ecs.create_daemon(clusterArn=arn, daemonName=self.root.name("daemon"), **self.of_daemons())

    def parameters(self, method):
        cluster = {"cluster": self.cluster}
        return {
            "list_account_settings": {"effectiveSettings": True},
            "list_attributes": {**cluster, "targetType": "container-instance", "attributeName": "color"},
            "list_container_instances": cluster,
            "list_services": cluster,
            "list_services_by_namespace": {"namespace": "shop"},
            "list_tasks": cluster,
            "list_service_deployments": {**cluster, "service": self.services[0]},
            "list_daemons": {"clusterArn": self.root.ecs_arn(f"cluster/{self.cluster}")},
            "list_daemon_deployments": {"daemonArn": self.daemons[0]["daemonArn"]},
        }.get(method, {})


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server") / "data", "--store", "memory", "--account", ACCOUNT)
    root = Account.root(server.url)
    server.wait_until(root.sts.get_caller_identity)
    filled = Filled(root)
    yield filled
    filled.agent.close()
    server.stop()


def paginated():
    """What boto3 can page through."""
    ecs = Account.root("http://127.0.0.1:1").ecs
    return sorted(method for method in ecs.meta.method_to_api_mapping if ecs.can_paginate(method))


@pytest.mark.parametrize("method", sorted(set(paginated()) - WITHOUT_GATEWAYS))
def test_pages_of_one_hold_what_one_page_holds(filled, method):
    paginator, parameters = filled.ecs.get_paginator(method), filled.parameters(method)
    (key,) = [key.expression for key in paginator.result_keys]
    whole = paginator.paginate(**parameters).build_full_result()[key]
    pages = [page[key] for page in paginator.paginate(**parameters, PaginationConfig={"PageSize": 1})]
    assert all(len(page) <= 1 for page in pages)
    assert [item for page in pages for item in page] == whole
    # Services cannot join a namespace here, and one attribute is on one instance: see `parameters`.
    least = {"list_services_by_namespace": 0, "list_attributes": 1}.get(method, AT_LEAST)
    assert len(whole) >= least


@pytest.mark.parametrize("method", sorted(WITHOUT_GATEWAYS))
def test_gateways_are_refused_as_aws_does_where_they_are_not(filled, method):
    with refused("UnsupportedFeatureException"):
        getattr(filled.ecs, method)()


@pytest.mark.parametrize("method", sorted(BY_HAND))
def test_what_boto3_has_no_paginator_for_is_paged_by_its_token(filled, method):
    assert not filled.ecs.can_paginate(method)
    call, parameters, key = getattr(filled.ecs, method), filled.parameters(method), BY_HAND[method]
    whole, found = call(**parameters), []
    assert "nextToken" not in whole
    page = call(**parameters, maxResults=1)
    while True:
        assert len(page[key]) <= 1
        found += page[key]
        if "nextToken" not in page:
            break
        page = call(**parameters, maxResults=1, nextToken=page["nextToken"])
    assert found == whole[key] and len(found) >= AT_LEAST
    with refused("InvalidParameterException", r"Invalid token\."):
        call(**parameters, nextToken="nonsense")


def test_every_paginated_and_tokened_operation_is_tried(filled):
    """An operation that gets a nextToken tomorrow fails here until it stands above."""
    model = filled.ecs.meta.service_model
    methods = {name: method for method, name in filled.ecs.meta.method_to_api_mapping.items()}
    served = {operation for service, operation in served_operations() if service == "ecs"}
    tokened = {methods[name] for name in served if "nextToken" in model.operation_model(name).input_shape.members}
    assert tokened <= set(paginated()) | set(BY_HAND)


# Waiters: the waiters ask every 6 or 15 seconds by default.


def once(attempts=1, delay=1):
    return {"WaiterConfig": {"Delay": delay, "MaxAttempts": attempts}}


def waits(filled, waiter, attempts=1, **parameters):
    filled.ecs.get_waiter(waiter).wait(cluster=filled.cluster, **parameters, **once(attempts))


def gives_up(filled, waiter, reason, **parameters):
    """The waiter ends in an error: at once, or because nothing came within its attempts."""
    with pytest.raises(WaiterError, match=reason):
        waits(filled, waiter, **parameters)


def report(filled, arn, status):
    container = {"containerName": "app", "status": status}
    container |= {"exitCode": 0} if status == "STOPPED" else {"runtimeId": "9e8f"}
    filled.ecs.submit_task_state_change(cluster=filled.cluster, task=arn, status=status, containers=[container])


def tasks_of(filled, service):
    deadline = time.monotonic() + 20
    while not (arns := filled.ecs.list_tasks(cluster=filled.cluster, serviceName=service)["taskArns"]):
        assert time.monotonic() < deadline, "the service starts its tasks in time"
        time.sleep(0.05)
    return arns


AT_ONCE, IN_TIME = "terminal failure state", "Max attempts exceeded"


def test_tasks_running_and_tasks_stopped(filled):
    reply = filled.ecs.run_task(cluster=filled.cluster, taskDefinition=filled.definitions[0])
    (arn,) = [task["taskArn"] for task in reply["tasks"]]
    gives_up(filled, "tasks_running", IN_TIME, tasks=[arn])
    report(filled, arn, "RUNNING")
    waits(filled, "tasks_running", tasks=[arn])
    gives_up(filled, "tasks_stopped", IN_TIME, tasks=[arn])
    filled.ecs.stop_task(cluster=filled.cluster, task=arn)
    report(filled, arn, "STOPPED")
    waits(filled, "tasks_stopped", tasks=[arn])
    gives_up(filled, "tasks_running", AT_ONCE, tasks=[arn])
    gives_up(filled, "tasks_running", AT_ONCE, tasks=["0" * 32])


def test_services_stable_and_services_inactive(filled):
    name = filled.service(filled.definitions[0], desired=1)
    (first,) = tasks_of(filled, name)
    gives_up(filled, "services_stable", IN_TIME, services=[name])
    report(filled, first, "RUNNING")
    waits(filled, "services_stable", attempts=20, services=[name])

    # During a deployment there are two: the replaced one has to vanish with its tasks.
    filled.ecs.update_service(cluster=filled.cluster, service=name, taskDefinition=filled.definitions[1])
    gives_up(filled, "services_stable", IN_TIME, services=[name])
    second = None
    deadline = time.monotonic() + 20
    while not second:
        assert time.monotonic() < deadline, "the deployment starts its task in time"
        second = next((arn for arn in tasks_of(filled, name) if arn != first), None)
    report(filled, second, "RUNNING")
    while first in tasks_of(filled, name):
        assert time.monotonic() < deadline, "the replaced task is told to stop in time"
    report(filled, first, "STOPPED")
    waits(filled, "services_stable", attempts=20, services=[name])

    gives_up(filled, "services_inactive", IN_TIME, services=[name])
    filled.ecs.delete_service(cluster=filled.cluster, service=name, force=True)
    gives_up(filled, "services_stable", AT_ONCE, services=[name])
    while filled.ecs.list_tasks(cluster=filled.cluster, serviceName=name)["taskArns"]:
        assert time.monotonic() < deadline, "the last task is told to stop in time"
    report(filled, second, "STOPPED")
    waits(filled, "services_inactive", attempts=20, services=[name])


@pytest.mark.parametrize("waiter", ["services_stable", "services_inactive"])
def test_a_service_that_never_was_is_not_waited_for(filled, waiter):
    gives_up(filled, waiter, AT_ONCE, services=["never"])


def test_daemon_task_definitions(filled):
    arn = f"{filled.root.ecs_arn('daemon-task-definition/')}{filled.family}:1"
    wait = {"daemonTaskDefinition": arn, **once()}
    filled.ecs.get_waiter("daemon_task_definition_active").wait(**wait)
    with pytest.raises(WaiterError, match=IN_TIME):
        filled.ecs.get_waiter("daemon_task_definition_deleted").wait(**wait)
    filled.ecs.delete_daemon_task_definition(daemonTaskDefinition=arn)
    filled.ecs.get_waiter("daemon_task_definition_deleted").wait(daemonTaskDefinition=arn, **once(20))
    with pytest.raises(WaiterError, match=AT_ONCE):
        filled.ecs.get_waiter("daemon_task_definition_active").wait(**wait)


def test_daemons_and_their_deployments(filled):
    def waits(waiter, attempts=1, **parameters):
        filled.ecs.get_waiter(waiter).wait(**parameters, **once(attempts))

    attribute = {"name": "portcullis.auto-scaling-group", "value": filled.provider}
    agent = ConnectedAgent(filled.root, filled.cluster, [attribute])
    daemon = filled.daemon()
    named, first = {"daemonArn": daemon["daemonArn"]}, {"daemonDeploymentArns": [daemon["deploymentArn"]]}
    waits("daemon_active", **named)
    # Its task on the one host does not run yet.
    with pytest.raises(WaiterError, match=IN_TIME):
        waits("daemon_deployment_successful", **first)
    with pytest.raises(WaiterError, match=IN_TIME):
        waits("daemon_deployment_stopped", **first)
    # What is newer ends what is under way.
    updated = filled.ecs.update_daemon(**named, **filled.of_daemons())
    second = {"daemonDeploymentArns": [updated["deploymentArn"]]}
    waits("daemon_deployment_stopped", attempts=20, **first)
    with pytest.raises(WaiterError, match=AT_ONCE):
        waits("daemon_deployment_successful", **first)

    def run_what_came():
        for arn in list(agent.tasks):
            task = filled.ecs.describe_tasks(cluster=filled.cluster, tasks=[arn])["tasks"][0]
            if task["lastStatus"] != task["desiredStatus"]:
                report(filled, arn, task["desiredStatus"])
        found = filled.ecs.describe_daemon_deployments(**second)["daemonDeployments"]
        return found[0]["status"] == "SUCCESSFUL"

    deadline = time.monotonic() + 30
    while not run_what_came():
        assert time.monotonic() < deadline, "the deployment comes to its end"
        time.sleep(0.1)
    waits("daemon_deployment_successful", **second)
    filled.ecs.delete_daemon(**named)
    gone = {"daemonDeploymentArns": [filled.root.ecs_arn(f"daemon-deployment/{filled.cluster}/none/x")]}
    with pytest.raises(WaiterError, match=AT_ONCE):
        waits("daemon_deployment_successful", **gone)
    agent.close()


def test_every_waiter_of_ecs_is_tried(filled):
    assert sorted(filled.ecs.waiter_names) == [
        "daemon_active",
        "daemon_deployment_stopped",
        "daemon_deployment_successful",
        "daemon_task_definition_active",
        "daemon_task_definition_deleted",
        "services_inactive",
        "services_stable",
        "tasks_running",
        "tasks_stopped",
    ]


def test_waiters_of_instances_find_the_hosts(filled):
    ids = [row["Instances"][0]["InstanceId"] for row in filled.root.ec2.describe_instances()["Reservations"]]
    assert len(ids) >= AT_LEAST
    for waiter in ("instance_exists", "instance_running"):
        filled.root.ec2.get_waiter(waiter).wait(InstanceIds=ids, **once())
