"""What a domain gives to a person who asks for their own data."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID

from msgspec import Struct

from server.kernel.database import Db

# Of one kind of thing: an archive is made in memory.
MOST_EXPORTED = 50_000

Exports: TypeAlias = Callable[[Db, UUID], Awaitable[Any]]


class Exporter(Struct, frozen=True):
    """One part of the archive: its name there, and what reads it.

    What is read is the person's own: what others wrote to or of them is not theirs to take.
    """

    part: str
    run: Exports
