"""`realtime.message` and `realtime.close`: refs, payloads ready for the wire, codes."""

from typing import Any

import msgspec
import pytest

from realtime import close
from realtime.close import Close
from realtime.message import Broadcast, pack, same_ref


@pytest.mark.parametrize("ref", ["1", 1, 1.0, True, None, "", [1], {"a": 1}])
def test_a_ref_is_the_same_as_itself_and_as_nothing_of_another_type(ref: Any) -> None:
    assert same_ref(ref, ref) is True
    for other in ("1", 1, 1.0, True, None, "", [1], {"a": 1}):
        assert same_ref(ref, other) is (ref is other or (type(ref) is type(other) and ref == other))


def test_refs_of_one_type_differ_by_value() -> None:
    assert same_ref("1", "2") is False
    assert same_ref(1, 2) is False


class _Said(msgspec.Struct):
    n: int


def test_a_broadcast_is_decoded_as_what_is_asked_for() -> None:
    said = Broadcast("t", "e", pack({"n": 1}))
    assert said.decode() == {"n": 1}
    assert said.decode(_Said) == _Said(1)
    assert Broadcast("t", "e", b"\x01\x02").decode() == b"\x01\x02"


def test_what_is_packed_already_passes_through() -> None:
    raw = msgspec.Raw(b'{"as": 1}')
    assert pack(raw) is raw
    assert pack(b"\x01") == b"\x01"
    assert pack(memoryview(b"\x01")) == b"\x01"
    assert type(pack(bytearray(b"\x01"))) is bytes
    assert bytes(pack(1)) == b"1"


def test_what_each_close_says() -> None:
    said = {name: value for name, value in vars(close).items() if isinstance(value, Close)}
    assert said == {
        "DISCONNECTED": Close(1001, "disconnected by the server"),
        "GOING_AWAY": Close(1001, "going away"),
        "PROTOCOL": Close(1002, "protocol error"),
        "NOT_UTF8": Close(1007, "text that is not UTF-8"),
        "OVER_RATE": Close(1008, "too many messages over the rate"),
        "TOO_BIG": Close(1009, "message too big"),
        "CRASHED": Close(1011, "internal error"),
        "RESTARTING": Close(1012, "service restart"),
        "SLOW": Close(4008, "slow consumer"),
        "IDLE": Close(4009, "idle timeout"),
        "FLOODING": Close(4010, "too many malformed messages"),
    }
