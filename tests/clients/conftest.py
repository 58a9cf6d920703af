"""A server for each test process, and who calls it."""

import json
import subprocess

import pytest

import cases  # noqa: F401  makes the cases known
from account import ACCOUNT, Account
from case import Case
from server import BINARY, Server


#: The fixtures that run through cases.
KINDS = {"case", "common", "fallible"}


def served_operations():
    """The operations the program says it serves: {(service, operation): row}."""
    printed = subprocess.run([BINARY, "operations", "--json"], check=True, capture_output=True, text=True).stdout
    return {(row["service"], row["operation"]): row for row in json.loads(printed)}


def pytest_generate_tests(metafunc):
    """Tests that take `case` run once for every operation that is served; `fallible` are those that have parameters,
    `common` those that the AWS CLI has as well."""
    for name in KINDS & set(metafunc.fixturenames):
        served = served_operations()
        found = {key: case for key, case in Case.all().items() if key in served}
        if name == "fallible":
            found = {key: case for key, case in found.items() if case.can_be_invalid}
        else:
            found = {key: case for key, case in found.items() if case.can_succeed}
        if name == "common":
            found = {key: case for key, case in found.items() if case.is_in_cli}
        metafunc.parametrize(name, list(found.values()), ids=[".".join(key) for key in found])


@pytest.fixture(scope="session")
def served():
    return served_operations()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server") / "data", "--store", "memory", "--account", ACCOUNT)
    server.wait_until(Account.root(server.url).sts.get_caller_identity)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def root(server):
    """The account's root user."""
    return Account.root(server.url)


def administrator_of(root):
    """A user with AdministratorAccess."""
    name = root.user()
    root.iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    return root.as_user(name)


@pytest.fixture(scope="session")
def shared_administrator(root):
    administrator = administrator_of(root)
    yield administrator
    administrator.close()


@pytest.fixture
def aws(request, shared_administrator, tmp_path_factory):
    """An administrator. What an account can do only once is done on a server of its own."""
    parameters = getattr(request.node, "callspec", None)
    asked = parameters and next((parameters.params[name] for name in KINDS if name in parameters.params), None)
    if not (asked and asked.once_per_server):
        yield shared_administrator
        return
    server = Server(tmp_path_factory.mktemp("server") / "data", "--store", "memory", "--account", ACCOUNT)
    root = Account.root(server.url)
    server.wait_until(root.sts.get_caller_identity)
    administrator = administrator_of(root)
    yield administrator
    administrator.close()
    server.stop()


@pytest.fixture
def nobody(aws):
    """A user without any policy."""
    if not hasattr(aws, "nobody"):
        aws.nobody = aws.user()
        aws.nobodys_view = aws.as_user(aws.nobody)
    return aws.nobodys_view


def pytest_addoption(parser):
    parser.addoption("--engine", choices=["process", "docker"], default="process", help="what runs the story's task")
