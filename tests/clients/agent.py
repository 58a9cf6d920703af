"""An agent that only keeps its connection: the least that lets tasks be placed on an instance.

It registers, opens the ACS websocket as the genuine agent does (SigV4 over the upgrade request), answers heartbeats and
acknowledges payloads. It starts nothing: tasks stay PENDING until a test submits a state for them.
"""

import json
import threading
from urllib.parse import quote, urlencode

import websocket
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


#: What tasks of the tests may require of their host.
CAPABILITIES = ("com.amazonaws.ecs.capability.task-iam-role", "ecs.capability.execute-command")


class ConnectedAgent:
    def __init__(self, account, cluster, attributes=()):
        capabilities = [{"name": name} for name in CAPABILITIES]
        self.arn = account.container_instance(cluster, attributes=[*capabilities, *attributes])
        # It has no key of its own, as genuine agents have none.
        account.approve_host(self.arn)
        #: Tasks as payloads brought them, by ARN.
        self.tasks = {}
        endpoint = account.ecs.discover_poll_endpoint(cluster=cluster, containerInstance=self.arn)["endpoint"]
        query = {
            "agentHash": "test",
            "agentVersion": "1.105.1",
            "clusterArn": cluster,
            "containerInstanceArn": self.arn,
            "dockerVersion": "DockerVersion: 20.10.24",
            "protocolVersion": "2",
            "sendCredentials": "true",
            "seqNum": "1",
        }
        url = f"{endpoint.rstrip('/')}/ws?{urlencode(query, quote_via=quote)}"
        request = AWSRequest("GET", url)
        keys = account.credentials
        credentials = Credentials(
            keys["aws_access_key_id"], keys["aws_secret_access_key"], keys.get("aws_session_token")
        )
        SigV4Auth(credentials, "ecs", account.region).add_auth(request)
        socket_url = "ws" + url.removeprefix("http")
        self.socket = websocket.create_connection(socket_url, header=dict(request.headers.items()), timeout=60)
        self.reader = threading.Thread(target=self._answer, daemon=True)
        self.reader.start()

    def _answer(self):
        try:
            while text := self.socket.recv():
                frame = json.loads(text)
                message = frame["message"]
                if frame["type"] == "HeartbeatMessage":
                    self._send("HeartbeatAckRequest", messageId=message["messageId"])
                elif frame["type"] == "PayloadMessage":
                    self.tasks.update({task["arn"]: task for task in message["tasks"]})
                    self._send(
                        "AckRequest",
                        cluster=message["clusterArn"],
                        containerInstance=message["containerInstanceArn"],
                        messageId=message["messageId"],
                    )
        except (websocket.WebSocketException, OSError):
            pass  # the connection ends with the test

    def _send(self, kind, **message):
        self.socket.send(json.dumps({"type": kind, "message": message}))

    def close(self):
        self.socket.close()
        self.reader.join(timeout=5)
