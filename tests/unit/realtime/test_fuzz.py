"""Frames that nobody meant: no exception escapes, and no other socket is hurt."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.testing import run
from tests.unit.realtime.fuzzing import offend

WORDS = st.sampled_from(
    ["1", "2", "", "room:1", "room:2", "phoenix", "attic", "phx_join", "phx_leave", "phx_reply",
     "heartbeat", "ping", "shout", "others", "crash", "stop_later", "quiet", "\x00", "é" * 200]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
PARAMS = st.sampled_from([{}, {"crash": 1}, {"refuse": "no"}, {"slow": 1}, {"push": "x"}, 7, None])
ALMOST = st.tuples(WORDS | st.none(), WORDS | st.none(), WORDS, WORDS, PARAMS | JSON).map(list)


def _binary(parts: tuple[Any, ...]) -> bytes:
    names, data = [str(part).encode()[:255] for part in parts[:4]], parts[4]
    return b"".join((bytes((0, *map(len, names))), *names, data))


FRAMES = st.one_of(
    ALMOST.map(json.dumps),
    st.lists(JSON, max_size=6).map(json.dumps),
    st.dictionaries(WORDS, JSON, max_size=5).map(json.dumps),
    st.tuples(WORDS, WORDS, WORDS, WORDS, st.binary(max_size=20)).map(_binary),
    st.text(max_size=60),
    st.binary(max_size=60),
    st.tuples(ALMOST.map(json.dumps), st.integers(0, 60)).map(lambda cut: cut[0][: cut[1]]),
)


@settings(max_examples=60)
@given(st.lists(FRAMES, max_size=12), st.sampled_from(["1.0.0", "2.0.0"]), st.booleans())
def test_whatever_one_client_sends_nobody_else_is_hurt(
    frames: list[str | bytes], vsn: str, is_lane: bool
) -> None:
    run(offend(frames, vsn, is_lane=is_lane))
