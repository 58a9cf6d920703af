"""The policy simulator."""

import json

from account import ALLOW_LISTING, statement
from case import Iam, Invalid

ACTIONS = ["ecs:ListClusters", "ecs:CreateCluster"]
CONDITIONAL = statement("ecs:RunTask", Condition={"ArnLike": {"ecs:cluster": "*${aws:username}"}})


def decisions(reply):
    return {result["EvalActionName"]: result["EvalDecision"] for result in reply["EvaluationResults"]}


class SimulateCustomPolicy(Iam):
    def parameters(self, aws):
        return {"PolicyInputList": [json.dumps(ALLOW_LISTING)], "ActionNames": ACTIONS}

    def check(self, aws, parameters, reply):
        assert decisions(reply) == {"ecs:ListClusters": "allowed", "ecs:CreateCluster": "implicitDeny"}
        (allowed,) = [found for found in reply["EvaluationResults"] if found["EvalDecision"] == "allowed"]
        assert len(allowed["MatchedStatements"]) == 1

    def invalid(self, aws):
        parameters = {"PolicyInputList": ["{"], "ActionNames": ACTIONS}
        return Invalid(parameters, "InvalidInput", r".*")


class SimulatePrincipalPolicy(Iam):
    def parameters(self, aws):
        return {"PolicySourceArn": aws.iam_arn(f"user/{aws.user(ALLOW_LISTING)}"), "ActionNames": ACTIONS}

    def check(self, aws, parameters, reply):
        assert decisions(reply) == {"ecs:ListClusters": "allowed", "ecs:CreateCluster": "implicitDeny"}

    def resource(self, aws, parameters):
        return parameters["PolicySourceArn"]

    def invalid(self, aws):
        parameters = {"PolicySourceArn": aws.iam_arn("user/no-such-user"), "ActionNames": ACTIONS}
        return Invalid(parameters, "NoSuchEntity", r".*no-such-user.*")


class GetContextKeysForCustomPolicy(Iam):
    def parameters(self, aws):
        return {"PolicyInputList": [json.dumps(CONDITIONAL)]}

    def check(self, aws, parameters, reply):
        assert sorted(reply["ContextKeyNames"]) == ["aws:username", "ecs:cluster"]

    def invalid(self, aws):
        return Invalid({"PolicyInputList": ["{"]}, "InvalidInput", r".*")


class GetContextKeysForPrincipalPolicy(Iam):
    def parameters(self, aws):
        return {"PolicySourceArn": aws.iam_arn(f"user/{aws.user(CONDITIONAL)}")}

    def check(self, aws, parameters, reply):
        assert sorted(reply["ContextKeyNames"]) == ["aws:username", "ecs:cluster"]

    def resource(self, aws, parameters):
        return parameters["PolicySourceArn"]

    def invalid(self, aws):
        return Invalid({"PolicySourceArn": aws.iam_arn("user/no-such-user")}, "NoSuchEntity", r".*no-such-user.*")
