"""boto3's own helpers on IAM: every paginator gives everything in pages of one, every waiter finds what is there."""

import json

import boto3
import pytest

from account import ACCOUNT, ALLOW_LISTING, Account, tags
from cases.iam_saml import metadata
from cases.iam_server_certificates import upload
from certificates import certificate, rsa_key, ssh
from server import Server
from totp import two_codes

POLICY = json.dumps(ALLOW_LISTING)
ACTIONS = ["ecs:ListClusters", "ecs:RunTask"]
TAGS = tags("iam", Team="one", Stage="test")
#: What is listed of the whole account.
WHOLE = {
    "AccountAliases",
    "Groups",
    "InstanceProfiles",
    "Roles",
    "ServerCertificates",
    "Users",
    "VirtualMFADevices",
}


class Filled:
    """An account with two of everything that can be listed."""

    def __init__(self, account):
        self.account, self.iam = account, account.iam
        self.iam.create_account_alias(AccountAlias="the-only-one")
        self.policies = [account.policy(Tags=TAGS), account.policy()]
        self.users = [account.user(Tags=TAGS), account.user()]
        self.roles = [account.role(Tags=TAGS), account.role()]
        self.groups = [account.group(), account.group()]
        self.profiles = [account.instance_profile(), account.instance_profile()]
        self.certificates = [upload(account, Tags=TAGS), upload(account)]
        self.fill()

    def fill(self):
        (user, _), (group, _), (role, _), (policy, _) = self.users, self.groups, self.roles, self.policies
        self.iam.create_policy_version(PolicyArn=policy, PolicyDocument=POLICY)
        for arn in self.policies:
            self.iam.attach_user_policy(UserName=user, PolicyArn=arn)
            self.iam.attach_group_policy(GroupName=group, PolicyArn=arn)
            self.iam.attach_role_policy(RoleName=role, PolicyArn=arn)
        for name in ("one", "two"):
            self.iam.put_user_policy(UserName=user, PolicyName=name, PolicyDocument=POLICY)
            self.iam.put_group_policy(GroupName=group, PolicyName=name, PolicyDocument=POLICY)
            self.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=POLICY)
        for other in self.users:
            self.iam.add_user_to_group(UserName=other, GroupName=group)
        self.iam.add_user_to_group(UserName=user, GroupName=self.groups[1])
        for profile in self.profiles:
            self.iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=role)
        self.iam.tag_instance_profile(InstanceProfileName=self.profiles[0], Tags=TAGS)
        for _ in range(2):
            self.iam.create_access_key(UserName=user)
            self.iam.upload_signing_certificate(UserName=user, CertificateBody=certificate()[0])
            self.iam.upload_ssh_public_key(UserName=user, SSHPublicKeyBody=ssh(rsa_key()))
            self.device = self.enabled_device(user)
        self.iam.tag_mfa_device(SerialNumber=self.device, Tags=TAGS)
        provider = self.iam.create_saml_provider(Name="idp", SAMLMetadataDocument=metadata(), Tags=TAGS)
        self.saml = provider["SAMLProviderArn"]
        provider = self.iam.create_open_id_connect_provider(Url="https://idp.example", Tags=TAGS)
        self.oidc = provider["OpenIDConnectProviderArn"]

    def enabled_device(self, user):
        serial, seed = self.account.mfa_device()
        first, second = two_codes(seed)
        self.iam.enable_mfa_device(
            UserName=user, SerialNumber=serial, AuthenticationCode1=first, AuthenticationCode2=second
        )
        return serial

    def parameters(self, operation):
        """What the operation has to be told to list something, and at least two of it unless there is only one."""
        (user, _), (group, _), (role, _), (policy, _) = self.users, self.groups, self.roles, self.policies
        listed = {
            "GetGroup": {"GroupName": group},
            "ListEntitiesForPolicy": {"PolicyArn": policy},
            "ListInstanceProfilesForRole": {"RoleName": role},
            "ListInstanceProfileTags": {"InstanceProfileName": self.profiles[0]},
            "ListMFADeviceTags": {"SerialNumber": self.device},
            "ListOpenIDConnectProviderTags": {"OpenIDConnectProviderArn": self.oidc},
            "ListPolicies": {"Scope": "Local"},
            "ListPolicyTags": {"PolicyArn": policy},
            "ListPolicyVersions": {"PolicyArn": policy},
            "ListSAMLProviderTags": {"SAMLProviderArn": self.saml},
            "ListServerCertificateTags": {"ServerCertificateName": self.certificates[0]},
            "SimulateCustomPolicy": {"PolicyInputList": [POLICY], "ActionNames": ACTIONS},
            "SimulatePrincipalPolicy": {
                "PolicySourceArn": self.account.iam_arn(f"user/{user}"),
                "ActionNames": ACTIONS,
            },
            "GetAccountAuthorizationDetails": {"Filter": ["User", "Role", "Group", "LocalManagedPolicy"]},
        }
        if operation in listed or operation.removeprefix("List") in WHOLE:
            return listed.get(operation, {})
        if "Group" in operation and operation != "ListGroupsForUser":
            return {"GroupName": group}
        return {"RoleName": role} if "Role" in operation else {"UserName": user}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server") / "data", "--store", "memory", "--account", ACCOUNT)
    root = Account.root(server.url)
    server.wait_until(root.sts.get_caller_identity)
    yield Filled(root)
    server.stop()


def paginated():
    """The operations that boto3 can page through."""
    client = boto3.client("iam", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
    methods = client.meta.method_to_api_mapping
    return sorted(name for method, name in methods.items() if client.can_paginate(method))


@pytest.mark.parametrize("operation", paginated())
def test_pages_of_one_hold_what_one_page_holds(filled, operation):
    client = filled.iam
    method = next(name for name, known in client.meta.method_to_api_mapping.items() if known == operation)
    paginator, parameters = client.get_paginator(method), filled.parameters(operation)
    whole = paginator.paginate(**parameters).build_full_result()
    pages = list(paginator.paginate(**parameters, PaginationConfig={"PageSize": 1}))
    keys = [key.expression for key in paginator.result_keys]
    found = {key: [item for page in pages for item in page.get(key, [])] for key in keys}
    assert found == {key: whole.get(key, []) for key in keys}
    count = sum(map(len, found.values()))
    assert len(pages) == count >= (1 if operation == "ListAccountAliases" else 2)


def test_waiters_find_what_is_there(filled):
    once = {"WaiterConfig": {"MaxAttempts": 1}}
    client = filled.iam
    client.get_waiter("user_exists").wait(UserName=filled.users[0], **once)
    client.get_waiter("role_exists").wait(RoleName=filled.roles[0], **once)
    client.get_waiter("instance_profile_exists").wait(InstanceProfileName=filled.profiles[0], **once)
    client.get_waiter("policy_exists").wait(PolicyArn=filled.policies[0], **once)
    assert sorted(client.waiter_names) == ["instance_profile_exists", "policy_exists", "role_exists", "user_exists"]
