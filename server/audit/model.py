"""What the book says of a deed, and how one entry holds on to the one before it."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

# JSON values, as they stand in the book.
Facts: TypeAlias = Mapping[str, Any]

# What the first entry holds on to.
BEGINNING = bytes(32)
MOST_NOTE = 2000


class Deed(Struct, frozen=True, kw_only=True):
    """What somebody does to run the house, as `item.takedown`, and to what."""

    action: str
    target_kind: str
    target_id: str
    note: str = ""
    before: Facts = {}
    after: Facts = {}


class Entry(Struct, frozen=True, kw_only=True):
    """A deed as it stands in the book; nobody by name is the operator at a terminal."""

    seq: int
    id: UUID
    at: datetime
    actor_id: UUID | None
    action: str
    target_kind: str
    target_id: str
    note: str
    before: Facts
    after: Facts
    request_id: str


class AuditEntry(Entry, frozen=True, kw_only=True):
    """An entry of the audit log; `digest` is over it and over the entry before it."""

    digest: str


class AuditQuery(Struct, frozen=True):
    """Which entries: from where on, of whom, about what."""

    cursor: str | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    actor_id: UUID | None = None
    action: Annotated[str, Meta(max_length=60)] | None = None
    target_id: Annotated[str, Meta(max_length=200)] | None = None


class AuditPage(Struct, frozen=True):
    """Entries of the audit log, the latest first."""

    items: list[AuditEntry]
    cursor: str | None
    next_cursor: str | None
    has_more: bool


class Broken(Struct, frozen=True):
    """The first entry that does not fit, and in which way."""

    seq: int
    what: str


class Verified(Struct, frozen=True):
    """How many entries fit, the digest of the last of them, and the first that does not."""

    entries: int
    head: str
    broken: Broken | None = None


def digest_of(entry: Entry, previous: bytes) -> bytes:
    """Give the digest of an entry, which changes with the entry and with all before it."""
    facts = msgspec.to_builtins(entry) | {"at": entry.at.astimezone(UTC).isoformat()}
    written = msgspec.json.encode(facts, order="sorted")
    return hashlib.sha256(previous + written).digest()
