"""Signed tokens: what a client carries about and cannot change, as `Phoenix.Token` has them.

    tokens = Token(secret)
    text = tokens.sign("user socket", user_id)
    user_id = tokens.verify("user socket", text, max_age_s=3600)

A token can be read by whoever holds it: it is signed, not encrypted.
"""

import base64
import binascii
import hmac
import math
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

_FORM = "rt1"
_DAY_S = 86_400.0
_SHORTEST_SECRET = 20
_LONGEST_TOKEN = 16_384


class TokenRefused(Exception):
    """A token that does not say what it is asked for; the reasons are those of Phoenix."""

    def __init__(self, reason: Literal["missing", "invalid", "expired"]) -> None:
        super().__init__(reason)
        self.reason = reason


class _Signed(Struct, array_like=True):
    data: msgspec.Raw
    at_ms: int
    max_age_s: float | None  # None: until the end of days


class Token:
    """Signs and verifies with one secret, or with several while keys are being changed.

    The first secret signs; tokens of all of them are taken.
    """

    def __init__(
        self, secrets: str | Sequence[str], *, now: Callable[[], float] = time.time
    ) -> None:
        self._secrets = [secrets] if isinstance(secrets, str) else list(secrets)
        if not self._secrets or min(map(len, self._secrets)) < _SHORTEST_SECRET:
            raise ValueError(f"a secret to sign with has {_SHORTEST_SECRET} characters or more")
        self._now = now

    def sign(self, purpose: str, data: Any, *, max_age_s: float = _DAY_S) -> str:
        """Return a token that says `data`, good for one purpose and a time."""
        raw = msgspec.Raw(msgspec.json.encode(data))
        age = None if math.isinf(max_age_s) else max_age_s
        signed = _Signed(raw, round(self._now() * 1000), age)
        body = f"{_FORM}.{_text(msgspec.json.encode(signed))}"
        return f"{body}.{_signature(self._secrets[0], purpose, body)}"

    def verify(
        self,
        purpose: str,
        token: str | None,
        *,
        max_age_s: float | None = None,
        type: Any = Any,  # noqa: A002 - as msgspec calls it
    ) -> Any:
        """Return what a token says; raises TokenRefused.

        `max_age_s` counts instead of the age that the token was given when it was signed.
        """
        if not token:
            raise TokenRefused("missing")
        body, _, signature = token.rpartition(".")
        if len(token) > _LONGEST_TOKEN or not self._signed(purpose, body, signature):
            raise TokenRefused("invalid")
        try:
            signed = msgspec.json.decode(_bytes(body.removeprefix(f"{_FORM}.")), type=_Signed)
            data = msgspec.json.decode(signed.data, type=type)
        except (msgspec.DecodeError, binascii.Error) as error:  # ours, and of another shape
            raise TokenRefused("invalid") from error
        age = signed.max_age_s if max_age_s is None else max_age_s
        if age is not None and self._now() * 1000 > signed.at_ms + age * 1000:
            raise TokenRefused("expired")
        return data

    def _signed(self, purpose: str, body: str, signature: str) -> bool:
        """Compare with every key in the same time. The text is signed, so one spelling is good."""
        given = signature.encode(errors="replace")
        fits = [
            hmac.compare_digest(_signature(secret, purpose, body).encode(), given)
            for secret in self._secrets
        ]
        return any(fits)


def _signature(secret: str, purpose: str, body: str) -> str:
    return _text(hmac.digest(_key(secret, purpose), body.encode(errors="replace"), "sha256"))


@lru_cache(64)
def _key(secret: str, purpose: str) -> bytes:
    """Return the key of one purpose, so that a token of another is worth nothing."""
    return hmac.digest(secret.encode(), b"realtime token for " + purpose.encode(), "sha256")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
