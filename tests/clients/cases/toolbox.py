"""Why a request was refused."""

import pytest
from botocore.exceptions import ClientError

from account import statement
from case import Invalid, Toolbox
from errors import authorization_id


def refusal(aws):
    """A refused CreateCluster: its authorization id and the name of the user who met it."""
    name = aws.user({**statement("ecs:CreateCluster", effect="Deny"), "Id": "Guard"})
    with pytest.raises(ClientError) as caught:
        aws.as_user(name).ecs.create_cluster(clusterName="wanted")
    return authorization_id(caught.value.response["Error"]["Message"]), name


class GetRequestAuthorizationDetails(Toolbox):
    def parameters(self, aws):
        return {"authorizationId": refusal(aws)[0]}

    def check(self, aws, parameters, reply):
        [evaluation] = reply["evaluations"]
        assert evaluation["action"] == "ecs:CreateCluster" and evaluation["evaluatedEffect"] == "EXPLICIT_DENY"
        assert evaluation["resource"] == aws.ecs_arn("cluster/wanted")
        [check] = evaluation["checks"]
        assert check["checkType"] == "PRINCIPAL" and check["targetArn"] == reply["requestContext"]["principal"]
        [policy] = reply["policies"]
        assert policy["inline"] and policy["uri"] == f"{check['targetArn']}#p0"
        assert check["matchedPolicies"][0]["matchedStatements"] == [{"evaluatedEffect": "DENY"}]
        pages = aws.client("iam-toolbox").get_paginator("get_request_authorization_details").paginate(**parameters)
        assert [one for page in pages for one in page["evaluations"]] == reply["evaluations"]

    def invalid(self, aws):
        return Invalid({"authorizationId": "NOT-AN-ID"}, "ValidationException", r"1 validation error detected: .*pattern.*")


class GetRequestAuthorizationPolicy(Toolbox):
    def parameters(self, aws):
        authorization, name = refusal(aws)
        return {"authorizationId": authorization, "policyUri": f"{aws.iam_arn('user/' + name)}#p0"}

    def check(self, aws, parameters, reply):
        assert reply["policyDocument"] == {**statement("ecs:CreateCluster", effect="Deny"), "Id": "Guard"}

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "policyUri": "arn:aws:iam::aws:policy/None"}
        return Invalid(parameters, "ResourceNotFoundException", r"No policy with this URI .*")
