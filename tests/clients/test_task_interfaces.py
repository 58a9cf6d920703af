"""Network interfaces of awsvpc and Fargate tasks, as boto3 sees them come and go."""

import time

import pytest

from agent import ConnectedAgent
from errors import refused

ROLE = "assumed-role/AWSServiceRoleForECS/ecs-eni-provisioning"
OWN_NETWORKS = (
    {"name": "ecs.capability.task-eni"},
    {"name": "portcullis.capability.security-groups"},
    {"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"},
)


class Host:
    """A cluster with a host that makes network interfaces, and a network of its own."""

    def __init__(self, aws, *attributes):
        self.aws, self.cluster = aws, aws.cluster()
        self.agent = ConnectedAgent(aws, self.cluster, (*OWN_NETWORKS, *attributes))
        self.vpc = aws.vpc()
        self.subnet = aws.subnet(self.vpc, AvailabilityZone=f"{aws.region}a")
        self.group = aws.security_group(self.vpc)
        self.definition = aws.task_definition(
            networkMode="awsvpc",
            requiresCompatibilities=["EC2", "FARGATE"],
            cpu="256",
            memory="512",
        )

    @property
    def network(self):
        return {"awsvpcConfiguration": {"subnets": [self.subnet], "securityGroups": [self.group]}}

    def run(self, **more):
        more = {"networkConfiguration": self.network, **more}
        reply = self.aws.ecs.run_task(cluster=self.cluster, taskDefinition=self.definition, **more)
        assert reply["failures"] == []
        return reply["tasks"][0]

    def task(self, arn):
        return self.aws.ecs.describe_tasks(cluster=self.cluster, tasks=[arn])["tasks"][0]

    def until(self, arn, status):
        """The task once it has a status."""
        for _ in range(200):
            task = self.task(arn)
            if task["lastStatus"] == status:
                return task
            time.sleep(0.02)
        raise AssertionError(f"{task['lastStatus']} instead of {status}: {task.get('stoppedReason')}")

    def payload(self, arn):
        """The task as its host got it."""
        for _ in range(200):
            if arn in self.agent.tasks:
                return self.agent.tasks[arn]
            time.sleep(0.02)
        raise AssertionError("no payload")

    def submit(self, arn, status):
        containers = [{"containerName": "app", "status": status, **({"exitCode": 0} if status == "STOPPED" else {})}]
        self.aws.ecs.submit_task_state_change(
            cluster=self.cluster, task=arn, status=status, reason="", containers=containers
        )


@pytest.fixture
def host_of(shared_administrator):
    hosts = []

    def make(*attributes):
        hosts.append(Host(shared_administrator, *attributes))
        return hosts[-1]

    yield make
    for host in hosts:
        host.agent.close()


def details(task):
    (attachment,) = task["attachments"]
    return {one["name"]: one["value"] for one in attachment["details"]}


def test_a_task_has_an_interface_as_long_as_it_lives(host_of):
    host = host_of()
    aws, made = host.aws, host.run()
    assert (made["lastStatus"], made["attachments"][0]["status"]) == ("PROVISIONING", "PRECREATED")
    arn = made["taskArn"]
    task = host.until(arn, "PENDING")
    own = details(task)
    (shown,) = aws.ec2.describe_network_interfaces(NetworkInterfaceIds=[own["networkInterfaceId"]])["NetworkInterfaces"]
    assert (shown["Status"], shown["RequesterManaged"]) == ("in-use", True)
    assert shown["PrivateIpAddress"] == own["privateIPv4Address"]
    assert shown["Description"].endswith(f"attachment/{task['attachments'][0]['id']}")
    assert [group["GroupId"] for group in shown["Groups"]] == [host.group]
    (interface,) = host.payload(arn)["elasticNetworkInterfaces"]
    assert (interface["ec2Id"], interface["macAddress"]) == (own["networkInterfaceId"], own["macAddress"])
    assert interface["subnetGatewayIpv4Address"] == "10.0.0.1/24"
    assert interface["portcullisFirewall"]["egress"][0]["destinations"] == ["0.0.0.0/0"]
    with refused("DependencyViolation"):
        aws.ec2.delete_security_group(GroupId=host.group)
    with refused("AuthFailure"):
        aws.ec2.detach_network_interface(AttachmentId=shown["Attachment"]["AttachmentId"])
    host.submit(arn, "RUNNING")
    aws.ecs.get_waiter("tasks_running").wait(cluster=host.cluster, tasks=[arn])
    aws.ecs.stop_task(cluster=host.cluster, task=arn)
    host.until(arn, "STOPPING")
    host.submit(arn, "STOPPED")
    aws.ecs.get_waiter("tasks_stopped").wait(
        cluster=host.cluster, tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    stopped = host.task(arn)
    assert (stopped["stopCode"], stopped["attachments"][0]["status"]) == ("UserInitiated", "DELETED")
    with refused(r"InvalidNetworkInterfaceID\.NotFound"):
        aws.ec2.describe_network_interfaces(NetworkInterfaceIds=[own["networkInterfaceId"]])
    aws.ec2.delete_security_group(GroupId=host.group)


def test_fargate_tasks_run_on_hosts_that_offer_themselves(host_of):
    host = host_of({"name": "portcullis.launch-type", "value": "FARGATE"})
    network = {"awsvpcConfiguration": {**host.network["awsvpcConfiguration"], "assignPublicIp": "ENABLED"}}
    made = host.run(launchType="FARGATE", networkConfiguration=network)
    task = host.until(made["taskArn"], "PENDING")
    assert (task["launchType"], task["platformVersion"], task["platformFamily"]) == ("FARGATE", "1.4.0", "Linux")
    assert task["ephemeralStorage"] == {"sizeInGiB": 20}
    assert "containerInstanceArn" not in task
    own = details(task)
    (shown,) = host.aws.ec2.describe_network_interfaces(NetworkInterfaceIds=[own["networkInterfaceId"]])["NetworkInterfaces"]
    assert shown["Status"] == "in-use" and "Association" not in shown
    assert host.payload(made["taskArn"])["launchType"] == "FARGATE"


def test_what_ecs_does_for_interfaces_is_on_record(host_of):
    host = host_of()
    host.until(host.run()["taskArn"], "PENDING")
    events = host.aws.cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "AttachNetworkInterface"}]
    )["Events"]
    assert any(ROLE in event["CloudTrailEvent"] and '"invokedBy":"ecs.amazonaws.com"' in event["CloudTrailEvent"] for event in events)
