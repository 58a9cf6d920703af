"""AWS KMS: keys, aliases, policies, grants, encryption, rotation."""

import base64
import json
import tempfile
import uuid

from account import ACCOUNT
from case import Invalid, Kms

UNKNOWN = "1234abcd-12ab-34cd-56ef-1234567890ab"
CONTEXT = {"App": "web"}


def key(aws, **more):
    """A key's id."""
    return aws.client("kms").create_key(**more)["KeyMetadata"]["KeyId"]


def mac_key(aws):
    return key(aws, KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")


def arn(aws, key_id):
    return f"arn:aws:kms:{aws.region}:{ACCOUNT}:key/{key_id}"


def alias(aws, key_id):
    name = f"alias/a-{uuid.uuid4()}"
    aws.client("kms").create_alias(AliasName=name, TargetKeyId=key_id)
    return name


def described(aws, key_id):
    return aws.client("kms").describe_key(KeyId=key_id)["KeyMetadata"]


def raw(blob):
    """Bytes as boto3 gives them; the AWS CLI prints them in base 64."""
    return blob if isinstance(blob, bytes) else base64.b64decode(blob)


def opened(aws, blob, context=None):
    return aws.client("kms").decrypt(CiphertextBlob=raw(blob), EncryptionContext=context or {})["Plaintext"]


def ciphertext(aws, key_id, context=None):
    made = aws.client("kms").encrypt(KeyId=key_id, Plaintext=b"plain", EncryptionContext=context or {})
    return made["CiphertextBlob"]


def missing(aws, **more):
    text = rf"Key 'arn:aws:kms:{aws.region}:{ACCOUNT}:key/{UNKNOWN}' does not exist"
    return Invalid({"KeyId": UNKNOWN} | more, "NotFoundException", text)


def on_key(aws, parameters):
    return arn(aws, parameters["KeyId"])


def with_files(parameters):
    """The AWS CLI takes bytes from files."""
    arguments, rest = [], {}
    for name, value in parameters.items():
        if isinstance(value, bytes):
            file = tempfile.NamedTemporaryFile(delete=False)
            file.write(value)
            file.close()
            option = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
            arguments += [f"-{option}", f"fileb://{file.name}"]
        else:
            rest[name] = value
    return ["--cli-input-json", json.dumps(rest)] + arguments


class CreateKey(Kms):
    def parameters(self, aws):
        return {"Description": "of a test"}

    def check(self, aws, parameters, reply):
        shown = described(aws, reply["KeyMetadata"]["KeyId"])
        assert (shown["Description"], shown["KeyState"], shown["KeyManager"]) == ("of a test", "Enabled", "CUSTOMER")
        policy = json.loads(aws.client("kms").get_key_policy(KeyId=shown["KeyId"])["Policy"])
        assert policy["Id"] == "key-default-1"

    def invalid(self, aws):
        text = r"You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys\."
        return Invalid({"KeySpec": "HMAC_256"}, "ValidationException", text)


class DescribeKey(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws, Description="shown")}

    def check(self, aws, parameters, reply):
        shown = reply["KeyMetadata"]
        assert (shown["Description"], shown["KeyId"]) == ("shown", parameters["KeyId"])
        assert shown["EncryptionAlgorithms"] == ["SYMMETRIC_DEFAULT"]

    resource = staticmethod(on_key)
    invalid = staticmethod(missing)


class ListKeys(Kms):
    def parameters(self, aws):
        key(aws)
        return {}

    def check(self, aws, parameters, reply):
        assert all(one["KeyArn"] == arn(aws, one["KeyId"]) for one in reply["Keys"]) and reply["Keys"]
        made = key(aws)
        pages = aws.client("kms").get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
        assert made in [one["KeyId"] for page in pages for one in page["Keys"]]

    def invalid(self, aws):
        return Invalid({"Marker": "!"}, "InvalidMarkerException", r"The marker is not valid\.")


class UpdateKeyDescription(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws), "Description": "other"}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["KeyId"])["Description"] == "other"

    resource = staticmethod(on_key)

    def invalid(self, aws):
        return missing(aws, Description="x")


class EnableKey(Kms):
    def parameters(self, aws):
        made = key(aws)
        aws.client("kms").disable_key(KeyId=made)
        return {"KeyId": made}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["KeyId"])["Enabled"]

    resource = staticmethod(on_key)
    invalid = staticmethod(missing)


class DisableKey(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws)}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["KeyId"])["KeyState"] == "Disabled"

    resource = staticmethod(on_key)
    invalid = staticmethod(missing)


class ScheduleKeyDeletion(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws), "PendingWindowInDays": 7}

    def check(self, aws, parameters, reply):
        shown = described(aws, parameters["KeyId"])
        assert (shown["KeyState"], reply["KeyState"]) == ("PendingDeletion", "PendingDeletion")
        assert reply["PendingWindowInDays"] == 7

    resource = staticmethod(on_key)

    def invalid(self, aws):
        text = r"1 validation error detected: Value '6' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value greater than or equal to 7"
        return Invalid({"KeyId": key(aws), "PendingWindowInDays": 6}, "ValidationException", text)


class CancelKeyDeletion(Kms):
    def parameters(self, aws):
        made = key(aws)
        aws.client("kms").schedule_key_deletion(KeyId=made)
        return {"KeyId": made}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["KeyId"])["KeyState"] == "Disabled"

    resource = staticmethod(on_key)

    def invalid(self, aws):
        made = key(aws)
        text = rf"{arn(aws, made)} is not pending deletion\."
        return Invalid({"KeyId": made}, "KMSInvalidStateException", text)


class GetKeyPolicy(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws), "PolicyName": "default"}

    def check(self, aws, parameters, reply):
        [statement] = json.loads(reply["Policy"])["Statement"]
        assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"} and statement["Action"] == "kms:*"

    resource = staticmethod(on_key)

    def invalid(self, aws):
        return Invalid({"KeyId": key(aws), "PolicyName": "other"}, "NotFoundException", "No such policy exists")


class PutKeyPolicy(Kms):
    def parameters(self, aws):
        made = key(aws)
        policy = json.loads(aws.client("kms").get_key_policy(KeyId=made)["Policy"])
        return {"KeyId": made, "Policy": json.dumps(policy | {"Id": "mine"})}

    def check(self, aws, parameters, reply):
        assert json.loads(aws.client("kms").get_key_policy(KeyId=parameters["KeyId"])["Policy"])["Id"] == "mine"

    resource = staticmethod(on_key)

    def invalid(self, aws):
        return Invalid({"KeyId": key(aws), "Policy": "{}"}, "MalformedPolicyDocumentException", r"Syntax errors in policy\.")


class ListKeyPolicies(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws)}

    def check(self, aws, parameters, reply):
        assert reply["PolicyNames"] == ["default"]

    resource = staticmethod(on_key)
    invalid = staticmethod(missing)


class CreateAlias(Kms):
    def parameters(self, aws):
        return {"AliasName": f"alias/a-{uuid.uuid4()}", "TargetKeyId": key(aws)}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["AliasName"])["KeyId"] == parameters["TargetKeyId"]

    def resource(self, aws, parameters):
        return f"arn:aws:kms:{aws.region}:{ACCOUNT}:{parameters['AliasName']}"

    def invalid(self, aws):
        text = r'Alias must start with the prefix "alias/"\. .*'
        return Invalid({"AliasName": "web", "TargetKeyId": key(aws)}, "ValidationException", text)


class UpdateAlias(Kms):
    def parameters(self, aws):
        return {"AliasName": alias(aws, key(aws)), "TargetKeyId": key(aws)}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["AliasName"])["KeyId"] == parameters["TargetKeyId"]

    def resource(self, aws, parameters):
        return f"arn:aws:kms:{aws.region}:{ACCOUNT}:{parameters['AliasName']}"

    def invalid(self, aws):
        text = rf"Alias arn:aws:kms:{aws.region}:{ACCOUNT}:alias/none is not found\."
        return Invalid({"AliasName": "alias/none", "TargetKeyId": key(aws)}, "NotFoundException", text)


class DeleteAlias(Kms):
    def parameters(self, aws):
        return {"AliasName": alias(aws, key(aws))}

    def check(self, aws, parameters, reply):
        pages = aws.client("kms").get_paginator("list_aliases").paginate()
        assert parameters["AliasName"] not in [one["AliasName"] for page in pages for one in page["Aliases"]]

    def resource(self, aws, parameters):
        return f"arn:aws:kms:{aws.region}:{ACCOUNT}:{parameters['AliasName']}"

    def invalid(self, aws):
        text = rf"Alias arn:aws:kms:{aws.region}:{ACCOUNT}:alias/none is not found\."
        return Invalid({"AliasName": "alias/none"}, "NotFoundException", text)


class ListAliases(Kms):
    def parameters(self, aws):
        made = key(aws)
        alias(aws, made), alias(aws, made)
        return {"KeyId": made}

    def check(self, aws, parameters, reply):
        assert [one["TargetKeyId"] for one in reply["Aliases"]] == [parameters["KeyId"]] * 2

    invalid = staticmethod(missing)


class TagResource(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws), "Tags": [{"TagKey": "team", "TagValue": "blue"}]}

    def check(self, aws, parameters, reply):
        assert aws.client("kms").list_resource_tags(KeyId=parameters["KeyId"])["Tags"] == parameters["Tags"]

    resource = staticmethod(on_key)

    def invalid(self, aws):
        tags = [{"TagKey": "aws:team", "TagValue": "blue"}]
        return Invalid({"KeyId": key(aws), "Tags": tags}, "TagException", r"Tags beginning with aws: are reserved")


class UntagResource(Kms):
    def parameters(self, aws):
        tags = [{"TagKey": "a", "TagValue": "1"}, {"TagKey": "b", "TagValue": "2"}]
        return {"KeyId": key(aws, Tags=tags), "TagKeys": ["a"]}

    def check(self, aws, parameters, reply):
        [left] = aws.client("kms").list_resource_tags(KeyId=parameters["KeyId"])["Tags"]
        assert left == {"TagKey": "b", "TagValue": "2"}

    resource = staticmethod(on_key)

    def invalid(self, aws):
        return missing(aws, TagKeys=["a"])


class ListResourceTags(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws, Tags=[{"TagKey": "a", "TagValue": "1"}])}

    def check(self, aws, parameters, reply):
        assert reply["Tags"] == [{"TagKey": "a", "TagValue": "1"}]

    resource = staticmethod(on_key)
    invalid = staticmethod(missing)


class Encrypt(Kms):
    cli_arguments = staticmethod(with_files)

    def parameters(self, aws):
        return {"KeyId": key(aws), "Plaintext": b"plain", "EncryptionContext": CONTEXT}

    def check(self, aws, parameters, reply):
        assert opened(aws, reply["CiphertextBlob"], CONTEXT) == b"plain"
        assert reply["KeyId"] == arn(aws, parameters["KeyId"])

    resource = staticmethod(on_key)

    def invalid(self, aws):
        made = key(aws)
        aws.client("kms").disable_key(KeyId=made)
        return Invalid({"KeyId": made, "Plaintext": b"x"}, "DisabledException", rf"{arn(aws, made)} is disabled\.")


class Decrypt(Kms):
    cli_arguments = staticmethod(with_files)

    def parameters(self, aws):
        made = key(aws)
        return {"KeyId": made, "CiphertextBlob": ciphertext(aws, made, CONTEXT), "EncryptionContext": CONTEXT}

    def check(self, aws, parameters, reply):
        assert raw(reply["Plaintext"]) == b"plain" and reply["KeyId"] == arn(aws, parameters["KeyId"])

    resource = staticmethod(on_key)

    def invalid(self, aws):
        blob = ciphertext(aws, key(aws), CONTEXT)
        return Invalid({"CiphertextBlob": blob}, "InvalidCiphertextException", "")


class ReEncrypt(Kms):
    cli_arguments = staticmethod(with_files)

    def parameters(self, aws):
        made = key(aws)
        blob = ciphertext(aws, made)
        return {"SourceKeyId": made, "CiphertextBlob": blob, "DestinationKeyId": key(aws), "DestinationEncryptionContext": CONTEXT}

    def check(self, aws, parameters, reply):
        assert opened(aws, reply["CiphertextBlob"], CONTEXT) == b"plain"
        assert reply["KeyId"] == arn(aws, parameters["DestinationKeyId"])

    def action(self):
        return "kms:ReEncryptFrom"

    def resource(self, aws, parameters):
        return arn(aws, parameters["SourceKeyId"])

    def invalid(self, aws):
        blob = ciphertext(aws, key(aws))
        wrong = {"SourceKeyId": key(aws), "CiphertextBlob": blob, "DestinationKeyId": key(aws)}
        text = r"The key ID in the request does not identify a CMK that can perform this operation\."
        return Invalid(wrong, "IncorrectKeyException", text)


class GenerateDataKey(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws), "KeySpec": "AES_256", "EncryptionContext": CONTEXT}

    def check(self, aws, parameters, reply):
        clear = raw(reply["Plaintext"])
        assert len(clear) == 32 and opened(aws, reply["CiphertextBlob"], CONTEXT) == clear

    resource = staticmethod(on_key)

    def invalid(self, aws):
        text = r"Please specify either number of bytes or key spec\."
        return Invalid({"KeyId": key(aws)}, "ValidationException", text)


class GenerateDataKeyWithoutPlaintext(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws), "NumberOfBytes": 20}

    def check(self, aws, parameters, reply):
        assert len(opened(aws, reply["CiphertextBlob"])) == 20 and "Plaintext" not in reply

    resource = staticmethod(on_key)

    def invalid(self, aws):
        return missing(aws, KeySpec="AES_256")


class GenerateRandom(Kms):
    def parameters(self, aws):
        return {"NumberOfBytes": 12}

    def check(self, aws, parameters, reply):
        assert len(raw(reply["Plaintext"])) == 12

    def invalid(self, aws):
        return Invalid({}, "ValidationException", r"NumberOfBytes is required\.")


class GenerateMac(Kms):
    cli_arguments = staticmethod(with_files)

    def parameters(self, aws):
        return {"KeyId": mac_key(aws), "Message": b"message", "MacAlgorithm": "HMAC_SHA_256"}

    def check(self, aws, parameters, reply):
        verified = aws.client("kms").verify_mac(**parameters, Mac=raw(reply["Mac"]))
        assert verified["MacValid"]

    resource = staticmethod(on_key)

    def invalid(self, aws):
        wrong = {"KeyId": mac_key(aws), "Message": b"message", "MacAlgorithm": "HMAC_SHA_512"}
        text = r"Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256\."
        return Invalid(wrong, "InvalidKeyUsageException", text)


class VerifyMac(Kms):
    cli_arguments = staticmethod(with_files)

    def parameters(self, aws):
        about = {"KeyId": mac_key(aws), "Message": b"message", "MacAlgorithm": "HMAC_SHA_256"}
        return about | {"Mac": aws.client("kms").generate_mac(**about)["Mac"]}

    def check(self, aws, parameters, reply):
        assert reply["MacValid"] is True

    resource = staticmethod(on_key)

    def invalid(self, aws):
        return Invalid(self.parameters(aws) | {"Mac": b"wrong"}, "KMSInvalidMacException", "")


def grantee(aws):
    return f"arn:aws:iam::{ACCOUNT}:role/{aws.role()}"


def granted(aws, **more):
    """A grant: its key and the reply."""
    made = key(aws)
    reply = aws.client("kms").create_grant(KeyId=made, GranteePrincipal=grantee(aws), Operations=["Decrypt"], **more)
    return made, reply


def grants(aws, key_id):
    return aws.client("kms").list_grants(KeyId=key_id)["Grants"]


class CreateGrant(Kms):
    def parameters(self, aws):
        constraints = {"EncryptionContextSubset": CONTEXT}
        return {"KeyId": key(aws), "GranteePrincipal": grantee(aws), "Operations": ["Decrypt"], "Constraints": constraints}

    def check(self, aws, parameters, reply):
        [shown] = grants(aws, parameters["KeyId"])
        assert shown["GrantId"] == reply["GrantId"] and shown["GranteePrincipal"] == parameters["GranteePrincipal"]
        assert shown["Constraints"] == parameters["Constraints"] and shown["Operations"] == ["Decrypt"]

    resource = staticmethod(on_key)

    def invalid(self, aws):
        nobody = f"arn:aws:iam::{ACCOUNT}:role/nobody"
        wrong = {"KeyId": key(aws), "GranteePrincipal": nobody, "Operations": ["Decrypt"]}
        return Invalid(wrong, "InvalidArnException", rf"Invalid arn {nobody}")


class ListGrants(Kms):
    def parameters(self, aws):
        return {"KeyId": granted(aws)[0]}

    def check(self, aws, parameters, reply):
        assert [one["Operations"] for one in reply["Grants"]] == [["Decrypt"]]

    resource = staticmethod(on_key)
    invalid = staticmethod(missing)


class ListRetirableGrants(Kms):
    def parameters(self, aws):
        retiring = grantee(aws)
        granted(aws, RetiringPrincipal=retiring)
        return {"RetiringPrincipal": retiring}

    def check(self, aws, parameters, reply):
        assert [one["RetiringPrincipal"] for one in reply["Grants"]] == [parameters["RetiringPrincipal"]]

    def invalid(self, aws):
        return Invalid({}, "ValidationException", r"Name a retiring principal\.")


class RetireGrant(Kms):
    def parameters(self, aws):
        made, reply = granted(aws)
        return {"KeyId": arn(aws, made), "GrantId": reply["GrantId"]}

    def check(self, aws, parameters, reply):
        assert grants(aws, parameters["KeyId"]) == []

    def resource(self, aws, parameters):
        return parameters["KeyId"]

    def invalid(self, aws):
        text = r"You must specify either a grant token or both a key ID and a grant ID\."
        return Invalid({"GrantId": "x"}, "ValidationException", text)


class RevokeGrant(Kms):
    def parameters(self, aws):
        made, reply = granted(aws)
        return {"KeyId": made, "GrantId": reply["GrantId"]}

    def check(self, aws, parameters, reply):
        assert grants(aws, parameters["KeyId"]) == []

    resource = staticmethod(on_key)

    def invalid(self, aws):
        return Invalid({"KeyId": key(aws), "GrantId": "none"}, "NotFoundException", r"Grant ID none not found")


class EnableKeyRotation(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws), "RotationPeriodInDays": 180}

    def check(self, aws, parameters, reply):
        shown = aws.client("kms").get_key_rotation_status(KeyId=parameters["KeyId"])
        assert (shown["KeyRotationEnabled"], shown["RotationPeriodInDays"]) == (True, 180)

    resource = staticmethod(on_key)

    def invalid(self, aws):
        wrong = {"KeyId": key(aws), "RotationPeriodInDays": 89}
        return Invalid(wrong, "ValidationException", r"1 validation error detected: .*")


class DisableKeyRotation(Kms):
    def parameters(self, aws):
        made = key(aws)
        aws.client("kms").enable_key_rotation(KeyId=made)
        return {"KeyId": made}

    def check(self, aws, parameters, reply):
        assert not aws.client("kms").get_key_rotation_status(KeyId=parameters["KeyId"])["KeyRotationEnabled"]

    resource = staticmethod(on_key)
    invalid = staticmethod(missing)


class GetKeyRotationStatus(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws)}

    def check(self, aws, parameters, reply):
        assert reply["KeyRotationEnabled"] is False

    resource = staticmethod(on_key)
    invalid = staticmethod(missing)


class RotateKeyOnDemand(Kms):
    def parameters(self, aws):
        return {"KeyId": key(aws)}

    def check(self, aws, parameters, reply):
        rotations = aws.client("kms").list_key_rotations(KeyId=parameters["KeyId"])["Rotations"]
        assert [one["RotationType"] for one in rotations] == ["ON_DEMAND"]

    resource = staticmethod(on_key)

    def invalid(self, aws):
        made = mac_key(aws)
        text = rf"{arn(aws, made)} key spec is HMAC_256 which is not valid for this operation\."
        return Invalid({"KeyId": made}, "UnsupportedOperationException", text)


class ListKeyRotations(Kms):
    def parameters(self, aws):
        made = key(aws)
        aws.client("kms").rotate_key_on_demand(KeyId=made)
        return {"KeyId": made}

    def check(self, aws, parameters, reply):
        [one] = reply["Rotations"]
        assert (one["RotationType"], one["KeyMaterialState"]) == ("ON_DEMAND", "CURRENT")

    resource = staticmethod(on_key)
    invalid = staticmethod(missing)
