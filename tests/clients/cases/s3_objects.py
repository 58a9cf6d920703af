"""Objects of S3, and uploads in parts."""

from case import S3, Invalid
from cases.s3_buckets import bucket, no_bucket

BODY = b"COLOUR=green\n"
PART = b"x" * (5 * 1024 * 1024)


def place(aws, body=BODY, **more):
    """A new object: its bucket and key."""
    name, key = bucket(aws), "config/web é.env"
    aws.client("s3").put_object(Bucket=name, Key=key, Body=body, **more)
    return {"Bucket": name, "Key": key}


def no_key(aws):
    return Invalid({"Bucket": bucket(aws), "Key": "none"}, "NoSuchKey", r"The specified key does not exist\.")


def content(aws, where):
    return aws.client("s3").get_object(**where)["Body"].read()


def is_gone(aws, where):
    return aws.client("s3").list_objects_v2(Bucket=where["Bucket"])["KeyCount"] == 0


class ListObjects(S3):
    def parameters(self, aws):
        return {"Bucket": place(aws)["Bucket"], "Prefix": "config/"}

    def check(self, aws, parameters, reply):
        [shown] = reply["Contents"]
        assert shown["Key"] == "config/web é.env" and shown["Size"] == len(BODY)

    def action(self):
        return "s3:ListBucket"

    def invalid(self, aws):
        return no_bucket()


class ListObjectsV2(S3):
    def parameters(self, aws):
        return {"Bucket": place(aws)["Bucket"], "Delimiter": "/"}

    def check(self, aws, parameters, reply):
        assert reply["CommonPrefixes"] == [{"Prefix": "config/"}] and reply.get("KeyCount", 1) == 1

    def action(self):
        return "s3:ListBucket"

    def invalid(self, aws):
        text = "The continuation token provided is incorrect"
        return Invalid({"Bucket": bucket(aws), "ContinuationToken": "!"}, "InvalidArgument", text)


class PutObject(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws), "Key": "a b+c/é", "Body": BODY, "Metadata": {"colour": "green"}, "Tagging": "k=v"}

    def check(self, aws, parameters, reply):
        where = {"Bucket": parameters["Bucket"], "Key": parameters["Key"]}
        shown = aws.client("s3").get_object(**where, ChecksumMode="ENABLED")
        assert shown["Body"].read() == BODY and shown["ETag"] == reply["ETag"]
        assert shown["Metadata"] == {"colour": "green"} and shown["TagCount"] == 1
        assert shown["ServerSideEncryption"] == "AES256"

    def invalid(self, aws):
        given = {"Bucket": bucket(aws), "Key": "k", "Body": BODY, "ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
        return Invalid(given, "BadDigest", r"The Content-MD5 you specified did not match what we received\.")


class CopyObject(S3):
    def parameters(self, aws):
        where = place(aws, ContentType="text/plain")
        return {"Bucket": where["Bucket"], "Key": "copy", "CopySource": f"{where['Bucket']}/{where['Key']}"}

    def check(self, aws, parameters, reply):
        shown = aws.client("s3").get_object(Bucket=parameters["Bucket"], Key="copy")
        assert shown["Body"].read() == BODY and shown["ContentType"] == "text/plain"
        assert reply["CopyObjectResult"]["ETag"] == shown["ETag"]

    def action(self):
        return "s3:GetObject"

    def resource(self, aws, parameters):
        return f'"arn:aws:s3:::{parameters["Bucket"]}/config/web é.env"'

    def invalid(self, aws):
        name = bucket(aws)
        text = r"The specified key does not exist\."
        return Invalid({"Bucket": name, "Key": "copy", "CopySource": f"{name}/none"}, "NoSuchKey", text)


class GetObject(S3):
    def cli_arguments(self, parameters):
        named = [word for name, value in parameters.items() for word in (f"--{name.lower()}", value)]
        return [*named, "/dev/null"]

    def parameters(self, aws):
        return {**place(aws), "Range": "bytes=0-5"}

    def check(self, aws, parameters, reply):
        assert reply["ContentRange"] == f"bytes 0-5/{len(BODY)}"
        assert "Body" not in reply or reply["Body"].read() == BODY[:6]

    def invalid(self, aws):
        return no_key(aws)


class HeadObject(S3):
    is_head = True

    def parameters(self, aws):
        return place(aws)

    def check(self, aws, parameters, reply):
        assert reply["ContentLength"] == len(BODY)

    def action(self):
        return "s3:GetObject"

    def invalid(self, aws):
        return Invalid({"Bucket": bucket(aws), "Key": "none"}, "404", "Not Found")


class GetObjectAcl(S3):
    def parameters(self, aws):
        return place(aws)

    def check(self, aws, parameters, reply):
        assert [grant["Permission"] for grant in reply["Grants"]] == ["FULL_CONTROL"]

    def invalid(self, aws):
        return no_key(aws)


class DeleteObject(S3):
    def parameters(self, aws):
        return place(aws)

    def check(self, aws, parameters, reply):
        assert is_gone(aws, parameters)

    def invalid(self, aws):
        return no_bucket(Key="k")


class DeleteObjects(S3):
    #: Each key is refused by itself, in an answer that succeeds (control/tests/it/s3/objects.rs).
    needs_permission = False

    def parameters(self, aws):
        where = place(aws)
        return {"Bucket": where["Bucket"], "Delete": {"Objects": [{"Key": where["Key"]}, {"Key": "none"}]}}

    def check(self, aws, parameters, reply):
        assert [shown["Key"] for shown in reply["Deleted"]] == ["config/web é.env", "none"]
        assert is_gone(aws, parameters)

    def action(self):
        return "s3:DeleteObject"

    def invalid(self, aws):
        text = "The XML you provided was not well-formed or did not validate against our published schema"
        return Invalid({"Bucket": bucket(aws), "Delete": {"Objects": []}}, "MalformedXML", text)


TAGS = {"TagSet": [{"Key": "team", "Value": "b"}]}


class PutObjectTagging(S3):
    def parameters(self, aws):
        return {**place(aws), "Tagging": TAGS}

    def check(self, aws, parameters, reply):
        where = {"Bucket": parameters["Bucket"], "Key": parameters["Key"]}
        assert aws.client("s3").get_object_tagging(**where)["TagSet"] == TAGS["TagSet"]

    def invalid(self, aws):
        tags = {"TagSet": [{"Key": f"k{number}", "Value": ""} for number in range(11)]}
        return Invalid({**place(aws), "Tagging": tags}, "InvalidTag", "Object tags cannot be greater than 10")


class GetObjectTagging(S3):
    def parameters(self, aws):
        return place(aws, Tagging="team=b")

    def check(self, aws, parameters, reply):
        assert reply["TagSet"] == TAGS["TagSet"]

    def invalid(self, aws):
        return no_key(aws)


class DeleteObjectTagging(S3):
    def parameters(self, aws):
        return place(aws, Tagging="team=b")

    def check(self, aws, parameters, reply):
        assert aws.client("s3").get_object_tagging(**parameters)["TagSet"] == []

    def invalid(self, aws):
        return no_key(aws)


def upload(aws):
    """An upload in parts that was begun."""
    where = {"Bucket": bucket(aws), "Key": "big"}
    return {**where, "UploadId": aws.client("s3").create_multipart_upload(**where)["UploadId"]}


def no_upload(aws, **more):
    text = r"The specified upload does not exist\. The upload ID may be invalid, .*"
    return Invalid({**upload(aws), "UploadId": "unknown", **more}, "NoSuchUpload", text)


class CreateMultipartUpload(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws), "Key": "big", "ContentType": "text/plain"}

    def check(self, aws, parameters, reply):
        shown = aws.client("s3").list_multipart_uploads(Bucket=parameters["Bucket"])["Uploads"]
        assert reply["UploadId"] in [one["UploadId"] for one in shown]

    def action(self):
        return "s3:PutObject"

    def invalid(self, aws):
        text = "The storage class you specified is not valid"
        return Invalid({"Bucket": bucket(aws), "Key": "k", "StorageClass": "GLACIER"}, "InvalidStorageClass", text)


class UploadPart(S3):
    def parameters(self, aws):
        return {**upload(aws), "PartNumber": 3, "Body": BODY}

    def check(self, aws, parameters, reply):
        where = {name: parameters[name] for name in ("Bucket", "Key", "UploadId")}
        [part] = aws.client("s3").list_parts(**where)["Parts"]
        assert (part["PartNumber"], part["Size"], part["ETag"]) == (3, len(BODY), reply["ETag"])

    def action(self):
        return "s3:PutObject"

    def invalid(self, aws):
        return no_upload(aws, PartNumber=1, Body=BODY)


class UploadPartCopy(S3):
    def parameters(self, aws):
        where = place(aws)
        source = f"{where['Bucket']}/{where['Key']}"
        begun = {**upload(aws), "PartNumber": 1, "CopySource": source, "CopySourceRange": "bytes=0-5"}
        self.source = where
        return begun

    def check(self, aws, parameters, reply):
        where = {name: parameters[name] for name in ("Bucket", "Key", "UploadId")}
        [part] = aws.client("s3").list_parts(**where)["Parts"]
        assert part["Size"] == 6 and part["ETag"] == reply["CopyPartResult"]["ETag"]

    def action(self):
        return "s3:GetObject"

    def resource(self, aws, parameters):
        return f'"arn:aws:s3:::{self.source["Bucket"]}/{self.source["Key"]}"'

    def invalid(self, aws):
        given = {**self.parameters(aws), "CopySourceRange": "bytes=0-99"}
        return Invalid(given, "InvalidRange", "The requested range is not satisfiable")


def fed(aws):
    """An upload with two parts, and how they are named."""
    begun = upload(aws)
    client = aws.client("s3")
    etags = [
        client.upload_part(**begun, PartNumber=number, Body=body)["ETag"] for number, body in ((1, PART), (2, BODY))
    ]
    return begun, [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]


class CompleteMultipartUpload(S3):
    def parameters(self, aws):
        begun, parts = fed(aws)
        return {**begun, "MultipartUpload": {"Parts": parts}}

    def check(self, aws, parameters, reply):
        assert reply["ETag"].endswith('-2"')
        assert content(aws, {"Bucket": parameters["Bucket"], "Key": "big"}) == PART + BODY

    def action(self):
        return "s3:PutObject"

    def invalid(self, aws):
        begun, parts = fed(aws)
        text = r"The list of parts was not in ascending order\. Parts must be ordered by part number\."
        return Invalid({**begun, "MultipartUpload": {"Parts": parts[::-1]}}, "InvalidPartOrder", text)


class AbortMultipartUpload(S3):
    def parameters(self, aws):
        return fed(aws)[0]

    def check(self, aws, parameters, reply):
        assert "Uploads" not in aws.client("s3").list_multipart_uploads(Bucket=parameters["Bucket"])

    def invalid(self, aws):
        return no_upload(aws)


class ListParts(S3):
    def parameters(self, aws):
        return {**fed(aws)[0], "MaxParts": 1}

    def check(self, aws, parameters, reply):
        assert [part["PartNumber"] for part in reply["Parts"]][0] == 1

    def action(self):
        return "s3:ListMultipartUploadParts"

    def invalid(self, aws):
        return no_upload(aws)


class ListMultipartUploads(S3):
    def parameters(self, aws):
        return {"Bucket": upload(aws)["Bucket"], "Prefix": "b"}

    def check(self, aws, parameters, reply):
        assert [one["Key"] for one in reply["Uploads"]] == ["big"]

    def action(self):
        return "s3:ListBucketMultipartUploads"

    def invalid(self, aws):
        return no_bucket()
