"""No value of a secret or a parameter is anywhere but in the replies that are for it (issue 7)."""

import json
import threading
import uuid

import botocore.exceptions
import pytest

from account import ACCOUNT, Account
from server import Server

CANARY = "canary-7f3a9c"


def canary(number):
    """A value that nothing else could hold."""
    return f"{CANARY}-{number}-{uuid.uuid4().hex}"


def refused(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**parameters)
    assert CANARY not in str(raised.value)


def use_secrets(aws):
    secrets = aws.client("secretsmanager")
    key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
    secrets.create_secret(Name="s", SecretString=canary(1))
    secrets.create_secret(Name="b", SecretBinary=canary(2).encode(), KmsKeyId=key)
    secrets.put_secret_value(SecretId="s", SecretString=canary(3), VersionStages=["AWSPENDING"])
    secrets.update_secret(SecretId="s", SecretString=canary(4), KmsKeyId=key)
    assert CANARY in secrets.get_secret_value(SecretId="s")["SecretString"]
    assert len(secrets.batch_get_secret_value(SecretIdList=["s", "b"])["SecretValues"]) == 2
    refused(secrets.create_secret, Name="s", SecretString=canary(5))
    refused(secrets.put_secret_value, SecretId="s", SecretString=canary(6), SecretBinary=canary(6).encode())
    refused(secrets.put_secret_value, SecretId="none", SecretString=canary(7))
    refused(secrets.put_secret_value, SecretId="s", SecretString=canary(8) * 2_000)
    secrets.delete_secret(SecretId="s")


def use_parameters(aws):
    ssm = aws.client("ssm")
    for kind in ("String", "StringList", "SecureString"):
        ssm.put_parameter(Name=f"/p/{kind}", Value=canary(kind), Type=kind)
        ssm.put_parameter(Name=f"/p/{kind}", Value=canary(kind), Overwrite=True)
    assert len(ssm.get_parameters_by_path(Path="/p", WithDecryption=True)["Parameters"]) == 3
    ssm.get_parameter_history(Name="/p/SecureString", WithDecryption=True)
    refused(ssm.put_parameter, Name="/p/x", Value=canary(9), Type="String", AllowedPattern="^[0-9]+$")
    refused(ssm.put_parameter, Name="/p/x", Value=canary(10) * 500, Type="String")
    refused(ssm.put_parameter, Name="/aws/x", Value=canary(11), Type="String")


def test_values_are_in_no_file_no_log_and_no_history(tmp_path):
    server = Server(tmp_path / "data", "--account", ACCOUNT, environment={"PORTCULLIS_LOG": "trace"})
    aws = Account.root(server.url)
    server.wait_until(aws.sts.get_caller_identity)
    use_secrets(aws)
    use_parameters(aws)
    nobody = aws.as_user(aws.user())
    refused(nobody.client("ssm").put_parameter, Name="/p/x", Value=canary(12), Type="String")
    refused(nobody.client("secretsmanager").create_secret, Name="x", SecretString=canary(13))
    pages = aws.client("cloudtrail").get_paginator("lookup_events").paginate()
    records = [event["CloudTrailEvent"] for page in pages for event in page["Events"]]
    names = {json.loads(record)["eventName"] for record in records}
    assert {"PutSecretValue", "GetSecretValue", "PutParameter", "Decrypt", "GenerateDataKey"} <= names
    assert not [record for record in records if CANARY in record]
    server.stop()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"secretsmanager-secret/" in path.read_bytes() for path in files), "the store was not found"
    for path in files:
        assert CANARY.encode() not in path.read_bytes(), path


def test_an_acknowledged_version_outlives_a_killed_server(tmp_path):
    server = Server(tmp_path / "data", "--account", ACCOUNT)
    aws = Account.root(server.url)
    server.wait_until(aws.sts.get_caller_identity)
    secrets, ssm = aws.client("secretsmanager"), aws.client("ssm")
    secrets.create_secret(Name="s", SecretString="0")
    ssm.put_parameter(Name="/p", Value="0", Type="SecureString")
    acknowledged = {"s": 0, "/p": 0}
    stopped = threading.Event()

    def rotate():
        try:
            for number in range(1, 90):
                secrets.put_secret_value(SecretId="s", SecretString=str(number))
                acknowledged["s"] = number
                ssm.put_parameter(Name="/p", Value=str(number), Overwrite=True)
                acknowledged["/p"] = number
                if number == 20:
                    stopped.set()
        except botocore.exceptions.BotoCoreError:
            pass

    writer = threading.Thread(target=rotate)
    writer.start()
    assert stopped.wait(60)
    server.kill()
    writer.join()
    again = Server(tmp_path / "data", "--account", ACCOUNT)
    aws = Account.root(again.url)
    again.wait_until(aws.sts.get_caller_identity)
    secrets, ssm = aws.client("secretsmanager"), aws.client("ssm")
    current = int(secrets.get_secret_value(SecretId="s")["SecretString"])
    assert current in (acknowledged["s"], acknowledged["s"] + 1)
    assert int(secrets.get_secret_value(SecretId="s", VersionStage="AWSPREVIOUS")["SecretString"]) == current - 1
    shown = ssm.get_parameter(Name="/p", WithDecryption=True)["Parameter"]
    assert int(shown["Value"]) in (acknowledged["/p"], acknowledged["/p"] + 1) and shown["Version"] == int(shown["Value"]) + 1
    again.stop()


def test_the_operator_says_what_is_published(tmp_path):
    file = tmp_path / "public.json"
    file.write_text(json.dumps({"/aws/service/ecs/optimized-ami/ours/recommended/image_id": "ours"}))
    server = Server(tmp_path / "data", "--store", "memory", "--account", ACCOUNT, "--public-parameters", str(file))
    aws = Account.root(server.url)
    server.wait_until(aws.sts.get_caller_identity)
    found = aws.client("ssm").get_parameters_by_path(Path="/aws/service/ecs", Recursive=True)["Parameters"]
    assert [one["Value"] for one in found] == ["ours"]
    server.stop()
