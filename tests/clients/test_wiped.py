"""What a call brought or took in the clear is wiped from the server's memory when it is done (issue 7)."""

import base64
import json
import multiprocessing
import time
import uuid
from concurrent.futures import ProcessPoolExecutor

import memory
from account import ACCOUNT, Account
from server import Server
from test_conditions import certificate  # noqa: F401  a fixture
from test_secrets import CANARY, canary, use_parameters, use_secrets

WIPED_WITHIN_S = 20
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}],
}


def use_keys(aws):
    """Gives back what KMS, IAM and STS made up and said in the clear."""
    kms = aws.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=canary("kms").encode())["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"].startswith(CANARY.encode())
    data_key = kms.generate_data_key(KeyId=key, KeySpec="AES_256")["Plaintext"]
    user = aws.with_credentials(aws.iam.create_access_key(UserName=aws.user())["AccessKey"])
    name = f"role-{uuid.uuid4().hex}"
    role = aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    allow = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}
    who = user.sts.get_caller_identity()["Arn"].rsplit("/", 1)[-1]
    aws.iam.put_user_policy(
        UserName=who, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allow})
    )
    session = user.sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    assert aws.with_credentials(session).sts.get_caller_identity()["Account"] == ACCOUNT
    secrets = [user.credentials["aws_secret_access_key"], session["SecretAccessKey"]]
    return [data_key, base64.b64encode(data_key), *(secret.encode() for secret in secrets)]


def use_all(url, cert):
    aws = Account.root(url, verify=cert)
    use_secrets(aws)
    use_parameters(aws)
    aws.client("secretsmanager").delete_secret(SecretId="b", ForceDeleteWithoutRecovery=True)
    return use_keys(aws)


def test_nothing_that_was_said_in_the_clear_stays_in_the_servers_memory(tmp_path, certificate):  # noqa: F811
    cert, key = map(str, certificate)
    tls = ("--tls-cert", cert, "--tls-key", key)
    server = Server(tmp_path / "data", "--account", ACCOUNT, *tls, scheme="https")
    aws = Account.root(server.url, verify=cert)
    server.wait_until(aws.sts.get_caller_identity)
    # With its process all connections of a client end: an open one keeps the last that came over it.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as client:
        made = client.submit(use_all, server.url, cert).result()
    stays = f"stays-{uuid.uuid4().hex}"
    aws.iam.create_role(RoleName=stays, AssumeRolePolicyDocument=json.dumps(TRUST))
    clear = [CANARY.encode(), base64.b64encode(CANARY.encode())[:16], *made]
    deadline = time.monotonic() + WIPED_WITHIN_S
    # The server sees the ends of connections a little later than we do.
    while left := memory.found(server.process.pid, clear):
        assert time.monotonic() < deadline, left
    assert memory.found(server.process.pid, [stays.encode()]), "the search finds nothing at all"
    server.stop()
