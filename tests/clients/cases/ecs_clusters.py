"""Clusters (ecs.md 2)."""

from account import tags
from case import Ecs, Invalid

BAD_NAME = {"clusterName": "no spaces!"}


def described(aws, name, include=()):
    return aws.ecs.describe_clusters(clusters=[name], include=list(include))["clusters"][0]


class OnOneCluster:
    """Calls authorised on the cluster they name."""

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"cluster/{parameters['cluster']}")

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "cluster": "no-such-cluster"}
        return Invalid(parameters, "ClusterNotFoundException", r"Cluster not found\.")


class CreateCluster(Ecs):
    def parameters(self, aws):
        return {"clusterName": aws.name("cluster"), "tags": tags("ecs", Department="QA")}

    def check(self, aws, parameters, reply):
        name = parameters["clusterName"]
        assert reply["cluster"]["clusterArn"] == aws.ecs_arn(f"cluster/{name}")
        found = described(aws, name, ["TAGS", "SETTINGS"])
        assert found["status"] == "ACTIVE"
        assert found["tags"] == parameters["tags"]
        assert found["settings"] == [{"name": "containerInsights", "value": "disabled"}]
        again = aws.ecs.create_cluster(clusterName=name)["cluster"]
        assert again["clusterArn"] == found["clusterArn"]

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"cluster/{parameters['clusterName']}")

    def invalid(self, aws):
        return Invalid(BAD_NAME, "InvalidParameterException", r".*[Cc]luster.*")


class DescribeClusters(Ecs):
    def parameters(self, aws):
        return {"clusters": [aws.cluster(), "no-such-cluster"], "include": ["STATISTICS"]}

    def check(self, aws, parameters, reply):
        (found,) = reply["clusters"]
        assert found["clusterName"] == parameters["clusters"][0]
        assert {"name": "runningEC2TasksCount", "value": "0"} in found["statistics"]
        assert reply["failures"] == [{"arn": aws.ecs_arn("cluster/no-such-cluster"), "reason": "MISSING"}]

    def resource(self, aws, parameters):
        return aws.ecs_arn(f"cluster/{parameters['clusters'][0]}")

    def invalid(self, aws):
        return Invalid({"include": ["EVERYTHING"]}, "InvalidParameterException", r".*")


class ListClusters(Ecs):
    def parameters(self, aws):
        aws.cluster(), aws.cluster()
        return {}

    def check(self, aws, parameters, reply):
        arns = reply["clusterArns"]
        assert len(arns) >= 2
        pages = aws.ecs.get_paginator("list_clusters").paginate(PaginationConfig={"PageSize": 1})
        paged = [arn for page in pages for arn in page["clusterArns"]]
        assert len(paged) == len(set(paged)) and set(arns) <= set(paged)

    def invalid(self, aws):
        return Invalid({"nextToken": "not-a-token"}, "InvalidParameterException", r"Invalid token\.")


class UpdateCluster(OnOneCluster, Ecs):
    def parameters(self, aws):
        settings = [{"name": "containerInsights", "value": "enabled"}]
        return {"cluster": aws.cluster(), "settings": settings}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["cluster"], ["SETTINGS"])["settings"] == parameters["settings"]


class UpdateClusterSettings(OnOneCluster, Ecs):
    def parameters(self, aws):
        settings = [{"name": "containerInsights", "value": "enhanced"}]
        return {"cluster": aws.cluster(), "settings": settings}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["cluster"], ["SETTINGS"])["settings"] == parameters["settings"]


class PutClusterCapacityProviders(OnOneCluster, Ecs):
    def parameters(self, aws):
        strategy = [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}]
        return {
            "cluster": aws.cluster(),
            "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
            "defaultCapacityProviderStrategy": strategy,
        }

    def check(self, aws, parameters, reply):
        found = described(aws, parameters["cluster"])
        assert sorted(found["capacityProviders"]) == parameters["capacityProviders"]
        assert found["defaultCapacityProviderStrategy"] == parameters["defaultCapacityProviderStrategy"]


class DeleteCluster(OnOneCluster, Ecs):
    def parameters(self, aws):
        return {"cluster": aws.cluster()}

    def check(self, aws, parameters, reply):
        name = parameters["cluster"]
        assert reply["cluster"]["status"] == "INACTIVE"
        assert described(aws, name)["status"] == "INACTIVE"
        listed = aws.ecs.get_paginator("list_clusters").paginate().build_full_result()["clusterArns"]
        assert aws.ecs_arn(f"cluster/{name}") not in listed
