"""What is wrong gets the error AWS gives, from either protocol, and changes nothing (issue 2, section 4)."""

import datetime
import json

import pytest

from account import statement
from errors import refused
from rawhttp import send, signed

INVALID_TOKEN = "The security token included in the request is invalid."
MISMATCH = "The request signature we calculated does not match the signature you provided."

JSON_AND_QUERY = pytest.mark.parametrize(
    ("service", "operation", "body"), [("ecs", "ListClusters", "{}"), ("iam", "ListUsers", "")]
)


def expect(service, answer, json_code, query_code, query_status, message):
    """JSON services answer 400; query services have codes and statuses of their own."""
    code, status = (json_code, 400) if service == "ecs" else (query_code, query_status)
    assert answer[:2] == (status, code), answer
    assert message in answer[2], answer


@JSON_AND_QUERY
def test_an_unsigned_request(aws, service, operation, body):
    headers, body = signed(aws, service, operation, body)
    headers = [(name, value) for name, value in headers if name not in ("Authorization", "X-Amz-Date")]
    code = "MissingAuthenticationToken"
    expect(service, send(aws, headers, body), f"{code}Exception", code, 403, "Missing Authentication Token"[8:])


@JSON_AND_QUERY
def test_an_unknown_access_key(aws, service, operation, body):
    stranger = aws.with_credentials({"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "x"})
    answer = send(aws, *signed(stranger, service, operation, body))
    expect(service, answer, "UnrecognizedClientException", "InvalidClientTokenId", 403, INVALID_TOKEN)


@JSON_AND_QUERY
def test_a_wrong_secret(aws, service, operation, body):
    forger = aws.with_credentials({"AccessKeyId": aws.credentials["aws_access_key_id"], "SecretAccessKey": "wrong"})
    answer = send(aws, *signed(forger, service, operation, body))
    expect(service, answer, "InvalidSignatureException", "SignatureDoesNotMatch", 403, MISMATCH)


@JSON_AND_QUERY
def test_an_inactive_key(aws, service, operation, body):
    user = aws.user(statement("*"))
    key = aws.iam.create_access_key(UserName=user)["AccessKey"]
    aws.iam.update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    answer = send(aws, *signed(aws.with_credentials(key), service, operation, body))
    expect(service, answer, "UnrecognizedClientException", "InvalidClientTokenId", 403, INVALID_TOKEN)


@JSON_AND_QUERY
@pytest.mark.parametrize("bend", [lambda token: token[:-8] + "AAAAAAA=", lambda token: "nonsense"])
def test_a_forged_session_token(aws, service, operation, body, bend):
    session = aws.sts.get_session_token()["Credentials"]
    forged = aws.with_credentials({**session, "SessionToken": bend(session["SessionToken"])})
    answer = send(aws, *signed(forged, service, operation, body))
    expect(service, answer, "UnrecognizedClientException", "InvalidClientTokenId", 403, INVALID_TOKEN)


@JSON_AND_QUERY
def test_session_keys_without_their_token(aws, service, operation, body):
    session = aws.sts.get_session_token()["Credentials"]
    del session["SessionToken"]
    answer = send(aws, *signed(aws.with_credentials(session), service, operation, body))
    expect(service, answer, "UnrecognizedClientException", "InvalidClientTokenId", 403, INVALID_TOKEN)


@JSON_AND_QUERY
@pytest.mark.parametrize(("minutes", "message"), [(-6, "Signature expired: "), (6, "Signature not yet current: ")])
def test_a_clock_more_than_five_minutes_off(aws, monkeypatch, service, operation, body, minutes, message):
    shifted = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: shifted)
    headers, body = signed(aws, service, operation, body)
    assert (dict(headers)["X-Amz-Date"])[:11] == shifted.strftime("%Y%m%dT%H")
    expect(service, send(aws, headers, body), "InvalidSignatureException", "SignatureDoesNotMatch", 403, message)


@JSON_AND_QUERY
def test_a_body_changed_after_signing(aws, service, operation, body):
    headers, body = signed(aws, service, operation, body)
    answer = send(aws, headers, body + (" " if service == "ecs" else "&MaxItems=1"))
    expect(service, answer, "InvalidSignatureException", "SignatureDoesNotMatch", 403, MISMATCH)


@JSON_AND_QUERY
@pytest.mark.parametrize("name", ["Authorization", "X-Amz-Date", "Host", "X-Amz-Target", "X-Amz-Security-Token"])
def test_a_header_that_decides_who_calls_may_not_come_twice(aws, service, operation, body, name):
    session = aws.with_credentials(aws.sts.get_session_token()["Credentials"])
    caller = session if service == "ecs" else aws
    headers, body = signed(caller, service, operation, body)
    host = aws.url.removeprefix("http://")
    values = {found.lower(): value for found, value in [*headers, ("Host", host)]}
    again = values.get(name.lower(), "x")
    first = [("Host", host)] if name == "Host" else []
    missing = [(name, again)] if name.lower() not in values else []
    status, code, _ = send(aws, [*first, *headers, *missing, (name, again)], body)
    assert 400 <= status < 500 and code, "refused, with a reason"


def test_a_security_token_that_is_not_signed_is_refused(aws):
    headers, body = signed(aws, "ecs", "ListClusters", "{}")
    token = aws.sts.get_session_token()["Credentials"]["SessionToken"]
    status, code, _ = send(aws, [*headers, ("X-Amz-Security-Token", token)], body)
    assert status == 400 and code, "refused, with a reason"


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=x",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=00",
        "Bearer x",
        "",
    ],
)
def test_a_header_that_is_no_signature(aws, authorization):
    headers, body = signed(aws, "ecs", "ListClusters", "{}")
    bent = [(name, authorization if name == "Authorization" else value) for name, value in headers]
    status, code, _ = send(aws, bent, body)
    known = {"IncompleteSignatureException", "MissingAuthenticationTokenException", "InvalidSignatureException"}
    assert status == 400 and code in known, (status, code)


def test_a_signature_for_another_service(aws):
    headers, body = signed(aws, "ecs", "ListClusters", "{}")
    bent = [(name, value.replace("/ecs/", "/iam/")) for name, value in headers]
    status, code, _ = send(aws, bent, body)
    assert (status, code) == (400, "InvalidSignatureException")


@pytest.mark.parametrize(
    "body", ["{", "[]", '"text"', '{"cluster": }', "\xff", "{} {}", '{"cluster": 1}', '{"tasks": {}}', ""]
)
def test_json_that_is_broken_or_of_the_wrong_kind(aws, body):
    status, code, _ = send(aws, *signed(aws, "ecs", "DescribeTasks", body.encode("latin-1")))
    assert status == 400 and code in ("SerializationException", "InvalidParameterException"), (status, code)


@pytest.mark.parametrize(
    "body",
    [
        '{"clusters": ' + "[" * 10_000 + "]" * 10_000 + "}",
        json.dumps({"clusters": ["c"] * 200_000}),
        '{"clusters": ["' + "x" * 2_000_000 + '"]}',
    ],
    ids=["deep", "many", "large"],
)
def test_a_body_beyond_the_limits(aws, body):
    status, code, _ = send(aws, *signed(aws, "ecs", "DescribeClusters", body))
    assert status == 413 or (status == 400 and code), (status, code)


def test_an_unknown_operation(aws):
    assert send(aws, *signed(aws, "ecs", "MakeCoffee", "{}"))[:2] == (400, "UnknownOperationException")
    status, code, message = send(aws, *signed(aws, "iam", "MakeCoffee", ""))
    assert (status, code) == (400, "InvalidAction")
    assert message == "Could not find operation MakeCoffee for version 2010-05-08"


def test_an_operation_that_is_not_served_says_so(aws):
    with refused("UnsupportedFeatureException"):
        aws.ecs.create_express_gateway_service(executionRoleArn="arn:aws:iam::123456789012:role/r")


def policy(**changes):
    return {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecs:*", "Resource": "*", **changes}}


SID = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
MALFORMED = [
    ("R2", {**policy(), "Colour": "blue"}, "Syntax errors in policy."),
    ("R4", {**policy(), "Version": "2020-01-01"}, "Syntax errors in policy."),
    ("R5", {**policy(), "Version": "2008-10-17"}, "Policy document must be version 2012-10-17 or greater."),
    ("R9", policy(Colour="blue"), "Syntax errors in policy."),
    ("R9", policy(NotAction="ecs:*"), "Syntax errors in policy."),
    ("R10", policy(Effect="Maybe"), "Syntax errors in policy."),
    ("R10", policy(Effect="allow"), "The policy failed legacy parsing"),
    ("R11", policy(Sid="not allowed!"), SID),
    ("R12", policy(Action=[]), "Policy statement must contain actions."),
    ("R13", policy(Resource=[]), "Policy statement must contain resources."),
    ("R14", policy(Principal="*"), "Policy document should not specify a principal."),
    ("R18", policy(Action="runtask"), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    ("R18", policy(Action="a:b:c"), "Actions/Condition can contain only one colon."),
    ("R18", policy(Action="e_s:Run"), "Vendor e_s is not valid"),
    ("R19", policy(Resource="cluster"), 'Resource cluster must be in ARN format or "*".'),
    ("R19", policy(Resource="arn:mars:ecs:*:*:*"), 'Partition "mars" is not valid for resource "arn:mars:ecs:*:*:*".'),
    ("R22", policy(Condition={"StringEqual": {"a:b": "c"}}), "Syntax errors in policy."),
    ("R23", policy(Condition={"DateLessThan": {"aws:CurrentTime": "tomorrow"}}), "The policy failed legacy parsing"),
]


@pytest.mark.parametrize(
    ("rule", "document", "message"), MALFORMED, ids=[f"{rule}-{n}" for n, (rule, *_) in enumerate(MALFORMED)]
)
def test_a_malformed_policy_is_refused_in_aws_words(aws, rule, document, message):
    with refused("MalformedPolicyDocument") as caught:
        aws.iam.create_policy(PolicyName=aws.name("bad"), PolicyDocument=json.dumps(document))
    assert caught.value.response["Error"]["Message"] == message, rule


def test_a_policy_larger_than_its_quota(aws):
    document = json.dumps(policy(Action=[f"ecs:Action{number}" for number in range(500)]))
    with refused("LimitExceeded", r"Cannot exceed quota for PolicySize: 6144", 409):
        aws.iam.create_policy(PolicyName=aws.name("large"), PolicyDocument=document)


def test_names_of_things_that_are_not_there(aws):
    with refused("ClusterNotFoundException", r"Cluster not found\."):
        aws.ecs.run_task(cluster="no-such-cluster", taskDefinition=aws.task_definition())
    with refused("NoSuchEntity", r"The role with name no-such-role cannot be found\."):
        aws.iam.get_role(RoleName="no-such-role")
    lost = aws.role_arn("no-such-role")
    # As of a role that is there and does not trust the caller: names cannot be probed.
    why = "because no role trust policy allows the sts:AssumeRole action"
    message = rf"User: {aws.arn} is not authorized to perform: sts:AssumeRole on resource: {lost} {why}"
    with refused("AccessDenied", message):
        aws.sts.assume_role(RoleArn=lost, RoleSessionName="session")
