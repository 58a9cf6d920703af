"""Several accounts on one server."""

import time

from account import ACCOUNT
from case import Invalid, Organizations

ROLE = "OrganizationAccountAccessRole"
NOTHING_SAID = r"You provided a value that does not match the required pattern\."


def organization(aws):
    """The server's organization, made by the first who needs it."""
    client = aws.client("organizations")
    try:
        return client.describe_organization()["Organization"]
    except client.exceptions.AWSOrganizationsNotInUseException:
        return client.create_organization()["Organization"]


def status_of(aws, request):
    status = aws.client("organizations").describe_create_account_status(CreateAccountRequestId=request)
    return status["CreateAccountStatus"]


def finished(aws, request):
    """The status of a request that is no longer in progress."""
    deadline = time.monotonic() + 20
    while (status := status_of(aws, request))["State"] == "IN_PROGRESS":
        assert time.monotonic() < deadline, "the account is not made"
        time.sleep(0.02)
    return status


def member(aws):
    """The creation status of a new account."""
    organization(aws)
    name = aws.name("account")
    asked = aws.client("organizations").create_account(AccountName=name, Email=f"{name}@example.com")
    return finished(aws, asked["CreateAccountStatus"]["Id"])


class CreateOrganization(Organizations):
    once_per_server = True

    def check(self, aws, parameters, reply):
        known = aws.client("organizations").describe_organization()["Organization"]
        assert known["Id"] == reply["Organization"]["Id"]
        assert known["MasterAccountId"] == ACCOUNT
        assert aws.iam.get_role(RoleName="AWSServiceRoleForOrganizations")

    def invalid(self, aws):
        return Invalid({"FeatureSet": "SOME"}, "InvalidInputException", r"1 validation error detected: .*featureSet.*")


class DescribeOrganization(Organizations):
    can_be_invalid = False

    def parameters(self, aws):
        self.id = organization(aws)["Id"]
        return {}

    def check(self, aws, parameters, reply):
        assert reply["Organization"]["Id"] == self.id


class CreateAccount(Organizations):
    def parameters(self, aws):
        organization(aws)
        self.name = aws.name("account")
        return {"AccountName": self.name, "Email": f"{self.name}@example.com"}

    def check(self, aws, parameters, reply):
        status = finished(aws, reply["CreateAccountStatus"]["Id"])
        assert status["State"] == "SUCCEEDED"
        account = status["AccountId"]
        role = f"arn:aws:iam::{account}:role/{ROLE}"
        credentials = aws.sts.assume_role(RoleArn=role, RoleSessionName="first")["Credentials"]
        there = aws.with_credentials(credentials)
        assert there.sts.get_caller_identity()["Account"] == account
        assert not there.iam.list_users()["Users"]
        there.close()

    def invalid(self, aws):
        wrong = {"AccountName": "", "Email": "nobody@example.com"}
        return Invalid(wrong, "InvalidInputException", r"2 validation errors detected: .*accountName.*")


class DescribeAccount(Organizations):
    def parameters(self, aws):
        self.status = member(aws)
        return {"AccountId": self.status["AccountId"]}

    def resource(self, aws, parameters):
        return f"arn:aws:organizations::{ACCOUNT}:account/{organization(aws)['Id']}/{parameters['AccountId']}"

    def check(self, aws, parameters, reply):
        account = reply["Account"]
        assert account["Name"] == self.status["AccountName"]
        assert account["Status"] == "ACTIVE"

    def invalid(self, aws):
        organization(aws)
        message = r"You specified an account that doesn't exist\."
        return Invalid({"AccountId": "999999999999"}, "AccountNotFoundException", message)


class ListAccounts(Organizations):
    def parameters(self, aws):
        self.id = member(aws)["AccountId"]
        return {}

    def check(self, aws, parameters, reply):
        pages = aws.client("organizations").get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 2})
        listed = [account["Id"] for page in pages for account in page["Accounts"]]
        assert listed[0] == ACCOUNT and self.id in listed
        assert len(listed) == len(set(listed))

    def invalid(self, aws):
        organization(aws)
        return Invalid({"NextToken": "page two"}, "InvalidInputException", NOTHING_SAID)


class DescribeCreateAccountStatus(Organizations):
    def parameters(self, aws):
        self.status = member(aws)
        return {"CreateAccountRequestId": self.status["Id"]}

    def check(self, aws, parameters, reply):
        assert reply["CreateAccountStatus"]["AccountId"] == self.status["AccountId"]

    def invalid(self, aws):
        organization(aws)
        unknown = "car-" + "0" * 32
        message = f"We can't find a create account request with the id {unknown}\\."
        return Invalid({"CreateAccountRequestId": unknown}, "CreateAccountStatusNotFoundException", message)


class ListCreateAccountStatus(Organizations):
    def parameters(self, aws):
        self.id = member(aws)["Id"]
        return {"States": ["SUCCEEDED"]}

    def check(self, aws, parameters, reply):
        pages = aws.client("organizations").get_paginator("list_create_account_status").paginate(**parameters)
        assert self.id in [status["Id"] for page in pages for status in page["CreateAccountStatuses"]]

    def invalid(self, aws):
        organization(aws)
        return Invalid({"NextToken": "page two"}, "InvalidInputException", NOTHING_SAID)
