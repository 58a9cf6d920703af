"""S3 as its clients use it: presigned URLs, both styles of addresses, streams, transfers, and what a crash leaves."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
import botocore.auth
import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from account import ACCOUNT, REGION, Account
from cases.s3_buckets import bucket
from errors import refused
from server import Server

MIB = 1024 * 1024


def client(aws, **config):
    """boto3 as it comes, with all its own defaults."""
    return boto3.session.Session().client(
        "s3", endpoint_url=aws.url, region_name=aws.region, config=Config(**config), **aws.credentials
    )


def fetch(url, method="GET", data=None, headers=None):
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_presigned_urls_work_as_long_as_they_say(shared_administrator):
    aws = shared_administrator
    s3, name = client(aws, signature_version="s3v4"), bucket(aws)
    where = {"Bucket": name, "Key": "a b/é+c.txt"}
    put = s3.generate_presigned_url("put_object", Params=where, ExpiresIn=60)
    assert fetch(put, "PUT", b"by a stranger", {"Content-Type": ""})[0] == 200
    get = s3.generate_presigned_url("get_object", Params=where, ExpiresIn=60)
    assert fetch(get) == (200, b"by a stranger")
    assert fetch(get.replace("X-Amz-Expires=60", "X-Amz-Expires=600"))[0] == 403
    status, body = fetch(get.replace("by", "BY").replace("a%20b", "a%20c"))
    assert status == 403 and b"SignatureDoesNotMatch" in body
    shown = {**where, "ResponseContentType": "text/html"}
    status, body = fetch(s3.generate_presigned_url("get_object", Params=shown, ExpiresIn=60))
    assert (status, body) == (200, b"by a stranger")


def test_a_presigned_url_whose_time_is_over_says_so(shared_administrator, monkeypatch):
    aws, name = shared_administrator, bucket(shared_administrator)
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: now - timedelta(minutes=2))
    url = client(aws, signature_version="s3v4").generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"}, ExpiresIn=60)
    status, body = fetch(url)
    assert status == 403 and b"Request has expired" in body, body


def test_signatures_of_version_2_are_refused(shared_administrator):
    aws, name = shared_administrator, bucket(shared_administrator)
    url = client(aws, signature_version="s3").generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"})
    status, body = fetch(url)
    assert status == 400 and b"Please use AWS4-HMAC-SHA256." in body, body


def test_buckets_stand_in_the_path_or_in_the_host(shared_administrator):
    aws = shared_administrator
    name = bucket(aws)
    aws.client("s3").put_object(Bucket=name, Key="k", Body=b"x")
    port = aws.url.rsplit(":", 1)[1]
    for host in (f"{name}.s3.{REGION}.example.com", f"{name}.localhost", f"{name}.cloud.example.com"):
        request = AWSRequest("GET", f"http://{host}:{port}/k", headers={"Host": f"{host}:{port}"})
        credentials = Credentials(aws.credentials["aws_access_key_id"], aws.credentials["aws_secret_access_key"])
        S3SigV4Auth(credentials, "s3", REGION).add_auth(request)
        status, answer = fetch(f"{aws.url}/k", headers=dict(request.headers.items()))
        if host.endswith(".cloud.example.com"):
            # Below any other domain a bucket could be called like the server itself: the path alone says it there.
            assert (status, b"<Code>NoSuchBucket</Code>" in answer) == (404, True), answer
        else:
            assert (status, answer) == (200, b"x"), host


@pytest.mark.parametrize("calculation", ["when_supported", "when_required"])
def test_files_of_every_size_come_back(shared_administrator, tmp_path, calculation):
    aws = shared_administrator
    s3 = client(aws, request_checksum_calculation=calculation)
    name = bucket(aws)
    for size in (0, 1, 8 * MIB - 1, 8 * MIB, 21 * MIB):
        content = os.urandom(size)
        there, back = tmp_path / "there", tmp_path / "back"
        there.write_bytes(content)
        s3.upload_file(str(there), name, f"of {size}", ExtraArgs={"Metadata": {"size": str(size)}})
        s3.download_file(name, f"of {size}", str(back))
        assert back.read_bytes() == content
        assert s3.head_object(Bucket=name, Key=f"of {size}")["Metadata"] == {"size": str(size)}


class Claiming(S3SigV4Auth):
    """Signs a claim about the body instead of its hash."""

    def __init__(self, account, claim):
        keys = account.credentials
        super().__init__(Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), "s3", REGION)
        self.claim = claim

    def payload(self, request):
        return self.claim


def signed_stream(aws, name, key, content, form, trailer=b""):
    """Sends an `aws-chunked` body whose chunks are not signed."""
    chunks = [content[at : at + 70_000] for at in range(0, len(content), 70_000)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + trailer + b"\r\n"
    headers = {
        "Content-Encoding": "aws-chunked",
        "X-Amz-Decoded-Content-Length": str(len(content)),
        "X-Amz-Trailer": "x-amz-checksum-crc32",
    }
    request = AWSRequest("PUT", f"{aws.url}/{name}/{key}", data=body, headers=headers)
    Claiming(aws, form).add_auth(request)
    return fetch(request.url, "PUT", body, dict(request.headers.items()))


def test_a_stream_with_its_checksum_after_it(shared_administrator):
    import base64
    import zlib

    aws, name = shared_administrator, bucket(shared_administrator)
    content = os.urandom(200_000)
    crc = base64.b64encode(zlib.crc32(content).to_bytes(4, "big"))
    form = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    good = signed_stream(aws, name, "k", content, form, b"x-amz-checksum-crc32:%s\r\n" % crc)
    assert good[0] == 200, good
    assert aws.client("s3").get_object(Bucket=name, Key="k")["Body"].read() == content
    for trailer, code in ((b"x-amz-checksum-crc32:AAAAAA==\r\n", b"BadDigest"), (b"", b"IncompleteBody")):
        status, body = signed_stream(aws, name, "bad", content, form, trailer)
        assert status == 400 and code in body, body
    with refused("404", "Not Found"):
        aws.client("s3").head_object(Bucket=name, Key="bad")


def test_the_aws_cli_copies_lists_and_removes(shared_administrator, tmp_path):
    aws = shared_administrator
    file = tmp_path / "file"
    file.write_bytes(os.urandom(9 * MIB))

    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text("[default]\ns3 =\n  signature_version = s3v4\n")

    def s3(*arguments):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_ACCESS_KEY_ID": aws.credentials["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": aws.credentials["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": aws.url,
        }
        command = [sys.executable, str(Path(sys.executable).with_name("aws")), "s3", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    name = aws.name("cli")
    s3("mb", f"s3://{name}")
    s3("cp", str(file), f"s3://{name}/dir/a")
    s3("cp", f"s3://{name}/dir/a", f"s3://{name}/dir/b")
    assert "dir/" in s3("ls", f"s3://{name}") and len(s3("ls", f"s3://{name}/dir/").splitlines()) == 2
    s3("sync", f"s3://{name}/dir", str(tmp_path / "back"))
    assert (tmp_path / "back/b").read_bytes() == file.read_bytes()
    assert fetch(s3("presign", f"s3://{name}/dir/a").strip())[1] == file.read_bytes()
    s3("rb", "--force", f"s3://{name}")


def test_nobody_gets_what_a_policy_gives_to_all(shared_administrator):
    aws = shared_administrator
    s3, name = aws.client("s3"), bucket(aws)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    nobody = boto3.session.Session().client(
        "s3", endpoint_url=aws.url, region_name=REGION, config=Config(signature_version=UNSIGNED)
    )
    with refused("AccessDenied", ".*"):
        nobody.get_object(Bucket=name, Key="k")
    s3.delete_public_access_block(Bucket=name)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert nobody.get_object(Bucket=name, Key="k")["Body"].read() == b"x"
    with refused("AccessDenied", ".*"):
        nobody.put_object(Bucket=name, Key="k", Body=b"y")


def resident_mib(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def test_a_large_object_passes_through_little_memory(tmp_path):
    server = Server(tmp_path / "data", "--account", ACCOUNT)
    root = Account.root(server.url)
    server.wait_until(root.sts.get_caller_identity)
    s3 = client(root)
    s3.create_bucket(Bucket="large")
    before = resident_mib(server)
    file = tmp_path / "file"
    digest = hashlib.sha256()
    with file.open("wb") as out:
        for _ in range(256):
            block = os.urandom(MIB)
            digest.update(block)
            out.write(block)
    with file.open("rb") as body:
        s3.put_object(Bucket="large", Key="k", Body=body)
    back = hashlib.sha256()
    for block in s3.get_object(Bucket="large", Key="k")["Body"].iter_chunks(MIB):
        back.update(block)
    assert back.digest() == digest.digest()
    assert resident_mib(server) - before < 64
    server.stop()


def test_what_was_acknowledged_outlives_a_crash_and_nothing_else_shows(tmp_path):
    server = Server(tmp_path / "data", "--account", ACCOUNT)
    root = Account.root(server.url)
    server.wait_until(root.sts.get_caller_identity)
    s3 = root.client("s3")
    s3.create_bucket(Bucket="crash")
    s3.put_object(Bucket="crash", Key="kept", Body=b"before")
    begun = s3.create_multipart_upload(Bucket="crash", Key="parts")["UploadId"]
    part = s3.upload_part(Bucket="crash", Key="parts", UploadId=begun, PartNumber=1, Body=b"part")

    # A body that stays half: over a socket of its own, of which the server has read much.
    request = AWSRequest("PUT", f"{server.url}/crash/kept")
    Claiming(root, "UNSIGNED-PAYLOAD").add_auth(request)
    headers = {**dict(request.headers.items()), "Host": f"127.0.0.1:{server.port}"}
    head = "PUT /crash/kept HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    half = socket.create_connection(("127.0.0.1", server.port))
    half.sendall(f"{head}Content-Length: {64 * MIB}\r\n\r\n".encode() + b"x" * (8 * MIB))
    writers, acknowledged = [], []

    def write(number):
        mine = client(root)
        for count in range(1000):
            try:
                mine.put_object(Bucket="crash", Key=f"w{number}-{count}", Body=f"{number} {count}".encode() * 1000)
            except Exception:  # noqa: BLE001  the server is gone
                return
            acknowledged.append((number, count))

    for number in range(3):
        writers.append(threading.Thread(target=write, args=(number,)))
        writers[-1].start()
    while len(acknowledged) < 20:
        assert any(writer.is_alive() for writer in writers)
    server.kill()
    for writer in writers:
        writer.join()
    half.close()

    again = Server(tmp_path / "data", "--account", ACCOUNT)
    root = Account.root(again.url)
    again.wait_until(root.sts.get_caller_identity)
    s3 = root.client("s3")
    assert s3.get_object(Bucket="crash", Key="kept")["Body"].read() == b"before"
    for number, count in acknowledged:
        body = s3.get_object(Bucket="crash", Key=f"w{number}-{count}")["Body"].read()
        assert body == f"{number} {count}".encode() * 1000
    for shown in s3.list_objects_v2(Bucket="crash")["Contents"]:
        body = s3.get_object(Bucket="crash", Key=shown["Key"])["Body"].read()
        assert len(body) == shown["Size"] and f'"{hashlib.md5(body).hexdigest()}"' == shown["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket="crash", Key="parts", UploadId=begun, MultipartUpload=parts)
    assert s3.get_object(Bucket="crash", Key="parts")["Body"].read() == b"part"
    again.stop()
