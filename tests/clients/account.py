"""An account on the server: clients for anybody in it, and short ways to arrange what a call needs."""

import itertools
import json
import secrets
from functools import cached_property

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from agent import ConnectedAgent
from server import ROOT_KEY

ACCOUNT = "123456789012"
REGION = "us-east-1"
TRUST_ECS_TASKS = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "", "Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
ALLOW_LISTING = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "Listing", "Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*"}],
}


class Account:
    """One caller's view; `as_user`, `with_credentials` give another caller's."""

    _numbers = itertools.count(1)

    def __init__(self, url, credentials, region=REGION, verify=None):
        self.url, self.credentials, self.region, self.verify = url, credentials, region, verify
        self._clients = {}

    @classmethod
    def root(cls, url, **options):
        return cls(url, {"aws_access_key_id": ROOT_KEY[0], "aws_secret_access_key": ROOT_KEY[1]}, **options)

    def client(self, service):
        """boto3 that sends what it is given (no checks of its own) exactly once."""
        if service not in self._clients:
            config = Config(
                parameter_validation=False,
                retries={"total_max_attempts": 1},
                region_name=self.region,
                # StartLiveTail wants a prefix before the host's name; a host called by its address has none.
                inject_host_prefix=False,
            )
            self._clients[service] = boto3.session.Session().client(
                service, endpoint_url=self.url, config=config, verify=self.verify, **self.credentials
            )
        return self._clients[service]

    ecs = property(lambda self: self.client("ecs"))
    iam = property(lambda self: self.client("iam"))
    sts = property(lambda self: self.client("sts"))
    cloudtrail = property(lambda self: self.client("cloudtrail"))
    ec2 = property(lambda self: self.client("ec2"))

    def call(self, service, operation, parameters):
        client = self.client(service)
        methods = client.meta.method_to_api_mapping
        method = next(name for name, api_name in methods.items() if api_name == operation)
        return getattr(client, method)(**parameters)

    def with_credentials(self, credentials, region=None):
        """The same server seen by the holder of `Credentials` as STS, or an access key as IAM gives them."""
        keys = {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
        }
        if "SessionToken" in credentials:
            keys["aws_session_token"] = credentials["SessionToken"]
        return Account(self.url, keys, region or self.region, self.verify)

    def as_user(self, name):
        return self.with_credentials(self.iam.create_access_key(UserName=name)["AccessKey"])

    def assume(self, role_arn, session="session", **more):
        reply = self.sts.assume_role(RoleArn=role_arn, RoleSessionName=session, **more)
        return self.with_credentials(reply["Credentials"])

    @property
    def arn(self):
        return self.sts.get_caller_identity()["Arn"]

    # Names and ARNs

    def name(self, prefix):
        return f"{prefix}-{next(self._numbers)}-{secrets.token_hex(3)}"

    def ecs_arn(self, resource):
        return f"arn:aws:ecs:{self.region}:{ACCOUNT}:{resource}"

    def ec2_arn(self, resource):
        return f"arn:aws:ec2:{self.region}:{ACCOUNT}:{resource}"

    def iam_arn(self, resource):
        return f"arn:aws:iam::{ACCOUNT}:{resource}"

    # IAM entities

    def user(self, *policies, **more):
        """A new user with these inline policies."""
        name = self.name("user")
        self.iam.create_user(UserName=name, **more)
        for number, policy in enumerate(policies):
            self.iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=json.dumps(policy))
        return name

    def group(self):
        name = self.name("group")
        self.iam.create_group(GroupName=name)
        return name

    def role(self, *policies, trust=TRUST_ECS_TASKS, **more):
        name = self.name("role")
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust), **more)
        for number, policy in enumerate(policies):
            self.iam.put_role_policy(RoleName=name, PolicyName=f"p{number}", PolicyDocument=json.dumps(policy))
        return name

    def role_arn(self, name):
        return self.iam_arn(f"role/{name}")

    def policy(self, document=None, **more):
        """A managed policy; its ARN."""
        text = json.dumps(document or ALLOW_LISTING)
        return self.iam.create_policy(PolicyName=self.name("policy"), PolicyDocument=text, **more)["Policy"]["Arn"]

    def instance_profile(self):
        name = self.name("profile")
        self.iam.create_instance_profile(InstanceProfileName=name)
        return name

    def mfa_device(self):
        """A virtual MFA device: its serial number and its seed."""
        device = self.iam.create_virtual_mfa_device(VirtualMFADeviceName=self.name("mfa"))["VirtualMFADevice"]
        return device["SerialNumber"], device["Base32StringSeed"]

    # ECS resources

    def cluster(self, **more):
        name = self.name("cluster")
        self.ecs.create_cluster(clusterName=name, **more)
        return name

    def task_definition(self, family=None, **more):
        """A registered definition of one sleeping container; its ARN with revision."""
        reply = self.ecs.register_task_definition(
            family=family or self.name("family"), containerDefinitions=[container()], **more
        )
        return reply["taskDefinition"]["taskDefinitionArn"]

    def container_instance(self, cluster, **more):
        """A registered instance without an agent: nothing can be placed on it."""
        reply = self.ecs.register_container_instance(cluster=cluster, totalResources=resources(), **more)
        return reply["containerInstance"]["containerInstanceArn"]

    def approve_host(self, instance, source="127.0.0.1", key=None):
        """Lets an agent in that has this key or none, as `portcullis hosts approve` does."""
        body = json.dumps({"containerInstance": instance, "source": source, "agentKey": key}).encode()
        self.ours("POST", "hosts", data=body, headers={"content-type": "application/json"})

    def ours(self, method, name, **more):
        """What a server has beside the services of AWS: the answer's text."""
        request = AWSRequest(method, f"{self.url}/portcullis/{name}", **more)
        keys = self.credentials
        signer = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"], keys.get("aws_session_token"))
        SigV4Auth(signer, "portcullis", self.region).add_auth(request)
        reply = URLLib3Session(verify=self.verify or True).send(request.prepare())
        assert reply.status_code == 200, reply.text
        return reply.text

    # EC2's network objects

    def vpc(self, **more):
        return self.ec2.create_vpc(CidrBlock="10.0.0.0/16", **more)["Vpc"]["VpcId"]

    def subnet(self, vpc=None, cidr="10.0.0.0/24", **more):
        return self.ec2.create_subnet(VpcId=vpc or self.vpc(), CidrBlock=cidr, **more)["Subnet"]["SubnetId"]

    def security_group(self, vpc=None, **more):
        name = self.name("group")
        return self.ec2.create_security_group(VpcId=vpc or self.vpc(), GroupName=name, Description="d", **more)["GroupId"]

    def internet_gateway(self, vpc=None):
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        if vpc:
            self.ec2.attach_internet_gateway(VpcId=vpc, InternetGatewayId=gateway)
        return gateway

    def route_table(self, vpc=None):
        return self.ec2.create_route_table(VpcId=vpc or self.vpc())["RouteTable"]["RouteTableId"]

    def network_interface(self, subnet=None, **more):
        reply = self.ec2.create_network_interface(SubnetId=subnet or self.subnet(), **more)
        return reply["NetworkInterface"]["NetworkInterfaceId"]

    # A cluster with a connected agent, made when the first case needs it

    @cached_property
    def busy_cluster(self):
        return self.cluster()

    @cached_property
    def busy_agent(self):
        return ConnectedAgent(self, self.busy_cluster)

    @property
    def busy_instance(self):
        return self.busy_agent.arn

    def task(self, definition=None):
        """A new task on the busy cluster: its record."""
        reply = self.ecs.start_task(
            cluster=self.busy_cluster,
            taskDefinition=definition or self.task_definition(),
            containerInstances=[self.busy_instance],
        )
        return reply["tasks"][0]

    def close(self):
        """Ends the connected agent, if there is one."""
        if "busy_agent" in vars(self):
            self.busy_agent.close()


def container(name="app", **more):
    return {"name": name, "image": "busybox", "memory": 16, "command": ["sleep", "60"], **more}


def resources(cpu=1_000_000, memory=1_000_000):
    reserved = ["22", "2375", "2376", "51678", "51679"]
    return [
        {"name": "CPU", "type": "INTEGER", "integerValue": cpu},
        {"name": "MEMORY", "type": "INTEGER", "integerValue": memory},
        {"name": "PORTS", "type": "STRINGSET", "stringSetValue": reserved},
        {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
    ]


def statement(action, resource="*", effect="Allow", **more):
    """A policy of one statement."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": resource, **more}]}


def tags(service, **pairs):
    """Tags in the spelling of the service."""
    key, value = ("key", "value") if service == "ecs" else ("Key", "Value")
    return [{key: name, value: text} for name, text in pairs.items()]
