"""Facts about the request that policies ask for: how it came, from where, and when."""

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from account import ACCOUNT, Account, statement
from errors import denied
from server import Server


def allow_listing_if(**conditions):
    return statement("ecs:ListClusters", Condition=conditions)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1, signed by itself: (certificate file, key file)."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "portcullis test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*form))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def https_root(tmp_path_factory, certificate):
    cert, key = certificate
    options = ["--store", "memory", "--account", ACCOUNT, "--tls-cert", str(cert), "--tls-key", str(key)]
    server = Server(tmp_path_factory.mktemp("https") / "data", *options, scheme="https")
    root = Account.root(server.url, verify=str(cert))
    server.wait_until(root.sts.get_caller_identity)
    yield root
    server.stop()


def test_secure_transport_is_true_over_https_and_false_over_http(aws, https_root):
    only_secure = allow_listing_if(Bool={"aws:SecureTransport": "true"})
    assert "clusterArns" in https_root.as_user(https_root.user(only_secure)).ecs.list_clusters()
    over_http = aws.as_user(aws.user(only_secure))
    with denied("ecs", over_http.arn, "ecs:ListClusters", "*"):
        over_http.ecs.list_clusters()


@pytest.mark.parametrize(("block", "allowed"), [("127.0.0.0/8", True), ("127.0.0.1", True), ("203.0.113.0/24", False)])
def test_source_ip_is_the_peer(aws, block, allowed):
    caller = aws.as_user(aws.user(allow_listing_if(IpAddress={"aws:SourceIp": block})))
    if allowed:
        caller.ecs.list_clusters()
        return
    with denied("ecs", caller.arn, "ecs:ListClusters", "*"):
        caller.ecs.list_clusters()


def test_a_header_does_not_change_the_source_ip(aws):
    caller = aws.as_user(aws.user(allow_listing_if(IpAddress={"aws:SourceIp": "203.0.113.7"})))

    def claim(request, **_):
        request.headers["X-Forwarded-For"] = "203.0.113.7"

    caller.ecs.meta.events.register("before-sign.ecs.*", claim)
    with denied("ecs", caller.arn, "ecs:ListClusters", "*"):
        caller.ecs.list_clusters()


@pytest.mark.parametrize(("days", "allowed"), [(1, True), (-1, False)])
def test_current_time_is_the_clock(aws, days, allowed):
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    window = allow_listing_if(DateLessThan={"aws:CurrentTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")})
    caller = aws.as_user(aws.user(window))
    if allowed:
        caller.ecs.list_clusters()
        return
    with denied("ecs", caller.arn, "ecs:ListClusters", "*"):
        caller.ecs.list_clusters()


def test_an_explicit_deny_wins_and_says_so(aws):
    forbid = statement("ecs:*", effect="Deny")
    caller = aws.as_user(aws.user(statement("*"), forbid))
    reason = "with an explicit deny in an identity-based policy"
    with denied("ecs", caller.arn, "ecs:ListClusters", "*", reason):
        caller.ecs.list_clusters()


def test_a_change_of_policy_binds_the_next_request(aws):
    name = aws.user()
    caller = aws.as_user(name)
    for _ in range(10):
        with denied("ecs", caller.arn, "ecs:ListClusters", "*"):
            caller.ecs.list_clusters()
        aws.iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonECS_FullAccess")
        caller.ecs.list_clusters()
        aws.iam.detach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonECS_FullAccess")


def test_regions_keep_their_state_apart_and_iam_is_global(aws):
    name = aws.cluster()
    elsewhere = Account(aws.url, aws.credentials, region="eu-west-1")
    assert elsewhere.ecs.describe_clusters(clusters=[name])["clusters"] == []
    here = elsewhere.ecs.create_cluster(clusterName=name)["cluster"]["clusterArn"]
    assert here == f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/{name}"
    user = aws.user()
    assert elsewhere.iam.get_user(UserName=user)["User"]["UserName"] == user
