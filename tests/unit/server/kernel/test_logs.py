import pytest

from server.kernel.logs import STRUCK, strike


@pytest.mark.parametrize(
    "name", ["password", "access_token", "Authorization", "set-cookie", "email", "secret_key"]
)
def test_what_is_named_a_secret_is_struck_out(name: str) -> None:
    assert strike(None, "info", {"event": "x", name: "value"})[name] == STRUCK


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("sent to ada@example.org", f"sent to {STRUCK}"),
        ("redis://:hunter2@host:1/0", f"redis://{STRUCK}@host:1/0"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", f"got {STRUCK}"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_in_texts_are_struck_out(said: str, kept: str) -> None:
    assert strike(None, "info", {"event": said})["event"] == kept
