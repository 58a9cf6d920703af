"""What the mission's own policies give people, and that tools which keep identities as code find what they wrote."""

import json

import pytest
from botocore.exceptions import ClientError

from account import ACCOUNT, statement
from errors import denied, refused

#: The mission's policy: a user looks at itself, and finds its way in the console.
VIEW_OWN_USER_INFO = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "ViewOwnUserInfo",
            "Effect": "Allow",
            "Action": [
                "iam:GetUserPolicy",
                "iam:ListGroupsForUser",
                "iam:ListAttachedUserPolicies",
                "iam:ListUserPolicies",
                "iam:GetUser",
            ],
            "Resource": ["arn:aws:iam::*:user/${aws:username}"],
        },
        {
            "Sid": "NavigateInConsole",
            "Effect": "Allow",
            "Action": [
                "iam:GetGroupPolicy",
                "iam:GetPolicyVersion",
                "iam:GetPolicy",
                "iam:ListAttachedGroupPolicies",
                "iam:ListGroupPolicies",
                "iam:ListPolicyVersions",
                "iam:ListPolicies",
                "iam:ListUsers",
            ],
            "Resource": "*",
        },
    ],
}


def test_a_user_views_his_own_permissions_and_nobody_elses(aws):
    group, policy = aws.group(), aws.policy()
    aws.iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=json.dumps(statement("ecs:*")))
    aws.iam.attach_group_policy(GroupName=group, PolicyArn=policy)
    own, other = aws.user(VIEW_OWN_USER_INFO), aws.user(statement("ecs:*"))
    for name in (own, other):
        aws.iam.add_user_to_group(GroupName=group, UserName=name)
        aws.iam.attach_user_policy(UserName=name, PolicyArn=policy)
    me = aws.as_user(own).iam
    assert me.get_user()["User"]["UserName"] == own
    assert me.get_user(UserName=own)["User"]["UserName"] == own
    assert me.list_user_policies(UserName=own)["PolicyNames"] == ["p0"]
    assert me.get_user_policy(UserName=own, PolicyName="p0")["PolicyDocument"] == VIEW_OWN_USER_INFO
    assert [one["PolicyArn"] for one in me.list_attached_user_policies(UserName=own)["AttachedPolicies"]] == [policy]
    assert [one["GroupName"] for one in me.list_groups_for_user(UserName=own)["Groups"]] == [group]
    # On the way there the console asks for these.
    assert me.list_group_policies(GroupName=group)["PolicyNames"] == ["p"]
    me.get_group_policy(GroupName=group, PolicyName="p")
    me.list_attached_group_policies(GroupName=group)
    version = me.get_policy(PolicyArn=policy)["Policy"]["DefaultVersionId"]
    me.get_policy_version(PolicyArn=policy, VersionId=version)
    me.list_policy_versions(PolicyArn=policy)
    me.list_policies(MaxItems=1)
    me.list_users(MaxItems=1)

    arn = aws.iam_arn(f"user/{own}")
    for action, call in {
        "iam:GetUser": lambda: me.get_user(UserName=other),
        "iam:ListUserPolicies": lambda: me.list_user_policies(UserName=other),
        "iam:GetUserPolicy": lambda: me.get_user_policy(UserName=other, PolicyName="p0"),
        "iam:ListAttachedUserPolicies": lambda: me.list_attached_user_policies(UserName=other),
        "iam:ListGroupsForUser": lambda: me.list_groups_for_user(UserName=other),
    }.items():
        with denied("iam", arn, action, f"user {other}"):
            call()


#: Members in an order that nobody would choose, with a list of one: tools compare with what they sent.
FIRST = (
    '{"Statement":[{"Resource":["*"],"Effect":"Allow","Action":["ecs:RunTask","ecs:DescribeTasks"],"Sid":"Z"}],'
    '"Version":"2012-10-17"}'
)
SECOND = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Sid":"A","Action":"ecs:ListTasks","Resource":"*"},'
    '{"Effect":"Deny","Sid":"B","Action":"ecs:StopTask","Resource":"*"}]}'
)
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Sid":"","Principal":{"Service":"ecs-tasks.amazonaws.com"},'
    '"Effect":"Allow","Action":"sts:AssumeRole"}]}'
)
TRUST_OF_TWO = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com",'
    '"ecs-tasks.amazonaws.com"]},"Action":["sts:AssumeRole"]}]}'
)


def same(document, text):
    """The same members in the same order: `json.dumps` keeps both."""
    assert json.dumps(document) == json.dumps(json.loads(text))


def gone(call, **parameters):
    with refused("NoSuchEntity"):
        call(**parameters)


def without_times(found):
    return {name: value for name, value in found.items() if name not in ("RoleLastUsed", "UpdateDate")}


def test_a_role_kept_as_code_does_not_drift(aws):
    iam, name = aws.iam, aws.name("role")
    made = iam.create_role(
        RoleName=name, Path="/app/", AssumeRolePolicyDocument=TRUST, Description="first", MaxSessionDuration=3600,
        Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": ""}],
    )["Role"]  # fmt: skip
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=FIRST)

    def read():
        found = iam.get_role(RoleName=name)["Role"]
        inline = {one: iam.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"]
                  for one in iam.list_role_policies(RoleName=name)["PolicyNames"]}  # fmt: skip
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        return json.dumps((without_times(found), inline, attached), default=str)

    found = iam.get_role(RoleName=name)["Role"]
    same(found["AssumeRolePolicyDocument"], TRUST)
    same(iam.get_role_policy(RoleName=name, PolicyName="inline")["PolicyDocument"], FIRST)
    assert (found["Arn"], found["Path"], found["Description"]) == (made["Arn"], "/app/", "first")
    assert found["Tags"] == made["Tags"] == [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": ""}]
    before = read()
    assert read() == before

    def bring():
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=TRUST_OF_TWO)
        iam.update_role(RoleName=name, Description="second", MaxSessionDuration=7200)
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=SECOND)
        iam.tag_role(RoleName=name, Tags=[{"Key": "c", "Value": "3"}])
        iam.untag_role(RoleName=name, TagKeys=["b"])
        iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary="arn:aws:iam::aws:policy/PowerUserAccess")

    bring()
    found = iam.get_role(RoleName=name)["Role"]
    same(found["AssumeRolePolicyDocument"], TRUST_OF_TWO)
    same(iam.get_role_policy(RoleName=name, PolicyName="inline")["PolicyDocument"], SECOND)
    assert (found["Description"], found["MaxSessionDuration"]) == ("second", 7200)
    assert found["Tags"] == [{"Key": "a", "Value": ""}, {"Key": "c", "Value": "3"}]
    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("/PowerUserAccess")
    assert (found["RoleId"], found["CreateDate"]) == (made["RoleId"], made["CreateDate"])
    after = read()
    bring()
    assert read() == after

    iam.detach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.delete_role_policy(RoleName=name, PolicyName="inline")
    iam.delete_role_permissions_boundary(RoleName=name)
    iam.delete_role(RoleName=name)
    gone(iam.get_role, RoleName=name)


def test_a_managed_policy_kept_as_code_does_not_drift(aws):
    iam, name = aws.iam, aws.name("policy")
    arn = iam.create_policy(PolicyName=name, Path="/app/", PolicyDocument=FIRST, Description="d")["Policy"]["Arn"]

    def document():
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    same(document(), FIRST)
    # As Terraform updates: the oldest of five versions makes room for the next.
    for number in range(8):
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        if len(versions) == 5:
            old = min((one for one in versions if not one["IsDefaultVersion"]), key=lambda one: one["CreateDate"])
            iam.delete_policy_version(PolicyArn=arn, VersionId=old["VersionId"])
        text = (SECOND, FIRST)[number % 2]
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
        same(document(), text)
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (found["Description"], found["Path"], found["DefaultVersionId"]) == ("d", "/app/", "v9")
    for one in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not one["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=one["VersionId"])
    iam.delete_policy(PolicyArn=arn)
    gone(iam.get_policy, PolicyArn=arn)


def test_users_and_groups_kept_as_code_do_not_drift(aws):
    iam, user, group = aws.iam, aws.name("user"), aws.name("group")
    made = iam.create_user(UserName=user, Path="/a/", Tags=[{"Key": "k", "Value": "v"}])["User"]
    iam.create_group(GroupName=group, Path="/a/")
    iam.put_user_policy(UserName=user, PolicyName="inline", PolicyDocument=FIRST)
    iam.put_group_policy(GroupName=group, PolicyName="inline", PolicyDocument=SECOND)
    iam.add_user_to_group(UserName=user, GroupName=group)
    found = iam.get_user(UserName=user)["User"]
    assert (found["Path"], found["Tags"], found["UserId"]) == ("/a/", [{"Key": "k", "Value": "v"}], made["UserId"])

    renamed, moved = f"{user}-2", f"{group}-2"
    iam.update_user(UserName=user, NewUserName=renamed, NewPath="/b/")
    iam.update_group(GroupName=group, NewGroupName=moved, NewPath="/b/")
    found = iam.get_user(UserName=renamed)["User"]
    assert (found["Arn"], found["UserId"]) == (aws.iam_arn(f"user/b/{renamed}"), made["UserId"])
    same(iam.get_user_policy(UserName=renamed, PolicyName="inline")["PolicyDocument"], FIRST)
    same(iam.get_group_policy(GroupName=moved, PolicyName="inline")["PolicyDocument"], SECOND)
    assert [one["UserName"] for one in iam.get_group(GroupName=moved)["Users"]] == [renamed]
    gone(iam.get_user, UserName=user)
    gone(iam.get_group, GroupName=group)

    iam.remove_user_from_group(UserName=renamed, GroupName=moved)
    iam.delete_user_policy(UserName=renamed, PolicyName="inline")
    iam.delete_group_policy(GroupName=moved, PolicyName="inline")
    iam.delete_user(UserName=renamed)
    iam.delete_group(GroupName=moved)
    gone(iam.get_user, UserName=renamed)


def test_profiles_and_providers_kept_as_code_do_not_drift(aws):
    iam, profile, role = aws.iam, aws.name("profile"), aws.role()
    iam.create_instance_profile(InstanceProfileName=profile, Path="/app/")
    iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=role)
    found = iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]
    assert (found["Path"], [one["RoleName"] for one in found["Roles"]]) == ("/app/", [role])
    iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=role)
    assert iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"] == []
    iam.delete_instance_profile(InstanceProfileName=profile)
    gone(iam.get_instance_profile, InstanceProfileName=profile)

    host, prints = f"{aws.name('issuer')}.example.com", ["a" * 40, "b" * 40]
    arn = iam.create_open_id_connect_provider(
        Url=f"https://{host}", ClientIDList=["two", "one"], ThumbprintList=prints
    )["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (found["Url"], sorted(found["ClientIDList"]), found["ThumbprintList"]) == (host, ["one", "two"], prints)
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="three")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="one")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=prints[1:])
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (sorted(found["ClientIDList"]), found["ThumbprintList"]) == (["three", "two"], prints[1:])
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    gone(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn)


def test_what_is_in_use_is_not_deleted_before_what_uses_it(aws):
    """Terraform deletes in order and expects the conflict when it does not."""
    role, policy = aws.role(), aws.policy()
    aws.iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    for call, parameters in (
        (aws.iam.delete_role, {"RoleName": role}),
        (aws.iam.delete_policy, {"PolicyArn": policy}),
    ):
        with pytest.raises(ClientError) as caught:
            call(**parameters)
        assert caught.value.response["Error"]["Code"] == "DeleteConflict"
