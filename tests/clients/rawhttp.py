"""Requests that no SDK would send: signed by botocore, then bent, then sent byte by byte."""

import http.client
import json
import re
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TARGETS = {
    "ecs": "AmazonEC2ContainerServiceV20141113",
    "iam": None,
    "ecr": "AmazonEC2ContainerRegistry_V20150921",
    "secretsmanager": "secretsmanager",
    "ssm": "AmazonSSM",
    "logs": "Logs_20140328",
    "kms": "TrentService",
}


def signed(account, service, operation, body, **changes):
    """A signed request: (headers, body). `changes` are headers to set before signing."""
    if TARGETS[service]:
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{TARGETS[service]}.{operation}"}
    else:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = body or f"Action={operation}&Version=2010-05-08"
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    request = AWSRequest("POST", account.url + "/", data=body, headers=headers)
    keys = account.credentials
    credentials = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"], keys.get("aws_session_token"))
    SigV4Auth(credentials, service, account.region).add_auth(request)
    return list(request.headers.items()), body


def send(account, headers, body):
    """Sends exactly these headers (a name may occur twice); gives status, error code and message."""
    address = urlsplit(account.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.putrequest(
        "POST", "/", skip_host="host" in [name.lower() for name, _ in headers], skip_accept_encoding=True
    )
    data = body.encode() if isinstance(body, str) else body
    for name, value in headers:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, *error_of(text)


def error_of(text):
    """Code and message of either error envelope."""
    if text.startswith("{"):
        reply = json.loads(text)
        return reply.get("__type", "").split("#")[-1], reply.get("message", reply.get("Message", ""))
    code, message = (re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL) for tag in ("Code", "Message"))
    return code and code[1], message and message[1]
