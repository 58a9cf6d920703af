"""Attacks on the channels of Execute Command: by whoever may assume a task's role, and by either end of a session."""

import copy
import json
import time

import pytest
import websocket
from botocore.credentials import Credentials

from account import statement
from exec_host import OUTPUT, ExecHost, frame, opening, parse

NOT_THE_TASK = "because a task's channels take only the credentials that ECS made for that task"
FRAME_BYTES_MAX = 256 * 1024
UNREADABLE = "The session was ended because of a message that could not be read."


@pytest.fixture
def host(aws):
    host = ExecHost(aws)
    yield host
    host.close()


@pytest.fixture
def session(aws, host):
    """A session whose host is there already."""
    asked = {"cluster": aws.busy_cluster, "task": host.task, "command": "sh", "interactive": True}
    session = aws.ecs.execute_command(**asked)["session"]
    name, _ = host.order()
    assert name == session["sessionId"]
    host.data = host.open(f"/v1/data-channel/{name}")
    return session


def join(session, **more):
    """A client of the session, in the hope that its token is good."""
    socket = websocket.create_connection(session["streamUrl"], timeout=20)
    socket.send(json.dumps(opening(TokenValue=session["tokenValue"], **more)))
    return socket


def typed(text, sequence=0):
    return frame("input_stream_data", sequence, OUTPUT, text, flags=0)


def farewell(socket):
    """What the service says at the end of a session; nothing when it just ends."""
    try:
        while data := socket.recv():
            kind, _, _, _, payload = parse(data)
            if kind == "channel_closed":
                return json.loads(payload)["Output"]
    except (websocket.WebSocketException, OSError):
        pass
    return None


def is_shut_out(socket):
    try:
        return not socket.recv()
    except (websocket.WebSocketException, OSError):
        return True


def as_somebody_else(host, account):
    """The host, with the credentials of `account`."""
    thief = copy.copy(host)
    keys = account.credentials
    thief.keys = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"], keys["aws_session_token"])
    return thief


def test_a_session_of_the_task_role_by_the_tasks_name_is_not_the_task(aws, host, session):
    tasks = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    others = {**tasks, "Principal": {"AWS": [aws.iam_arn("root"), host.role]}}
    trust = {"Version": "2012-10-17", "Statement": [tasks, others]}
    aws.iam.update_assume_role_policy(RoleName=host.role.split("/")[-1], PolicyDocument=json.dumps(trust))
    name = host.task.split("/")[-1]
    itself = aws.with_credentials(
        {"AccessKeyId": host.keys.access_key, "SecretAccessKey": host.keys.secret_key, "SessionToken": host.keys.token}
    )
    for thief in (aws.assume(host.role, name), itself.assume(host.role, name)):
        assert thief.arn == itself.arn, "nothing that IAM shows tells them apart"
        pretender = as_somebody_else(host, thief)
        for path in (host.channel, f"/v1/data-channel/{session['sessionId']}"):
            reply = pretender.create(path)
            assert reply.status_code in (400, 403) and NOT_THE_TASK in reply.text, (reply.status_code, reply.text)
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            pretender.connect(host.channel)
        assert NOT_THE_TASK.encode() in refused.value.resp_body
        # On a data channel it is a client like any other, without a token.
        socket = pretender.connect(f"/v1/data-channel/{session['sessionId']}")
        socket.send(json.dumps(opening(TokenValue="guessed")))
        assert is_shut_out(socket)
    client = join(session)
    client.send_binary(typed(b"still mine"))
    assert parse(host.data.recv())[4] == b"still mine"
    host.open(host.channel).close()
    client.close()


@pytest.mark.parametrize(
    "first",
    [
        json.dumps(opening(TokenValue="0" * 40)),
        json.dumps(opening(TokenValue="")),
        json.dumps(opening()),
        "{}",
        "[" * 10_000,
        b"\0" * 120,
        typed(b"ls\n"),
    ],
    ids=["wrong", "empty", "none", "nothing", "nested", "zeros", "frame"],
)
def test_who_does_not_know_the_token_is_shut_out_and_takes_nothing_away(host, session, first):
    stranger = websocket.create_connection(session["streamUrl"], timeout=20)
    stranger.send(first) if isinstance(first, str) else stranger.send_binary(first)
    assert is_shut_out(stranger)
    client = join(session)
    client.send_binary(typed(b"mine"))
    assert parse(host.data.recv())[4] == b"mine"
    client.close()


def test_a_token_is_good_once(host, session):
    client = join(session)
    client.send_binary(typed(b"one"))
    assert parse(host.data.recv())[4] == b"one"
    second = join(session)
    assert is_shut_out(second)
    client.send_binary(typed(b"two", 1))
    assert parse(host.data.recv())[4] == b"two"
    client.close()
    assert farewell(host.data) == ""
    # Nor is it when the session is over, which is forgotten a moment later.
    try:
        assert is_shut_out(join(session))
    except websocket.WebSocketBadStatusException as refused:
        assert refused.status_code == 404


def broken(text):
    """A frame whose payload is not what its digest says."""
    good = typed(text)
    return good[:-1] + bytes([good[-1] ^ 1])


@pytest.mark.parametrize(
    "bad",
    [broken(b"rm"), typed(b"x")[:119], typed(b"x") + b"y", b"", b"\xff" * 200],
    ids=["digest", "short", "long", "empty", "noise"],
)
def test_what_is_no_frame_ends_the_session_and_never_reaches_the_other_end(host, session, bad):
    client = join(session)
    client.send_binary(bad)
    assert farewell(client) == UNREADABLE
    assert farewell(host.data) == ""


def test_a_frame_of_any_size_is_not_kept(host, session):
    client = join(session)
    try:
        client.send_binary(typed(b"x" * FRAME_BYTES_MAX))
    except OSError:
        pass  # hung up while it was being sent
    assert farewell(host.data) == ""
    client.close()


def test_text_and_the_other_ends_kinds_are_passed_over(host, session):
    client = join(session)
    client.send("hello")
    client.send(json.dumps(opening(TokenValue=session["tokenValue"])))
    for kind in ("output_stream_data", "agent_task_complete", "channel_closed", "interactive_shell", "start_publication"):
        client.send_binary(frame(kind, payload=b"{}"))
    client.send_binary(frame("of_tomorrow"))
    client.send_binary(typed(b"only this"))
    kind, _, _, _, payload = parse(host.data.recv())
    assert (kind, payload) == ("input_stream_data", b"only this")
    client.close()


def test_no_token_of_a_session_is_told_to_anybody_else(aws, server, host, session):
    client = join(session)
    client.send_binary(typed(b"canary of what is typed"))
    host.data.recv()
    client.close()
    secrets = [session["tokenValue"], host.keys.token, "canary of what is typed"]
    found = {}
    deadline = time.monotonic() + 10
    while not {"ExecuteCommand", "OpenControlChannel", "OpenDataChannel"} <= found.keys():
        assert time.monotonic() < deadline, found.keys()
        found = {}
        for name in ("ExecuteCommand", "CreateControlChannel", "OpenControlChannel", "OpenDataChannel"):
            lookup = [{"AttributeKey": "EventName", "AttributeValue": name}]
            events = aws.cloudtrail.lookup_events(LookupAttributes=lookup)["Events"]
            found |= {name: [event["CloudTrailEvent"] for event in events]} if events else {}
    told = [server.log.read_text(), *(text for texts in found.values() for text in texts)]
    for secret in secrets:
        assert not [text for text in told if secret in text], secret[:8]
