"""Our own instance metadata service: unmodified boto3 on a host finds region, identity and rotating credentials there, and
nobody but the host reaches it.

Two hosts and a neighbour, each a network namespace of this test's own on one bridge. Not collected by itself: `cargo xtask
test` names this file inside `cargo xtask docker-room`, whose network has no way out; the metadata addresses are asked from
those namespaces alone.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from account import ACCOUNT, Account
from hosts import BRIDGE, SERVER_ADDRESS, build_bridge, remove_bridge, run
from server import BINARY, Server
from test_genuine_agent import FOR_INSTANCES, TRUST_ACCOUNT

V4, V6 = "169.254.169.254", "fd00:ec2::254"
TOKEN_TTL, TOKEN = "X-aws-ec2-metadata-token-ttl-seconds", "X-aws-ec2-metadata-token"
CURL = """
import sys, json, http.client
host, port, method, path, headers = json.loads(sys.argv[1])
try:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    connection.request(method, path, headers=headers)
    reply = connection.getresponse()
    print(json.dumps([reply.status, reply.read().decode()]))
except OSError as error:
    print(json.dumps([0, type(error).__name__]))
"""
#: What a program of the host does that knows nothing of us: region, identity document, role, a call.
PROGRAM = """
import json, sys, boto3, botocore.session
from botocore.utils import IMDSFetcher, InstanceMetadataRegionFetcher
session = boto3.session.Session()
keys = session.get_credentials()
frozen = keys.get_frozen_credentials()
region = InstanceMetadataRegionFetcher().retrieve_region()
sts = session.client("sts", region_name=region, endpoint_url=sys.argv[1])
print(json.dumps({"method": keys.method, "region": region, "key": frozen.access_key, "arn": sts.get_caller_identity()["Arn"]}))
"""


class Namespace:
    """A machine on the bridge."""

    def __init__(self, name, number):
        self.name, self.address = name, f"10.77.0.{number}"
        run("ip", "netns", "add", name)
        run("ip", "link", "add", name, "master", BRIDGE, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", name, "up")
        self.enter("ip", "link", "set", "lo", "up")
        self.enter("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.enter("ip", "link", "set", "eth0", "up")

    def command(self, *command):
        return ["nsenter", f"--net=/run/netns/{self.name}", *command]

    def enter(self, *command, **more):
        return run(*self.command(*command), **more)

    def ask(self, method, path, headers=None, host=V4, port=80):
        """Status and body; status 0 when nobody answers."""
        question = json.dumps([host, port, method, path, headers or {}])
        return json.loads(self.enter(sys.executable, "-c", CURL, question))

    def token(self, seconds=60, host=V4):
        status, token = self.ask("PUT", "/latest/api/token", {TOKEN_TTL: str(seconds)}, host)
        assert status == 200
        return token

    def get(self, path, host=V4):
        return self.ask("GET", f"/latest/{path}", {TOKEN: self.token(host=host)}, host)

    def boto3(self, url):
        """Runs the program without anything in its environment."""
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        return json.loads(self.enter(sys.executable, "-c", PROGRAM, url, env=environment))

    def remove(self):
        run("ip", "link", "delete", self.name)
        run("ip", "netns", "delete", self.name)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    build_bridge()
    folder = tmp_path_factory.mktemp("server")
    server = Server(folder / "data", "--store", "memory", "--account", ACCOUNT, host=SERVER_ADDRESS)
    server.wait_until(Account.root(server.url).sts.get_caller_identity)
    yield server
    server.stop()
    remove_bridge()


@pytest.fixture(scope="module")
def operator(server):
    root = Account.root(server.url)
    name = root.user()
    root.iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    return root.as_user(name)


@pytest.fixture(scope="module")
def role(operator):
    role = operator.role(trust=TRUST_ACCOUNT)
    operator.iam.attach_role_policy(RoleName=role, PolicyArn=FOR_INSTANCES)
    return role


@pytest.fixture(scope="module")
def neighbour(server):
    neighbour = Namespace("neighbour", 9)
    yield neighbour
    neighbour.remove()


class Host(Namespace):
    """A machine with our agent, which serves instance metadata."""

    def __init__(self, name, number, folder, operator, role, *arguments):
        super().__init__(name, number)
        self.folder, self.operator, self.role = folder, operator, role
        folder.mkdir()
        self.renew()
        command = [BINARY, "agent", "--endpoint", operator.url, "--cluster", "hosts", "--engine", "process"]
        command += ["--state-dir", str(folder / "agent"), "--credentials-file", str(folder / "keys.json")]
        self.start = [*self.command(*command), "--instance-metadata", *arguments]
        self.process = None
        self.run()

    def renew(self):
        """What keeps the host's credentials fresh writes new ones."""
        arn = self.operator.role_arn(self.role)
        reply = self.operator.sts.assume_role(RoleArn=arn, RoleSessionName="i-00000000000000abc")
        keys = {name: reply["Credentials"][name] for name in ("AccessKeyId", "SecretAccessKey")}
        keys["Token"] = reply["Credentials"]["SessionToken"]
        keys["Expiration"] = reply["Credentials"]["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")
        temporary = self.folder / "keys.new"
        temporary.write_text(json.dumps(keys))
        temporary.rename(self.folder / "keys.json")
        return keys

    def run(self):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.start, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while self.ask("GET", "/")[0] != 401 or self.get("meta-data/iam/")[0] != 200:
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()[-3000:]
            time.sleep(0.1)

    def end(self, with_signal=signal.SIGTERM):
        self.process.send_signal(with_signal)
        self.process.wait(timeout=20)

    def addresses(self):
        return self.enter("ip", "-o", "address", "show", "dev", "lo", text=True)


@pytest.fixture(scope="module")
def host(operator, role, tmp_path_factory):
    operator.ecs.create_cluster(clusterName="hosts")
    more = ["--instance-type", "box.large", "--image-id", "image-1"]
    host = Host("host1", 2, tmp_path_factory.mktemp("host") / "1", operator, role, *more)
    yield host
    if host.process.poll() is None:
        host.end()
    host.remove()


def test_unmodified_boto3_finds_region_and_credentials(server, host, role):
    found = host.boto3(server.url)
    assert found["method"] == "iam-role"
    assert found["region"] == "us-east-1"
    assert found["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/i-00000000000000abc"


def test_the_document_says_who_the_host_is(host):
    status, text = host.get("dynamic/instance-identity/document")
    document = json.loads(text)
    assert status == 200
    expected = {
        "accountId": ACCOUNT,
        "availabilityZone": "us-east-1a",
        "imageId": "image-1",
        "instanceId": "i-00000000000000abc",
        "instanceType": "box.large",
        "privateIp": host.address,
        "region": "us-east-1",
        "version": "2017-09-30",
    }
    assert expected.items() <= document.items()
    assert host.get("dynamic/instance-identity/signature")[0] == 404
    mac = host.get("meta-data/mac")[1]
    assert mac in host.enter("ip", "link", "show", "dev", "eth0", text=True)
    assert host.get(f"meta-data/network/interfaces/macs/{mac}/local-ipv4s") == [200, host.address]


def test_only_version_2_is_spoken_and_nobody_asks_through_a_proxy(host):
    assert host.ask("GET", "/latest/meta-data/")[0] == 401
    forwarded = {TOKEN_TTL: "60", "X-Forwarded-For": "10.77.0.9"}
    assert host.ask("PUT", "/latest/api/token", forwarded)[0] == 403
    assert host.ask("PUT", "/latest/api/token")[0] == 400


def test_it_is_there_over_ipv6_too(host):
    if V6 not in host.addresses():
        pytest.skip("this kernel has no IPv6")
    assert host.get("meta-data/instance-id", host=V6) == [200, "i-00000000000000abc"]


def test_neither_neighbour_nor_container_reaches_it(host, neighbour, tmp_path):
    """A container is what the neighbour is: packets for an address of the host that come by another interface than lo."""
    # A wire of their own: the room's firewall, Docker's, lets nothing pass from one port of its bridges to another.
    run("ip", "link", "add", "near", "netns", host.name, "type", "veth", "peer", "name", "near", "netns", neighbour.name)
    wires = {V4: ("10.78.0.1/24", "10.78.0.2/24"), V6: ("fd00:78::1/64", "fd00:78::2/64")}
    for target, (here, there) in wires.items():
        family = "-6" if target == V6 else "-4"
        more = ["nodad"] if target == V6 else []
        for machine, address in ((host, here), (neighbour, there)):
            machine.enter("ip", family, "address", "add", address, "dev", "near", *more)
            machine.enter("ip", "link", "set", "near", "up")
        neighbour.enter("ip", family, "route", "add", target, "via", here.split("/")[0], "dev", "near")
        # That the way is there is shown by another program at the same address, which takes packets from everywhere.
        other = host.command(sys.executable, "-m", "http.server", "8080", "--bind", target, "--directory", str(tmp_path))
        other = subprocess.Popen(other, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 10
            while (reached := neighbour.ask("GET", "/", host=target, port=8080))[0] != 200:
                assert time.monotonic() < deadline, (target, reached)
            status, error = neighbour.ask("PUT", "/latest/api/token", {TOKEN_TTL: "60"}, target)
            assert (status, error) == (0, "ConnectionRefusedError")
        finally:
            other.kill()
            other.wait()
    host.enter("ip", "link", "delete", "near")
    assert host.get("meta-data/instance-id")[0] == 200


def test_answers_live_one_hop(host):
    probe = """
from socket import *
raw = socket(AF_PACKET, SOCK_RAW, ntohs(3)); raw.bind(("lo", 0)); raw.settimeout(5)
client = create_connection(("169.254.169.254", 80), timeout=5)
client.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); client.recv(100)
ttls = set()
try:
    while True:
        packet = raw.recv(2000)
        from_service = packet[26:30] == inet_aton("169.254.169.254") and packet[34:36] == b"\\x00\\x50"
        if from_service: ttls.add(packet[22])
except (TimeoutError, OSError): pass
print(sorted(ttls))
"""
    assert host.enter(sys.executable, "-c", probe, text=True).strip() == "[1]"


def test_credentials_rotate_without_a_failed_fetch(server, host, role):
    path = f"meta-data/iam/security-credentials/{role}"
    before = host.boto3(server.url)["key"]
    fresh = host.renew()
    deadline = time.monotonic() + 75
    while True:
        status, text = host.get(path)
        assert status == 200
        if json.loads(text)["AccessKeyId"] == fresh["AccessKeyId"]:
            break
        assert time.monotonic() < deadline, "the file is read again every minute"
        time.sleep(1)
    assert json.loads(text)["Expiration"] == fresh["Expiration"]
    after = host.boto3(server.url)
    assert after["key"] == fresh["AccessKeyId"] != before


def test_it_ends_with_the_agent_and_comes_back_also_after_a_kill(host):
    assert V4 in host.addresses()
    host.end(signal.SIGKILL)
    assert V4 in host.addresses()
    host.run()
    host.end()
    assert V4 not in host.addresses() and V6 not in host.addresses()
    assert host.ask("GET", "/")[0] == 0
    host.run()


def test_an_address_that_is_there_already_is_left_to_whoever_gave_it(operator, role, tmp_path):
    taken = Namespace("taken", 7)
    try:
        taken.enter("ip", "address", "add", f"{V4}/32", "dev", "lo")
        (tmp_path / "keys").write_text("[default]\naws_access_key_id = A\naws_secret_access_key = B\n")
        command = [BINARY, "agent", "--endpoint", operator.url, "--engine", "process", "--state-dir", str(tmp_path / "s")]
        command += ["--credentials-file", str(tmp_path / "keys"), "--instance-metadata"]
        done = subprocess.run(taken.command(*command), capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode != 0
        assert f"{V4} is on this host already" in done.stderr + done.stdout
        assert V4 in taken.enter("ip", "-o", "address", "show", "dev", "lo", text=True)
    finally:
        taken.remove()
