"""`realtime.token`: what is signed comes back as it was, and nothing else does."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import Token, TokenRefused

SECRET = "a secret of twenty characters or more"
OTHER = "another secret of twenty characters or more"


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def refusal(token: Token, purpose: str, text: str | None, **how: Any) -> str:
    with pytest.raises(TokenRefused) as refused:
        token.verify(purpose, text, **how)
    return refused.value.reason


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values, st.text(max_size=20))
def test_what_is_signed_comes_back_for_its_purpose_only(data: Any, purpose: str) -> None:
    token = Token(SECRET)
    text = token.sign(purpose, data)
    assert token.verify(purpose, text) == data
    assert refusal(token, f"{purpose}!", text) == "invalid"
    assert text.isascii()
    assert not set(text) & set("+/=&? ")


@given(st.data())
def test_no_other_text_is_taken(data: Any) -> None:
    token = Token(SECRET)
    text = token.sign("user", 7)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters())
    forged = text[:place] + other + text[place + 1 :]
    if forged != text:
        assert refusal(token, "user", forged) == "invalid"
    assert refusal(token, "user", text[:place]) in ("invalid", "missing")


@pytest.mark.parametrize("text", ["x", "..", "rt1..", "é.é", "a" * 20_000, "\ud800.x", "x.\ud800"])
def test_what_is_no_token_is_invalid(text: str) -> None:
    assert refusal(Token(SECRET), "user", text) == "invalid"


@pytest.mark.parametrize("text", [None, ""])
def test_no_token_is_missing(text: str | None) -> None:
    assert refusal(Token(SECRET), "user", text) == "missing"


def test_a_token_ends_with_its_age_unless_who_verifies_says_another() -> None:
    clock = Clock()
    token = Token(SECRET, now=clock)
    text = token.sign("user", 7, max_age_s=60)
    forever = token.sign("user", 8, max_age_s=math.inf)
    clock.now += 60
    assert token.verify("user", text) == 7
    clock.now += 0.01
    assert refusal(token, "user", text) == "expired"
    assert token.verify("user", text, max_age_s=61) == 7
    assert refusal(token, "user", text, max_age_s=1) == "expired"
    clock.now += 1e9
    assert token.verify("user", forever) == 8
    assert refusal(token, "user", token.sign("other", 1)) == "invalid"


def test_keys_are_changed_without_a_moment_in_which_tokens_fail() -> None:
    old, changing, new = Token(SECRET), Token([OTHER, SECRET]), Token(OTHER)
    assert changing.verify("user", old.sign("user", 7)) == 7
    assert new.verify("user", changing.sign("user", 7)) == 7
    assert refusal(new, "user", old.sign("user", 7)) == "invalid"


def test_a_token_of_today_is_good_tomorrow_whatever_the_release() -> None:
    written = "rt1.W3siaWQiOjd9LDAsODY0MDAuMF0." + ("SGwf9pg8M6K1WSXEeKwqL_IKeFMgDQ_8UBrjXPd1gM0")
    assert Token(SECRET, now=lambda: 0.0).sign("user", {"id": 7}) == written


def test_a_token_is_good_for_a_day_unless_told_otherwise() -> None:
    clock = Clock()
    token = Token(SECRET, now=clock)
    text = token.sign("user", 7)
    clock.now += 86_400
    assert token.verify("user", text) == 7
    clock.now += 0.001
    assert refusal(token, "user", text) == "expired"


def test_a_token_is_so_long_and_no_longer() -> None:
    token = Token(SECRET, now=lambda: 0.0)
    sizes = {len(token.sign("user", "x" * n)): n for n in range(12_200, 12_240)}
    assert token.verify("user", token.sign("user", "x" * sizes[16_384]))
    longer = min(size for size in sizes if size > 16_384)
    assert refusal(token, "user", token.sign("user", "x" * sizes[longer])) == "invalid"


def test_a_refusal_says_its_reason() -> None:
    assert str(TokenRefused("expired")) == "expired"


def test_twenty_characters_are_a_secret() -> None:
    token = Token("x" * 20)
    assert token.verify("user", token.sign("user", 7)) == 7


def test_a_value_of_another_type_is_invalid() -> None:
    token = Token(SECRET)
    text = token.sign("user", {"id": 7})
    assert token.verify("user", text, type=dict[str, int]) == {"id": 7}
    assert refusal(token, "user", text, type=str) == "invalid"


def test_values_are_any_that_msgspec_writes() -> None:
    class Who(msgspec.Struct):
        id: int

    token = Token(SECRET)
    assert token.verify("user", token.sign("user", Who(7)), type=Who) == Who(7)


@pytest.mark.parametrize("secrets", ["short", [], [SECRET, "short"]])
def test_a_short_secret_is_refused(secrets: Any) -> None:
    with pytest.raises(ValueError, match="20 characters"):
        Token(secrets)
