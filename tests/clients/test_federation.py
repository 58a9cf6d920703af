"""Who may come in with a token, how a session ends before its time, and what federated users may do."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from account import ACCOUNT, REGION, statement
from errors import refused
from identity_provider import the_provider


@pytest.fixture
def provider():
    return the_provider()


@pytest.fixture
def web_role(aws, provider):
    """A role for `repo:o/r` that may list clusters."""
    return aws.role(statement("ecs:ListClusters"), trust=provider.trust(provider.registered(aws)))


@pytest.fixture
def unsigned(server):
    """STS without credentials."""
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}, region_name=REGION)
    return boto3.session.Session().client("sts", endpoint_url=server.url, config=config)


def enter(aws, unsigned, role, token):
    reply = unsigned.assume_role_with_web_identity(
        RoleArn=aws.role_arn(role), RoleSessionName="run", WebIdentityToken=token
    )
    return aws.with_credentials(reply["Credentials"])


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_token_opens_a_session_without_any_credentials(aws, unsigned, provider, web_role, algorithm):
    session = enter(aws, unsigned, web_role, provider.token(algorithm=algorithm))
    session.ecs.list_clusters()
    with refused("AccessDeniedException"):
        session.ecs.describe_clusters()


def test_a_program_with_a_token_file_needs_no_keys(aws, provider, web_role, tmp_path):
    token = tmp_path / "token"
    token.write_text(provider.token())
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ROLE_ARN": aws.role_arn(web_role),
        "AWS_ROLE_SESSION_NAME": "program",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": aws.url,
    }
    command = [sys.executable, str(Path(sys.executable).with_name("aws")), "sts", "get-caller-identity"]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
    assert json.loads(printed)["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{web_role}/program"


def test_a_stranger_s_token_is_refused_and_told_nothing(aws, unsigned, provider, web_role):
    with refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity.*", 403):
        enter(aws, unsigned, web_role, provider.token(subject="repo:o/other"))
    with refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity.*", 403):
        enter(aws, unsigned, "no-such-role", provider.token())
    with refused("ExpiredTokenException", "Token expired: .*", 400):
        enter(aws, unsigned, web_role, provider.token(exp=1))
    with refused("InvalidIdentityToken", "No OpenIDConnect provider found in your account for .*", 400):
        enter(aws, unsigned, web_role, provider.token(iss="https://other.example"))


def test_a_trust_policy_without_the_federated_principal_lets_no_token_in(aws, unsigned, provider):
    provider.registered(aws)
    role = aws.role(trust={**statement("sts:*"), "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    ]})
    with refused("AccessDenied"):
        enter(aws, unsigned, role, provider.token())


def test_saml_is_not_served(unsigned):
    with refused("InvalidAction"):
        unsigned.assume_role_with_saml(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/r",
            PrincipalArn=f"arn:aws:iam::{ACCOUNT}:saml-provider/p",
            SAMLAssertion="PHNhbWw+",
        )


def test_sessions_end_with_their_role_at_once(aws, unsigned, provider, web_role):
    session = enter(aws, unsigned, web_role, provider.token())
    session.ecs.list_clusters()
    aws.iam.delete_role_policy(RoleName=web_role, PolicyName="p0")
    with refused("AccessDeniedException"):
        session.ecs.list_clusters()
    aws.iam.delete_role(RoleName=web_role)
    with refused("UnrecognizedClientException"):
        session.ecs.list_clusters()
    # A role of the same name is another role.
    again = provider.trust(provider.registered(aws))
    aws.iam.create_role(RoleName=web_role, AssumeRolePolicyDocument=json.dumps(again))
    with refused("UnrecognizedClientException"):
        session.ecs.list_clusters()


def test_older_sessions_are_revoked_by_their_time_of_issue(aws, unsigned, provider, web_role):
    session = enter(aws, unsigned, web_role, provider.token())
    session.ecs.list_clusters()
    condition = {"DateLessThan": {"aws:TokenIssueTime": "2100-01-01T00:00:00Z"}}
    deny = statement("*", effect="Deny", Condition=condition)
    aws.iam.put_role_policy(
        RoleName=web_role, PolicyName="AWSRevokeOlderSessions", PolicyDocument=json.dumps(deny)
    )
    with refused("AccessDeniedException", ".* with an explicit deny in an identity-based policy.*"):
        session.ecs.list_clusters()


def test_keys_that_are_deactivated_and_users_that_are_gone_end_what_they_opened(aws):
    user = aws.user(statement("*"))
    key = aws.iam.create_access_key(UserName=user)["AccessKey"]
    me = aws.with_credentials(key)
    session = me.with_credentials(me.sts.get_session_token()["Credentials"])
    policy = json.dumps(statement("ecs:*"))
    federated = me.with_credentials(me.sts.get_federation_token(Name="Bob", Policy=policy)["Credentials"])
    session.ecs.list_clusters()
    federated.ecs.list_clusters()
    aws.iam.update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    for caller in (me, session, federated):
        with refused("UnrecognizedClientException"):
            caller.ecs.list_clusters()
    # A key that comes back does not bring back what it opened.
    aws.iam.update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Active")
    me.ecs.list_clusters()
    for caller in (session, federated):
        with refused("UnrecognizedClientException"):
            caller.ecs.list_clusters()
    session = me.with_credentials(me.sts.get_session_token()["Credentials"])
    session.ecs.list_clusters()
    aws.iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
    aws.iam.delete_user_policy(UserName=user, PolicyName="p0")
    aws.iam.delete_user(UserName=user)
    for caller in (session, federated):
        with refused("UnrecognizedClientException"):
            caller.ecs.list_clusters()


def test_a_federated_user_has_what_session_and_user_both_allow_and_no_iam_or_sts(aws):
    user = aws.as_user(aws.user(statement(["ecs:*", "iam:*", "sts:*"])))
    token = user.sts.get_federation_token(Name="Bob", Policy=json.dumps(statement(["ecs:List*", "iam:*", "sts:*"])))
    session = user.with_credentials(token["Credentials"])
    session.ecs.list_clusters()
    with refused("AccessDeniedException", ".*because no session policy allows the ecs:DescribeClusters action.*"):
        session.ecs.describe_clusters()
    with refused("InvalidClientTokenId"):
        session.iam.list_users()
    with refused("AccessDenied", "Cannot call GetSessionToken with session credentials"):
        session.sts.get_session_token()
    without = user.with_credentials(user.sts.get_federation_token(Name="Bob")["Credentials"])
    with refused("AccessDeniedException"):
        without.ecs.list_clusters()


def test_the_documents_of_an_issuer_are_public_and_nothing_else_is(aws, server):
    from cases.iam_oidc_providers import outbound

    outbound(aws, True)
    issuer = aws.iam.get_outbound_web_identity_federation_info()["IssuerIdentifier"]
    with urllib.request.urlopen(f"{issuer}/.well-known/jwks.json", timeout=10) as reply:
        assert reply.headers["Content-Type"] == "application/json"
        keys = json.load(reply)["keys"]
    assert keys and all("d" not in key for key in keys)
    for path in ("/.well-known/other", "/", ""):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{issuer}{path}", timeout=10)
