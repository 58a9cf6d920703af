"""Buckets of S3, and what is set of them."""

import json

from account import ACCOUNT
from case import S3, Invalid


def bucket(aws, **more):
    name = aws.name("bucket")
    aws.client("s3").create_bucket(Bucket=name, **more)
    return name


def policy(name):
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{name}/*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def no_bucket(**more):
    text = "The specified bucket does not exist"
    return Invalid({"Bucket": "there-is-no-such-bucket", **more}, "NoSuchBucket", text)


class ListBuckets(S3):
    can_be_invalid = False

    def parameters(self, aws):
        self.made = bucket(aws)
        return {"Prefix": self.made}

    def check(self, aws, parameters, reply):
        [shown] = reply["Buckets"]
        assert shown["Name"] == parameters["Prefix"] and shown["BucketRegion"] == aws.region

    def action(self):
        return "s3:ListAllMyBuckets"

    def resource(self, aws, parameters):
        return "*"


class CreateBucket(S3):
    def parameters(self, aws):
        return {"Bucket": aws.name("bucket")}

    def check(self, aws, parameters, reply):
        assert aws.client("s3").get_bucket_location(Bucket=parameters["Bucket"])["LocationConstraint"] is None

    def invalid(self, aws):
        return Invalid({"Bucket": "UPPER"}, "InvalidBucketName", r"The specified bucket is not valid\.")


class HeadBucket(S3):
    is_head = True

    def parameters(self, aws):
        return {"Bucket": bucket(aws)}

    def check(self, aws, parameters, reply):
        assert reply["BucketRegion"] == aws.region

    def action(self):
        return "s3:ListBucket"

    def invalid(self, aws):
        return Invalid({"Bucket": "there-is-no-such-bucket"}, "404", "Not Found")


class DeleteBucket(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws)}

    def check(self, aws, parameters, reply):
        listed = aws.client("s3").list_buckets(Prefix=parameters["Bucket"])
        assert listed.get("Buckets", []) == []

    def invalid(self, aws):
        name = bucket(aws)
        aws.client("s3").put_object(Bucket=name, Key="k", Body=b"")
        return Invalid({"Bucket": name}, "BucketNotEmpty", "The bucket you tried to delete is not empty")


class GetBucketLocation(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws)}

    def check(self, aws, parameters, reply):
        assert reply.get("LocationConstraint") is None

    def invalid(self, aws):
        return no_bucket()


class GetBucketVersioning(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws)}

    def check(self, aws, parameters, reply):
        assert "Status" not in reply

    def invalid(self, aws):
        return no_bucket()


class GetBucketEncryption(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws)}

    def check(self, aws, parameters, reply):
        [rule] = reply["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}

    def action(self):
        return "s3:GetEncryptionConfiguration"

    def invalid(self, aws):
        return no_bucket()


def encryption(key=None):
    default = {"SSEAlgorithm": "aws:kms"} | ({"KMSMasterKeyID": key} if key else {})
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}


class PutBucketEncryption(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws), "ServerSideEncryptionConfiguration": encryption("alias/of-the-team")}

    def check(self, aws, parameters, reply):
        kept = aws.client("s3").get_bucket_encryption(Bucket=parameters["Bucket"])
        assert kept["ServerSideEncryptionConfiguration"] == parameters["ServerSideEncryptionConfiguration"]

    def action(self):
        return "s3:PutEncryptionConfiguration"

    def invalid(self, aws):
        return no_bucket(ServerSideEncryptionConfiguration=encryption())


class DeleteBucketEncryption(S3):
    def parameters(self, aws):
        name = bucket(aws)
        aws.client("s3").put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=encryption())
        return {"Bucket": name}

    def check(self, aws, parameters, reply):
        kept = aws.client("s3").get_bucket_encryption(Bucket=parameters["Bucket"])
        [rule] = kept["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}

    def action(self):
        return "s3:PutEncryptionConfiguration"

    def invalid(self, aws):
        return no_bucket()


class GetBucketAcl(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws)}

    def check(self, aws, parameters, reply):
        [grant] = reply["Grants"]
        assert grant["Permission"] == "FULL_CONTROL" and grant["Grantee"]["ID"] == reply["Owner"]["ID"]

    def invalid(self, aws):
        return no_bucket()


class PutBucketPolicy(S3):
    def parameters(self, aws):
        name = bucket(aws)
        return {"Bucket": name, "Policy": policy(name)}

    def check(self, aws, parameters, reply):
        kept = aws.client("s3").get_bucket_policy(Bucket=parameters["Bucket"])["Policy"]
        assert kept == parameters["Policy"]

    def invalid(self, aws):
        name = bucket(aws)
        return Invalid({"Bucket": name, "Policy": policy("another")}, "MalformedPolicy", "Policy has invalid resource")


def bucket_with_policy(aws):
    name = bucket(aws)
    aws.client("s3").put_bucket_policy(Bucket=name, Policy=policy(name))
    return name


class GetBucketPolicy(S3):
    def parameters(self, aws):
        return {"Bucket": bucket_with_policy(aws)}

    def check(self, aws, parameters, reply):
        assert reply["Policy"] == policy(parameters["Bucket"])

    def invalid(self, aws):
        return Invalid({"Bucket": bucket(aws)}, "NoSuchBucketPolicy", "The bucket policy does not exist")


class DeleteBucketPolicy(S3):
    def parameters(self, aws):
        return {"Bucket": bucket_with_policy(aws)}

    def check(self, aws, parameters, reply):
        # Nothing is left that a public policy could be put beside.
        aws.client("s3").put_bucket_policy(Bucket=parameters["Bucket"], Policy=policy(parameters["Bucket"]))

    def invalid(self, aws):
        return no_bucket()


class GetBucketPolicyStatus(S3):
    def parameters(self, aws):
        return {"Bucket": bucket_with_policy(aws)}

    def check(self, aws, parameters, reply):
        assert reply["PolicyStatus"] == {"IsPublic": False}

    def invalid(self, aws):
        return Invalid({"Bucket": bucket(aws)}, "NoSuchBucketPolicy", "The bucket policy does not exist")


OPEN = {"BlockPublicAcls": False, "IgnorePublicAcls": True, "BlockPublicPolicy": False, "RestrictPublicBuckets": True}


class PutPublicAccessBlock(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws), "PublicAccessBlockConfiguration": OPEN}

    def check(self, aws, parameters, reply):
        shown = aws.client("s3").get_public_access_block(Bucket=parameters["Bucket"])
        assert shown["PublicAccessBlockConfiguration"] == OPEN

    def action(self):
        return "s3:PutBucketPublicAccessBlock"

    def invalid(self, aws):
        return no_bucket(PublicAccessBlockConfiguration=OPEN)


class GetPublicAccessBlock(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws)}

    def check(self, aws, parameters, reply):
        assert set(reply["PublicAccessBlockConfiguration"].values()) == {True}

    def action(self):
        return "s3:GetBucketPublicAccessBlock"

    def invalid(self, aws):
        return no_bucket()


class DeletePublicAccessBlock(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws)}

    def check(self, aws, parameters, reply):
        client = aws.client("s3")
        try:
            client.get_public_access_block(Bucket=parameters["Bucket"])
        except client.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchPublicAccessBlockConfiguration"
        else:
            raise AssertionError("it is still there")

    def action(self):
        return "s3:PutBucketPublicAccessBlock"

    def invalid(self, aws):
        return no_bucket()


ENFORCED = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


class PutBucketOwnershipControls(S3):
    def parameters(self, aws):
        name = bucket(aws)
        aws.client("s3").delete_bucket_ownership_controls(Bucket=name)
        return {"Bucket": name, "OwnershipControls": ENFORCED}

    def check(self, aws, parameters, reply):
        shown = aws.client("s3").get_bucket_ownership_controls(Bucket=parameters["Bucket"])
        assert shown["OwnershipControls"] == ENFORCED

    def invalid(self, aws):
        other = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        text = "Object ownership other than BucketOwnerEnforced is not implemented by this server: buckets have no ACLs."
        return Invalid({"Bucket": bucket(aws), "OwnershipControls": other}, "NotImplemented", text)


class GetBucketOwnershipControls(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws)}

    def check(self, aws, parameters, reply):
        assert reply["OwnershipControls"] == ENFORCED

    def invalid(self, aws):
        return no_bucket()


class DeleteBucketOwnershipControls(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws)}

    def check(self, aws, parameters, reply):
        client = aws.client("s3")
        try:
            client.get_bucket_ownership_controls(Bucket=parameters["Bucket"])
        except client.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "OwnershipControlsNotFoundError"
        else:
            raise AssertionError("they are still there")

    def action(self):
        return "s3:PutBucketOwnershipControls"

    def invalid(self, aws):
        return no_bucket()


TAGS = {"TagSet": [{"Key": "team", "Value": "a b"}]}


class PutBucketTagging(S3):
    def parameters(self, aws):
        return {"Bucket": bucket(aws), "Tagging": TAGS}

    def check(self, aws, parameters, reply):
        assert aws.client("s3").get_bucket_tagging(Bucket=parameters["Bucket"])["TagSet"] == TAGS["TagSet"]

    def invalid(self, aws):
        text = "System tags cannot be added/updated by requester"
        tags = {"TagSet": [{"Key": "aws:x", "Value": ""}]}
        return Invalid({"Bucket": bucket(aws), "Tagging": tags}, "InvalidTag", text)


def tagged(aws):
    name = bucket(aws)
    aws.client("s3").put_bucket_tagging(Bucket=name, Tagging=TAGS)
    return name


class GetBucketTagging(S3):
    def parameters(self, aws):
        return {"Bucket": tagged(aws)}

    def check(self, aws, parameters, reply):
        assert reply["TagSet"] == TAGS["TagSet"]

    def invalid(self, aws):
        return Invalid({"Bucket": bucket(aws)}, "NoSuchTagSet", "The TagSet does not exist")


class DeleteBucketTagging(S3):
    def parameters(self, aws):
        return {"Bucket": tagged(aws)}

    def check(self, aws, parameters, reply):
        client = aws.client("s3")
        try:
            client.get_bucket_tagging(Bucket=parameters["Bucket"])
        except client.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchTagSet"
        else:
            raise AssertionError("they are still there")

    def action(self):
        return "s3:PutBucketTagging"

    def invalid(self, aws):
        return no_bucket()
