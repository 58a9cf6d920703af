"""The program as its operator meets it: starting, ending, being killed, being misconfigured."""

import json
import stat
import subprocess

import pytest

from account import ACCOUNT, Account
from server import BINARY, ROOT_KEY, Server


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def launch():
    """Starts servers; what is still running at the end of the test is killed."""
    servers = []

    def launch(*arguments, **options):
        servers.append(Server(*arguments, **options))
        return servers[-1]

    yield launch
    for server in servers:
        server.kill()


@pytest.fixture
def start(launch):
    def start(*arguments):
        server = launch(*arguments)
        root = Account.root(server.url)
        server.wait_until(root.sts.get_caller_identity)
        return server, root

    return start


@pytest.fixture
def fails(launch):
    """The one line with which a start fails."""

    def fails(*arguments, **options):
        server = launch(*arguments, **options)
        assert server.process.wait(timeout=20) != 0
        lines = [line for line in server.log.read_text().splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("portcullis: ")]
        assert len(errors) == 1 and lines[-1] == errors[0], lines
        return errors[0]

    return fails


def test_what_was_acknowledged_survives_the_end_and_a_kill(start, data_dir):
    server, root = start(data_dir)
    user, cluster = root.user(), root.cluster()
    server.stop()
    server, root = start(data_dir)
    assert root.iam.get_user(UserName=user)["User"]["UserName"] == user
    assert root.ecs.describe_clusters(clusters=[cluster])["clusters"][0]["status"] == "ACTIVE"
    another = root.user()
    server.kill()
    server, root = start(data_dir)
    assert root.iam.get_user(UserName=another)["User"]["UserName"] == another
    server.stop()


def test_sigterm_ends_it_within_a_second(start, data_dir):
    server, root = start(data_dir)
    root.cluster()
    assert server.stop() < 1.0
    assert server.process.returncode == 0


def test_the_first_start_writes_the_administrators_key_for_its_owner_only(launch, data_dir):
    server = launch(data_dir, root_key=False)
    file = data_dir / "administrator-key.json"
    server.wait_until(file.read_bytes)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = json.loads(file.read_text())
    administrator = Account.root(server.url).with_credentials(key)
    caller = server.wait_until(administrator.sts.get_caller_identity)
    assert caller["Arn"].startswith(f"arn:aws:iam::{ACCOUNT}:")
    written = file.read_bytes()
    server.stop()
    server = launch(data_dir, root_key=False)
    server.wait_until(Account.root(server.url).with_credentials(key).sts.get_caller_identity)
    assert file.read_bytes() == written
    server.stop()


def test_no_secret_is_in_clear_on_disk_or_in_the_log(start, data_dir):
    server, root = start(data_dir)
    user = root.user()
    key = root.iam.create_access_key(UserName=user)["AccessKey"]
    _, seed = root.mfa_device()
    session = root.with_credentials(key).sts.get_session_token()["Credentials"]
    server.stop()
    secrets = [key["SecretAccessKey"], seed.decode(), session["SecretAccessKey"], session["SessionToken"], ROOT_KEY[1]]
    for path in [*(path for path in data_dir.rglob("*") if path.is_file()), server.log]:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], path


def test_a_port_in_use_is_one_clear_line(start, fails, data_dir, tmp_path):
    server, _ = start(data_dir)
    line = fails(tmp_path / "second", port=server.port)
    assert str(server.port) in line and "in use" in line.lower()
    server.stop()


def test_a_data_directory_of_another_account_is_one_clear_line(start, fails, data_dir):
    server, _ = start(data_dir, "--account", ACCOUNT)
    server.stop()
    line = fails(data_dir, "--account", "111122223333")
    assert ACCOUNT in line and "111122223333" in line


def test_a_data_directory_in_use_is_one_clear_line(start, fails, data_dir):
    server, _ = start(data_dir)
    assert str(data_dir) in fails(data_dir)
    server.stop()


def test_a_torn_store_file_is_one_clear_line(start, fails, data_dir):
    server, root = start(data_dir)
    root.cluster()
    server.stop()
    largest = max((path for path in data_dir.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = largest.read_bytes()
    largest.write_bytes(content[: len(content) // 3])
    assert str(largest) in fails(data_dir) or str(data_dir) in fails(data_dir)


@pytest.mark.parametrize("account", ["12345", "abcdefghijkl", ""])
def test_an_account_that_is_none_is_refused(data_dir, account):
    command = [BINARY, "serve", "--data-dir", str(data_dir), "--account", account]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0 and "account" in done.stderr


def test_an_account_can_be_given_other_quotas(start, fails, data_dir):
    server, root = start(data_dir, "--iam-quota", "groups=1", "--iam-quota", "roles=2000")
    summary = root.iam.get_account_summary()["SummaryMap"]
    assert (summary["GroupsQuota"], summary["RolesQuota"], summary["UsersQuota"]) == (1, 2000, 5000)
    root.iam.create_group(GroupName="one")
    with pytest.raises(root.iam.exceptions.LimitExceededException, match="GroupsPerAccount: 1"):
        root.iam.create_group(GroupName="two")
    server.stop()
    assert "is no quota" in fails(data_dir, "--iam-quota", "groups=many")


@pytest.mark.parametrize("seconds", ["59", "21601"])
def test_credentials_of_tasks_live_no_longer_than_six_hours_and_no_less_than_a_minute(fails, data_dir, seconds):
    assert "60 to 21600 seconds" in fails(data_dir, "--task-credentials-duration", seconds)


def test_a_quota_of_ecs_that_is_none_is_refused(fails, data_dir):
    assert "is no quota" in fails(data_dir, "--ecs-quota", "groups=1")


def managed_policy(name, version, updated, action):
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
    arn = f"arn:aws:iam::aws:policy/{name}"
    return {name: {"arn": arn, "path": "/", "v": version, "updated": updated, "doc": document}}


def test_later_managed_policies_are_taken_at_the_next_start(start, fails, data_dir, tmp_path):
    name, new = "AmazonECS_FullAccess", "OfNextYear"
    policies = managed_policy(name, "v99", "2027-01-01T00:00:00Z", "ecs:ListClusters")
    policies |= managed_policy(new, "v1", "2027-01-01T00:00:00Z", "ecs:*")
    policies |= managed_policy("ReadOnlyAccess", "v1", "2015-02-06T18:39:48Z", "s3:*")
    file = tmp_path / "later.json"
    file.write_text(json.dumps({"policies": policies}))
    server, root = start(data_dir)
    before = root.iam.get_account_summary()["SummaryMap"]["Policies"]

    def update(*arguments):
        command = [BINARY, "iam", "update-managed-policies", str(file), "--data-dir", str(data_dir), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    counts = "1 new, 1 newer, 1 known already."
    assert update("--dry-run").stdout == f"{counts}\n"
    assert update().stdout.startswith(f"{counts}\n")
    assert update().stdout == "0 new, 0 newer, 3 known already.\n"
    server.stop()
    server, root = start(data_dir)
    arn = f"arn:aws:iam::aws:policy/{name}"
    assert root.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v99"
    version = root.iam.get_policy_version(PolicyArn=arn, VersionId="v99")["PolicyVersion"]
    assert version["Document"]["Statement"][0]["Action"] == "ecs:ListClusters"
    listed = root.iam.get_paginator("list_policies").paginate(Scope="AWS").search("Policies[].PolicyName")
    assert new in list(listed)
    assert root.iam.get_account_summary()["SummaryMap"]["Policies"] == before
    user = root.user()
    root.iam.attach_user_policy(UserName=user, PolicyArn=arn)
    person = root.as_user(user)
    person.ecs.list_clusters()
    with pytest.raises(person.ecs.exceptions.AccessDeniedException):
        person.ecs.create_cluster()
    server.stop()
    (data_dir / "managed-policies.json").write_text("{}")
    assert "this is no collection" in fails(data_dir)
    file.write_text("{}")
    assert "this is no collection" in update().stderr
