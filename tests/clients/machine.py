"""A machine that joins by an activation, as `portcullis agent` does: it has an Ed25519 key, and proofs by it in place of a
signature. Written from docs/threat-model.md, apart from the server's own code."""

import base64
import hashlib
import json
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Machine:
    def __init__(self, url):
        self.url, self.host = url, urllib.parse.urlsplit(url).netloc
        self.key, self.last = Ed25519PrivateKey.generate(), 0

    @property
    def public_key(self):
        return base64.b64encode(self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()

    def proof(self, holder, operation, body):
        made = self.last = max(int(time.time() * 1000), self.last + 1)
        nonce = secrets.token_hex(16)
        digest = hashlib.sha256(body).hexdigest()
        text = "\n".join(["portcullis-agent-proof-1", operation, holder, self.host, str(made), nonce, digest])
        signature = base64.b64encode(self.key.sign(text.encode())).decode()
        return f"1 {holder} {made} {nonce} {signature}"

    def call(self, holder, operation, **parameters):
        """Status and answer of a call that nobody signs."""
        body = json.dumps(parameters).encode()
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"AmazonSSM.{operation}",
            "X-Amz-Portcullis-Agent-Proof": self.proof(holder, operation, body),
        }
        request = urllib.request.Request(self.url + "/", body, headers)
        try:
            with urllib.request.urlopen(request) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def register(self, activation, code):
        return self.call(
            activation,
            "RegisterManagedInstance",
            ActivationId=activation,
            ActivationCode=code,
            Fingerprint="f",
            PublicKey=self.public_key,
            PublicKeyType="Ed25519",
        )

    def join(self, activation, code):
        """Joins; the machine's id."""
        status, answer = self.register(activation, code)
        assert status == 200, answer
        return answer["InstanceId"]

    def credentials(self, instance):
        """The machine's credentials, as STS would give them."""
        status, answer = self.call(instance, "RequestManagedInstanceRoleToken", Fingerprint="f")
        assert status == 200, answer
        return answer
