"""Server certificates."""

from account import tags
from case import Iam, Invalid
from certificates import certificate, rsa_key


def upload(aws, **more):
    name, (body, key) = aws.name("certificate"), certificate()
    aws.iam.upload_server_certificate(ServerCertificateName=name, CertificateBody=body, PrivateKey=key, **more)
    return name


def names(aws, **filters):
    listed = aws.iam.get_paginator("list_server_certificates").paginate(**filters).build_full_result()
    return [found["ServerCertificateName"] for found in listed["ServerCertificateMetadataList"]]


def tags_of(aws, name):
    return aws.iam.list_server_certificate_tags(ServerCertificateName=name)["Tags"]


class OnCertificate:
    """Calls authorised on the certificate they name; the certificates of a case go with it, for there may be few."""

    def resource(self, aws, parameters):
        return f"server certificate {parameters['ServerCertificateName']}"

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "ServerCertificateName": "no-such-certificate"}
        message = r"The Server Certificate with name no-such-certificate cannot be found\."
        return Invalid(parameters, "NoSuchEntity", message)

    def arranged(self, aws, **more):
        for name in names(aws):
            aws.iam.delete_server_certificate(ServerCertificateName=name)
        return upload(aws, **more)


class UploadServerCertificate(OnCertificate, Iam):
    def parameters(self, aws):
        # Smaller than what TLS libraries still sign with, and as older programs write it.
        body, key = certificate(rsa_key(1024))
        return {
            "ServerCertificateName": aws.name("certificate"),
            "CertificateBody": body,
            "PrivateKey": key,
            "Path": "/cloudfront/",
            "Tags": tags("iam", Team="one", team="two"),
        }

    def check(self, aws, parameters, reply):
        name = parameters["ServerCertificateName"]
        found = aws.iam.get_server_certificate(ServerCertificateName=name)["ServerCertificate"]
        assert found["ServerCertificateMetadata"]["Arn"] == aws.iam_arn(f"server-certificate/cloudfront/{name}")
        assert found["CertificateBody"] == parameters["CertificateBody"].strip()
        assert found["Tags"] == parameters["Tags"] and "PrivateKey" not in found
        aws.iam.delete_server_certificate(ServerCertificateName=name)

    def resource(self, aws, parameters):
        return aws.iam_arn(f"server-certificate/cloudfront/{parameters['ServerCertificateName']}")

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "PrivateKey": certificate()[1]}
        return Invalid(parameters, "KeyPairMismatch", r"The private key did not match the public key provided\..*")


class GetServerCertificate(OnCertificate, Iam):
    def parameters(self, aws):
        return {"ServerCertificateName": self.arranged(aws)}

    def check(self, aws, parameters, reply):
        found = reply["ServerCertificate"]
        assert found["CertificateBody"].startswith("-----BEGIN CERTIFICATE-----")
        metadata = found["ServerCertificateMetadata"]
        assert metadata["ServerCertificateName"] == parameters["ServerCertificateName"] and metadata["Expiration"]


class ListServerCertificates(OnCertificate, Iam):
    def parameters(self, aws):
        self.name = self.arranged(aws, Path="/here/")
        return {"PathPrefix": "/here/"}

    def check(self, aws, parameters, reply):
        (found,) = reply["ServerCertificateMetadataList"]
        assert found["ServerCertificateName"] == self.name
        upload(aws, Path="/here/")
        assert len(names(aws, **parameters, PaginationConfig={"PageSize": 1})) == 2

    def resource(self, aws, parameters):
        return aws.iam_arn("server-certificate/here/")

    def invalid(self, aws):
        return Invalid({"PathPrefix": "no slash"}, "ValidationError", r"1 validation error detected: .*pathPrefix.*")


class UpdateServerCertificate(OnCertificate, Iam):
    def parameters(self, aws):
        name = self.arranged(aws)
        return {"ServerCertificateName": name, "NewPath": "/new/", "NewServerCertificateName": aws.name("renamed")}

    def check(self, aws, parameters, reply):
        assert names(aws, PathPrefix="/new/") == [parameters["NewServerCertificateName"]]


class DeleteServerCertificate(OnCertificate, Iam):
    def parameters(self, aws):
        return {"ServerCertificateName": self.arranged(aws)}

    def check(self, aws, parameters, reply):
        assert parameters["ServerCertificateName"] not in names(aws)


class TagServerCertificate(OnCertificate, Iam):
    def parameters(self, aws):
        return {"ServerCertificateName": self.arranged(aws), "Tags": tags("iam", Owner="richard-roe")}

    def check(self, aws, parameters, reply):
        assert tags_of(aws, parameters["ServerCertificateName"]) == parameters["Tags"]


class UntagServerCertificate(OnCertificate, Iam):
    def parameters(self, aws):
        return {"ServerCertificateName": self.arranged(aws, Tags=tags("iam", A="1", B="2")), "TagKeys": ["A"]}

    def check(self, aws, parameters, reply):
        assert tags_of(aws, parameters["ServerCertificateName"]) == tags("iam", B="2")


class ListServerCertificateTags(OnCertificate, Iam):
    def parameters(self, aws):
        return {"ServerCertificateName": self.arranged(aws, Tags=tags("iam", A="1"))}

    def check(self, aws, parameters, reply):
        assert reply["Tags"] == tags("iam", A="1") and not reply.get("IsTruncated")
