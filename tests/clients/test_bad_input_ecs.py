"""Bad input of ECS, beyond single operations: wrong types and enums everywhere, ARNs that lead elsewhere, overrides of what is
not there, and expressions that want too much."""

import json
import time

import pytest

from conftest import served_operations
from errors import refused
from rawhttp import send, signed

WRONG = {
    "string": [[], {}, True],
    "list": ["x", {}],
    "structure": ["x", []],
    "integer": ["x", []],
    "boolean": ["x", []],
    "timestamp": [[]],
    "map": ["x", []],
    "double": ["x", []],
    "long": ["x", []],
    "float": ["x", []],
}
SERVED = sorted(operation for service, operation in served_operations() if service == "ecs")


def members(shape, around=()):
    """Every member at any depth: what puts a value there, its shape, and its path."""
    if shape.type_name == "structure" and shape.name not in around:
        for name, member in shape.members.items():
            yield lambda value, name=name: {name: value}, member, name
            for put, inner, path in members(member, (*around, shape.name)):
                yield lambda value, name=name, put=put: {name: put(value)}, inner, f"{name}.{path}"
    elif shape.type_name == "list":
        yield lambda value: [value], shape.member, "[]"
        for put, inner, path in members(shape.member, around):
            yield lambda value, put=put: [put(value)], inner, f"[].{path}"


@pytest.mark.parametrize("operation", SERVED)
def test_every_member_of_the_wrong_type_or_outside_its_enum(aws, operation):
    wrong = []
    for put, shape, path in members(aws.ecs.meta.service_model.operation_model(operation).input_shape):
        if getattr(shape, "is_document_type", False):
            continue  # any JSON is right
        for value in WRONG[shape.type_name]:
            answer = send(aws, *signed(aws, "ecs", operation, json.dumps(put(value))))
            if answer[:2] != (400, "SerializationException"):
                wrong.append((path, value, answer))
        if getattr(shape, "enum", None):
            answer = send(aws, *signed(aws, "ecs", operation, json.dumps(put("NONSENSE"))))
            if answer[:2] != (400, "InvalidParameterException"):
                wrong.append((path, "NONSENSE", answer))
    assert wrong == []


# ARNs that lead elsewhere.

DENIED, NO_CLUSTER = "AccessDeniedException", "ClusterNotFoundException"
INVALID, CLIENT = "InvalidParameterException", "ClientException"


@pytest.fixture(scope="module")
def place(shared_administrator):
    """A cluster with a service, another cluster, and what leads to things of the first elsewhere."""
    return Place(shared_administrator)


class Place:
    def __init__(self, aws):
        self.ecs, self.cluster, self.other = aws.ecs, aws.cluster(), aws.cluster()
        self.definition = aws.task_definition()
        self.ecs.create_service(
            cluster=self.cluster, serviceName="s", taskDefinition=self.definition, desiredCount=0
        )

    def arn(self, kind, account="123456789012", region="us-east-1", cluster=None, service="ecs"):
        within = {"cluster": "", "service": "/s"}.get(kind, "/" + "0" * 32)
        return f"arn:aws:{service}:{region}:{account}:{kind}/{cluster or self.cluster}{within}"

    def elsewhere(self, kind):
        """By what is wrong with it: an ARN of the kind."""
        arns = {
            "account": self.arn(kind, account="444455556666"),
            "region": self.arn(kind, region="eu-west-1"),
            "service": self.arn(kind, service="sqs"),
            "kind": self.arn("task-set" if kind == "service" else "service"),
        }
        return arns if kind == "cluster" else {**arns, "cluster": self.arn(kind, cluster=self.other)}


def missing(reply):
    return [failure["reason"] for failure in reply["failures"]] == ["MISSING"]


#: Calls that change or read by a cluster.
ON_CLUSTER = [
    ("update_service", {"service": "s"}),
    ("delete_service", {"service": "s"}),
    ("list_tasks", {}),
    ("list_container_instances", {}),
    ("delete_cluster", {}),
    ("update_cluster", {}),
    ("describe_tasks", {"tasks": ["0" * 32]}),
]


@pytest.mark.parametrize(("method", "more"), ON_CLUSTER, ids=[method for method, _ in ON_CLUSTER])
def test_clusters_of_elsewhere(place, method, more):
    expected = {"account": DENIED, "region": NO_CLUSTER, "service": INVALID, "kind": INVALID}
    for how, arn in place.elsewhere("cluster").items():
        with refused(expected[how]):
            getattr(place.ecs, method)(cluster=arn, **more)


NOT_HERE = "Identifier is for .+. Your cluster is .+"
#: What names one thing of a cluster: its kind, and what is said where it is not.
ON_THINGS = [
    ("update_service", "service", "service", "ServiceNotFoundException"),
    ("delete_service", "service", "service", "ServiceNotFoundException"),
    ("list_service_deployments", "service", "service", "ServiceNotFoundException"),
    ("stop_task", "task", "task", INVALID),
    ("deregister_container_instance", "containerInstance", "container-instance", f"{INVALID}|{DENIED}"),
]


@pytest.mark.parametrize(("method", "member", "kind", "absent"), ON_THINGS, ids=[row[0] for row in ON_THINGS])
def test_things_of_elsewhere(place, method, member, kind, absent):
    # Container instances are deregistered by permission on their cluster, which is the caller's own.
    foreign = INVALID if kind == "container-instance" else DENIED
    expected = {"account": foreign, "region": absent, "service": INVALID, "kind": INVALID, "cluster": INVALID}
    for how, arn in place.elsewhere(kind).items():
        with refused(expected[how], NOT_HERE if how == "cluster" else ".*"):
            getattr(place.ecs, method)(cluster=place.cluster, **{member: arn})


@pytest.mark.parametrize(
    ("method", "member", "kind"),
    [
        ("describe_services", "services", "service"),
        ("describe_tasks", "tasks", "task"),
        ("describe_container_instances", "containerInstances", "container-instance"),
        ("get_task_protection", "tasks", "task"),
    ],
)
def test_things_of_elsewhere_are_not_described(place, method, member, kind):
    for how, arn in place.elsewhere(kind).items():
        call = {"cluster": place.cluster, member: [arn]}
        if how == "region":
            assert missing(getattr(place.ecs, method)(**call))
        else:
            with refused(DENIED if how == "account" else INVALID):
                getattr(place.ecs, method)(**call)


@pytest.mark.parametrize("method", ["describe_daemon", "delete_daemon", "list_daemon_deployments"])
def test_daemons_of_elsewhere(place, method):
    expected = {
        place.arn("daemon", account="444455556666"): DENIED,
        place.arn("daemon", region="eu-west-1"): NO_CLUSTER,
        place.arn("daemon", cluster="no-such-cluster"): NO_CLUSTER,
        place.arn("daemon"): "DaemonNotFoundException",
        place.arn("service"): INVALID,
        "no-arn": INVALID,
    }
    for arn, code in expected.items():
        with refused(code):
            getattr(place.ecs, method)(daemonArn=arn)


@pytest.mark.parametrize("bent", ["{}0", "{}x", "f:0", "f:-1", "f:99999999999999999999", ":1", "no-such-family"])
def test_definitions_that_are_not_there(place, bent):
    named = bent.format(place.definition)
    for method, call in {
        "run_task": {},
        "create_service": {"serviceName": "new", "desiredCount": 0},
        "update_service": {"service": "s"},
    }.items():
        with refused(f"{CLIENT}|{INVALID}"):
            getattr(place.ecs, method)(cluster=place.cluster, taskDefinition=named, **call)


# Overrides of what is not there.


@pytest.mark.parametrize(
    ("overrides", "code", "message"),
    [
        (
            {"containerOverrides": [{"name": "app"}, {"name": "nobody"}]},
            INVALID,
            r"Override for container named nobody is not a container in the TaskDefinition\.",
        ),
        (
            {"containerOverrides": [{"cpu": 1}]},
            INVALID,
            r"Override for container named  is not a container in the TaskDefinition\.",
        ),
        ({"taskRoleArn": "arn:aws:iam::444455556666:role/r"}, DENIED, r"Cross-account pass role is not allowed"),
        ({"taskRoleArn": "arn:aws:iam::123456789012:role/none"}, CLIENT, r"ECS was unable to assume the role .*"),
        ({"executionRoleArn": "nonsense"}, CLIENT, r"ECS was unable to assume the role .*"),
        ({"cpu": "lots"}, CLIENT, r"Invalid 'cpu' setting for task\."),
        (
            {"containerOverrides": [{"name": "app", "command": ["x" * 9000]}]},
            INVALID,
            r"Overrides can not exceed 8192 characters\.",
        ),
    ],
)
def test_overrides_of_what_is_not_there(shared_administrator, place, overrides, code, message):
    aws, busy = shared_administrator, shared_administrator.busy_cluster
    before = aws.ecs.list_tasks(cluster=busy)["taskArns"] if aws.busy_agent else []
    with refused(code, message):
        aws.ecs.run_task(cluster=busy, taskDefinition=place.definition, overrides=overrides)
    with refused(code, message):
        call = {"taskDefinition": place.definition, "containerInstances": [aws.busy_instance]}
        aws.ecs.start_task(cluster=busy, overrides=overrides, **call)
    assert aws.ecs.list_tasks(cluster=busy)["taskArns"] == before


# Expressions that want too much: refused, and quickly, wherever one is taken.

BOMBS = {
    "long": "attribute:a =~ " + "(a+)+" * 3000 + "$",
    "nested stars": "attribute:a =~ ((((a*)*)*)*)*b",
    "repeated": "attribute:a =~ " + "a{1000}" * 50,
    "nested repeats": "attribute:a =~ ((((a{100}){100}){100}){100})",
    "unicode": r"attribute:a =~ \p{L}{1000}",
    "deep": "(" * 990 + "running==1" + ")" * 990,
    "nots": "not " * 450 + "running==1",
    "unfinished": "attribute:a =~ [",
    "large": "x" * 300_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_expressions_that_want_too_much(aws, place, bomb):
    constraints = [{"type": "memberOf", "expression": BOMBS[bomb]}]
    call = {"taskDefinition": place.definition, "placementConstraints": constraints}
    begin = time.monotonic()
    with refused(INVALID, r"Invalid expression: .*"):
        place.ecs.list_container_instances(cluster=place.cluster, filter=BOMBS[bomb])
    with refused(INVALID, r"Invalid expression: .*"):
        place.ecs.run_task(cluster=place.cluster, **call)
    with refused(INVALID, r"Invalid expression: .*"):
        place.ecs.create_service(cluster=place.cluster, serviceName="new", desiredCount=0, **call)
    with refused(CLIENT):
        container = {"name": "app", "image": "busybox", "memory": 16}
        place.ecs.register_task_definition(
            family="bomb", containerDefinitions=[container], placementConstraints=constraints
        )
    assert time.monotonic() - begin < 2
