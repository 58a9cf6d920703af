"""What an account has once: its alias, its password policy, its credential report."""

import base64
import csv

import pytest
from account import ALLOW_LISTING
from botocore.exceptions import ClientError
from case import Iam, Invalid

NO_POLICY = r"The Password Policy with domain name \d{12} cannot be found\."


class CreateAccountAlias(Iam):
    def parameters(self, aws):
        return {"AccountAlias": aws.name("alias")}

    def check(self, aws, parameters, reply):
        assert aws.iam.list_account_aliases()["AccountAliases"] == [parameters["AccountAlias"]]

    def invalid(self, aws):
        alias = aws.name("alias")
        aws.iam.create_account_alias(AccountAlias=alias)
        return Invalid({"AccountAlias": alias}, "EntityAlreadyExists", f"The account alias {alias} already exists\\.")


class ListAccountAliases(Iam):
    def parameters(self, aws):
        self.alias = aws.name("alias")
        aws.iam.create_account_alias(AccountAlias=self.alias)
        return {"MaxItems": 10}

    def check(self, aws, parameters, reply):
        assert reply["AccountAliases"] == [self.alias] and not reply.get("IsTruncated")

    def invalid(self, aws):
        return Invalid({"MaxItems": 0}, "ValidationError", r"1 validation error detected: .*maxItems.*")


class DeleteAccountAlias(Iam):
    def parameters(self, aws):
        alias = aws.name("alias")
        aws.iam.create_account_alias(AccountAlias=alias)
        return {"AccountAlias": alias}

    def check(self, aws, parameters, reply):
        assert aws.iam.list_account_aliases()["AccountAliases"] == []

    def invalid(self, aws):
        return Invalid({"AccountAlias": "not-ours"}, "NoSuchEntity", r".*not-ours.*")


class SetSecurityTokenServicePreferences(Iam):
    def parameters(self, aws):
        return {"GlobalEndpointTokenVersion": "v1Token"}

    def check(self, aws, parameters, reply):
        assert aws.iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"] == 1
        aws.iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
        assert aws.iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"] == 2

    def invalid(self, aws):
        parameters = {"GlobalEndpointTokenVersion": "v3Token"}
        return Invalid(parameters, "ValidationError", r"1 validation error detected: .*v1Token.*")


class UpdateAccountPasswordPolicy(Iam):
    def parameters(self, aws):
        return {"MinimumPasswordLength": 8, "RequireNumbers": True, "MaxPasswordAge": 90}

    def check(self, aws, parameters, reply):
        found = aws.iam.get_account_password_policy()["PasswordPolicy"]
        assert {name: found[name] for name in parameters} == parameters
        assert found["ExpirePasswords"] and not found["RequireSymbols"]
        aws.iam.delete_account_password_policy()

    def invalid(self, aws):
        parameters = {"MinimumPasswordLength": 5}
        return Invalid(parameters, "ValidationError", r"1 validation error detected: .*minimumPasswordLength.*")


class GetAccountPasswordPolicy(Iam):
    can_be_invalid = False

    def parameters(self, aws):
        aws.iam.update_account_password_policy(RequireSymbols=True)
        return {}

    def check(self, aws, parameters, reply):
        assert reply["PasswordPolicy"]["RequireSymbols"] and reply["PasswordPolicy"]["MinimumPasswordLength"] == 6
        aws.iam.delete_account_password_policy()


class DeleteAccountPasswordPolicy(Iam):
    can_be_invalid = False

    def parameters(self, aws):
        aws.iam.update_account_password_policy(MinimumPasswordLength=6)
        return {}

    def check(self, aws, parameters, reply):
        with pytest.raises(ClientError, match=NO_POLICY):
            aws.iam.get_account_password_policy()


class GenerateCredentialReport(Iam):
    can_be_invalid = False

    def check(self, aws, parameters, reply):
        assert reply["State"] in ("STARTED", "COMPLETE")
        assert aws.iam.get_credential_report()["ReportFormat"] == "text/csv"


class GetCredentialReport(Iam):
    can_be_invalid = False

    def parameters(self, aws):
        aws.user(ALLOW_LISTING)
        aws.iam.generate_credential_report()
        return {}

    def check(self, aws, parameters, reply):
        content = reply["Content"]
        text = content.decode() if isinstance(content, bytes) else base64.b64decode(content).decode()
        rows = list(csv.DictReader(text.splitlines()))
        assert len(rows[0]) == 22 and rows[0]["user"] == "<root_account>"
        mine = aws.arn
        (me,) = [row for row in rows if row["arn"] == mine]
        assert (me["password_enabled"], me["access_key_1_active"]) in [("false", "true"), ("true", "true")]
