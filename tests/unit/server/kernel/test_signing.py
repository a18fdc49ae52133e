import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.kernel.signing import ForgedError, Signer, key_for

SECRET = "a secret of thirty-two characters"


@given(st.binary(max_size=64))
def test_what_was_signed_is_opened(body: bytes) -> None:
    signer = Signer(SECRET, "cursor")

    assert signer.open(signer.sign(body)) == body


@given(st.binary(min_size=1, max_size=32), st.data())
def test_a_changed_character_is_refused(body: bytes, data: st.DataObject) -> None:
    signer = Signer(SECRET, "cursor")
    signed = signer.sign(body)
    place = data.draw(st.integers(0, len(signed) - 1))
    other = data.draw(st.sampled_from("Aaz09_-").filter(lambda c: c != signed[place]))

    with pytest.raises(ForgedError):
        signer.open(signed[:place] + other + signed[place + 1 :])


@given(st.text(max_size=80))
def test_no_text_from_outside_raises_anything_else(text: str) -> None:
    with pytest.raises(ForgedError):
        Signer(SECRET, "cursor").open(text)


def test_one_purpose_does_not_open_another() -> None:
    signed = Signer(SECRET, "cursor").sign(b"body")

    with pytest.raises(ForgedError):
        Signer(SECRET, "media").open(signed)
    assert key_for(SECRET, "cursor") != key_for(SECRET, "media")
