"""What a call needs beside its own action, and how each kind of policy is named in refusals (ecs.md 15, R113-R173)."""

import json

import pytest

from account import statement, tags
from cases.sts import trust_account
from errors import denied, refused


def caller(aws, *policies, **more):
    return aws.as_user(aws.user(*policies, **more))


def allow(*pairs):
    """A policy of one statement for each (action, resource)."""
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in pairs]
    return {"Version": "2012-10-17", "Statement": statements}


def test_tags_on_run_task_need_tag_resource_on_the_clusters_tasks(aws):
    tagger = caller(aws, statement("ecs:RunTask"))
    definition = aws.task_definition()
    request = {"cluster": aws.busy_cluster, "taskDefinition": definition, "tags": tags("ecs", Team="blue")}
    with denied("ecs", tagger.arn, "ecs:TagResource", aws.ecs_arn(f"task/{aws.busy_cluster}/*")):
        tagger.ecs.run_task(**request)


def test_tags_on_create_cluster_need_tag_resource_for_just_that_action(aws):
    name = aws.name("cluster")
    request = {"clusterName": name, "tags": tags("ecs", Team="blue")}
    creator = caller(aws, statement("ecs:CreateCluster"))
    with denied("ecs", creator.arn, "ecs:TagResource", aws.ecs_arn(f"cluster/{name}")):
        creator.ecs.create_cluster(**request)
    on_create = statement("ecs:TagResource", Condition={"StringEquals": {"ecs:CreateAction": "CreateCluster"}})
    tagger = caller(aws, statement("ecs:CreateCluster"), on_create)
    arn = tagger.ecs.create_cluster(**request)["cluster"]["clusterArn"]
    with denied("ecs", tagger.arn, "ecs:TagResource", arn):
        tagger.ecs.tag_resource(resourceArn=arn, tags=tags("ecs", Team="red"))


def test_request_tags_and_their_keys_can_be_demanded(aws):
    demanded = {
        "StringEquals": {"aws:RequestTag/Department": "QA"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["Department"]},
    }
    creator = caller(aws, statement(["ecs:CreateCluster", "ecs:TagResource"], Condition=demanded))
    creator.ecs.create_cluster(clusterName=aws.name("cluster"), tags=tags("ecs", Department="QA"))
    for wrong in [{}, {"Department": "Ops"}, {"Department": "QA", "More": "x"}]:
        name = aws.name("cluster")
        with denied("ecs", creator.arn, "ecs:CreateCluster", aws.ecs_arn(f"cluster/{name}")):
            creator.ecs.create_cluster(clusterName=name, tags=tags("ecs", **wrong))
        assert aws.ecs.describe_clusters(clusters=[name])["clusters"] == []


@pytest.mark.parametrize("prefix", ["aws", "ecs"])
def test_a_condition_on_the_tag_of_the_resource(aws, prefix):
    mine = {"StringEquals": {f"{prefix}:ResourceTag/Owner": "${aws:username}"}}
    name = aws.user(statement("ecs:DescribeClusters", Condition=mine))
    owner = aws.as_user(name)
    own, others = aws.cluster(tags=tags("ecs", Owner=name)), aws.cluster(tags=tags("ecs", Owner="somebody"))
    assert len(owner.ecs.describe_clusters(clusters=[own])["clusters"]) == 1
    with denied("ecs", owner.arn, "ecs:DescribeClusters", aws.ecs_arn(f"cluster/{others}")):
        owner.ecs.describe_clusters(clusters=[own, others])


def test_what_is_not_there_is_refused_like_what_is(aws):
    existing = aws.cluster()
    stranger = caller(aws)
    for name in (existing, "no-such-cluster"):
        with denied("ecs", stranger.arn, "ecs:DeleteCluster", aws.ecs_arn(f"cluster/{name}")):
            stranger.ecs.delete_cluster(cluster=name)


def test_a_family_is_resolved_to_its_latest_revision_before_the_decision(aws):
    assert aws.busy_instance
    family = aws.name("family")
    first = aws.task_definition(family)
    runner = caller(aws, allow(("ecs:RunTask", first)))
    assert runner.ecs.run_task(cluster=aws.busy_cluster, taskDefinition=family)["tasks"]
    second = aws.task_definition(family)
    with denied("ecs", runner.arn, "ecs:RunTask", second):
        runner.ecs.run_task(cluster=aws.busy_cluster, taskDefinition=family)


def test_roles_in_overrides_need_pass_role_too(aws):
    assert aws.busy_instance
    role = aws.role_arn(aws.role())
    runner = caller(aws, statement("ecs:RunTask"))
    request = {"cluster": aws.busy_cluster, "taskDefinition": aws.task_definition(), "overrides": {"taskRoleArn": role}}
    with denied("ecs", runner.arn, "iam:PassRole", role):
        runner.ecs.run_task(**request)


def test_pass_role_is_for_one_service(aws):
    role = aws.role_arn(aws.role())
    for service, allowed in [("ecs-tasks.amazonaws.com", True), ("ec2.amazonaws.com", False)]:
        passing = statement("iam:PassRole", role, Condition={"StringEquals": {"iam:PassedToService": service}})
        registrar = caller(aws, statement("ecs:RegisterTaskDefinition"), passing)
        request = {"family": aws.name("family"), "taskRoleArn": role}
        request["containerDefinitions"] = [{"name": "c", "image": "busybox", "memory": 16}]
        if allowed:
            registrar.ecs.register_task_definition(**request)
            continue
        with denied("ecs", registrar.arn, "iam:PassRole", role):
            registrar.ecs.register_task_definition(**request)


def test_a_boundary_limits_and_is_named(aws):
    boundary = aws.policy(statement("iam:*"))
    limited = caller(aws, statement("*"), PermissionsBoundary=boundary)
    limited.iam.list_users()
    reason = "because no permissions boundary allows the ecs:ListClusters action"
    with denied("ecs", limited.arn, "ecs:ListClusters", "*", reason):
        limited.ecs.list_clusters()


def test_a_session_policy_limits_and_is_named(aws):
    role = aws.role(statement("ecs:*"), trust=trust_account())
    whole = aws.assume(aws.role_arn(role))
    whole.ecs.list_clusters()
    part = aws.assume(aws.role_arn(role), Policy=json.dumps(statement("ecs:DescribeClusters")))
    reason = "because no session policy allows the ecs:ListClusters action"
    with denied("ecs", part.arn, "ecs:ListClusters", "*", reason):
        part.ecs.list_clusters()


def test_a_trust_policy_decides_who_may_assume(aws):
    role = aws.role_arn(aws.role())  # trusts ecs-tasks.amazonaws.com and nobody else
    with refused(
        "AccessDenied", rf"User: {aws.arn} is not authorized to perform: sts:AssumeRole on resource: {role}.*"
    ):
        aws.assume(role)


def test_session_tags_are_principal_tags(aws):
    condition = {"StringEquals": {"aws:PrincipalTag/Team": "blue"}}
    role = aws.role(statement("ecs:ListClusters", Condition=condition), trust=trust_account())
    blue = aws.assume(aws.role_arn(role), Tags=[{"Key": "Team", "Value": "blue"}])
    blue.ecs.list_clusters()
    plain = aws.assume(aws.role_arn(role))
    with denied("ecs", plain.arn, "ecs:ListClusters", "*"):
        plain.ecs.list_clusters()


def test_a_session_without_mfa_may_not_call_iam(aws):
    session = aws.with_credentials(aws.sts.get_session_token()["Credentials"])
    session.ecs.list_clusters()
    with refused("InvalidClientTokenId|AccessDenied"):
        session.iam.list_users()


def test_groups_permissions_are_their_members_until_they_leave(aws):
    name, group = aws.user(), aws.group()
    member = aws.as_user(name)
    allowed = json.dumps(statement("ecs:ListClusters"))
    aws.iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=allowed)
    aws.iam.add_user_to_group(GroupName=group, UserName=name)
    member.ecs.list_clusters()
    aws.iam.remove_user_from_group(GroupName=group, UserName=name)
    with denied("ecs", member.arn, "ecs:ListClusters", "*"):
        member.ecs.list_clusters()
