"""Refusals, told once at the edge: RFC 9457 over HTTP, `{"reason", …}` on a channel.

A subclass is a kind of refusal: its name is the `type` in snake_case, its docstring the `title`.
"""

import re
from typing import Any, ClassVar
from uuid import UUID

import msgspec


class Problem(Exception):
    """Something was refused."""

    status: ClassVar[int] = 400

    def __init__(self, detail: str = "", **more: Any) -> None:
        super().__init__(detail or self.title())
        self.detail = detail
        self.more = more
        self.headers: dict[str, str] = {}

    @classmethod
    def reason(cls) -> str:
        """Name the kind of refusal in snake_case, the same over HTTP and on a channel."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def title(cls) -> str:
        """Say in one sentence what kind of refusal it is."""
        return (cls.__doc__ or "").strip().splitlines()[0]

    def body(self) -> dict[str, Any]:
        """Give the members of the problem document (RFC 9457 section 3)."""
        detail = {"detail": self.detail} if self.detail else {}
        return {
            "type": f"/problems/{self.reason()}",
            "title": self.title(),
            "status": self.status,
            "reason": self.reason(),
            **detail,
            **self.more,
        }


class Malformed(Problem):
    """The request does not fit what this operation takes."""

    status = 422


class TooLarge(Problem):
    """The request body is larger than this operation takes."""

    status = 413


class SignInFirst(Problem):
    """Only people who are signed in can do this."""

    status = 401


class NotAllowed(Problem):
    """The viewer may not do this."""

    status = 403


class NotFound(Problem):
    """There is no such thing, or the viewer may not see it."""

    status = 404


class Conflict(Problem):
    """It is not possible as things are now."""

    status = 409


class TooMany(Problem):
    """Too many requests; come back after the time in Retry-After."""

    status = 429


class CursorInvalid(Problem):
    """The cursor was not made for this feed and this reader, or was altered."""

    status = 400


class Unavailable(Problem):
    """A part of the service does not answer just now; trying again later may help."""

    status = 503


def check_text(value: Any, where: str) -> None:
    """Let nothing in that PostgreSQL cannot keep: a NUL character, however deep in a value.

    Raises:
        Malformed: there is one.

    """
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            if "\0" in part:
                raise Malformed(f"In {where}: no text may hold a NUL character.")
        elif isinstance(part, dict):
            waiting += part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def uuid_from(text: str, what: str = "id") -> UUID:
    """Read a UUID at the edge.

    Raises:
        Malformed: the text is not one.

    """
    try:
        return msgspec.convert(text, UUID)
    except msgspec.ValidationError as error:
        raise Malformed(f"{what} must be a UUID, not {text[:60]!r}.") from error
