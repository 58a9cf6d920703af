"""One case an operation: what it needs, what must be true afterwards, and what must be refused.

A class named as the operation, in the module of its group under `cases/`; `test_operations.py` derives the tests from it.
"""

import json
import tempfile
from dataclasses import dataclass


@dataclass
class Invalid:
    """A call that must be refused: its parameters, the error code, and a pattern for the whole message."""

    parameters: dict
    code: str
    message: str


class Case:
    service = None
    #: False for the few calls that need no permission; the reason stands at the case.
    needs_permission = True
    #: False for what only a message could make succeed that no operation on the wire gives out; the reason stands at the case.
    can_succeed = True
    #: False for services that the AWS CLI does not have.
    is_in_cli = True
    #: False for the few calls that have no parameters.
    can_be_invalid = True
    #: What the AWS CLI calls the service, where it is another name.
    cli_service = None
    #: True for operations by HEAD: their refusals have no body, and no words.
    is_head = False
    #: True for what succeeds only once on a server.
    once_per_server = False

    def parameters(self, aws):
        """Arranges what the call needs and gives the parameters of a call that succeeds."""
        return {}

    def check(self, aws, parameters, reply):
        """Reads the change back through other operations, or looks at the reply of one that reads."""
        raise NotImplementedError(f"{type(self).__name__} has no check")

    def cli_arguments(self, parameters):
        """How the AWS CLI is given the parameters."""
        return ["--cli-input-json", json.dumps(parameters)]

    def action(self):
        return f"{self.service}:{type(self).__name__}"

    def resource(self, aws, parameters):
        """The resource a refusal names."""
        return "*"

    def invalid(self, aws):
        """A call that must be refused: an `Invalid`."""
        raise NotImplementedError(f"{type(self).__name__} has no invalid call")

    @classmethod
    def all(cls):
        """Every case, by service and operation."""
        found = {}
        for group in cls.__subclasses__():
            for case in group.__subclasses__():
                found[case.service, case.__name__] = case()
        return found


class Ecs(Case):
    service = "ecs"


class Iam(Case):
    service = "iam"


class Sts(Case):
    service = "sts"


class Toolbox(Case):
    service = "iam-toolbox"
    is_in_cli = False

    def action(self):
        return f"iam:{type(self).__name__}"


class CloudTrail(Case):
    service = "cloudtrail"


class Organizations(Case):
    service = "organizations"


class Ec2(Case):
    service = "ec2"


class Logs(Case):
    service = "logs"


class Ssm(Case):
    service = "ssm"


class S3(Case):
    service = "s3"
    cli_service = "s3api"
    def resource(self, aws, parameters):
        """S3 quotes the ARNs of refusals."""
        key = f"/{parameters['Key']}" if "Key" in parameters else ""
        return f'"arn:aws:s3:::{parameters["Bucket"]}{key}"'

    def cli_arguments(self, parameters):
        parameters = dict(parameters)
        body = parameters.pop("Body", None)
        arguments = ["--cli-input-json", json.dumps(parameters)]
        if body is not None:
            file = tempfile.NamedTemporaryFile(delete=False)
            file.write(body)
            file.close()
            arguments += ["--body", file.name]
        return arguments


class Kms(Case):
    service = "kms"


class Ecr(Case):
    service = "ecr"


class SecretsManager(Case):
    service = "secretsmanager"
