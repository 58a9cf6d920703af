"""Refusals that explain themselves: `portcullis explain`, and the details over the wire."""

import json
import os
import subprocess

import pytest
from botocore.exceptions import ClientError

from account import ACCOUNT, Account, statement
from errors import authorization_id, denied
from server import BINARY, Server


def refusal(caller):
    """A refused CreateCluster's message and its authorization id."""
    with pytest.raises(ClientError) as caught:
        caller.ecs.create_cluster(clusterName="wanted")
    message = caught.value.response["Error"]["Message"]
    return message, authorization_id(message)


def explain(caller, *arguments):
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": caller.url,
        "AWS_ACCESS_KEY_ID": caller.credentials["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": caller.credentials["aws_secret_access_key"],
    }
    command = [BINARY, "explain", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)


def test_the_command_says_what_refused_and_what_would_change_that(aws):
    caller = aws.as_user(aws.user(statement("ecs:CreateCluster", aws.ecs_arn("cluster/other"), Sid="OnlyOther")))
    message, authorization = refusal(caller)
    done = explain(aws, authorization)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert f"DENIED (implicit)  ecs:CreateCluster on {aws.ecs_arn('cluster/wanted')}" in lines
    assert "  stopped by  no identity-based policy allows it" in lines
    assert 'statement 1 "OnlyOther" of identity-based policy p0 comes nearest' in done.stdout
    change = f'add "{aws.ecs_arn("cluster/wanted")}" to Resource of statement 1 "OnlyOther" of identity-based policy p0'
    assert lines[-1] == f"  to allow it: {change}"
    assert explain(aws, message).stdout == done.stdout, "the whole message does as well"


def test_json_is_the_answer_of_the_service(aws):
    caller = aws.as_user(aws.user())
    _, authorization = refusal(caller)
    done = explain(aws, authorization, "--json")
    details = json.loads(done.stdout)
    assert details["evaluations"][0].pop("portcullis")["toAllow"]
    reply = aws.client("iam-toolbox").get_request_authorization_details(authorizationId=authorization)
    del reply["ResponseMetadata"]
    assert details == reply


def test_who_was_refused_learns_little_and_others_nothing(aws, nobody):
    caller = aws.as_user(aws.user(statement("ecs:CreateCluster", effect="Deny", Sid="Guard")))
    _, authorization = refusal(caller)
    own = explain(caller, authorization)
    assert own.returncode == 0 and "an explicit deny in an identity-based policy" in own.stdout
    assert "Guard" not in own.stdout + own.stderr
    other = explain(nobody, authorization)
    assert other.returncode == 1 and other.stdout == ""
    assert "iam:GetRequestAuthorizationDetails" in other.stderr
    unknown = explain(aws, "0123456789abcdef")
    assert unknown.returncode == 1 and "ResourceNotFoundException" in unknown.stderr


def test_without_credentials_or_server_the_command_says_so(aws):
    environment = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": aws.url}
    command = [BINARY, "explain", "abc"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2 and "AWS_ACCESS_KEY_ID" in done.stderr
    nowhere = Account("http://127.0.0.1:1", aws.credentials)
    assert explain(nowhere, "abc").returncode == 2


def test_details_outlast_an_orderly_end(tmp_path):
    def start():
        server = Server(tmp_path / "data", "--account", ACCOUNT)
        root = Account.root(server.url)
        server.wait_until(root.sts.get_caller_identity)
        return server, root

    server, root = start()
    _, authorization = refusal(root.as_user(root.user()))
    server.stop()
    server, root = start()
    details = root.client("iam-toolbox").get_request_authorization_details(authorizationId=authorization)
    assert details["evaluations"][0]["evaluatedEffect"] == "IMPLICIT_DENY"
    server.stop()


def test_decoding_a_message_needs_permission(nobody):
    with denied("sts", nobody.arn, "sts:DecodeAuthorizationMessage", "*"):
        nobody.sts.decode_authorization_message(EncodedMessage="bm9uZQ")
