"""`realtime.handshake`: what a connecting client says."""

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.handshake import CheckOrigin, origin_allowed, params, subprotocols


@pytest.mark.parametrize(
    ("query", "read"),
    [
        (b"", {}),
        # As captured from phoenix.js: brackets are escaped, a null leaves nothing between two &.
        (
            b"user_id=7&nested%5Ba%5D=1&arr%5B0%5D=1&arr%5B1%5D=2&&vsn=2.0.0",
            {"user_id": "7", "nested": {"a": "1"}, "arr": {"0": "1", "1": "2"}, "vsn": "2.0.0"},
        ),
        (b"vsn=2.0.0&", {"vsn": "2.0.0"}),
        (b"a[]=1&a[]=2", {"a": ["1", "2"]}),
        (b"a[b][]=1&a[b][]=2", {"a": {"b": ["1", "2"]}}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a=1&a[b]=2", {"a": {"b": "2"}}),
        (b"a[b=1&]=2&[]=3", {"a[b": "1", "]": "2", "": ["3"]}),
        (b"a=%ff&b=c%20d+e", {"a": "\ufffd", "b": "c d e"}),
        (b"empty", {"empty": ""}),
    ],
)
def test_params(query: bytes, read: dict[str, Any]) -> None:
    assert params(query) == read


def test_params_are_bounded() -> None:
    with pytest.raises(ValueError, match="fields"):
        params(b"&".join(b"a=1" for _ in range(501)))


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="[]&="), min_size=1, max_size=4)
LEAVES = st.text(st.characters(codec="utf-8"), max_size=6)
TREES = st.dictionaries(
    NAMES,
    st.recursive(
        LEAVES, lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3), max_leaves=5
    ),
    max_size=3,
)


def written_by_phoenix_js(tree: dict[str, Any], prefix: str = "") -> str:
    pieces = []
    for name, value in tree.items():
        key = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, dict):
            pieces.append(written_by_phoenix_js(value, key))
        else:
            pieces.append(f"{quote(key, safe='')}={quote(value, safe='')}")
    return "&".join(pieces)


@given(TREES)
def test_what_phoenix_js_writes_is_read_back(tree: dict[str, Any]) -> None:
    assert params(written_by_phoenix_js(tree).encode()) == tree


@given(st.binary(max_size=200))
def test_any_query_is_read_or_refused_as_a_value_error(query: bytes) -> None:
    assert isinstance(params(query), dict)


@given(st.text(min_size=1), st.booleans(), st.booleans())
def test_a_token_comes_in_either_alphabet(token: str, urlsafe: bool, padded: bool) -> None:
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    text = encode(token.encode()).decode()
    offered = ["phoenix", f"base64url.bearer.phx.{text if padded else text.rstrip('=')}"]
    assert subprotocols(offered) == (token, "phoenix")


@pytest.mark.parametrize(
    ("offered", "read"),
    [
        ([], (None, None)),
        (["phoenix"], (None, "phoenix")),
        # Never the bearer entry: it would put the token into the answer.
        (["base64url.bearer.phx.YQ"], ("a", None)),
        (["other"], (None, None)),
        (["base64url.bearer.phx.YQ", "base64url.bearer.phx.Yg", "phoenix"], (None, "phoenix")),
        (["base64url.bearer.phx.!", " phoenix "], (None, "phoenix")),
        (["base64url.bearer.phx.YQYQY", "phoenix"], (None, "phoenix")),
    ],
)
def test_subprotocols(offered: Sequence[str], read: tuple[str | None, str | None]) -> None:
    assert subprotocols(offered) == read


HERE = "app.test:4000"


@pytest.mark.parametrize(
    ("origin", "policy", "allowed"),
    [
        (None, True, True),
        ("https://app.test", True, True),  # the host alone counts
        ("http://evil.test:4000", True, False),
        ("http://evil.test", False, True),
        ("null", True, False),
        ("file://", True, False),
        ("http://app.test:4000", "conn", True),
        ("http://app.test", "conn", False),
        ("https://app.test:4000", "conn", False),
        ("http://a.test", ["//a.test"], True),
        ("https://a.test:99", ["//a.test"], True),
        ("https://a.test:99", ["//a.test:99"], True),
        ("https://a.test:98", ["//a.test:99"], False),
        ("http://a.test", ["http://a.test"], True),
        ("http://a.test:81", ["http://a.test"], False),  # a scheme pins its own port
        ("https://a.test", ["http://a.test"], False),
        ("http://a.test:81", ["http://a.test:81"], True),
        ("https://a.test:81", ["http://a.test:81"], False),
        ("https://x.a.test", ["//*.a.test"], True),
        ("https://a.test", ["//*.a.test"], True),
        ("https://xa.test", ["//*.a.test"], False),
        ("http://a.test:bad", True, False),
        ("http://xa.test", ["//a.test"], False),
        ("http://x", ["nonsense"], False),
        ("http://app.test", ["self"], True),
        ("https://app.test:1", ["//a.test", "self"], True),
        ("http://b.test", ["//a.test", "self"], False),
        ("http://app.test", ["//a.test"], False),
        ("http://good.test", lambda origin: origin.endswith("good.test"), True),
        ("http://bad.test", lambda origin: origin.endswith("good.test"), False),
    ],
)
def test_origins(origin: str | None, policy: CheckOrigin, allowed: bool) -> None:
    assert origin_allowed(origin, policy, scheme="ws", host=HERE) is allowed


def test_a_port_that_is_not_written_is_the_one_of_its_scheme() -> None:
    for scheme, page in (("ws", "http"), ("wss", "https")):
        port = {"ws": 80, "wss": 443}[scheme]
        for origin in (f"{page}://app.test", f"{page}://app.test:{port}"):
            for host in ("app.test", f"app.test:{port}"):
                assert origin_allowed(origin, "conn", scheme=scheme, host=host)
        assert not origin_allowed(f"{page}://app.test:81", "conn", scheme=scheme, host="app.test")
    assert origin_allowed("http://a.test:80", ["http://a.test"], scheme="ws", host=HERE)
    assert origin_allowed("https://a.test:443", ["https://a.test"], scheme="ws", host=HERE)


def test_a_page_without_a_host_is_none_of_a_server_without_one() -> None:
    for policy in (True, ["self"]):
        assert not origin_allowed("null", policy, scheme="ws", host="")


def test_either_alphabet_is_read() -> None:
    for text in ("Pz8_", "Pz8/"):
        assert subprotocols([f"base64url.bearer.phx.{text}"]) == ("???", None)


def test_a_secure_connection_wants_a_secure_page() -> None:
    assert not origin_allowed("http://app.test:443", "conn", scheme="wss", host="app.test")
    assert not origin_allowed("https://app.test:80", "conn", scheme="ws", host="app.test")
    assert origin_allowed("https://app.test", "conn", scheme="wss", host="app.test")
