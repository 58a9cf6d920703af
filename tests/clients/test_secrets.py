"""No value of a secret or a parameter is anywhere but in the replies that are for it (issue 7)."""

import base64
import json
import threading
import time
import uuid

import botocore.exceptions
import pytest

from account import ACCOUNT, Account
from errors import authorization_id
from server import Server
from test_explain import explain

CANARY = "canary-7f3a9c"


def canary(number):
    """A value that nothing else could hold."""
    return f"{CANARY}-{number}-{uuid.uuid4().hex}"


def forms(text):
    """How it could be told: as it is, or in base 64, wherever in what was encoded it stands."""
    shifted = [base64.b64encode(bytes(shift) + text)[begin:] for shift, begin in ((0, 0), (1, 2), (2, 3))]
    # The last four letters say something of what comes behind it, too.
    return [text, text.hex().encode(), *(encoded[:-4] for encoded in shifted)]


FORMS = forms(CANARY.encode())


def told(where, what=FORMS):
    data = where if isinstance(where, bytes) else str(where).encode()
    return [form for form in what if form in data]


@pytest.mark.parametrize("before", range(6))
def test_the_search_finds_base_64_wherever_it_begins(before):
    assert told(base64.b64encode(b"b" * before + CANARY.encode() + b"behind"))


def refused(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**parameters)
    assert not told(raised.value)
    return raised.value.response["Error"]["Message"]


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


def use_sealed_logs(aws):
    """Events of a log group under a key."""
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    account = everything | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    by_logs = everything | {"Principal": {"Service": f"logs.{aws.region}.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [account, by_logs]})
    key = aws.client("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"]
    logs, stream = aws.client("logs"), {"logGroupName": "sealed", "logStreamName": "s"}
    logs.create_log_group(logGroupName="sealed", kmsKeyId=key)
    logs.create_log_stream(**stream)
    events = [{"timestamp": int(time.time() * 1000), "message": canary("event")}]
    logs.put_log_events(**stream, logEvents=events)
    assert CANARY in logs.get_log_events(**stream)["events"][0]["message"]


def use_keys(aws):
    """Gives back how a data key could be told; what it is nobody else says."""
    kms = aws.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=canary("kms").encode())["CiphertextBlob"]
    again = kms.re_encrypt(CiphertextBlob=sealed, DestinationKeyId=key)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=again)["Plaintext"].startswith(CANARY.encode())
    refused(kms.encrypt, KeyId=key, Plaintext=canary("kms").encode() * 200)
    return forms(kms.generate_data_key(KeyId=key, KeySpec="AES_256")["Plaintext"])


def lists(aws):
    """What is said of secrets, parameters and keys to whoever does not ask for their values."""
    secrets, ssm, kms = aws.client("secretsmanager"), aws.client("ssm"), aws.client("kms")
    yield secrets.list_secrets(IncludePlannedDeletion=True)
    for name in ("s", "b"):
        yield secrets.describe_secret(SecretId=name)
        yield secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)
    yield ssm.describe_parameters()
    yield ssm.get_parameters_by_path(Path="/p", ParameterFilters=[{"Key": "Type", "Values": ["SecureString"]}])
    for key in kms.list_keys()["Keys"]:
        yield kms.describe_key(KeyId=key["KeyId"])
    yield kms.list_aliases()


def test_values_are_in_no_file_no_log_and_no_history(tmp_path):
    server = Server(tmp_path / "data", "--account", ACCOUNT, environment={"PORTCULLIS_LOG": "trace"})
    aws = Account.root(server.url)
    server.wait_until(aws.sts.get_caller_identity)
    use_secrets(aws)
    use_parameters(aws)
    use_sealed_logs(aws)
    secret = FORMS + use_keys(aws)
    nobody = aws.as_user(aws.user())
    for message in (
        refused(nobody.client("ssm").put_parameter, Name="/p/x", Value=canary(12), Type="String"),
        refused(nobody.client("secretsmanager").create_secret, Name="x", SecretString=canary(13)),
    ):
        for form in ([], ["--json"]):
            explained = explain(aws, authorization_id(message), *form)
            assert explained.returncode == 0 and not told(explained.stdout), explained
    for reply in lists(aws):
        assert not told(reply), reply
    pages = aws.client("cloudtrail").get_paginator("lookup_events").paginate()
    records = [event["CloudTrailEvent"] for page in pages for event in page["Events"]]
    names = {json.loads(record)["eventName"] for record in records}
    assert {"PutSecretValue", "GetSecretValue", "PutParameter", "Decrypt", "GenerateDataKey"} <= names
    assert not [record for record in records if told(record, secret)]
    server.stop()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"secretsmanager-secret/" in path.read_bytes() for path in files), "the store was not found"
    for path in files:
        assert not told(path.read_bytes(), secret), path


def test_an_acknowledged_version_outlives_a_killed_server(tmp_path):
    server = Server(tmp_path / "data", "--account", ACCOUNT)
    aws = Account.root(server.url)
    server.wait_until(aws.sts.get_caller_identity)
    secrets, ssm = aws.client("secretsmanager"), aws.client("ssm")
    secrets.create_secret(Name="s", SecretString="0")
    ssm.put_parameter(Name="/p", Value="0", Type="SecureString")
    use_sealed_logs(aws)
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
    sealed = aws.client("logs").get_log_events(logGroupName="sealed", logStreamName="s")["events"]
    assert [CANARY in event["message"] for event in sealed] == [True]
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
