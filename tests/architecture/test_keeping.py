"""Who may keep which answer: every GET says so, and nothing of a person is kept anywhere."""

import pytest

from server.app import ALL_OPERATIONS
from server.kernel.endpoint import Operation

READS = [operation for operation in ALL_OPERATIONS if operation.method == "GET"]


@pytest.mark.row("M-29")
@pytest.mark.parametrize("operation", READS, ids=lambda operation: operation.name)
def test_only_what_anyone_may_read_is_kept(operation: Operation) -> None:
    if operation.access != "anyone":
        assert not operation.public, "what is asked by somebody is nobody else's"
    if operation.public:
        assert operation.returns is not None, "the edge makes the ETag of what it encodes"


def test_no_write_is_kept() -> None:
    assert [o.name for o in ALL_OPERATIONS if o.method != "GET" and (o.public or o.etag)] == []
