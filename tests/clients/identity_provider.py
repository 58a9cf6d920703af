"""An OpenID Connect provider on loopback: a discovery document, keys, and tokens signed with them."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

AUDIENCE = "sts.amazonaws.com"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class IdentityProvider:
    """Serves until the process ends; `documents` are what it answers, by path."""

    def __init__(self):
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.documents = {}
        self.asked = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.asked.append(self.path)
                document = provider.documents.get(self.path)
                body = json.dumps(document).encode()
                self.send_response(404 if document is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.name}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.publish()

    def publish(self):
        point, public = self.ec.public_key().public_numbers(), self.rsa.public_key().public_numbers()
        coordinates = {axis: base64url(getattr(point, axis).to_bytes(32, "big")) for axis in "xy"}
        keys = [
            {"kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "alg": "ES256", **coordinates},
            {"kty": "RSA", "kid": "rsa", "use": "sig", "alg": "RS256", "n": number(public.n), "e": number(public.e)},
        ]
        self.documents["/.well-known/openid-configuration"] = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.documents["/keys"] = {"keys": keys}

    def token(self, subject="repo:o/r", algorithm="ES256", **claims):
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 600, **claims}
        header = {"alg": algorithm, "typ": "JWT", "kid": "ec" if algorithm == "ES256" else "rsa"}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        if algorithm == "ES256":
            numbers = decode_dss_signature(self.ec.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
            signature = b"".join(part.to_bytes(32, "big") for part in numbers)
        else:
            signature = self.rsa.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64url(signature)}"

    def trust(self, provider_arn, **conditions):
        """A trust policy for the subject `repo:o/r` of this provider."""
        conditions = {f"{self.name}:aud": AUDIENCE, f"{self.name}:sub": "repo:o/r", **conditions}
        allowed = {
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": conditions},
        }
        return {"Version": "2012-10-17", "Statement": [allowed]}

    def registered(self, aws):
        """The provider's ARN in the account; registers it when it is not there."""
        arn = aws.iam_arn(f"oidc-provider/{self.name}")
        known = aws.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        if {"Arn": arn} not in known:
            aws.iam.create_open_id_connect_provider(Url=self.url, ClientIDList=[AUDIENCE])
        return arn


_provider = None


def the_provider():
    """One for the whole process."""
    global _provider
    _provider = _provider or IdentityProvider()
    return _provider
