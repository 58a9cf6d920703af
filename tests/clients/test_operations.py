"""Every operation served works and has its effect, refuses strangers and nonsense, and answers the AWS CLI."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import botocore

from account import REGION
from case import Case
from errors import denied, refused


#: No client of AWS has these: agents call them, without a signature (test_activations.py).
NOT_FOR_CLIENTS = {("ssm", "RegisterManagedInstance"), ("ssm", "RequestManagedInstanceRoleToken")}


def test_every_operation_served_has_a_case(served):
    missing = sorted(".".join(key) for key in served.keys() - NOT_FOR_CLIENTS if key not in Case.all())
    assert not missing, "write a case under tests/clients/cases (docs/adding-an-operation.md)"


def test_every_action_a_case_expects_is_the_one_the_table_names(case, served):
    assert case.action() in served[case.service, type(case).__name__]["actions"] or not case.needs_permission


def test_success(aws, case):
    parameters = case.parameters(aws)
    reply = aws.call(case.service, type(case).__name__, parameters)
    assert reply["ResponseMetadata"]["HTTPStatusCode"] in (200, 204, 206)
    case.check(aws, parameters, reply)


def test_denied(aws, nobody, case):
    operation = type(case).__name__
    parameters = case.parameters(aws)
    if not case.needs_permission:
        nobody.call(case.service, operation, parameters)
        return
    if case.is_head:
        with refused("403", "Forbidden"):
            nobody.call(case.service, operation, parameters)
    else:
        with denied(case.service, nobody.arn, case.action(), case.resource(aws, parameters)):
            nobody.call(case.service, operation, parameters)
    # Nothing was half done: the administrator's same call still finds everything as it was arranged.
    case.check(aws, parameters, aws.call(case.service, operation, parameters))


def test_invalid(aws, fallible):
    invalid = fallible.invalid(aws)
    with refused(invalid.code, invalid.message):
        aws.call(fallible.service, type(fallible).__name__, invalid.parameters)


def test_aws_cli(aws, common, tmp_path):
    parameters = common.parameters(aws)
    printed = run_cli(aws, common, parameters, tmp_path)
    common.check(aws, parameters, json.loads(printed or "{}"))


def run_cli(aws, case, parameters, directory):
    """`aws SERVICE OPERATION --cli-input-json`, with nothing of the machine's own configuration."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "AWS_ACCESS_KEY_ID": aws.credentials["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": aws.credentials["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_PAGER": "",
    }
    command = [sys.executable, str(Path(sys.executable).with_name("aws")), case.cli_service or case.service]
    command += [botocore.xform_name(type(case).__name__, "-"), "--output", "json"]
    command += case.cli_arguments(parameters)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, re.sub(r"\s+", " ", done.stderr)
    return done.stdout
