"""`realtime.topic`: which channel a topic belongs to (Phoenix: routes in definition order)."""

from typing import Any, ClassVar

import pytest

from realtime import Socket
from realtime.topic import Routes

ROUTES = Routes({"feed:news": 1, "feed:*": 2, "feed:late": 3, "food*": 4, "*": 5})


@pytest.mark.parametrize(
    ("topic", "row"),
    [
        ("feed:news", ("feed:news", 1)),
        ("feed:late", ("feed:*", 2)),  # the order of definition decides, not how close it fits
        ("feed:", ("feed:*", 2)),
        ("food", ("food*", 4)),
        ("", ("*", 5)),
    ],
)
def test_the_first_pattern_that_fits(topic: str, row: tuple[str, int]) -> None:
    assert ROUTES.match(topic) == row


def test_no_pattern_fits() -> None:
    assert Routes({"a": 1, "b:*": 2}).match("ab:1") is None
    assert Routes({"b:*": 2}).match("b") is None


@pytest.mark.parametrize("pattern", ["*a", "a*b", "a**"])
def test_a_star_stands_at_the_end_only(pattern: str) -> None:
    with pytest.raises(ValueError, match="end of a topic"):
        Routes({pattern: 1})


def test_a_pattern_that_is_none_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="may only stand at the end"):

        class Careless(Socket):
            channels: ClassVar[Any] = {"room:*:users": object}
