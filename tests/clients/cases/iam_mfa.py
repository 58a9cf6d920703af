"""Virtual MFA devices."""

import json
import tempfile
from pathlib import Path

from account import tags
from case import Iam, Invalid
from cases.iam_users import OnUser
from totp import two_codes


def enabled(aws):
    """A user with a device switched on: its name, the device's serial number and its seed."""
    user, (serial, seed) = aws.user(), aws.mfa_device()
    first, second = two_codes(seed)
    aws.iam.enable_mfa_device(UserName=user, SerialNumber=serial, AuthenticationCode1=first, AuthenticationCode2=second)
    return user, serial, seed


def codes(seed, steps_from_now=0):
    first, second = two_codes(seed, steps_from_now)
    return {"AuthenticationCode1": first, "AuthenticationCode2": second}


def devices(aws, user):
    return [device["SerialNumber"] for device in aws.iam.list_mfa_devices(UserName=user)["MFADevices"]]


class OnDevice:
    """Calls authorised on the device they name."""

    def resource(self, aws, parameters):
        return parameters["SerialNumber"]

    def invalid(self, aws):
        lost = aws.iam_arn("mfa/no-such-device")
        return Invalid(
            {**self.parameters(aws), "SerialNumber": lost},
            "NoSuchEntity",
            r"VirtualMFADevice with serial number \S+ doesn't exist\.",
        )


class CreateVirtualMFADevice(Iam):
    def cli_arguments(self, parameters):
        # This one command has a shape of its own: it writes the seed to a file.
        given = [
            "--virtual-mfa-device-name",
            parameters["VirtualMFADeviceName"],
            "--tags",
            json.dumps(parameters["Tags"]),
        ]
        # It makes the file private, which /dev/null must not be.
        seed = Path(tempfile.mkdtemp()) / "seed"
        return [*given, "--outfile", str(seed), "--bootstrap-method", "Base32StringSeed"]

    def parameters(self, aws):
        return {"VirtualMFADeviceName": aws.name("mfa"), "Tags": tags("iam", Department="QA")}

    def check(self, aws, parameters, reply):
        serial = aws.iam_arn(f"mfa/{parameters['VirtualMFADeviceName']}")
        assert reply["VirtualMFADevice"]["SerialNumber"] == serial
        unassigned = aws.iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"]
        assert serial in [device["SerialNumber"] for device in unassigned]
        if "QRCodePNG" in reply["VirtualMFADevice"]:  # the AWS CLI writes the seed to its file instead
            assert reply["VirtualMFADevice"]["QRCodePNG"].startswith(b"\x89PNG")
            assert len(reply["VirtualMFADevice"]["Base32StringSeed"]) == 64

    def resource(self, aws, parameters):
        return aws.iam_arn(f"mfa/{parameters['VirtualMFADeviceName']}")

    def invalid(self, aws):
        name = aws.mfa_device()[0].split("/")[-1]
        return Invalid({"VirtualMFADeviceName": name}, "EntityAlreadyExists", r".*already exists.*")


class EnableMFADevice(OnUser, Iam):
    def parameters(self, aws):
        serial, seed = aws.mfa_device()
        return {"UserName": aws.user(), "SerialNumber": serial, **codes(seed)}

    def check(self, aws, parameters, reply):
        assert devices(aws, parameters["UserName"]) == [parameters["SerialNumber"]]

    def invalid(self, aws):
        serial, _ = aws.mfa_device()
        wrong = {"AuthenticationCode1": "000000", "AuthenticationCode2": "000000"}
        parameters = {"UserName": aws.user(), "SerialNumber": serial, **wrong}
        return Invalid(parameters, "InvalidAuthenticationCode", r"Authentication code for device is not valid\.")


class ResyncMFADevice(OnUser, Iam):
    def parameters(self, aws):
        user, serial, seed = enabled(aws)
        return {"UserName": user, "SerialNumber": serial, **codes(seed, 2)}  # a code works once

    def check(self, aws, parameters, reply):
        assert devices(aws, parameters["UserName"]) == [parameters["SerialNumber"]]


class DeactivateMFADevice(OnUser, Iam):
    def parameters(self, aws):
        user, serial, _ = enabled(aws)
        return {"UserName": user, "SerialNumber": serial}

    def check(self, aws, parameters, reply):
        assert devices(aws, parameters["UserName"]) == []


class DeleteVirtualMFADevice(OnDevice, Iam):
    def parameters(self, aws):
        return {"SerialNumber": aws.mfa_device()[0]}

    def check(self, aws, parameters, reply):
        listed = aws.iam.list_virtual_mfa_devices()["VirtualMFADevices"]
        assert parameters["SerialNumber"] not in [device["SerialNumber"] for device in listed]


class GetMFADevice(OnUser, Iam):
    def parameters(self, aws):
        user, serial, _ = enabled(aws)
        return {"UserName": user, "SerialNumber": serial}

    def check(self, aws, parameters, reply):
        assert {name: reply[name] for name in parameters} == parameters
        assert reply["EnableDate"]


class ListMFADevices(OnUser, Iam):
    def parameters(self, aws):
        user, self.serial, _ = enabled(aws)
        return {"UserName": user}

    def check(self, aws, parameters, reply):
        (device,) = reply["MFADevices"]
        assert (device["UserName"], device["SerialNumber"]) == (parameters["UserName"], self.serial)


class ListVirtualMFADevices(Iam):
    def parameters(self, aws):
        user, self.serial, _ = enabled(aws)
        self.user_arn = aws.iam_arn(f"user/{user}")
        return {"AssignmentStatus": "Assigned", "MaxItems": 1000}

    def check(self, aws, parameters, reply):
        (device,) = [found for found in reply["VirtualMFADevices"] if found["SerialNumber"] == self.serial]
        assert device["User"]["Arn"] == self.user_arn
        assert "Base32StringSeed" not in device

    def resource(self, aws, parameters):
        return aws.iam_arn("mfa/")

    def invalid(self, aws):
        parameters = {"AssignmentStatus": "Lost"}
        return Invalid(parameters, "ValidationError", r"1 validation error detected: .*assignmentStatus.*")


class TagMFADevice(OnDevice, Iam):
    def parameters(self, aws):
        return {"SerialNumber": aws.mfa_device()[0], "Tags": tags("iam", Owner="richard-roe")}

    def check(self, aws, parameters, reply):
        found = aws.iam.list_mfa_device_tags(SerialNumber=parameters["SerialNumber"])["Tags"]
        assert found == parameters["Tags"]


class ListMFADeviceTags(OnDevice, Iam):
    def parameters(self, aws):
        serial, _ = aws.mfa_device()
        aws.iam.tag_mfa_device(SerialNumber=serial, Tags=tags("iam", A="1", B="2"))
        return {"SerialNumber": serial}

    def check(self, aws, parameters, reply):
        assert reply["Tags"] == tags("iam", A="1", B="2")


class UntagMFADevice(OnDevice, Iam):
    def parameters(self, aws):
        serial, _ = aws.mfa_device()
        aws.iam.tag_mfa_device(SerialNumber=serial, Tags=tags("iam", A="1", B="2"))
        return {"SerialNumber": serial, "TagKeys": ["A"]}

    def check(self, aws, parameters, reply):
        found = aws.iam.list_mfa_device_tags(SerialNumber=parameters["SerialNumber"])["Tags"]
        assert found == tags("iam", B="2")
