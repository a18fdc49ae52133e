"""When a source is asked again: by how often it publishes, what it asks for, and how it went."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.sources import after_error, next_check
from server.sources.model import BESIDES_PUSHES, JITTER, LATEST, QUIET, SOONEST
from server.sources.pushing import signed

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("weekly", "asked", "pause"),
    [
        (0, None, QUIET),
        (1, None, LATEST),
        (7, None, timedelta(hours=12)),
        (84, None, timedelta(hours=1)),
        (10_000, None, SOONEST),
        (10_000, timedelta(hours=2), timedelta(hours=2)),
        (84, timedelta(minutes=1), timedelta(hours=1)),
        (84, timedelta(days=9), LATEST),
    ],
)
def test_a_source_is_asked_twice_as_often_as_it_publishes_unless_it_minds(
    weekly: int, asked: timedelta | None, pause: timedelta
) -> None:
    assert next_check(NOW, weekly=weekly, asked=asked) - NOW == pause


def test_a_source_whose_hub_tells_us_is_asked_only_now_and_then() -> None:
    assert next_check(NOW, weekly=10_000, asked=None, pushed=True) - NOW == BESIDES_PUSHES


def test_errors_in_a_row_make_it_be_tried_less_often_and_never_not_at_all() -> None:
    pauses = [after_error(NOW, errors=n, asked=None) - NOW for n in range(1, 40)]

    assert pauses == sorted(pauses)
    assert pauses[0] == SOONEST
    assert pauses[-1] == LATEST


@given(
    weekly=st.integers(0, 10**6),
    asked=st.none() | st.timedeltas(timedelta(), timedelta(days=4000)),
    pushed=st.booleans(),
    chance=st.floats(0, 1),
)
def test_no_pause_is_shorter_than_what_is_asked_for_or_longer_than_a_day(
    weekly: int, asked: timedelta | None, pushed: bool, chance: float
) -> None:
    pause = next_check(NOW, weekly=weekly, asked=asked, pushed=pushed, chance=chance) - NOW

    assert SOONEST <= pause <= LATEST
    assert pause >= min(asked or SOONEST, LATEST * (1 - JITTER))


def test_what_was_added_together_is_not_asked_together() -> None:
    spread = {next_check(NOW, weekly=84, asked=None, chance=n / 10) for n in range(10)}

    assert len(spread) == 10


def test_only_who_knows_the_secret_can_sign() -> None:
    content = b"<rss/>"
    for method in ("sha1", "sha256", "sha384", "sha512"):
        made = hmac.new(b"secret", content, getattr(hashlib, method)).hexdigest()
        assert signed("secret", content, f"{method}={made}")
        assert not signed("secret", content + b" ", f"{method}={made}")
        assert not signed("other", content, f"{method}={made}")
    weak = hmac.new(b"secret", content, hashlib.md5).hexdigest()
    for wrong in (None, "", "sha256", "sha256=", f"md5={weak}", "new=1", "sha256=é"):
        assert not signed("secret", content, wrong)
