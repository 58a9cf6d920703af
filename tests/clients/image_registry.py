"""Images by `docker push`, `docker pull` and `skopeo`, with the real engine: who may, over TLS under ECR's own name, and with
the server killed in the middle.

Not collected by itself: `cargo xtask test` names this file inside `cargo xtask docker-room`.
"""

import base64
import hashlib
import http.client
import ipaddress
import os
import secrets
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from account import ACCOUNT, REGION, Account, statement
from errors import refused
from server import Server

HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
IMAGE = "pushed:latest"
MEGABYTE = 1024 * 1024


def docker(*arguments, check=True, **more):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, **more)
    if check and done.returncode:
        raise AssertionError(f"docker {arguments}: {done.stderr}")
    return done.stdout.strip() if check else done.stderr.strip()


def layer(folder, size):
    """An image of one layer of noise."""
    (folder / "noise").write_bytes(secrets.token_bytes(size))
    subprocess.run(f"tar -C {folder} -c noise | docker import - {IMAGE}", shell=True, check=True, capture_output=True)


class Registry:
    """A server, its repositories, and Docker logged in as somebody."""

    def __init__(self, server, root):
        self.server, self.root = server, root
        self.address = server.url.split("//")[1]

    def log_in(self, account, address=None):
        self.token = account.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
        user, password = base64.b64decode(self.token).decode().split(":")
        docker("login", "--username", user, "--password-stdin", address or self.address, input=password)

    def request(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.address)
        headers = {"Authorization": f"Basic {self.token}"} | {name.replace("_", "-"): text for name, text in headers.items()}
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        reply.text = reply.read()
        return reply

    def tags(self, name):
        found = self.root.client("ecr").list_images(repositoryName=name)["imageIds"]
        return sorted(image["imageTag"] for image in found if "imageTag" in image)


@pytest.fixture
def registry(tmp_path):
    server = Server(tmp_path / "server")
    root = Account.root(server.url)
    server.wait_until(root.sts.get_caller_identity)
    registry = Registry(server, root)
    root.client("ecr").create_repository(repositoryName="team/app")
    registry.log_in(root)
    yield registry
    registry.server.stop()


def test_an_image_goes_in_and_comes_out_as_it_was(registry, tmp_path):
    layer(tmp_path, 8 * MEGABYTE)
    name = f"{registry.address}/team/app:v1"
    docker("tag", IMAGE, name)
    identity = docker("inspect", "--format", "{{.Id}}", name)
    docker("push", "--quiet", name)
    docker("rmi", name, IMAGE)
    docker("pull", "--quiet", name)
    assert docker("inspect", "--format", "{{.Id}}", name) == identity
    (image,) = registry.root.client("ecr").describe_images(repositoryName="team/app")["imageDetails"]
    assert image["imageTags"] == ["v1"]
    assert f"@{image['imageDigest']}" in docker("inspect", "--format", "{{.RepoDigests}}", name)


def test_refusals_are_ecrs_words(registry, tmp_path):
    layer(tmp_path, MEGABYTE)
    name = f"{registry.address}/team/app:v1"
    docker("tag", IMAGE, name)
    docker("push", "--quiet", name)
    stranger = registry.root.as_user(registry.root.user(statement("ecr:GetAuthorizationToken")))
    registry.log_in(stranger)
    layer(tmp_path, MEGABYTE)
    docker("tag", IMAGE, f"{registry.address}/team/app:v2")
    for arguments, action in [
        (("push", f"{registry.address}/team/app:v2"), "ecr:InitiateLayerUpload"),
        (("pull", name), "ecr:BatchGetImage"),
    ]:
        said = docker(*arguments, check=False)
        assert "denied: User: arn:aws:iam::" in said, said
        assert f"is not authorized to perform: {action} on resource: arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/app" in said
    registry.log_in(registry.root)
    docker("tag", IMAGE, f"{registry.address}/missing:v1")
    said = docker("push", f"{registry.address}/missing:v1", check=False)
    assert f"name unknown: The repository with name 'missing' does not exist in the registry with id '{ACCOUNT}'" in said
    assert "manifest unknown: Requested image not found" in docker("pull", f"{registry.address}/team/app:v3", check=False)


def test_skopeo_inspects_copies_lists_and_deletes(registry, tmp_path):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    layer(tmp_path, MEGABYTE)
    name = f"{registry.address}/team/app:v1"
    docker("tag", IMAGE, name)
    docker("push", "--quiet", name)
    credentials = base64.b64decode(registry.token).decode()

    def skopeo(*arguments):
        return subprocess.run(["skopeo", "--insecure-policy", *arguments], check=True, capture_output=True, text=True).stdout

    one, both = ["--tls-verify=false", "--creds", credentials], []
    for side in ("src", "dest"):
        both += [f"--{side}-tls-verify=false", f"--{side}-creds", credentials]
    skopeo("copy", *both, "--format", "oci", f"docker://{name}", f"docker://{registry.address}/team/app:oci")
    assert '"oci"' in skopeo("list-tags", *one, f"docker://{registry.address}/team/app")
    assert "application/vnd.oci.image.manifest.v1+json" in skopeo(
        "inspect", "--raw", *one, f"docker://{registry.address}/team/app:oci"
    )
    skopeo("delete", *one, f"docker://{registry.address}/team/app:oci")
    assert registry.tags("team/app") == ["v1"]


def test_kill_in_the_middle_of_an_upload_loses_no_acknowledged_byte(registry, tmp_path):
    bytes_ = secrets.token_bytes(12 * MEGABYTE)
    digest = "sha256:" + hashlib.sha256(bytes_).hexdigest()
    upload = registry.request("POST", "/v2/team/app/blobs/uploads/").headers["Location"]
    assert registry.request("PATCH", upload, bytes_[: 5 * MEGABYTE]).status == 202
    # The next part never comes to its end.
    connection = http.client.HTTPConnection(registry.address)
    connection.putrequest("PATCH", upload)
    connection.putheader("Authorization", f"Basic {registry.token}")
    connection.putheader("Content-Length", str(7 * MEGABYTE))
    connection.endheaders()
    connection.send(bytes_[5 * MEGABYTE : 9 * MEGABYTE])
    again(registry)
    reply = registry.request("GET", upload)
    length = int(reply.headers["Range"].split("-")[1]) + 1
    assert reply.status == 204
    assert 5 * MEGABYTE <= length <= 9 * MEGABYTE
    assert registry.request("HEAD", f"/v2/team/app/blobs/{digest}").status == 404
    assert registry.request("PUT", f"{upload}?digest={digest}", bytes_[length:]).status == 201
    assert registry.request("GET", f"/v2/team/app/blobs/{digest}").text == bytes_


def test_kill_in_the_middle_of_a_push_leaves_no_half_image(registry, tmp_path):
    layer(tmp_path, 200 * MEGABYTE)
    name = f"{registry.address}/team/app:v1"
    docker("tag", IMAGE, name)
    push = subprocess.Popen(["docker", "push", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    uploads = registry.server.data_dir / "blobs" / "uploads"
    while push.poll() is None and sum(file.stat().st_size for file in uploads.iterdir()) < 20 * MEGABYTE:
        pass
    again(registry)
    assert registry.tags("team/app") == []
    assert registry.request("GET", "/v2/team/app/manifests/v1").status == 404
    # Docker tries by itself until it is through; if it had given up already, so does the next push.
    push.wait()
    docker("push", "--quiet", name)
    docker("rmi", name, IMAGE)
    docker("pull", "--quiet", name)
    assert registry.tags("team/app") == ["v1"]


def test_a_full_disk_refuses_a_layer_and_leaves_nothing_of_it(tmp_path):
    folder = tmp_path / "server" / "blobs"
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", str(folder)], check=True)
    server = Server(tmp_path / "server")
    try:
        root = Account.root(server.url)
        server.wait_until(root.sts.get_caller_identity)
        registry = Registry(server, root)
        root.client("ecr").create_repository(repositoryName="app")
        registry.log_in(root)
        upload = registry.request("POST", "/v2/app/blobs/uploads/").headers["Location"]
        try:
            assert registry.request("PATCH", upload, bytes(24 * MEGABYTE)).status == 507
        except (BrokenPipeError, ConnectionResetError):
            pass  # It answered before everything was sent.
        reply = registry.request("GET", upload)
        assert (reply.status, reply.headers["Range"]) == (204, "0-0")
        assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) == 0
        small = b"there is room for this"
        digest = "sha256:" + hashlib.sha256(small).hexdigest()
        assert registry.request("PUT", f"{upload}?digest={digest}", small).status == 201
    finally:
        server.stop()
        subprocess.run(["umount", str(folder)], check=True)


def again(registry):
    """Kills the server and starts it over what it left."""
    registry.server.kill()
    port = registry.server.port
    registry.server = Server(registry.server.data_dir, port=port)
    registry.server.wait_until(registry.root.sts.get_caller_identity)


def test_images_under_ecrs_own_name_need_a_hosts_entry_and_an_authority(tmp_path):
    """As docs/registry.md says, for the genuine agent: in this room /etc/hosts and /etc/docker are ours alone."""
    certificate, key = named_certificate()
    (tmp_path / "cert.pem").write_text(certificate)
    (tmp_path / "key.pem").write_text(key)
    hosts = tmp_path / "hosts"
    hosts.write_text(Path("/etc/hosts").read_text() + f"127.0.0.1 {HOST}\n")
    folder = tmp_path / "docker"
    (folder / "certs.d" / HOST).mkdir(parents=True)
    (folder / "certs.d" / HOST / "ca.crt").write_text(certificate)
    os.makedirs("/etc/docker", exist_ok=True)
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)
    subprocess.run(["mount", "--bind", str(folder), "/etc/docker"], check=True)
    tls = ["--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")]
    server = Server(tmp_path / "server", *tls, scheme="https", port=443)
    try:
        root = Account.root(server.url, verify=str(tmp_path / "cert.pem"))
        server.wait_until(root.sts.get_caller_identity)
        root.client("ecr").create_repository(repositoryName="app")
        Registry(server, root).log_in(root, HOST)
        layer(tmp_path, MEGABYTE)
        docker("tag", IMAGE, f"{HOST}/app:v1")
        docker("push", "--quiet", f"{HOST}/app:v1")
        docker("rmi", IMAGE, f"{HOST}/app:v1")
        docker("pull", "--quiet", f"{HOST}/app:v1")
    finally:
        server.stop()
        subprocess.run(["umount", "/etc/docker"], check=True)
        subprocess.run(["umount", "/etc/hosts"], check=True)


def named_certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    kind = serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    return made.public_bytes(pem).decode(), key.private_bytes(pem, kind, serialization.NoEncryption()).decode()


def test_a_body_that_is_no_image_is_refused_plainly(registry):
    reply = registry.request("PUT", "/v2/team/app/manifests/v1", b"{", Content_Type="application/json")
    assert reply.status == 400
    with refused("ImageNotFoundException"):
        registry.root.client("ecr").describe_images(repositoryName="team/app", imageIds=[{"imageTag": "v1"}])
