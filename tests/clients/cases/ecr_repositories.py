"""Repositories of ECR: made, shown, removed; their tags and policies."""

import json

from account import ACCOUNT
from case import Ecr, Invalid
from images import arn, image, repository

ABSENT = rf"The repository with name 'absent' does not exist in the registry with id '{ACCOUNT}'"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Pull",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        }
    ],
}


def shown(aws, name):
    [found] = aws.client("ecr").describe_repositories(repositoryNames=[name])["repositories"]
    return found


class CreateRepository(Ecr):
    def parameters(self, aws):
        return {
            "repositoryName": aws.name("team/new"),
            "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "latest"}],
            "imageScanningConfiguration": {"scanOnPush": True},
            "tags": [{"Key": "k", "Value": "v"}],
        }

    def check(self, aws, parameters, reply):
        name = parameters["repositoryName"]
        found = shown(aws, name)
        assert found["repositoryArn"] == arn(aws, name) and found["registryId"] == ACCOUNT
        assert found["repositoryUri"] == f"{ACCOUNT}.dkr.ecr.{aws.region}.amazonaws.com/{name}"
        assert found["imageTagMutability"] == parameters["imageTagMutability"]
        assert found["imageTagMutabilityExclusionFilters"] == parameters["imageTagMutabilityExclusionFilters"]
        assert found["imageScanningConfiguration"] == {"scanOnPush": True}
        assert found["encryptionConfiguration"] == {"encryptionType": "AES256"}
        tags = aws.client("ecr").list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]
        assert tags == parameters["tags"]

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        name = repository(aws)
        text = rf"The repository with name '{name}' already exists in the registry with id '{ACCOUNT}'"
        return Invalid({"repositoryName": name}, "RepositoryAlreadyExistsException", text)


class DescribeRepositories(Ecr):
    def parameters(self, aws):
        return {"repositoryNames": [repository(aws)]}

    def check(self, aws, parameters, reply):
        assert [one["repositoryName"] for one in reply["repositories"]] == parameters["repositoryNames"]
        pages = aws.client("ecr").get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 3})
        names = [one["repositoryName"] for page in pages for one in page["repositories"]]
        assert parameters["repositoryNames"][0] in names and names == sorted(set(names))

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryNames"][0])

    def invalid(self, aws):
        return Invalid({"repositoryNames": ["absent"]}, "RepositoryNotFoundException", ABSENT)


class DeleteRepository(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        image(aws, name, "v1")
        return {"repositoryName": name, "force": True}

    def check(self, aws, parameters, reply):
        assert reply["repository"]["repositoryName"] == parameters["repositoryName"]
        pages = aws.client("ecr").get_paginator("describe_repositories").paginate()
        assert parameters["repositoryName"] not in [one["repositoryName"] for page in pages for one in page["repositories"]]

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        name = repository(aws)
        image(aws, name)
        text = rf"The repository with name '{name}' in registry with id '{ACCOUNT}' cannot be deleted because it still contains images"
        return Invalid({"repositoryName": name}, "RepositoryNotEmptyException", text)


class PutImageTagMutability(Ecr):
    def parameters(self, aws):
        return {"repositoryName": repository(aws), "imageTagMutability": "IMMUTABLE"}

    def check(self, aws, parameters, reply):
        assert shown(aws, parameters["repositoryName"])["imageTagMutability"] == "IMMUTABLE"

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        bare = {"repositoryName": repository(aws), "imageTagMutability": "MUTABLE_WITH_EXCLUSION"}
        return Invalid(bare, "InvalidParameterException", r"Invalid parameter at 'imageTagMutabilityExclusionFilters' .*")


class PutImageScanningConfiguration(Ecr):
    def parameters(self, aws):
        return {"repositoryName": repository(aws), "imageScanningConfiguration": {"scanOnPush": True}}

    def check(self, aws, parameters, reply):
        assert shown(aws, parameters["repositoryName"])["imageScanningConfiguration"] == {"scanOnPush": True}

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        absent = {"repositoryName": "absent", "imageScanningConfiguration": {"scanOnPush": True}}
        return Invalid(absent, "RepositoryNotFoundException", ABSENT)


class TagResource(Ecr):
    def parameters(self, aws):
        return {"resourceArn": arn(aws, repository(aws)), "tags": [{"Key": "rack", "Value": "7"}]}

    def check(self, aws, parameters, reply):
        tags = aws.client("ecr").list_tags_for_resource(resourceArn=parameters["resourceArn"])["tags"]
        assert tags == parameters["tags"]

    def resource(self, aws, parameters):
        return parameters["resourceArn"]

    def invalid(self, aws):
        reserved = {"resourceArn": arn(aws, repository(aws)), "tags": [{"Key": "aws:rack", "Value": "7"}]}
        return Invalid(reserved, "InvalidTagParameterException", r"Tag keys that start with aws: .*")


class UntagResource(Ecr):
    def parameters(self, aws):
        name = repository(aws, tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        return {"resourceArn": arn(aws, name), "tagKeys": ["a"]}

    def check(self, aws, parameters, reply):
        tags = aws.client("ecr").list_tags_for_resource(resourceArn=parameters["resourceArn"])["tags"]
        assert tags == [{"Key": "b", "Value": "2"}]

    def resource(self, aws, parameters):
        return parameters["resourceArn"]

    def invalid(self, aws):
        return Invalid({"resourceArn": arn(aws, "absent"), "tagKeys": ["a"]}, "RepositoryNotFoundException", ABSENT)


class ListTagsForResource(Ecr):
    def parameters(self, aws):
        return {"resourceArn": arn(aws, repository(aws, tags=[{"Key": "a", "Value": "1"}]))}

    def check(self, aws, parameters, reply):
        assert reply["tags"] == [{"Key": "a", "Value": "1"}]

    def resource(self, aws, parameters):
        return parameters["resourceArn"]

    def invalid(self, aws):
        text = r"Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN: .*"
        return Invalid({"resourceArn": "arn:aws:ecr:us-east-1"}, "InvalidParameterException", text)


class SetRepositoryPolicy(Ecr):
    def parameters(self, aws):
        return {"repositoryName": repository(aws), "policyText": json.dumps(POLICY)}

    def check(self, aws, parameters, reply):
        found = aws.client("ecr").get_repository_policy(repositoryName=parameters["repositoryName"])
        assert json.loads(found["policyText"]) == POLICY

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        broken = {"repositoryName": repository(aws), "policyText": "{}"}
        text = r"Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided.*"
        return Invalid(broken, "InvalidParameterException", text)


class GetRepositoryPolicy(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        aws.client("ecr").set_repository_policy(repositoryName=name, policyText=json.dumps(POLICY))
        return {"repositoryName": name}

    def check(self, aws, parameters, reply):
        assert json.loads(reply["policyText"]) == POLICY and reply["registryId"] == ACCOUNT

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        text = r"Repository policy does not exist for the repository with name '.*' in the registry with id '.*'"
        return Invalid({"repositoryName": repository(aws)}, "RepositoryPolicyNotFoundException", text)


class DeleteRepositoryPolicy(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        aws.client("ecr").set_repository_policy(repositoryName=name, policyText=json.dumps(POLICY))
        return {"repositoryName": name}

    def check(self, aws, parameters, reply):
        assert json.loads(reply["policyText"]) == POLICY
        again = aws.client("ecr").exceptions.RepositoryPolicyNotFoundException
        try:
            aws.client("ecr").get_repository_policy(**parameters)
            raise AssertionError("the policy is still there")
        except again:
            pass

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        return Invalid({"repositoryName": "absent"}, "RepositoryNotFoundException", ABSENT)
