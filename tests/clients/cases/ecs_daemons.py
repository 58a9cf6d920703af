"""Daemons: one task on each instance of their capacity providers. Here is none: deployments end at once."""

from account import tags
from case import Ecs, Invalid
from cases.ecs_capacity_providers import made
from cases.ecs_daemon_definitions import daemon_task_definition


def creation(aws):
    """What CreateDaemon takes, with a cluster that has the provider."""
    cluster, provider = aws.cluster(), made(aws)
    aws.ecs.put_cluster_capacity_providers(
        cluster=cluster, capacityProviders=[provider], defaultCapacityProviderStrategy=[]
    )
    return {
        "clusterArn": aws.ecs_arn(f"cluster/{cluster}"),
        "daemonName": aws.name("daemon"),
        "daemonTaskDefinitionArn": daemon_task_definition(aws),
        "capacityProviderArns": [aws.ecs_arn(f"capacity-provider/{provider}")],
    }


def daemon(aws):
    return aws.ecs.create_daemon(**creation(aws))


def own_arn(aws, parameters):
    cluster = parameters["clusterArn"].split("/")[1]
    return aws.ecs_arn(f"daemon/{cluster}/{parameters['daemonName']}")


def done(aws, deployment):
    aws.ecs.get_waiter("daemon_deployment_successful").wait(daemonDeploymentArns=[deployment])


def no_such_daemon(aws, **more):
    cluster = aws.cluster()
    return Invalid(
        {"daemonArn": aws.ecs_arn(f"daemon/{cluster}/none"), **more},
        "DaemonNotFoundException",
        r"Daemon not found\.",
    )


class CreateDaemon(Ecs):
    def parameters(self, aws):
        return {**creation(aws), "tags": tags("ecs", Owner="richard-roe"), "propagateTags": "DAEMON"}

    def check(self, aws, parameters, reply):
        arn = reply["daemonArn"]
        assert arn == own_arn(aws, parameters)
        aws.ecs.get_waiter("daemon_active").wait(daemonArn=arn)
        done(aws, reply["deploymentArn"])
        assert aws.ecs.list_tags_for_resource(resourceArn=arn)["tags"] == parameters["tags"]

    def resource(self, aws, parameters):
        return own_arn(aws, parameters)

    def invalid(self, aws):
        parameters = {**creation(aws), "clusterArn": aws.ecs_arn("cluster/no-such-cluster")}
        return Invalid(parameters, "ClusterNotFoundException", r"Cluster not found\.")


class DescribeDaemon(Ecs):
    def parameters(self, aws):
        made_daemon = daemon(aws)
        self.deployment = made_daemon["deploymentArn"]
        return {"daemonArn": made_daemon["daemonArn"]}

    def check(self, aws, parameters, reply):
        found = reply["daemon"]
        assert (found["status"], found["deploymentArn"]) == ("ACTIVE", self.deployment)
        (revision,) = found["currentRevisions"]
        assert revision["totalRunningCount"] == 0

    def resource(self, aws, parameters):
        return parameters["daemonArn"]

    def invalid(self, aws):
        return no_such_daemon(aws)


class ListDaemons(Ecs):
    def parameters(self, aws):
        self.daemon = daemon(aws)["daemonArn"]
        return {"clusterArn": aws.ecs_arn(f"cluster/{self.daemon.split('/')[1]}")}

    def check(self, aws, parameters, reply):
        (found,) = reply["daemonSummariesList"]
        assert (found["daemonArn"], found["status"]) == (self.daemon, "ACTIVE")

    def invalid(self, aws):
        parameters = {"clusterArn": aws.ecs_arn("cluster/no-such-cluster")}
        return Invalid(parameters, "ClusterNotFoundException", r"Cluster not found\.")


class UpdateDaemon(Ecs):
    def parameters(self, aws):
        parameters = creation(aws)
        arn = aws.ecs.create_daemon(**parameters)["daemonArn"]
        return {
            "daemonArn": arn,
            "daemonTaskDefinitionArn": daemon_task_definition(aws),
            "capacityProviderArns": parameters["capacityProviderArns"],
            "deploymentConfiguration": {"drainPercent": 50.0},
        }

    def check(self, aws, parameters, reply):
        done(aws, reply["deploymentArn"])
        found = aws.ecs.describe_daemon(daemonArn=parameters["daemonArn"])["daemon"]
        (revision,) = [one["arn"] for one in found["currentRevisions"]]
        (found,) = aws.ecs.describe_daemon_revisions(daemonRevisionArns=[revision])["daemonRevisions"]
        assert found["daemonTaskDefinitionArn"] == parameters["daemonTaskDefinitionArn"]

    def resource(self, aws, parameters):
        return parameters["daemonArn"]

    def invalid(self, aws):
        parameters = creation(aws)
        return no_such_daemon(
            aws,
            daemonTaskDefinitionArn=parameters["daemonTaskDefinitionArn"],
            capacityProviderArns=parameters["capacityProviderArns"],
        )


class DeleteDaemon(Ecs):
    def parameters(self, aws):
        return {"daemonArn": daemon(aws)["daemonArn"]}

    def check(self, aws, parameters, reply):
        assert reply["status"] == "DELETE_IN_PROGRESS"
        done(aws, reply["deploymentArn"])
        cluster = parameters["daemonArn"].split("/")[1]
        assert aws.ecs.list_daemons(clusterArn=aws.ecs_arn(f"cluster/{cluster}"))["daemonSummariesList"] == []

    def resource(self, aws, parameters):
        return parameters["daemonArn"]

    def invalid(self, aws):
        return no_such_daemon(aws)


class ListDaemonDeployments(Ecs):
    def parameters(self, aws):
        made_daemon = daemon(aws)
        self.deployment = made_daemon["deploymentArn"]
        return {"daemonArn": made_daemon["daemonArn"]}

    def check(self, aws, parameters, reply):
        (found,) = reply["daemonDeployments"]
        assert found["daemonDeploymentArn"] == self.deployment
        assert found["daemonArn"] == parameters["daemonArn"]

    def resource(self, aws, parameters):
        return parameters["daemonArn"]

    def invalid(self, aws):
        return no_such_daemon(aws)


class DescribeDaemonDeployments(Ecs):
    def parameters(self, aws):
        made_daemon = daemon(aws)
        self.daemon = made_daemon["daemonArn"]
        return {"daemonDeploymentArns": [made_daemon["deploymentArn"]]}

    def check(self, aws, parameters, reply):
        (found,) = reply["daemonDeployments"]
        assert found["daemonDeploymentArn"] == parameters["daemonDeploymentArns"][0]
        assert found["deploymentConfiguration"]["drainPercent"] == 25.0

    def resource(self, aws, parameters):
        return self.daemon

    def invalid(self, aws):
        message = r"daemonDeploymentArns can not be empty\."
        return Invalid({"daemonDeploymentArns": []}, "InvalidParameterException", message)


class DescribeDaemonRevisions(Ecs):
    def parameters(self, aws):
        self.daemon = daemon(aws)["daemonArn"]
        found = aws.ecs.describe_daemon(daemonArn=self.daemon)["daemon"]
        return {"daemonRevisionArns": [found["currentRevisions"][0]["arn"]]}

    def check(self, aws, parameters, reply):
        (found,) = reply["daemonRevisions"]
        assert found["daemonArn"] == self.daemon

    def resource(self, aws, parameters):
        return self.daemon

    def invalid(self, aws):
        message = r"daemonRevisionArns can not be empty\."
        return Invalid({"daemonRevisionArns": []}, "InvalidParameterException", message)
