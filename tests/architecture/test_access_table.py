"""The page of who may do what is what the tables say, and names everything."""

import pytest

from server.app import ALL_OPERATIONS
from server.catalog import CHANNELS
from tests.architecture import access_table


@pytest.mark.row("M-09")
def test_the_page_says_what_the_tables_say() -> None:
    wanted = "Run `python tests/architecture/access_table.py`."
    assert access_table.PAGE.read_text("utf-8") == access_table.page(), wanted


def test_the_page_names_every_operation_and_every_event() -> None:
    told = access_table.page()
    for operation in ALL_OPERATIONS:
        assert f"| `{operation.method} {operation.path}` |" in told
    for topic, channel in CHANNELS.items():
        assert f"| `{topic}` join |" in told
        for event in channel.handles:
            assert f"| `{topic}` `{event}` |" in told


def test_whoever_is_not_named_gets_nothing() -> None:
    assert access_table.words("admin") == ("sign in", "no", "no", "yes")
    assert access_table.words("user") == ("sign in", "yes", "yes", "yes")
    assert set(access_table.JOINS) == set(CHANNELS)
