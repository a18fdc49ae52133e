from typing import Any

import pytest

from server.front import client_address


def scope(peer: str, **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "client": (peer, 1), "headers": raw}


@pytest.mark.parametrize(
    ("peer", "headers", "trusted", "wanted"),
    [
        ("9.9.9.9", {"x_forwarded_for": "1.1.1.1"}, (), "9.9.9.9"),
        ("9.9.9.9", {"x_forwarded_for": "1.1.1.1"}, ("10.0.0.0/8",), "9.9.9.9"),
        ("10.0.0.1", {"x_forwarded_for": "1.1.1.1"}, ("10.0.0.0/8",), "1.1.1.1"),
        # A client may write anything in front; only what our own proxies appended counts.
        ("10.0.0.1", {"x_forwarded_for": "6.6.6.6, 1.1.1.1"}, ("10.0.0.0/8",), "1.1.1.1"),
        ("10.0.0.1", {"x_forwarded_for": "1.1.1.1, 10.0.0.2"}, ("10.0.0.0/8",), "1.1.1.1"),
        ("10.0.0.1", {"fly_client_ip": "2.2.2.2"}, ("10.0.0.0/8",), "2.2.2.2"),
        ("10.0.0.1", {}, ("10.0.0.0/8",), "10.0.0.1"),
        ("", {"x_forwarded_for": "1.1.1.1"}, ("10.0.0.0/8",), ""),
    ],
)
def test_a_proxy_is_believed_only_when_it_is_trusted(
    peer: str, headers: dict[str, str], trusted: tuple[str, ...], wanted: str
) -> None:
    assert client_address(scope(peer, **headers), trusted) == wanted
