"""The genuine Amazon ECS agent (1.105) as the wire sees it: its requests, headers, signatures and frames, replayed.

The program itself is in no registry that this project's machines reach, so that what was recorded of it is replayed from
the files in `recorded/`: what it sends word for word, what it accepts as the members and types its parser knows. Signatures
are made here, from the rules alone, apart from botocore's and the server's own.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import queue
import random
import secrets
import threading
import uuid
from pathlib import Path
from urllib.parse import quote_plus, urlsplit

import websocket

RECORDED = Path(__file__).parent / "recorded"
REGISTER, ACS, TCS, SUBMIT = (
    json.loads((RECORDED / f"{name}.json").read_text()) for name in ("register", "acs", "tcs", "submit")
)
USER_AGENT = "Amazon ECS Agent - v1.105.1 (*a8b3e7d3) (linux; LINUX) (+http://aws.amazon.com/ecs/)"
DOCKER = "DockerVersion: 20.10.24+dfsg1"
EMPTY = hashlib.sha256(b"").hexdigest()
PATIENCE_S = 20


def fill(template, **names):
    """A recorded frame with this run's names in it."""
    if isinstance(template, dict):
        return {key: fill(value, **names) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(value, **names) for value in template]
    return names[template[1:]] if isinstance(template, str) and template.startswith("$") else template


def signed(keys, region, method, url, headers, payload_hash):
    """`headers` with Authorization; all of them are signed, as aws-sdk-go-v2 does with those it set itself."""
    parts = urlsplit(url)
    day = headers["x-amz-date"][:8]
    names = sorted(headers)
    canonical = [method, parts.path or "/", parts.query.replace("+", "%20")]
    canonical += [f"{name}:{headers[name]}" for name in names] + ["", ";".join(names), payload_hash]
    scope = f"{day}/{region}/ecs/aws4_request"
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, digest])
    key = b"AWS4" + keys["aws_secret_access_key"].encode()
    for word in (day, region, "ecs", "aws4_request", text):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    identity = f"Credential={keys['aws_access_key_id']}/{scope}, SignedHeaders={';'.join(names)}, Signature={key.hex()}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {identity}"}


class Refused(Exception):
    """An API error: its name, its text."""

    def __init__(self, status, body):
        self.status = status
        self.name = body.get("__type", "").split("#")[-1]
        self.text = body.get("message") or body.get("Message") or ""
        super().__init__(f"{self.name}: {self.text}")


def well_formed(kind, value, path="message"):
    """Holds a message against the members and types that the agent's parser knows."""
    known = ACS[kind]
    assert isinstance(value, dict), f"{path} is no object"
    for name, member in value.items():
        assert name in known, f"{path}.{name} is not a member of {kind}"
        _typed(known[name].rstrip("!"), member, f"{path}.{name}")
    for name, word in known.items():
        assert not word.endswith("!") or name in value, f"{path}.{name} is missing"


def _typed(word, value, path):
    plain = {"str": str, "int": int, "bool": bool, "float": (int, float)}
    if word == "any":
        return
    if word.startswith("["):
        assert isinstance(value, list), f"{path} is no list"
        for number, one in enumerate(value):
            _typed(word[1:-1], one, f"{path}[{number}]")
    elif word.startswith("{"):
        assert isinstance(value, dict) and all(isinstance(one, str) for one in value.values()), f"{path} is no map of texts"
    elif word == "json":
        assert isinstance(json.loads(value), dict), f"{path} is no JSON text"
    elif word in plain:
        assert isinstance(value, plain[word]) and (word == "bool" or not isinstance(value, bool)), f"{path} is no {word}"
    else:
        well_formed(word, value, path)


class GenuineAgent:
    """One agent. `data` is what its checkpoint keeps over a restart: give an agent that of its predecessor."""

    def __init__(self, account, cluster="", mode="external", data=None):
        self.account, self.configured, self.mode = account, cluster, mode
        self.keys, self.region = account.credentials, account.region
        self.cluster = cluster or "default"
        self.data = data if data is not None else {"tasks": {}}
        self.credentials = {}
        self.highest = 1
        self.acs = None
        self.frames = queue.Queue()
        self.trouble = []
        self.answers = True
        #: Tasks the parser is to choke on, by family.
        self.chokes_on = set()

    # API calls

    def call(self, operation, body, suffix=""):
        """One call as the Go SDK makes it, through its own client without a hash of the body in a header."""
        content = json.dumps(body, separators=(",", ":")).encode()
        host = urlsplit(self.account.url).netloc
        to_sign = {
            "amz-sdk-invocation-id": str(uuid.uuid4()),
            "amz-sdk-request": "attempt=1; max=3",
            "content-length": str(len(content)),
            "content-type": "application/x-amz-json-1.1",
            "host": host,
            "x-amz-date": now(),
            "x-amz-target": f"AmazonEC2ContainerServiceV20141113.{operation}",
        } | self._token()
        headers = signed(self.keys, self.region, "POST", self.account.url + "/", to_sign, hashlib.sha256(content).hexdigest())
        connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
        connection.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
        order = ["host", "user-agent", "content-length", "amz-sdk-invocation-id", "amz-sdk-request", "authorization"]
        headers["user-agent"] = USER_AGENT + suffix
        for name in order + [name for name in sorted(headers) if name not in order]:
            connection.putheader("-".join(word.capitalize() for word in name.split("-")), headers[name])
        connection.putheader("Accept-Encoding", "gzip")
        connection.endheaders(content)
        reply = connection.getresponse()
        answer = json.loads(reply.read() or b"{}")
        connection.close()
        if reply.status != 200:
            raise Refused(reply.status, answer)
        return answer

    def _token(self):
        token = self.keys.get("aws_session_token")
        return {"x-amz-security-token": token} if token else {}

    # Registration

    def register(self, **changes):
        """With the dance of an agent that was told no cluster, and the check that ends it with exit code 5."""
        try:
            return self._register(changes)
        except Refused as error:
            if self.configured or "Cluster not found." not in error.text:
                raise
            self.cluster = self.call("CreateCluster", {"clusterName": "default"})["cluster"]["clusterName"]
            return self._register(changes)

    def _register(self, changes):
        request = {**REGISTER[self.mode], "cluster": self.cluster, "clientToken": str(uuid.uuid4()), **changes}
        if "instance" in self.data:
            request["containerInstanceArn"] = self.data["instance"]
            request["attributes"] = [one for one in request["attributes"] if one["name"] != "stack"]
        if not request["tags"]:
            del request["tags"]
        found = self.call("RegisterContainerInstance", request)["containerInstance"]
        echoed = {one["name"]: one.get("value", "") for one in found["attributes"]}
        for one in request["attributes"]:
            assert echoed.get(one["name"], "") == one.get("value", ""), f"exit code 5: {one} was not echoed"
        self.data["instance"] = found["containerInstanceArn"]
        self.zone = echoed["ecs.availability-zone"]
        return found

    instance = property(lambda self: self.data["instance"])

    def approve(self, operator):
        """An operator lets this host in: it cannot hold a key."""
        operator.approve_host(self.instance)

    def discover(self):
        body = {"cluster": self.cluster, "containerInstance": self.instance, "zoneId": ""}
        found = self.call("DiscoverPollEndpoint", body)
        self.endpoint, self.telemetry = found["endpoint"], found["telemetryEndpoint"]
        return found

    # Websockets

    def _open(self, endpoint, query):
        """Keys sorted, a space as `+` on the wire and as %20 in the signature."""
        url = f"{endpoint}{'' if endpoint.endswith('/') else '/'}ws?"
        url += "&".join(f"{name}={quote_plus(value)}" for name, value in sorted(query.items()))
        parts = urlsplit(url)
        headers = signed(self.keys, self.region, "GET", url, {"host": parts.netloc, "x-amz-date": now()} | self._token(), EMPTY)
        del headers["host"]
        headers = {name.title(): value for name, value in headers.items()} | {"User-Agent": "Go-http-client/1.1"}
        scheme = {"http": "ws", "https": "wss"}[parts.scheme]
        opened = url.replace(parts.scheme, scheme, 1)
        return opened, websocket.create_connection(opened, header=headers, suppress_origin=True, timeout=60)

    def connect(self, send_credentials=True):
        query = {
            "agentHash": "a8b3e7d3",
            "agentVersion": "1.105.1",
            "clusterArn": self.cluster,
            "containerInstanceArn": self.instance,
            "dockerVersion": DOCKER,
            "protocolVersion": "2",
            "sendCredentials": str(send_credentials).lower(),
            "seqNum": str(self.highest),
        }
        self.url, self.acs = self._open(self.endpoint, query)
        self.listener = threading.Thread(target=self._listen, args=(self.acs,), daemon=True)
        self.listener.start()

    def restarted(self):
        """The same host's agent after a restart: tasks are known, secrets are not."""
        self.disconnect()
        again = GenuineAgent(self.account, self.configured, self.mode, self.data)
        again.register()
        again.discover()
        return again

    def disconnect(self):
        """Ends the connection; what was not looked at yet is gone with it."""
        if self.acs:
            self.acs.close()
            self.listener.join(timeout=5)
            self.acs, self.frames = None, queue.Queue()

    def _listen(self, socket):
        try:
            while text := socket.recv():
                frame = json.loads(text)
                try:
                    self._handle(frame["type"], frame["message"])
                except AssertionError as error:
                    self.trouble.append(f"{frame['type']}: {error}")
                self.frames.put(frame)
        except (websocket.WebSocketException, OSError):
            pass
        self.frames.put({"type": "closed", "message": {}})

    def _handle(self, kind, message):
        well_formed(kind, message)
        if kind == "HeartbeatMessage" and self.answers:
            self.send("HeartbeatAckRequest", messageId=message["messageId"])
        elif kind == "PayloadMessage":
            self._payload(message)
        elif kind == "IAMRoleCredentialsMessage":
            self._credentials(message["messageId"], message["roleCredentials"])
        elif kind == "TaskManifestMessage":
            self._manifest(message)
        elif kind == "TaskStopVerificationAck":
            assert message["messageId"] == self.manifest, "not the manifest's id"
            for task in message["stopTasks"]:
                self.data["tasks"].pop(task["taskArn"], None)

    def _ack(self, message):
        self.send(
            "AckRequest",
            cluster=message["clusterArn"],
            containerInstance=message["containerInstanceArn"],
            messageId=message["messageId"],
        )

    def _payload(self, message):
        assert message["seqNum"] > self.highest, f"seqNum {message['seqNum']} after {self.highest}"
        self.highest = message["seqNum"]
        # Stopped ones first.
        tasks = sorted(message["tasks"], key=lambda task: task["desiredStatus"] != "STOPPED")
        if any(task["family"] in self.chokes_on for task in tasks):
            self.submit("bad", tasks[0]["arn"])
            return
        self.data["tasks"].update({task["arn"]: task for task in tasks})
        acks = [lambda: self._ack(message)]
        for task in tasks:
            for name in ("roleCredentials", "executionRoleCredentials"):
                if name in task:
                    acks.append(lambda keys=task[name]: self._credentials(message["messageId"], keys))
        # Each is sent by a thread of its own.
        random.shuffle(acks)
        for ack in acks:
            ack()

    def _credentials(self, message_id, keys):
        self.credentials[keys["credentialsId"]] = keys
        acked = {name: keys[name] for name in ("credentialsId", "expiration")}
        self.send("IAMRoleCredentialsAckRequest", messageId=message_id, **acked)

    def _manifest(self, message):
        if message["timeline"] <= self.highest:
            return
        self.highest, self.manifest = message["timeline"], message["messageId"]
        self._ack(message)
        wanted = {one["taskArn"] for one in message["tasks"] if one["desiredStatus"] == "RUNNING"}
        candidates = [
            {"taskArn": arn, "taskClusterArn": task["taskClusterArn"], "desiredStatus": "STOPPED"}
            for arn, task in self.data["tasks"].items()
            if task["desiredStatus"] == "RUNNING" and arn not in wanted
        ]
        if candidates:
            self.send("TaskStopVerificationMessage", messageId=self.manifest, stopCandidates=candidates)

    def send(self, kind, **message):
        self.acs.send(json.dumps({"type": kind, "message": message}, separators=(",", ":")))

    def expect(self, kind, matches=lambda message: True):
        """The next frame of a kind; others are passed over."""
        while True:
            frame = self.frames.get(timeout=PATIENCE_S)
            assert not self.trouble, self.trouble
            if frame["type"] == kind and matches(frame["message"]):
                return frame["message"]
            assert frame["type"] != "closed" or kind == "closed", "the connection ended"

    def task(self, arn, desired="RUNNING"):
        """The payload of a task."""
        wanted = lambda one: one["arn"] == arn and one["desiredStatus"] == desired  # noqa: E731
        payload = self.expect("PayloadMessage", lambda message: any(map(wanted, message["tasks"])))
        return next(filter(wanted, payload["tasks"]))

    # Reports

    def submit(self, name, task):
        """Reports a task's change with one of the recorded requests."""
        return self.call("SubmitTaskStateChange", fill(SUBMIT[name], cluster=self.cluster, task=task))

    def open_telemetry(self):
        query = {
            "agentHash": "a8b3e7d3",
            "agentVersion": "1.105.1",
            "cluster": self.cluster,
            "containerInstance": self.instance,
            "dockerVersion": DOCKER,
        }
        return Telemetry(self, *self._open(self.telemetry, query))


class Telemetry:
    """A TCS connection: each frame is a block of signed headers, a blank line, then JSON."""

    def __init__(self, agent, url, socket):
        self.agent, self.url, self.socket = agent, url, socket

    def publish(self, name, task="", damage=lambda head, body: (head, body)):
        names = {"cluster": self.agent.cluster, "instance": self.agent.instance, "task": task, "id": secrets.token_hex(8)}
        body = json.dumps(fill(TCS[name], **names), separators=(",", ":"))
        parts = urlsplit(self.url)
        to_sign = {"host": parts.netloc, "x-amz-date": now()} | self.agent._token()
        url = self.url.replace("ws", "http", 1)
        digest = hashlib.sha256(body.encode()).hexdigest()
        headers = signed(self.agent.keys, self.agent.region, "GET", url, to_sign, digest)
        names = {"authorization": "Authorization", "host": "Host", "x-amz-date": "X-Amz-Date"}
        names["x-amz-security-token"] = "X-Amz-Security-Token"
        head = "".join(f"{names[name]}: {headers[name]}\r\n" for name in names if name in headers)
        head, body = damage(head, body)
        self.socket.send(f"{head}\r\n{body}")

    def answer(self):
        """The next frame's type, heartbeats left out; None when the connection is over."""
        try:
            while text := self.socket.recv():
                frame = json.loads(text)
                if frame["type"] != "HeartbeatMessage":
                    return frame["type"]
        except (websocket.WebSocketException, OSError):
            pass
        return None

    def close(self):
        self.socket.close()


def now():
    return datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
