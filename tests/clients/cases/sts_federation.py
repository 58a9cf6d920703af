"""Sessions and tokens across the account's border."""

import base64
import json
import urllib.request

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from account import ACCOUNT, statement, tags
from case import Invalid, Sts
from cases.iam_oidc_providers import outbound
from identity_provider import AUDIENCE, the_provider


class AssumeRoleWithWebIdentity(Sts):
    needs_permission = False  # R126: carries no signature; the trust policy decides (test_federation.py)

    def parameters(self, aws):
        provider = the_provider()
        role = aws.role(trust=provider.trust(provider.registered(aws)))
        return {
            "RoleArn": aws.role_arn(role),
            "RoleSessionName": "run",
            "WebIdentityToken": provider.token(),
            "DurationSeconds": 900,
        }

    def check(self, aws, parameters, reply):
        role = parameters["RoleArn"].split("/")[-1]
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/run"
        assert reply["AssumedRoleUser"]["Arn"] == session
        assert reply["SubjectFromWebIdentityToken"] == "repo:o/r" and reply["Audience"] == AUDIENCE
        assert aws.with_credentials(reply["Credentials"]).arn == session

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "WebIdentityToken": the_provider().token(aud="other")}
        return Invalid(parameters, "InvalidIdentityToken", "Incorrect token audience")


class GetFederationToken(Sts):
    def parameters(self, aws):
        policy = json.dumps(statement("ecs:ListClusters"))
        return {"Name": "Bob", "Policy": policy, "DurationSeconds": 900, "Tags": tags("sts", Team="blue")}

    def check(self, aws, parameters, reply):
        arn = f"arn:aws:sts::{ACCOUNT}:federated-user/Bob"
        assert reply["FederatedUser"] == {"FederatedUserId": f"{ACCOUNT}:Bob", "Arn": arn}
        assert reply["PackedPolicySize"] > 0
        session = aws.with_credentials(reply["Credentials"])
        caller = session.sts.get_caller_identity()
        assert caller["Arn"] == arn and caller["UserId"] == f"{ACCOUNT}:Bob"
        session.ecs.list_clusters()

    def resource(self, aws, parameters):
        return f"arn:aws:sts::{ACCOUNT}:federated-user/{parameters['Name']}"

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "Name": "a b"}
        message = r"1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: .*"
        return Invalid(parameters, "ValidationError", message)


class GetAccessKeyInfo(Sts):
    def parameters(self, aws):
        key = aws.iam.create_access_key(UserName=aws.user())["AccessKey"]
        return {"AccessKeyId": key["AccessKeyId"]}

    def check(self, aws, parameters, reply):
        assert reply["Account"] == ACCOUNT

    def invalid(self, aws):
        message = r"The specified access key ID holds no account\."
        return Invalid({"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}, "ValidationError", message)


class GetWebIdentityToken(Sts):
    def parameters(self, aws):
        outbound(aws, True)
        return {"Audience": ["https://api.example.com"], "SigningAlgorithm": "ES384", "Tags": tags("sts", Job="7")}

    def check(self, aws, parameters, reply):
        issuer = aws.iam.get_outbound_web_identity_federation_info()["IssuerIdentifier"]
        claims = verified(issuer, reply["WebIdentityToken"])
        assert claims["iss"] == issuer and claims["aud"] == "https://api.example.com"
        assert claims["sub"] == aws.arn and claims["exp"] - claims["iat"] == 300
        own = claims["https://sts.amazonaws.com/"]
        assert own["aws_account"] == ACCOUNT and own["request_tags"] == {"Job": "7"}

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "SigningAlgorithm": "HS256"}
        return Invalid(parameters, "ValidationError", r"Invalid SigningAlgorithm: HS256\..*")


def verified(issuer, token):
    """The claims of a token, after its signature was verified with what the issuer publishes."""

    def fetch(url):
        with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310  the server under test
            return json.load(reply)

    def decode(part):
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    discovery = fetch(f"{issuer}/.well-known/openid-configuration")
    assert discovery["issuer"] == issuer
    signed, _, signature = token.rpartition(".")
    header, claims = (json.loads(decode(part)) for part in signed.split("."))
    key = next(key for key in fetch(discovery["jwks_uri"])["keys"] if key["kid"] == header["kid"])
    x, y = (int.from_bytes(decode(key[axis]), "big") for axis in "xy")
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP384R1()).public_key()
    raw = decode(signature)
    halves = (int.from_bytes(half, "big") for half in (raw[:48], raw[48:]))
    public.verify(encode_dss_signature(*halves), signed.encode(), ec.ECDSA(hashes.SHA384()))
    return claims
