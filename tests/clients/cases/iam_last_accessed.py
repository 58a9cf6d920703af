"""Access Advisor: reports of what was granted and used, and which policies grant."""

import uuid

from account import ALLOW_LISTING, statement
from case import Iam, Invalid

ALLOW_ECS_AND_S3 = statement(["ecs:ListClusters", "ecs:ListTasks", "s3:GetObject"], "*")


def report(aws, arn, **more):
    return aws.iam.generate_service_last_accessed_details(Arn=arn, **more)["JobId"]


def unknown_job(**more):
    job = str(uuid.uuid4())
    return Invalid({"JobId": job, **more}, "NoSuchEntity", f"The job with id {job} cannot be found\\.")


class GenerateServiceLastAccessedDetails(Iam):
    def parameters(self, aws):
        return {"Arn": aws.policy(), "Granularity": "ACTION_LEVEL"}

    def check(self, aws, parameters, reply):
        found = aws.iam.get_service_last_accessed_details(JobId=reply["JobId"])
        assert (found["JobStatus"], found["JobType"]) == ("COMPLETED", "ACTION_LEVEL")
        assert [service["ServiceNamespace"] for service in found["ServicesLastAccessed"]] == ["ecs"]

    def resource(self, aws, parameters):
        return parameters["Arn"]

    def invalid(self, aws):
        message = r"The role with name nobody-of-this-name cannot be found\."
        return Invalid({"Arn": aws.role_arn("nobody-of-this-name")}, "NoSuchEntity", message)


class GetServiceLastAccessedDetails(Iam):
    def parameters(self, aws):
        self.user = aws.user(ALLOW_ECS_AND_S3)
        aws.as_user(self.user).ecs.list_clusters()
        return {"JobId": report(aws, aws.iam_arn(f"user/{self.user}"), Granularity="ACTION_LEVEL")}

    def check(self, aws, parameters, reply):
        assert reply["JobStatus"] == "COMPLETED"
        ecs, s3 = reply["ServicesLastAccessed"]
        assert (ecs["ServiceName"], ecs["ServiceNamespace"]) == ("Amazon Elastic Container Service", "ecs")
        assert ecs["LastAuthenticatedEntity"] == aws.iam_arn(f"user/{self.user}")
        assert (ecs["LastAuthenticatedRegion"], ecs["TotalAuthenticatedEntities"]) == (aws.region, 1)
        clusters, tasks = ecs["TrackedActionsLastAccessed"]
        assert (clusters["ActionName"], tasks["ActionName"]) == ("ListClusters", "ListTasks")
        assert "LastAccessedTime" in clusters and "LastAccessedTime" not in tasks
        assert s3["ServiceNamespace"] == "s3" and "LastAuthenticated" not in s3

    def invalid(self, aws):
        return unknown_job()


class GetServiceLastAccessedDetailsWithEntities(Iam):
    def parameters(self, aws):
        group = aws.group()
        self.users = [aws.user(), aws.user()]
        policy = aws.policy()
        aws.iam.attach_group_policy(GroupName=group, PolicyArn=policy)
        for name in self.users:
            aws.iam.add_user_to_group(GroupName=group, UserName=name)
        aws.as_user(self.users[1]).ecs.list_clusters()
        return {"JobId": report(aws, policy), "ServiceNamespace": "ecs"}

    def check(self, aws, parameters, reply):
        assert reply["JobStatus"] == "COMPLETED"
        used, unused = reply["EntityDetailsList"]
        assert [used["EntityInfo"]["Name"], unused["EntityInfo"]["Name"]] == self.users[::-1]
        assert used["EntityInfo"]["Type"] == "USER" and used["EntityInfo"]["Id"].startswith("AIDA")
        assert "LastAuthenticated" in used and "LastAuthenticated" not in unused

    def invalid(self, aws):
        return unknown_job(ServiceNamespace="ecs")


class ListPoliciesGrantingServiceAccess(Iam):
    def parameters(self, aws):
        self.user, self.policy = aws.user(ALLOW_LISTING), aws.policy()
        aws.iam.attach_user_policy(UserName=self.user, PolicyArn=self.policy)
        return {"Arn": aws.iam_arn(f"user/{self.user}"), "ServiceNamespaces": ["s3", "ecs"]}

    def check(self, aws, parameters, reply):
        s3, ecs = reply["PoliciesGrantingServiceAccess"]
        assert (s3["ServiceNamespace"], s3["Policies"]) == ("s3", [])
        managed, inline = ecs["Policies"]
        assert (managed["PolicyType"], managed["PolicyArn"]) == ("MANAGED", self.policy)
        expected = {"PolicyName": "p0", "PolicyType": "INLINE", "EntityType": "USER", "EntityName": self.user}
        assert inline == expected

    def resource(self, aws, parameters):
        return parameters["Arn"]

    def invalid(self, aws):
        message = r"The user with name nobody-of-this-name cannot be found\."
        arn = aws.iam_arn("user/nobody-of-this-name")
        return Invalid({"Arn": arn, "ServiceNamespaces": ["ecs"]}, "NoSuchEntity", message)
