"""What a refusal looks like."""

import re
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

#: JSON services answer 400 AccessDeniedException, query services 403 AccessDenied (R176).
DENIALS = {
    "ecs": ("AccessDeniedException", 400),
    "cloudtrail": ("AccessDeniedException", 400),
    "organizations": ("AccessDeniedException", 400),
    "ssm": ("AccessDeniedException", 400),
    "secretsmanager": ("AccessDeniedException", 400),
    "kms": ("AccessDeniedException", 400),
    "ecr": ("AccessDeniedException", 400),
    "logs": ("AccessDeniedException", 400),
    "iam": ("AccessDenied", 403),
    "sts": ("AccessDenied", 403),
    "iam-toolbox": ("AccessDeniedException", 403),
    "ec2": ("UnauthorizedOperation", 403),
    "s3": ("AccessDenied", 403),
}


#: Where the whole explanation of a refusal is (R174).
WHERE_TO_ASK = re.compile(
    r"\. Go to https://(?P<region>[a-z0-9-]+)\.console\.aws\.amazon\.com/iam/home\?region=(?P=region)"
    r"#/authorization-details/(?P<id>[0-9a-z]+) for complete details, or call the GetRequestAuthorizationDetails API "
    r"with the following authorization id: (?P=id)$"
)


def authorization_id(message):
    """The id that every refusal of the gate carries."""
    return WHERE_TO_ASK.search(ENCODED.sub("", message))["id"]


#: What sts:DecodeAuthorizationMessage decodes, at the end of EC2's refusals (R177).
ENCODED = re.compile(r"\. Encoded authorization failure message: (?P<message>[A-Za-z0-9_-]+)$")


def without_authorization_id(message):
    """What a refusal says before it says where to ask for more."""
    message = ENCODED.sub("", message)
    assert WHERE_TO_ASK.search(message) or " is not authorized to perform: " not in message, message
    return WHERE_TO_ASK.sub("", message)


@contextmanager
def refused(code, message=".*", status=None):
    """The block must end in this error; the patterns must fit the whole code and the whole message."""
    with pytest.raises(ClientError) as caught:
        yield caught
    error = caught.value.response["Error"]
    assert re.fullmatch(code, error["Code"]), error
    assert re.fullmatch(message, without_authorization_id(error["Message"]), re.DOTALL), error["Message"]
    if status:
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def not_authorized(caller_arn, action, resource, reason=None):
    """AWS's sentence, as a pattern for exactly itself (R169 to R172)."""
    reason = reason or f"because no identity-based policy allows the {action} action"
    return re.escape(f"User: {caller_arn} is not authorized to perform: {action} on resource: {resource} {reason}")


@contextmanager
def denied(service, caller_arn, action, resource, reason=None):
    code, status = DENIALS[service]
    message = not_authorized(caller_arn, action, resource, reason)
    if service == "ec2":
        # Actions without a resource are refused without naming one.
        message = message.replace(re.escape(" on resource: *"), "") if resource == "*" else message
        message = re.escape("You are not authorized to perform this operation. ") + message
    with refused(code, message, status) as caught:
        yield caught
