"""Passwords of users, and what else they identify with."""

from case import Iam, Invalid
from cases.iam_users import OnUser
from certificates import certificate, public_pem, rsa_key, ssh

PASSWORD = "Correct-horse-1"
CODECOMMIT = "codecommit.amazonaws.com"


def with_password(aws):
    """A user with a password."""
    name = aws.user()
    aws.iam.create_login_profile(UserName=name, Password=PASSWORD)
    return name


class CreateLoginProfile(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.user(), "Password": PASSWORD, "PasswordResetRequired": True}

    def check(self, aws, parameters, reply):
        found = aws.iam.get_login_profile(UserName=parameters["UserName"])["LoginProfile"]
        assert found["UserName"] == parameters["UserName"] and found["PasswordResetRequired"] is True

    def invalid(self, aws):
        message = r"Password should meet 2 more of the following requirements: .*"
        return Invalid({"UserName": aws.user(), "Password": "password"}, "PasswordPolicyViolation", message)


class GetLoginProfile(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": with_password(aws)}

    def check(self, aws, parameters, reply):
        assert reply["LoginProfile"]["UserName"] == parameters["UserName"]

    def invalid(self, aws):
        name = aws.user()
        return Invalid({"UserName": name}, "NoSuchEntity", f"Login Profile for User {name} cannot be found\\.")


class UpdateLoginProfile(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": with_password(aws), "Password": "Another-horse-2", "PasswordResetRequired": True}

    def check(self, aws, parameters, reply):
        found = aws.iam.get_login_profile(UserName=parameters["UserName"])["LoginProfile"]
        assert found["PasswordResetRequired"] is True


class DeleteLoginProfile(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": with_password(aws)}

    def check(self, aws, parameters, reply):
        aws.iam.create_login_profile(UserName=parameters["UserName"], Password=PASSWORD)

    def invalid(self, aws):
        name = aws.user()
        return Invalid({"UserName": name}, "NoSuchEntity", f"Login Profile for User {name} cannot be found\\.")


class ChangePassword(Iam):
    """The administrator's own: only users have passwords, and only their own can they change this way."""

    def parameters(self, aws):
        name = aws.iam.get_user()["User"]["UserName"]
        try:
            aws.iam.delete_login_profile(UserName=name)
        except aws.iam.exceptions.NoSuchEntityException:
            pass
        aws.iam.create_login_profile(UserName=name, Password=PASSWORD, PasswordResetRequired=True)
        return {"OldPassword": PASSWORD, "NewPassword": "Another-horse-2"}

    def check(self, aws, parameters, reply):
        assert aws.iam.get_login_profile()["LoginProfile"]["PasswordResetRequired"] is False

    def resource(self, aws, parameters):
        return f"user {aws.nobody}"

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "OldPassword": "guess"}
        return Invalid(parameters, "AccessDenied", "The old password was incorrect")


def ssh_key(aws, user):
    key = aws.iam.upload_ssh_public_key(UserName=user, SSHPublicKeyBody=ssh(rsa_key()))
    return key["SSHPublicKey"]["SSHPublicKeyId"]


def no_such_key(parameters):
    lost = "APKAIOSFODNN7EXAMPLE"
    return Invalid(
        {**parameters, "SSHPublicKeyId": lost}, "NoSuchEntity", f"The Public Key with id {lost} cannot be found\\."
    )


class UploadSSHPublicKey(OnUser, Iam):
    def parameters(self, aws):
        self.key = rsa_key()
        return {"UserName": aws.user(), "SSHPublicKeyBody": ssh(self.key) + " user@host"}

    def check(self, aws, parameters, reply):
        found = aws.iam.get_ssh_public_key(
            UserName=parameters["UserName"], SSHPublicKeyId=reply["SSHPublicKey"]["SSHPublicKeyId"], Encoding="PEM"
        )
        assert found["SSHPublicKey"]["SSHPublicKeyBody"] == public_pem(self.key)

    def invalid(self, aws):
        parameters = {"UserName": aws.user(), "SSHPublicKeyBody": ssh(rsa_key(1024))}
        return Invalid(parameters, "InvalidPublicKey", r"Invalid body for public key")


class GetSSHPublicKey(OnUser, Iam):
    def parameters(self, aws):
        name, self.key = aws.user(), rsa_key()
        key = aws.iam.upload_ssh_public_key(UserName=name, SSHPublicKeyBody=public_pem(self.key))
        return {"UserName": name, "SSHPublicKeyId": key["SSHPublicKey"]["SSHPublicKeyId"], "Encoding": "SSH"}

    def check(self, aws, parameters, reply):
        assert reply["SSHPublicKey"]["SSHPublicKeyBody"] == ssh(self.key)
        assert len(reply["SSHPublicKey"]["Fingerprint"]) == 47

    def invalid(self, aws):
        return no_such_key(self.parameters(aws))


class ListSSHPublicKeys(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        self.keys = sorted([ssh_key(aws, name), ssh_key(aws, name)])
        return {"UserName": name}

    def check(self, aws, parameters, reply):
        assert [key["SSHPublicKeyId"] for key in reply["SSHPublicKeys"]] == self.keys
        pages = aws.iam.get_paginator("list_ssh_public_keys").paginate(**parameters, PaginationConfig={"PageSize": 1})
        assert len(pages.build_full_result()["SSHPublicKeys"]) == 2


class UpdateSSHPublicKey(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        return {"UserName": name, "SSHPublicKeyId": ssh_key(aws, name), "Status": "Inactive"}

    def check(self, aws, parameters, reply):
        (key,) = aws.iam.list_ssh_public_keys(UserName=parameters["UserName"])["SSHPublicKeys"]
        assert key["Status"] == "Inactive"

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "Status": "Expired"}
        return Invalid(parameters, "InvalidInput", r"Operation does not support status Expired")


class DeleteSSHPublicKey(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        return {"UserName": name, "SSHPublicKeyId": ssh_key(aws, name)}

    def check(self, aws, parameters, reply):
        assert aws.iam.list_ssh_public_keys(UserName=parameters["UserName"])["SSHPublicKeys"] == []

    def invalid(self, aws):
        return no_such_key(self.parameters(aws))


def service_credential(aws, user, service=CODECOMMIT):
    made = aws.iam.create_service_specific_credential(UserName=user, ServiceName=service)
    return made["ServiceSpecificCredential"]


def service_credentials(aws, user):
    return aws.iam.list_service_specific_credentials(UserName=user)["ServiceSpecificCredentials"]


def no_such_credential(parameters):
    lost = "ACCAIOSFODNN7EXAMPLE1"
    return Invalid(
        {**parameters, "ServiceSpecificCredentialId": lost}, "NoSuchEntity", f"No such credential {lost} exists"
    )


class CreateServiceSpecificCredential(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.user(), "ServiceName": "bedrock.amazonaws.com", "CredentialAgeDays": 7}

    def check(self, aws, parameters, reply):
        made = reply["ServiceSpecificCredential"]
        assert made["ServiceCredentialSecret"].startswith("ABSK")
        (listed,) = service_credentials(aws, parameters["UserName"])
        assert listed["ServiceSpecificCredentialId"] == made["ServiceSpecificCredentialId"]
        assert (listed["ExpirationDate"] - listed["CreateDate"]).days == 7
        assert "ServiceCredentialSecret" not in listed

    def invalid(self, aws):
        parameters = {"UserName": aws.user(), "ServiceName": "sqs.amazonaws.com"}
        message = r"No such service sqs\.amazonaws\.com is supported for Service Specific Credentials"
        return Invalid(parameters, "NoSuchEntity", message)


class ListServiceSpecificCredentials(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        service_credential(aws, name), service_credential(aws, name, "logs.amazonaws.com")
        return {"UserName": name, "ServiceName": CODECOMMIT}

    def check(self, aws, parameters, reply):
        (found,) = reply["ServiceSpecificCredentials"]
        assert found["ServiceUserName"].startswith(f"{parameters['UserName']}-at-")
        assert len(service_credentials(aws, parameters["UserName"])) == 2


class UpdateServiceSpecificCredential(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        made = service_credential(aws, name)
        return {
            "UserName": name,
            "ServiceSpecificCredentialId": made["ServiceSpecificCredentialId"],
            "Status": "Inactive",
        }

    def check(self, aws, parameters, reply):
        (found,) = service_credentials(aws, parameters["UserName"])
        assert found["Status"] == "Inactive"

    def invalid(self, aws):
        return no_such_credential(self.parameters(aws))


class ResetServiceSpecificCredential(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        self.before = service_credential(aws, name)
        return {"UserName": name, "ServiceSpecificCredentialId": self.before["ServiceSpecificCredentialId"]}

    def check(self, aws, parameters, reply):
        after = reply["ServiceSpecificCredential"]
        assert after["ServicePassword"] != self.before["ServicePassword"]
        assert after["ServiceUserName"] == self.before["ServiceUserName"]

    def invalid(self, aws):
        return no_such_credential(self.parameters(aws))


class DeleteServiceSpecificCredential(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        made = service_credential(aws, name)
        return {"UserName": name, "ServiceSpecificCredentialId": made["ServiceSpecificCredentialId"]}

    def check(self, aws, parameters, reply):
        assert service_credentials(aws, parameters["UserName"]) == []

    def invalid(self, aws):
        return no_such_credential(self.parameters(aws))


def signing_certificate(aws, user):
    made = aws.iam.upload_signing_certificate(UserName=user, CertificateBody=certificate()[0])
    return made["Certificate"]["CertificateId"]


def no_such_certificate(parameters):
    lost = "TA7SMP42TDN5Z26OBPJE7EXAMPLE"
    message = f"The Certificate with id {lost} cannot be found\\."
    return Invalid({**parameters, "CertificateId": lost}, "NoSuchEntity", message)


class UploadSigningCertificate(OnUser, Iam):
    def parameters(self, aws):
        return {"UserName": aws.user(), "CertificateBody": certificate()[0]}

    def check(self, aws, parameters, reply):
        (found,) = aws.iam.list_signing_certificates(UserName=parameters["UserName"])["Certificates"]
        assert found["CertificateId"] == reply["Certificate"]["CertificateId"]
        assert found["CertificateBody"] == parameters["CertificateBody"]

    def invalid(self, aws):
        expired, _ = certificate(days=-1)
        message = r"Certificate -----BEGIN CERTIFICATE-----.* is malformed\."
        return Invalid({"UserName": aws.user(), "CertificateBody": expired}, "MalformedCertificate", message)


class ListSigningCertificates(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        self.ids = {signing_certificate(aws, name), signing_certificate(aws, name)}
        return {"UserName": name}

    def check(self, aws, parameters, reply):
        assert {found["CertificateId"] for found in reply["Certificates"]} == self.ids


class UpdateSigningCertificate(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        return {"UserName": name, "CertificateId": signing_certificate(aws, name), "Status": "Inactive"}

    def check(self, aws, parameters, reply):
        (found,) = aws.iam.list_signing_certificates(UserName=parameters["UserName"])["Certificates"]
        assert found["Status"] == "Inactive"

    def invalid(self, aws):
        return no_such_certificate(self.parameters(aws))


class DeleteSigningCertificate(OnUser, Iam):
    def parameters(self, aws):
        name = aws.user()
        return {"UserName": name, "CertificateId": signing_certificate(aws, name)}

    def check(self, aws, parameters, reply):
        assert aws.iam.list_signing_certificates(UserName=parameters["UserName"])["Certificates"] == []

    def invalid(self, aws):
        return no_such_certificate(self.parameters(aws))
