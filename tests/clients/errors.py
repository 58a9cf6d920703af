"""What a refusal looks like."""

import re
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

#: JSON services answer 400 AccessDeniedException, query services 403 AccessDenied (R176).
DENIALS = {
    "ecs": ("AccessDeniedException", 400),
    "cloudtrail": ("AccessDeniedException", 400),
    "iam": ("AccessDenied", 403),
    "sts": ("AccessDenied", 403),
}


@contextmanager
def refused(code, message=".*", status=None):
    """The block must end in this error; the patterns must fit the whole code and the whole message."""
    with pytest.raises(ClientError) as caught:
        yield caught
    error = caught.value.response["Error"]
    assert re.fullmatch(code, error["Code"]), error
    assert re.fullmatch(message, error["Message"], re.DOTALL), error["Message"]
    if status:
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def not_authorized(caller_arn, action, resource, reason=None):
    """AWS's sentence, as a pattern for exactly itself (R169 to R172)."""
    reason = reason or f"because no identity-based policy allows the {action} action"
    return re.escape(f"User: {caller_arn} is not authorized to perform: {action} on resource: {resource} {reason}")


@contextmanager
def denied(service, caller_arn, action, resource, reason=None):
    code, status = DENIALS[service]
    with refused(code, not_authorized(caller_arn, action, resource, reason), status) as caught:
        yield caught
