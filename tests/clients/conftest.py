"""A server for each test process, and who calls it."""

import json
import subprocess

import pytest

import cases  # noqa: F401  makes the cases known
from account import ACCOUNT, Account
from case import Case
from server import BINARY, Server


def served_operations():
    """The operations the program says it serves: {(service, operation): row}."""
    printed = subprocess.run([BINARY, "operations", "--json"], check=True, capture_output=True, text=True).stdout
    return {(row["service"], row["operation"]): row for row in json.loads(printed)}


def pytest_generate_tests(metafunc):
    """Tests that take `case` run once for every operation that is served; `fallible` are those that have parameters."""
    for name in {"case", "fallible"} & set(metafunc.fixturenames):
        served = served_operations()
        found = {key: case for key, case in Case.all().items() if key in served}
        if name == "fallible":
            found = {key: case for key, case in found.items() if case.can_be_invalid}
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


@pytest.fixture(scope="session")
def aws(root):
    """An administrator: a user with AdministratorAccess."""
    name = root.user()
    root.iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    administrator = root.as_user(name)
    yield administrator
    administrator.close()


@pytest.fixture(scope="session")
def nobody(aws):
    """A user without any policy."""
    return aws.as_user(aws.user())


def pytest_addoption(parser):
    parser.addoption("--engine", choices=["process", "docker"], default="process", help="what runs the story's task")
