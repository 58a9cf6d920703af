"""The disk of the whole data folder is full: every service refuses what it cannot keep with an error of its own, reads go on,
and when there is room again everything works and all that was acknowledged is there (issue 7).

The disk is a small one in a mount namespace of the test's, where the server runs; nobody else sees it.
"""

import json
import os
import secrets
import subprocess
import time
from pathlib import Path

import botocore.exceptions
import pytest

from account import ACCOUNT, Account
from images import digest, layer, manifest, upload
from server import Server

MEGABYTE = 1024 * 1024
DISK_MB = 32
#: A store's file has some room of its own, that a full disk leaves it.
ATTEMPTS = 100
WORKS_AGAIN_WITHIN_S = 20


class Disk:
    """A file system that can be filled; `around` starts a program that sees it at its folder."""

    def __init__(self, folder):
        folder.mkdir()
        mount = f'mount -t tmpfs -o size={DISK_MB}m,mode=700 tmpfs "$0" && echo mounted && exec cat'
        enter, user = ["unshare", "--mount"], os.geteuid() != 0
        enter += ["--map-root-user"] if user else []
        self.holder = subprocess.Popen(
            [*enter, "sh", "-c", mount, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        if self.holder.stdout.readline() != b"mounted\n":
            why = self.holder.communicate()[1].decode()
            pytest.fail(f"no disk of the test's own, without which only `--ignore` leaves this out: {why}")
        self.around = ["nsenter", "--target", str(self.holder.pid), "--mount"]
        self.around += ["--user", "--preserve-credentials"] if user else []
        self.ballast = Path(f"/proc/{self.holder.pid}/root{folder}/ballast")

    def fill(self):
        with self.ballast.open("wb", buffering=0) as ballast, pytest.raises(OSError, match="No space left"):
            while True:
                ballast.write(bytes(MEGABYTE))

    def free(self):
        self.ballast.unlink()

    def close(self):
        self.holder.communicate()


class Tried:
    """An operation that is called with something new each time; `code` is what it answers when there is no room."""

    def __init__(self, aws):
        self.aws, self.acknowledged = aws, 0
        self.begin()

    def begin(self):
        """Whatever the calls need."""

    def client(self, service):
        return self.aws.client(service)

    def call(self):
        self.attempt(self.acknowledged)
        self.acknowledged += 1

    def until_refused(self):
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            for _ in range(ATTEMPTS):
                self.call()
        assert refused.value.response["Error"]["Code"] == self.code, (type(self).__name__, refused.value)

    def until_it_works(self):
        deadline = time.monotonic() + WORKS_AGAIN_WITHIN_S
        while True:
            try:
                return self.call()
            except botocore.exceptions.ClientError as error:
                assert time.monotonic() < deadline, (type(self).__name__, error)


class UploadLayerPart(Tried):
    code = "ServerException"

    def begin(self):
        self.client("ecr").create_repository(repositoryName="parts")
        self.upload = self.client("ecr").initiate_layer_upload(repositoryName="parts")["uploadId"]
        self.bytes = secrets.token_bytes(5 * MEGABYTE)

    def attempt(self, number):
        first = number * len(self.bytes)
        part = {"partFirstByte": first, "partLastByte": first + len(self.bytes) - 1, "layerPartBlob": self.bytes}
        self.client("ecr").upload_layer_part(repositoryName="parts", uploadId=self.upload, **part)

    def check(self):
        pass

    def check_at_the_end(self):
        whole = digest(self.bytes * self.acknowledged)
        self.client("ecr").complete_layer_upload(repositoryName="parts", uploadId=self.upload, layerDigests=[whole])


class PutObject(Tried):
    code = "ServiceUnavailable"
    bucket = "objects"

    def begin(self):
        self.client("s3").create_bucket(Bucket=self.bucket)
        self.bytes = secrets.token_bytes(MEGABYTE)

    def attempt(self, number):
        self.client("s3").put_object(Bucket=self.bucket, Key=f"{number:03}", Body=self.bytes)

    def check(self):
        keys = [one["Key"] for one in self.client("s3").list_objects_v2(Bucket=self.bucket).get("Contents", [])]
        assert keys == [f"{number:03}" for number in range(self.acknowledged)]

    def check_at_the_end(self):
        for number in range(self.acknowledged):
            kept = self.client("s3").get_object(Bucket=self.bucket, Key=f"{number:03}")["Body"]
            assert kept.read() == self.bytes


class UploadPart(PutObject):
    bucket = "parts"

    def begin(self):
        super().begin()
        self.bytes *= 5
        self.target = {"Bucket": self.bucket, "Key": "whole"}
        self.target["UploadId"] = self.client("s3").create_multipart_upload(**self.target)["UploadId"]

    def attempt(self, number):
        self.client("s3").upload_part(**self.target, PartNumber=number + 1, Body=self.bytes)

    def parts(self):
        return self.client("s3").list_parts(**self.target).get("Parts", [])

    def check(self):
        assert [part["PartNumber"] for part in self.parts()] == list(range(1, self.acknowledged + 1))

    def check_at_the_end(self):
        parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in self.parts()]
        self.client("s3").complete_multipart_upload(**self.target, MultipartUpload={"Parts": parts})
        kept = self.client("s3").get_object(Bucket=self.bucket, Key="whole")["Body"]
        assert kept.read() == self.bytes * self.acknowledged


class PutLogEvents(Tried):
    code = "ServiceUnavailableException"

    def begin(self):
        self.stream = {"logGroupName": "events", "logStreamName": "s"}
        self.client("logs").create_log_group(logGroupName="events")
        self.client("logs").create_log_stream(**self.stream)
        # Noise, which cannot be compressed.
        self.noise = secrets.token_hex(100_000)

    def attempt(self, number):
        event = {"timestamp": int(time.time() * 1000), "message": f"{number} {self.noise}"}
        self.client("logs").put_log_events(**self.stream, logEvents=[event])

    def check(self):
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName="events")
        kept = [event["message"] for page in pages for event in page["events"]]
        assert kept == [f"{number} {self.noise}" for number in range(self.acknowledged)]


class PutSecretValue(Tried):
    code = "InternalServiceError"

    def begin(self):
        self.noise = secrets.token_hex(30_000)
        self.client("secretsmanager").create_secret(Name="s", SecretString="at first")

    def version(self, number):
        return f"{number:032}"

    def value(self, number):
        return f"{number} {self.noise}"

    def attempt(self, number):
        self.client("secretsmanager").put_secret_value(
            SecretId="s", ClientRequestToken=self.version(number), SecretString=self.value(number)
        )

    def check(self):
        read = self.client("secretsmanager").get_secret_value
        last = self.acknowledged - 1
        assert read(SecretId="s")["SecretString"] == (self.value(last) if self.acknowledged else "at first")
        for number in range(self.acknowledged):
            assert read(SecretId="s", VersionId=self.version(number))["SecretString"] == self.value(number)


class PutImage(Tried):
    code = "ServerException"

    def begin(self):
        self.client("ecr").create_repository(repositoryName="images")
        self.manifest = json.loads(manifest(self.aws, "images"))

    def attempt(self, number):
        text = json.dumps(self.manifest | {"annotations": {"number": str(number)}})
        self.client("ecr").put_image(repositoryName="images", imageManifest=text, imageTag=str(number))

    def check(self):
        pages = self.client("ecr").get_paginator("list_images").paginate(repositoryName="images")
        tags = {one["imageTag"] for page in pages for one in page["imageIds"]}
        assert tags == {str(number) for number in range(self.acknowledged)}


class PutParameter(Tried):
    code = "InternalServerError"

    def attempt(self, number):
        self.client("ssm").put_parameter(Name=f"/p/{number}", Type="String", Value=f"{number} {'x' * 4_000}")

    def check(self):
        pages = self.client("ssm").get_paginator("get_parameters_by_path").paginate(Path="/p")
        kept = {one["Name"]: one["Value"].split()[0] for page in pages for one in page["Parameters"]}
        assert kept == {f"/p/{number}": str(number) for number in range(self.acknowledged)}


class CreateKey(Tried):
    code = "KMSInternalException"

    def begin(self):
        # The key of the secrets is there already.
        self.before = len(self.keys())

    def keys(self):
        return self.client("kms").list_keys()["Keys"]

    def attempt(self, number):
        self.client("kms").create_key()

    def check(self):
        assert len(self.keys()) == self.before + self.acknowledged


class CreateLogStream(Tried):
    code = "ServiceUnavailableException"

    def begin(self):
        self.client("logs").create_log_group(logGroupName="streams")

    def attempt(self, number):
        self.client("logs").create_log_stream(logGroupName="streams", logStreamName=f"{number:03}")

    def check(self):
        pages = self.client("logs").get_paginator("describe_log_streams").paginate(logGroupName="streams")
        kept = [one["logStreamName"] for page in pages for one in page["logStreams"]]
        assert kept == [f"{number:03}" for number in range(self.acknowledged)]


class CompleteLayerUpload(Tried):
    code = "ServerException"

    def begin(self):
        self.client("ecr").create_repository(repositoryName="layers")
        self.layers = [secrets.token_bytes(32) for _ in range(20)]
        self.uploads = [upload(self.aws, "layers", bytes_) for bytes_ in self.layers]

    def attempt(self, number):
        promised = [digest(self.layers[number])]
        self.client("ecr").complete_layer_upload(
            repositoryName="layers", uploadId=self.uploads[number], layerDigests=promised
        )

    def check(self):
        reply = self.client("ecr").batch_check_layer_availability(
            repositoryName="layers", layerDigests=[digest(bytes_) for bytes_ in self.layers]
        )
        kept = {one["layerDigest"] for one in reply["layers"] if one["layerAvailability"] == "AVAILABLE"}
        assert kept == {digest(bytes_) for bytes_ in self.layers[: self.acknowledged]}


#: Those that want most first: they leave no room in the store to those that want little.
TRIED = [
    UploadLayerPart,
    UploadPart,
    PutObject,
    PutLogEvents,
    PutSecretValue,
    PutParameter,
    PutImage,
    CreateKey,
    CreateLogStream,
    CompleteLayerUpload,
]


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path / "data")
    yield disk
    disk.close()


@pytest.fixture
def start(tmp_path, disk):
    """Starts a server on the disk, in the place of the one before."""
    servers = []

    def start():
        for server in servers:
            server.kill()
        servers.append(Server(tmp_path / "data", "--account", ACCOUNT, around=disk.around))
        aws = Account.root(servers[-1].url)
        servers[-1].wait_until(aws.sts.get_caller_identity)
        return aws

    yield start
    servers[-1].kill()


def test_a_full_disk_is_told_by_every_service_and_costs_nothing_that_was_acknowledged(disk, start):
    aws = start()
    tried = [kind(aws) for kind in TRIED]
    disk.fill()
    for one in tried:
        one.until_refused()
    for one in tried:
        one.check()
    disk.free()
    for one in tried:
        one.until_it_works()
    aws = start()
    for one in tried:
        one.aws = aws
        one.check()
        getattr(one, "check_at_the_end", one.call)()
