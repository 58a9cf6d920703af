"""What is not served of the services that an execution role reaches is on their pages, with its reason, and answers that it
is not supported (issue 7)."""

import json
import re

import pytest

from rawhttp import send, signed
from server import ROOT

#: Where a service's operations are listed: the page and the headings it is between.
PAGES = {
    "ecr": ("registry.md", "## ECR's operations", None),
    "secretsmanager": ("secrets.md", "## Secrets Manager", "## Parameter Store"),
    "ssm": ("secrets.md", "## Parameter Store", None),
    "logs": ("logs.md", "## Operations", None),
    "kms": ("kms.md", "## Operations", None),
}
#: The code of whoever has no other.
UNKNOWN = "UnknownOperationException"
UNSUPPORTED = {"kms": "UnsupportedOperationException"}
ROW = re.compile(r"^\| (.+) \| .+ \|$", re.MULTILINE)


def words(texts):
    return {word for text in texts for word in re.findall(r"\w+", text)}


def operations(service):
    return set(json.loads((ROOT / f"models/{service}.json").read_text())["operations"])


def served_of(service, served):
    return {operation for name, operation in served if name == service}


@pytest.mark.parametrize("service", PAGES)
def test_every_operation_is_served_or_left_out_with_a_reason(served, service):
    page, begin, end = PAGES[service]
    text = (ROOT / "docs" / page).read_text()
    text = text[text.index(begin) : text.index(end) if end else None]
    ours = served_of(service, served)
    assert not ours - words([text]), "served, and not on the page"
    left_out = operations(service) & words(ROW.findall(text))
    assert not operations(service) - ours - left_out, "neither served nor on the page with a reason"
    assert not left_out & ours, "served, and on the page as left out"


@pytest.mark.parametrize("service", PAGES)
def test_every_operation_left_out_says_so(aws, served, service):
    for operation in sorted(operations(service) - served_of(service, served)):
        status, code, message = send(aws, *signed(aws, service, operation, "{}"))
        assert (status, code) == (400, UNSUPPORTED.get(service, UNKNOWN)), operation
        assert message == f"The operation {operation} is not supported by this server."
