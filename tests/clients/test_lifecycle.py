"""`portcullis iam export` and `import`, and a user who leaves by SCIM, each by its own program."""

import json
import os
import subprocess
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from server import BINARY, ROOT_KEY, Server


class Office:
    """A server and root's clients of it."""

    def __init__(self, data_dir, *arguments):
        self.server = Server(data_dir, "--store", "memory", *arguments)
        self.iam = self.client("iam", ROOT_KEY)
        self.server.wait_until(self.iam.get_account_summary)

    def client(self, service, key, token=None):
        return boto3.client(
            service,
            endpoint_url=self.server.url,
            region_name="us-east-1",
            aws_access_key_id=key[0],
            aws_secret_access_key=key[1],
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def tool(self, *arguments):
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": self.server.url,
            "AWS_ACCESS_KEY_ID": ROOT_KEY[0],
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY[1],
        }
        command = [BINARY, "iam", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def user(self, name, action):
        self.iam.create_user(UserName=name)
        document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}}
        self.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path / "office", "--scim")
    yield office
    office.server.kill()


def test_an_account_moves_to_another_server(office, tmp_path):
    office.user("mia", "ecs:*")
    office.iam.tag_user(UserName="mia", Tags=[{"Key": "team", "Value": "web"}])
    file = tmp_path / "identities.json"
    assert office.tool("export", str(file)).returncode == 0
    other = Office(tmp_path / "other")
    try:
        plan = other.tool("import", str(file))
        assert plan.stdout.splitlines()[1:3] == ["  + user mia", "  + user mia: inline policy p"], plan.stdout
        with pytest.raises(ClientError, match="NoSuchEntity"):
            other.iam.get_user(UserName="mia")
        done = other.tool("import", str(file), "--apply")
        assert done.returncode == 0, done.stderr
        assert other.iam.get_user(UserName="mia")["User"]["Tags"] == [{"Key": "team", "Value": "web"}]
        assert "nothing to change" in other.tool("import", str(file), "--apply").stdout
        assert other.tool("export").stdout == file.read_text()
    finally:
        other.server.kill()


def test_bad_files_end_with_one_line(office, tmp_path):
    file = tmp_path / "identities.json"
    for text in ["{", "[]", '{"format": "portcullis-iam-2", "account": "123456789012"}']:
        file.write_text(text)
        done = office.tool("import", str(file), "--apply")
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1, done.stderr


def test_who_leaves_is_refused_with_the_next_request(office):
    office.user("provisioning", "iam:*")
    office.user("mia", ["ecs:*", "sts:*"])
    made = office.tool("scim-token", "--user", "provisioning", "--days", "30")
    token = made.stdout.strip()
    key = office.iam.create_access_key(UserName="mia")["AccessKey"]
    key = (key["AccessKeyId"], key["SecretAccessKey"])
    session = office.client("sts", key).get_session_token()["Credentials"]
    sessions = office.client("ecs", (session["AccessKeyId"], session["SecretAccessKey"]), session["SessionToken"])
    for client in (office.client("ecs", key), sessions):
        client.list_clusters()

    def scim(method, path, body=None):
        request = urllib.request.Request(
            f"{office.server.url}/scim/v2{path}",
            method=method,
            data=body and json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"},
        )
        with urllib.request.urlopen(request, timeout=20) as reply:
            return json.load(reply)

    found = scim("GET", "/Users?filter=userName%20eq%20%22mia%22")["Resources"][0]
    change = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": False}],
    }
    assert scim("PATCH", f"/Users/{found['id']}", change)["active"] is False
    for client in (office.client("ecs", key), sessions):
        with pytest.raises(ClientError) as caught:
            client.list_clusters()
        assert caught.value.response["Error"]["Code"] in ("UnrecognizedClientException", "AccessDeniedException")
