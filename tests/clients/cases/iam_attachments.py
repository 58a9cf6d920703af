"""Policies on users, groups and roles: attached managed ones and inline ones.

The twenty-one operations differ only in the kind of entity, so their cases are made from one table.
"""

import json

from account import ALLOW_LISTING
from case import Iam
from cases.iam_groups import OnGroup
from cases.iam_roles import OnRole
from cases.iam_users import OnUser

INLINE = {"PolicyName": "inline", "PolicyDocument": json.dumps(ALLOW_LISTING)}


class Kind:
    """User, Group or Role: how to make one, and how its operations are called."""

    def __init__(self, name, base):
        self.name, self.base = name, base

    def new(self, aws):
        return {f"{self.name}Name": getattr(aws, self.name.lower())()}

    def key(self, parameters):
        return {f"{self.name}Name": parameters[f"{self.name}Name"]}

    def call(self, aws, pattern, parameters):
        return aws.call("iam", pattern.format(self.name), parameters)

    def attached(self, aws, parameters):
        reply = self.call(aws, "ListAttached{}Policies", self.key(parameters))
        return [policy["PolicyArn"] for policy in reply["AttachedPolicies"]]

    def inline(self, aws, parameters):
        return self.call(aws, "List{}Policies", self.key(parameters))["PolicyNames"]


def attach(kind):
    class Attach:
        def parameters(self, aws):
            return {**kind.new(aws), "PolicyArn": aws.policy()}

        def check(self, aws, parameters, reply):
            assert kind.attached(aws, parameters) == [parameters["PolicyArn"]]

    return "Attach{}Policy", Attach


def detach(kind):
    class Detach:
        def parameters(self, aws):
            parameters = {**kind.new(aws), "PolicyArn": aws.policy()}
            kind.call(aws, "Attach{}Policy", parameters)
            return parameters

        def check(self, aws, parameters, reply):
            assert kind.attached(aws, parameters) == []

    return "Detach{}Policy", Detach


def list_attached(kind):
    class ListAttached:
        def parameters(self, aws):
            entity, self.arn = kind.new(aws), aws.policy()
            kind.call(aws, "Attach{}Policy", {**entity, "PolicyArn": self.arn})
            return entity

        def check(self, aws, parameters, reply):
            (policy,) = reply["AttachedPolicies"]
            assert policy["PolicyArn"] == self.arn and self.arn.endswith(policy["PolicyName"])

    return "ListAttached{}Policies", ListAttached


def put_inline(kind):
    class Put:
        def parameters(self, aws):
            return {**kind.new(aws), **INLINE}

        def check(self, aws, parameters, reply):
            found = kind.call(aws, "Get{}Policy", {**kind.key(parameters), "PolicyName": "inline"})
            assert found["PolicyDocument"] == ALLOW_LISTING

    return "Put{}Policy", Put


def get_inline(kind):
    class Get:
        def parameters(self, aws):
            entity = kind.new(aws)
            kind.call(aws, "Put{}Policy", {**entity, **INLINE})
            return {**entity, "PolicyName": "inline"}

        def check(self, aws, parameters, reply):
            assert reply["PolicyName"] == "inline" and reply["PolicyDocument"] == ALLOW_LISTING

    return "Get{}Policy", Get


def list_inline(kind):
    class List:
        def parameters(self, aws):
            entity = kind.new(aws)
            kind.call(aws, "Put{}Policy", {**entity, **INLINE})
            return entity

        def check(self, aws, parameters, reply):
            assert reply["PolicyNames"] == ["inline"]

    return "List{}Policies", List


def delete_inline(kind):
    class Delete:
        def parameters(self, aws):
            entity = kind.new(aws)
            kind.call(aws, "Put{}Policy", {**entity, **INLINE})
            return {**entity, "PolicyName": "inline"}

        def check(self, aws, parameters, reply):
            assert kind.inline(aws, parameters) == []

    return "Delete{}Policy", Delete


for kind in [Kind("User", OnUser), Kind("Group", OnGroup), Kind("Role", OnRole)]:
    for make in [attach, detach, list_attached, put_inline, get_inline, list_inline, delete_inline]:
        pattern, body = make(kind)
        operation = pattern.format(kind.name)
        globals()[operation] = type(operation, (body, kind.base, Iam), {})
