"""Images in ECR by its own operations, without a registry client."""

import hashlib
import json
import secrets

from account import ACCOUNT

IMAGE = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def repository(aws, **more):
    """A new repository; its name."""
    name = aws.name("team/repo")
    aws.client("ecr").create_repository(repositoryName=name, **more)
    return name


def arn(aws, name):
    return f"arn:aws:ecr:{aws.region}:{ACCOUNT}:repository/{name}"


def upload(aws, name, data):
    """An upload that has all its bytes; its id."""
    begun = aws.client("ecr").initiate_layer_upload(repositoryName=name)["uploadId"]
    aws.client("ecr").upload_layer_part(
        repositoryName=name, uploadId=begun, partFirstByte=0, partLastByte=len(data) - 1, layerPartBlob=data
    )
    return begun


def layer(aws, name, data=None):
    """A layer of a repository; its digest."""
    data = data or secrets.token_bytes(32)
    begun = upload(aws, name, data)
    reply = aws.client("ecr").complete_layer_upload(repositoryName=name, uploadId=begun, layerDigests=[digest(data)])
    return reply["layerDigest"]


def manifest(aws, name, **more):
    """The manifest of a new image whose layers are there."""
    config, content = layer(aws, name), layer(aws, name)
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": {"mediaType": CONFIG, "digest": config, "size": 32},
            "layers": [{"mediaType": LAYER, "digest": content, "size": 32}],
            **more,
        }
    )


def image(aws, name, tag=None, **more):
    """A pushed image; its digest."""
    tagged = {"imageTag": tag} if tag else {}
    text = manifest(aws, name, **more)
    return aws.client("ecr").put_image(repositoryName=name, imageManifest=text, **tagged)["image"]["imageId"]["imageDigest"]
