"""Images and layers of ECR."""

import json
import secrets

from account import ACCOUNT
from case import Ecr, Invalid
from images import IMAGE, arn, digest, image, layer, manifest, repository, upload

ABSENT = rf"The repository with name 'absent' does not exist in the registry with id '{ACCOUNT}'"
NOWHERE = "sha256:" + "0" * 64


def ids(aws, name):
    return aws.client("ecr").list_images(repositoryName=name)["imageIds"]


class PutImage(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        return {"repositoryName": name, "imageManifest": manifest(aws, name), "imageTag": "v1"}

    def check(self, aws, parameters, reply):
        made = reply["image"]
        assert made["imageId"] == {"imageDigest": digest(parameters["imageManifest"].encode()), "imageTag": "v1"}
        assert made["imageManifestMediaType"] == IMAGE
        assert ids(aws, parameters["repositoryName"]) == [made["imageId"]]

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        name = repository(aws)
        text = json.loads(manifest(aws, name))
        text["layers"][0]["digest"] = NOWHERE
        absent = {"repositoryName": name, "imageManifest": json.dumps(text), "imageTag": "v1"}
        return Invalid(absent, "LayersNotFoundException", rf"Layers with digests '\[{NOWHERE}\]' required for .* do not exist")


class BatchGetImage(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        image(aws, name, "v1")
        return {"repositoryName": name, "imageIds": [{"imageTag": "v1"}, {"imageTag": "v2"}]}

    def check(self, aws, parameters, reply):
        [got], [failed] = reply["images"], reply["failures"]
        assert digest(got["imageManifest"].encode()) == got["imageId"]["imageDigest"]
        assert failed["failureCode"] == "ImageNotFound" and failed["imageId"] == {"imageTag": "v2"}

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        absent = {"repositoryName": "absent", "imageIds": [{"imageTag": "v1"}]}
        return Invalid(absent, "RepositoryNotFoundException", ABSENT)


class BatchDeleteImage(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        image(aws, name, "v1")
        image(aws, name, "v2")
        return {"repositoryName": name, "imageIds": [{"imageTag": "v1"}]}

    def check(self, aws, parameters, reply):
        assert [one["imageTag"] for one in reply["imageIds"]] == ["v1"] and reply["failures"] == []
        assert [one["imageTag"] for one in ids(aws, parameters["repositoryName"])] == ["v2"]

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        return Invalid({"repositoryName": repository(aws), "imageIds": []}, "InvalidParameterException", r".*imageIds.*")


class ListImages(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        for tag in ["v1", "v2", None]:
            image(aws, name, tag)
        return {"repositoryName": name, "filter": {"tagStatus": "TAGGED"}}

    def check(self, aws, parameters, reply):
        assert sorted(one["imageTag"] for one in reply["imageIds"]) == ["v1", "v2"]
        pages = aws.client("ecr").get_paginator("list_images").paginate(**parameters, PaginationConfig={"PageSize": 1})
        assert [one for page in pages for one in page["imageIds"]] == reply["imageIds"]

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        return Invalid({"repositoryName": "absent"}, "RepositoryNotFoundException", ABSENT)


class DescribeImages(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        image(aws, name, "v1")
        return {"repositoryName": name, "imageIds": [{"imageTag": "v1"}]}

    def check(self, aws, parameters, reply):
        [shown] = reply["imageDetails"]
        assert shown["imageTags"] == ["v1"] and shown["imageSizeInBytes"] == 64
        assert shown["imageManifestMediaType"] == IMAGE and shown["imageStatus"] == "ACTIVE"

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        absent = {"repositoryName": repository(aws), "imageIds": [{"imageTag": "v9"}]}
        text = r"The image with imageId \{imageDigest:'null', imageTag:'v9'\} does not exist within the repository with name .*"
        return Invalid(absent, "ImageNotFoundException", text)


class DescribeImageScanFindings(Ecr):
    #: Nobody scans here: the answer is always that there is no scan.
    can_succeed = False

    def parameters(self, aws):
        name = repository(aws)
        image(aws, name, "v1")
        return {"repositoryName": name, "imageId": {"imageTag": "v1"}}

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        text = r"Image scan does not exist for the image with '\{imageDigest:'null', imageTag:'v1'\}' in the repository .*"
        return Invalid(self.parameters(aws), "ScanNotFoundException", text)


class ListImageReferrers(Ecr):
    def action(self):
        return "ecr:BatchGetImage"

    def parameters(self, aws):
        name = repository(aws)
        subject = image(aws, name, "v1")
        about = {"mediaType": IMAGE, "digest": subject, "size": 1}
        image(aws, name, subject=about, artifactType="application/spdx+json", annotations={"a": "b"})
        return {"repositoryName": name, "subjectId": {"imageDigest": subject}}

    def check(self, aws, parameters, reply):
        [found] = reply["referrers"]
        assert (found["artifactType"], found["mediaType"]) == ("application/spdx+json", IMAGE)
        assert found["annotations"] == {"a": "b"} and found["size"] > 100

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        absent = {"repositoryName": "absent", "subjectId": {"imageDigest": NOWHERE}}
        return Invalid(absent, "RepositoryNotFoundException", ABSENT)


class InitiateLayerUpload(Ecr):
    def parameters(self, aws):
        return {"repositoryName": repository(aws)}

    def check(self, aws, parameters, reply):
        part = {"partFirstByte": 0, "partLastByte": 3, "layerPartBlob": b"four"}
        sent = aws.client("ecr").upload_layer_part(**parameters, uploadId=reply["uploadId"], **part)
        assert sent["lastByteReceived"] == 3 and reply["partSize"] >= 5 * 1024 * 1024

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        return Invalid({"repositoryName": "absent"}, "RepositoryNotFoundException", ABSENT)


class UploadLayerPart(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        begun = aws.client("ecr").initiate_layer_upload(repositoryName=name)["uploadId"]
        part = {"partFirstByte": 0, "partLastByte": 3, "layerPartBlob": b"four"}
        return {"repositoryName": name, "uploadId": begun, **part}

    def check(self, aws, parameters, reply):
        assert reply["lastByteReceived"] == 3
        named = {"repositoryName": parameters["repositoryName"], "uploadId": parameters["uploadId"]}
        made = aws.client("ecr").complete_layer_upload(**named, layerDigests=[digest(b"four")])
        assert made["layerDigest"] == digest(b"four")

    def cli_arguments(self, parameters):
        text = parameters["layerPartBlob"].decode()
        return ["--cli-input-json", json.dumps({**parameters, "layerPartBlob": text})]

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        parameters = self.parameters(aws)
        gap = {**parameters, "partFirstByte": 1, "partLastByte": 4}
        return Invalid(gap, "InvalidLayerPartException", r"Layer part with first byte '1' and last byte '4' does not go on .*")


class CompleteLayerUpload(Ecr):
    def parameters(self, aws):
        name, data = repository(aws), secrets.token_bytes(16)
        return {"repositoryName": name, "uploadId": upload(aws, name, data), "layerDigests": [digest(data)]}

    def check(self, aws, parameters, reply):
        named = {"repositoryName": parameters["repositoryName"], "layerDigests": parameters["layerDigests"]}
        [found] = aws.client("ecr").batch_check_layer_availability(**named)["layers"]
        assert (found["layerAvailability"], found["layerSize"]) == ("AVAILABLE", 16)
        assert reply["layerDigest"] == parameters["layerDigests"][0]

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        wrong = {**self.parameters(aws), "layerDigests": [NOWHERE]}
        return Invalid(wrong, "InvalidLayerException", rf"Layer digest '{NOWHERE}' does not match the digest 'sha256:.*")


class BatchCheckLayerAvailability(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        return {"repositoryName": name, "layerDigests": [layer(aws, name), NOWHERE, "latest"]}

    def check(self, aws, parameters, reply):
        found = {one["layerDigest"]: one["layerAvailability"] for one in reply["layers"]}
        assert found == {parameters["layerDigests"][0]: "AVAILABLE", NOWHERE: "UNAVAILABLE"}
        assert [one["failureCode"] for one in reply["failures"]] == ["InvalidLayerDigest"]

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        absent = {"repositoryName": "absent", "layerDigests": [NOWHERE]}
        return Invalid(absent, "RepositoryNotFoundException", ABSENT)


class GetDownloadUrlForLayer(Ecr):
    def parameters(self, aws):
        name = repository(aws)
        return {"repositoryName": name, "layerDigest": layer(aws, name)}

    def check(self, aws, parameters, reply):
        assert reply["layerDigest"] == parameters["layerDigest"]
        assert reply["downloadUrl"].startswith(f"{aws.url}/v2-layers/{parameters['layerDigest']}?")

    def resource(self, aws, parameters):
        return arn(aws, parameters["repositoryName"])

    def invalid(self, aws):
        absent = {"repositoryName": repository(aws), "layerDigest": NOWHERE}
        return Invalid(absent, "LayersNotFoundException", rf"The layer with digest '{NOWHERE}' does not exist within .*")
