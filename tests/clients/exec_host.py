"""The host of a container for Execute Command, as far as the server sees it: reports the container and its managed agent,
holds the control channel with the credentials of the task's role, and can serve one session by echoing in upper case.

Written from the documented layout of the session protocol, apart from the server's own codec.
"""

import hashlib
import json
import re
import struct
import time
import uuid

import websocket
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from account import statement

RUNTIME_ID = "9e8f"
OUTPUT, SIZE, HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, HANDSHAKE_COMPLETE = 1, 3, 5, 6, 7


def frame(kind, sequence=0, payload_type=0, payload=b"", flags=3):
    name = uuid.uuid4().bytes
    created = int(time.time() * 1000)
    head = struct.pack(">I", 116) + kind.encode().ljust(32) + struct.pack(">IQqQ", 1, created, sequence, flags)
    digest = hashlib.sha256(payload).digest()
    return head + name[8:] + name[:8] + digest + struct.pack(">II", payload_type, len(payload)) + payload


def parse(data):
    """Kind, sequence, id, payload type, payload."""
    kind = data[4:36].decode().strip(" \0")
    (sequence,) = struct.unpack(">q", data[48:56])
    name = str(uuid.UUID(bytes=data[72:80] + data[64:72]))
    payload_type, length = struct.unpack(">II", data[112:120])
    payload = data[120:]
    assert len(payload) == length and (not payload or hashlib.sha256(payload).digest() == data[80:112])
    return kind, sequence, name, payload_type, payload


def receipt(kind, sequence, name):
    content = {
        "AcknowledgedMessageType": kind,
        "AcknowledgedMessageId": name,
        "AcknowledgedMessageSequenceNumber": sequence,
        "IsSequentialMessage": True,
    }
    return frame("acknowledge", payload=json.dumps(content).encode())


def opening(**more):
    return {"MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4()), **more}


class ExecHost:
    def __init__(self, account):
        self.account = account
        role = account.role_arn(account.role(statement("ssmmessages:*")))
        self.role = role
        definition = account.task_definition(taskRoleArn=role)
        agent, cluster = account.busy_agent, account.busy_cluster
        started = account.ecs.start_task(
            cluster=cluster, taskDefinition=definition, containerInstances=[agent.arn], enableExecuteCommand=True
        )
        self.task = started["tasks"][0]["taskArn"]
        deadline = time.monotonic() + 20
        while self.task not in agent.tasks:
            assert time.monotonic() < deadline, "the payload comes in time"
            time.sleep(0.02)
        keys = agent.tasks[self.task]["roleCredentials"]
        self.keys = Credentials(keys["accessKeyId"], keys["secretAccessKey"], keys["sessionToken"])
        running = {"containerName": "app", "status": "RUNNING", "runtimeId": RUNTIME_ID}
        ready = {"containerName": "app", "managedAgentName": "ExecuteCommandAgent", "status": "RUNNING"}
        account.ecs.submit_task_state_change(
            cluster=cluster, task=self.task, status="RUNNING", containers=[running], managedAgents=[ready]
        )
        self.channel = f"/v1/control-channel/ecs:{cluster}_{self.task.split('/')[-1]}_{RUNTIME_ID}"
        self.control = self.open(self.channel)
        # The server has no word for "open"; it is as soon as the token was read, and so before the next frame is.
        self.control.ping()
        while self.control.recv_data(control_frame=True)[0] != websocket.ABNF.OPCODE_PONG:
            pass

    def _signed(self, method, url, body=b""):
        request = AWSRequest(method, url, data=body, headers={"content-type": "application/json"} if body else {})
        SigV4Auth(self.keys, "ssmmessages", self.account.region).add_auth(request)
        return request

    def create(self, path):
        """Asks for the token of a channel: the reply."""
        request = self._signed("POST", self.account.url + path, json.dumps(opening()).encode())
        return URLLib3Session(verify=self.account.verify or True).send(request.prepare())

    def connect(self, path):
        """The websocket of a channel, before its token is told."""
        url = self.account.url + path
        headers = dict(self._signed("GET", url).headers.items())
        return websocket.create_connection("ws" + url.removeprefix("http"), header=headers, timeout=20)

    def open(self, path):
        """Gets a token for a channel and opens it."""
        reply = self.create(path)
        assert 200 <= reply.status_code < 300, reply.text
        token = re.search("<TokenValue>(.*)</TokenValue>", reply.text).group(1)
        socket = self.connect(path)
        socket.send(json.dumps(opening(TokenValue=token)))
        return socket

    def order(self):
        """The next session's id and command."""
        kind, _, _, _, payload = parse(self.control.recv())
        assert kind == "interactive_shell"
        order = json.loads(json.loads(payload)["Content"])
        return order["SessionId"], order["DocumentContent"]["properties"]["linux"]["commands"]

    def serve(self):
        """Serves one session: agrees, echoes what is typed in upper case until `q`, and says that it is over."""
        session, command = self.order()
        socket = self.open(f"/v1/data-channel/{session}")
        session_type = {"SessionType": "InteractiveCommands", "Properties": {}}
        request = {
            "AgentVersion": "3.3.987.0",
            "RequestedClientActions": [{"ActionType": "SessionType", "ActionParameters": session_type}],
        }
        socket.send_binary(frame("output_stream_data", 0, HANDSHAKE_REQUEST, json.dumps(request).encode(), flags=1))
        said, expected = 1, 0
        while True:
            kind, sequence, name, payload_type, payload = parse(socket.recv())
            if kind != "input_stream_data":
                continue
            socket.send_binary(receipt(kind, sequence, name))
            if sequence != expected:
                continue
            expected += 1
            if payload_type == HANDSHAKE_RESPONSE:
                complete = {"HandshakeTimeToComplete": 1, "CustomerMessage": ""}
                socket.send_binary(
                    frame("output_stream_data", 1, HANDSHAKE_COMPLETE, json.dumps(complete).encode(), flags=0)
                )
                socket.send_binary(frame("output_stream_data", 2, OUTPUT, f"$ {command}\r\n".encode(), flags=0))
                said = 3
            elif payload_type == OUTPUT:
                socket.send_binary(frame("output_stream_data", said, OUTPUT, payload.upper(), flags=0))
                said += 1
                if b"q" in payload:
                    break
        time.sleep(0.5)
        done = {"SchemaVersion": 1, "TaskId": session, "FinalTaskStatus": "Success", "Output": ""}
        socket.send_binary(frame("agent_task_complete", payload=json.dumps(done).encode()))
        socket.close()

    def close(self):
        self.control.close()
