"""What AWS's session-manager plugin does, as far as the AWS CLI and the server see it: takes the session the CLI hands it,
opens the data channel, agrees, types lines from standard input and shows the output.

A stand-in, because the plugin cannot be installed in a test; it follows the documented protocol and the plugin's habits: no
SYN flag, a single return for a line feed, receipts for everything.
"""

import json
import sys
import threading
import uuid

import websocket

from exec_host import HANDSHAKE_COMPLETE, HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, OUTPUT, SIZE, frame, parse, receipt


class Plugin:
    def __init__(self, session):
        self.id = session["sessionId"]
        self.socket = websocket.create_connection(session["streamUrl"], timeout=30)
        opening = {
            "MessageSchemaVersion": "1.0",
            "RequestId": str(uuid.uuid4()),
            "TokenValue": session["tokenValue"],
            "ClientId": str(uuid.uuid4()),
            "ClientVersion": "1.2.463.0",
        }
        self.socket.send(json.dumps(opening))
        self.sequence, self.expected, self.early = 0, 0, {}

    def send(self, payload_type, payload):
        self.socket.send_binary(frame("input_stream_data", self.sequence, payload_type, payload, flags=0))
        self.sequence += 1

    def run(self, lines, show):
        while True:
            data = self.socket.recv()
            if not data:
                return show("the connection was lost")
            kind, sequence, name, payload_type, payload = parse(data)
            if kind == "channel_closed":
                output = json.loads(payload)["Output"]
                ordinary = f"Exiting session with sessionId: {self.id}."
                return show(f"\n\nSessionId: {self.id} : {output}\n\n" if output else f"\n\n{ordinary}\n\n")
            if kind != "output_stream_data":
                continue
            self.socket.send_binary(receipt(kind, sequence, name))
            self.early[sequence] = (payload_type, payload)
            while self.expected in self.early:
                self.take(*self.early.pop(self.expected), lines, show)
                self.expected += 1

    def take(self, payload_type, payload, lines, show):
        if payload_type == HANDSHAKE_REQUEST:
            done = [
                {"ActionType": action["ActionType"], "ActionStatus": 1, "ActionResult": None, "Error": ""}
                for action in json.loads(payload)["RequestedClientActions"]
            ]
            response = {"ClientVersion": "1.2.463.0", "ProcessedClientActions": done, "Errors": None}
            self.send(HANDSHAKE_RESPONSE, json.dumps(response).encode())
        elif payload_type == HANDSHAKE_COMPLETE:
            if message := json.loads(payload)["CustomerMessage"]:
                show(message + "\n")
            self.send(SIZE, json.dumps({"cols": 132, "rows": 43}).encode())
            threading.Thread(target=self.type, args=(lines,), daemon=True).start()
        else:
            # The plugin shows whatever else a stream message carries.
            show(payload.decode(errors="replace"))

    def type(self, lines):
        for line in lines:
            self.send(OUTPUT, line.rstrip("\n").encode() + b"\r")


def main(arguments):
    if not arguments:
        print("\nThe Session Manager plugin was installed successfully. Use the AWS CLI to start a session.\n")
        return
    session, _region, operation, _profile, request, _endpoint = arguments
    assert operation == "StartSession" and json.loads(request)["Target"].startswith("ecs:")
    print(f"\nStarting session with SessionId: {json.loads(session)['sessionId']}", flush=True)
    plugin = Plugin(json.loads(session))

    def show(text):
        sys.stdout.write(text)
        sys.stdout.flush()

    plugin.run(sys.stdin, show)


if __name__ == "__main__":
    main(sys.argv[1:])
