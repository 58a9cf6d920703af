"""Tags of ECS resources (ecs.md 6)."""

from account import tags
from case import Ecs, Invalid

BEFORE = tags("ecs", Department="QA", Stage="beta")


def of(aws, arn):
    found = aws.ecs.list_tags_for_resource(resourceArn=arn)["tags"]
    return {tag["key"]: tag["value"] for tag in found}


class OnTheResource:
    def arn(self, aws):
        return aws.ecs_arn(f"cluster/{aws.cluster(tags=BEFORE)}")

    def resource(self, aws, parameters):
        return parameters["resourceArn"]


class TagResource(OnTheResource, Ecs):
    def parameters(self, aws):
        return {"resourceArn": self.arn(aws), "tags": tags("ecs", Stage="live", Owner="richard-roe")}

    def check(self, aws, parameters, reply):
        found = of(aws, parameters["resourceArn"])
        assert found == {"Department": "QA", "Stage": "live", "Owner": "richard-roe"}

    def invalid(self, aws):
        reserved = [{"key": "aws:mine", "value": "x"}]
        return Invalid({"resourceArn": self.arn(aws), "tags": reserved}, "InvalidParameterException", r".*")


class UntagResource(OnTheResource, Ecs):
    def parameters(self, aws):
        return {"resourceArn": self.arn(aws), "tagKeys": ["Stage", "Absent"]}

    def check(self, aws, parameters, reply):
        assert of(aws, parameters["resourceArn"]) == {"Department": "QA"}

    def invalid(self, aws):
        lost = aws.ecs_arn("cluster/no-such-cluster")
        return Invalid({"resourceArn": lost, "tagKeys": ["a"]}, "ClusterNotFoundException", r"Cluster not found\.")


class ListTagsForResource(OnTheResource, Ecs):
    def parameters(self, aws):
        return {"resourceArn": self.arn(aws)}

    def check(self, aws, parameters, reply):
        assert reply["tags"] == BEFORE

    def invalid(self, aws):
        lost = aws.ecs_arn("cluster/no-such-cluster")
        return Invalid({"resourceArn": lost}, "ClusterNotFoundException", r"Cluster not found\.")
