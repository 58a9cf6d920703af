"""A registry of ECR as a whole: tokens, policies, settings, lifecycle policies, pull-through rules, templates."""

import base64
import json
from datetime import datetime, timedelta, timezone

from account import ACCOUNT
from case import Ecr, Invalid
from images import arn, image, repository

ABSENT = rf"The repository with name 'absent' does not exist in the registry with id '{ACCOUNT}'"
REGISTRY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Replicate",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "ecr:ReplicateImage",
            "Resource": f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/*",
        }
    ],
}
LIFECYCLE = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "description": "The newest version alone",
                "selection": {
                    "tagStatus": "tagged",
                    "tagPatternList": ["v*"],
                    "countType": "imageCountMoreThan",
                    "countNumber": 1,
                },
                "action": {"type": "expire"},
            }
        ]
    }
)


class GetAuthorizationToken(Ecr):
    def check(self, aws, parameters, reply):
        [data] = reply["authorizationData"]
        user, password = base64.b64decode(data["authorizationToken"]).decode().split(":", 1)
        assert user == "AWS" and password and " " not in password
        assert data["proxyEndpoint"] == f"https://{ACCOUNT}.dkr.ecr.{aws.region}.amazonaws.com"
        expires = data["expiresAt"]
        # The CLI prints seconds.
        expires = expires if isinstance(expires, datetime) else datetime.fromtimestamp(expires, timezone.utc)
        life = expires - datetime.now(timezone.utc)
        assert timedelta(hours=11) < life <= timedelta(hours=12, minutes=1)

    def invalid(self, aws):
        return Invalid({"registryIds": []}, "InvalidParameterException", r".*registryIds.*")


class DescribeRegistry(Ecr):
    can_be_invalid = False

    def check(self, aws, parameters, reply):
        assert (reply["registryId"], reply["replicationConfiguration"]) == (ACCOUNT, {"rules": []})


class PutRegistryPolicy(Ecr):
    def parameters(self, aws):
        return {"policyText": json.dumps(REGISTRY_POLICY)}

    def check(self, aws, parameters, reply):
        assert json.loads(aws.client("ecr").get_registry_policy()["policyText"]) == REGISTRY_POLICY

    def invalid(self, aws):
        return Invalid({"policyText": "{}"}, "InvalidParameterException", r"Invalid parameter at 'PolicyText' .*")


class GetRegistryPolicy(Ecr):
    can_be_invalid = False

    def parameters(self, aws):
        aws.client("ecr").put_registry_policy(policyText=json.dumps(REGISTRY_POLICY))
        return {}

    def check(self, aws, parameters, reply):
        assert json.loads(reply["policyText"]) == REGISTRY_POLICY


class DeleteRegistryPolicy(Ecr):
    can_be_invalid = False

    def parameters(self, aws):
        aws.client("ecr").put_registry_policy(policyText=json.dumps(REGISTRY_POLICY))
        return {}

    def check(self, aws, parameters, reply):
        assert json.loads(reply["policyText"]) == REGISTRY_POLICY
        try:
            aws.client("ecr").get_registry_policy()
            raise AssertionError("the policy is still there")
        except aws.client("ecr").exceptions.RegistryPolicyNotFoundException:
            pass


class PutAccountSetting(Ecr):
    def parameters(self, aws):
        return {"name": "BLOB_MOUNTING", "value": "ENABLED"}

    def check(self, aws, parameters, reply):
        assert aws.client("ecr").get_account_setting(name="BLOB_MOUNTING")["value"] == "ENABLED"

    def invalid(self, aws):
        wrong = {"name": "REGISTRY_POLICY_SCOPE", "value": "V3"}
        return Invalid(wrong, "ValidationException", r"The value 'V3' is not valid for the account setting .*")


class GetAccountSetting(Ecr):
    def parameters(self, aws):
        return {"name": "REGISTRY_POLICY_SCOPE"}

    def check(self, aws, parameters, reply):
        assert (reply["name"], reply["value"]) == ("REGISTRY_POLICY_SCOPE", "V2")

    def invalid(self, aws):
        return Invalid({"name": "COLOUR"}, "ValidationException", r"The account setting 'COLOUR' does not exist; .*")


class PutRegistryScanningConfiguration(Ecr):
    def parameters(self, aws):
        rule = {"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "team/*", "filterType": "WILDCARD"}]}
        return {"scanType": "BASIC", "rules": [rule]}

    def check(self, aws, parameters, reply):
        found = aws.client("ecr").get_registry_scanning_configuration()["scanningConfiguration"]
        assert found == parameters

    def invalid(self, aws):
        return Invalid({"scanType": "ENHANCED"}, "ValidationException", r"Enhanced scanning is not supported by this server.*")


class GetRegistryScanningConfiguration(Ecr):
    can_be_invalid = False

    def parameters(self, aws):
        aws.client("ecr").put_registry_scanning_configuration(scanType="BASIC", rules=[])
        return {}

    def check(self, aws, parameters, reply):
        assert reply["registryId"] == ACCOUNT
        assert reply["scanningConfiguration"] == {"scanType": "BASIC", "rules": []}


class BatchGetRepositoryScanningConfiguration(Ecr):
    def parameters(self, aws):
        filters = [{"filter": "team/*", "filterType": "WILDCARD"}]
        rules = [{"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": filters}]
        aws.client("ecr").put_registry_scanning_configuration(scanType="BASIC", rules=rules)
        return {"repositoryNames": [repository(aws), "absent"]}

    def check(self, aws, parameters, reply):
        [found], [failed] = reply["scanningConfigurations"], reply["failures"]
        assert (found["scanOnPush"], found["scanFrequency"]) == (True, "SCAN_ON_PUSH")
        assert failed["repositoryName"] == "absent" and failed["failureCode"] == "REPOSITORY_NOT_FOUND"

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryNames"][0])

    def invalid(self, aws):
        return Invalid({"repositoryNames": []}, "InvalidParameterException", r".*repositoryNames.*")


class PutLifecyclePolicy(Ecr):
    def parameters(self, aws):
        return {"repositoryName": repository(aws), "lifecyclePolicyText": LIFECYCLE}

    def check(self, aws, parameters, reply):
        found = aws.client("ecr").get_lifecycle_policy(repositoryName=parameters["repositoryName"])
        assert found["lifecyclePolicyText"] == LIFECYCLE

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        broken = {"repositoryName": repository(aws), "lifecyclePolicyText": "{" + " " * 100}
        text = r"Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: .*"
        return Invalid(broken, "InvalidParameterException", text)


class GetLifecyclePolicy(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        aws.client("ecr").put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=LIFECYCLE)
        return {"repositoryName": name}

    def check(self, aws, parameters, reply):
        assert reply["lifecyclePolicyText"] == LIFECYCLE and reply["registryId"] == ACCOUNT

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        text = r"Lifecycle policy does not exist for the repository with name '.*' in the registry with id '.*'"
        return Invalid({"repositoryName": repository(aws)}, "LifecyclePolicyNotFoundException", text)


class DeleteLifecyclePolicy(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        aws.client("ecr").put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=LIFECYCLE)
        return {"repositoryName": name}

    def check(self, aws, parameters, reply):
        assert reply["lifecyclePolicyText"] == LIFECYCLE
        try:
            aws.client("ecr").get_lifecycle_policy(**parameters)
            raise AssertionError("the policy is still there")
        except aws.client("ecr").exceptions.LifecyclePolicyNotFoundException:
            pass

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        return Invalid({"repositoryName": "absent"}, "RepositoryNotFoundException", ABSENT)


class StartLifecyclePolicyPreview(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        image(aws, name, "v1")
        image(aws, name, "v2")
        return {"repositoryName": name, "lifecyclePolicyText": LIFECYCLE}

    def check(self, aws, parameters, reply):
        found = aws.client("ecr").get_lifecycle_policy_preview(repositoryName=parameters["repositoryName"])
        assert (found["status"], found["summary"]["expiringImageTotalCount"]) == ("COMPLETE", 1)
        assert reply["status"] == "IN_PROGRESS"

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        text = r"Lifecycle policy does not exist for the repository with name '.*' in the registry with id '.*'"
        return Invalid({"repositoryName": repository(aws)}, "LifecyclePolicyNotFoundException", text)


class GetLifecyclePolicyPreview(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        image(aws, name, "v1")
        image(aws, name, "v2")
        aws.client("ecr").start_lifecycle_policy_preview(repositoryName=name, lifecyclePolicyText=LIFECYCLE)
        return {"repositoryName": name}

    def check(self, aws, parameters, reply):
        [one] = reply["previewResults"]
        assert (one["action"]["type"], one["appliedRulePriority"]) == ("EXPIRE", 1)
        assert len(aws.client("ecr").list_images(**parameters)["imageIds"]) == 2

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        text = r"Lifecycle policy preview does not exist for the repository with name '.*' in the registry with id '.*'"
        return Invalid({"repositoryName": repository(aws)}, "LifecyclePolicyPreviewNotFoundException", text)


def rule(aws):
    """A pull-through rule; its prefix."""
    prefix = aws.name("pt")
    aws.client("ecr").create_pull_through_cache_rule(ecrRepositoryPrefix=prefix, upstreamRegistryUrl="public.ecr.aws")
    return prefix


def rules(aws):
    pages = aws.client("ecr").get_paginator("describe_pull_through_cache_rules").paginate(PaginationConfig={"PageSize": 2})
    return {one["ecrRepositoryPrefix"]: one for page in pages for one in page["pullThroughCacheRules"]}


NO_RULE = r"A pull through cache rule with the repository prefix 'absent' does not exist in the registry with id '.*'"


class CreatePullThroughCacheRule(Ecr):
    def parameters(self, aws):
        return {"ecrRepositoryPrefix": aws.name("pt"), "upstreamRegistryUrl": "quay.io"}

    def check(self, aws, parameters, reply):
        found = rules(aws)[parameters["ecrRepositoryPrefix"]]
        assert (found["upstreamRegistryUrl"], found["upstreamRegistry"]) == ("quay.io", "quay")

    def invalid(self, aws):
        unknown = {"ecrRepositoryPrefix": aws.name("pt"), "upstreamRegistryUrl": "registry.example.com"}
        return Invalid(unknown, "UnsupportedUpstreamRegistryException", r"The upstream registry 'registry\.example\.com' .*")


class DescribePullThroughCacheRules(Ecr):
    def parameters(self, aws):
        return {"ecrRepositoryPrefixes": [rule(aws)]}

    def check(self, aws, parameters, reply):
        [found] = reply["pullThroughCacheRules"]
        assert found["ecrRepositoryPrefix"] == parameters["ecrRepositoryPrefixes"][0] and found["registryId"] == ACCOUNT

    def invalid(self, aws):
        return Invalid({"ecrRepositoryPrefixes": ["absent"]}, "PullThroughCacheRuleNotFoundException", NO_RULE)


class UpdatePullThroughCacheRule(Ecr):
    def parameters(self, aws):
        secret = f"arn:aws:secretsmanager:{aws.region}:{ACCOUNT}:secret:ecr-pullthroughcache/login-AbCdEf"
        return {"ecrRepositoryPrefix": rule(aws), "credentialArn": secret}

    def check(self, aws, parameters, reply):
        assert rules(aws)[parameters["ecrRepositoryPrefix"]]["credentialArn"] == parameters["credentialArn"]

    def invalid(self, aws):
        return Invalid({"ecrRepositoryPrefix": "absent"}, "PullThroughCacheRuleNotFoundException", NO_RULE)


class ValidatePullThroughCacheRule(Ecr):
    def parameters(self, aws):
        return {"ecrRepositoryPrefix": rule(aws)}

    def check(self, aws, parameters, reply):
        assert reply["isValid"] is False and "was not told to ask" in reply["failure"]

    def invalid(self, aws):
        return Invalid({"ecrRepositoryPrefix": "absent"}, "PullThroughCacheRuleNotFoundException", NO_RULE)


class DeletePullThroughCacheRule(Ecr):
    def parameters(self, aws):
        return {"ecrRepositoryPrefix": rule(aws)}

    def check(self, aws, parameters, reply):
        assert parameters["ecrRepositoryPrefix"] not in rules(aws)

    def invalid(self, aws):
        return Invalid({"ecrRepositoryPrefix": "absent"}, "PullThroughCacheRuleNotFoundException", NO_RULE)


def template(aws, **more):
    """A template of repositories; its prefix."""
    prefix = aws.name("made")
    aws.client("ecr").create_repository_creation_template(prefix=prefix, appliedFor=["CREATE_ON_PUSH"], **more)
    return prefix


def templates(aws, *prefixes):
    found = aws.client("ecr").describe_repository_creation_templates(prefixes=list(prefixes))
    return found["repositoryCreationTemplates"]


NO_TEMPLATE = r"The repository creation template with prefix 'absent' does not exist in the registry with id '.*'"


class CreateRepositoryCreationTemplate(Ecr):
    def parameters(self, aws):
        return {"prefix": aws.name("made"), "appliedFor": ["CREATE_ON_PUSH"], "imageTagMutability": "IMMUTABLE"}

    def check(self, aws, parameters, reply):
        [found] = templates(aws, parameters["prefix"])
        assert (found["imageTagMutability"], found["appliedFor"]) == ("IMMUTABLE", ["CREATE_ON_PUSH"])
        name = parameters["prefix"] + "/app"
        aws.client("ecr").initiate_layer_upload(repositoryName=name)
        [made] = aws.client("ecr").describe_repositories(repositoryNames=[name])["repositories"]
        assert made["imageTagMutability"] == "IMMUTABLE"

    def invalid(self, aws):
        again = {"prefix": template(aws), "appliedFor": ["CREATE_ON_PUSH"]}
        text = r"A repository creation template with prefix '.*' already exists in the registry with id '.*'"
        return Invalid(again, "TemplateAlreadyExistsException", text)


class UpdateRepositoryCreationTemplate(Ecr):
    def parameters(self, aws):
        return {"prefix": template(aws), "description": "changed", "lifecyclePolicy": LIFECYCLE}

    def check(self, aws, parameters, reply):
        [found] = templates(aws, parameters["prefix"])
        assert (found["description"], found["lifecyclePolicy"]) == ("changed", LIFECYCLE)
        assert found["appliedFor"] == ["CREATE_ON_PUSH"]

    def invalid(self, aws):
        return Invalid({"prefix": "absent"}, "TemplateNotFoundException", NO_TEMPLATE)


class DescribeRepositoryCreationTemplates(Ecr):
    def parameters(self, aws):
        return {"prefixes": [template(aws, description="d")]}

    def check(self, aws, parameters, reply):
        [found] = reply["repositoryCreationTemplates"]
        assert (found["prefix"], found["description"]) == (parameters["prefixes"][0], "d")

    def invalid(self, aws):
        return Invalid({"nextToken": "%"}, "InvalidParameterException", r"The next token is not valid")


class DeleteRepositoryCreationTemplate(Ecr):
    def parameters(self, aws):
        return {"prefix": template(aws)}

    def check(self, aws, parameters, reply):
        assert templates(aws, parameters["prefix"]) == []

    def invalid(self, aws):
        return Invalid({"prefix": "absent"}, "TemplateNotFoundException", NO_TEMPLATE)
