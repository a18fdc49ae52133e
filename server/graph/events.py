"""What the graph tells: each event is keyed by the person who acted."""

from typing import ClassVar
from uuid import UUID

from server.kernel.outbox import Event


class GraphChanged(Event, frozen=True):
    """What all of them carry: who acted, and towards whom."""

    user_id: UUID
    target_id: UUID


class Followed(GraphChanged, frozen=True):
    """Somebody follows a person from now on."""

    topic: ClassVar[str] = "graph.followed"


class Unfollowed(GraphChanged, frozen=True):
    """Somebody follows a person no longer: of their own will, or by a block in between."""

    topic: ClassVar[str] = "graph.unfollowed"


class BlockMade(GraphChanged, frozen=True):
    """Somebody blocked a person; what either followed of the other has ended."""

    topic: ClassVar[str] = "graph.blocked"


class BlockLifted(GraphChanged, frozen=True):
    """Somebody lifted a block; nobody follows anybody by that."""

    topic: ClassVar[str] = "graph.unblocked"


class Muted(GraphChanged, frozen=True):
    """Somebody wants to see nothing of a person in their feeds."""

    topic: ClassVar[str] = "graph.muted"


class Unmuted(GraphChanged, frozen=True):
    """Somebody wants to see a person in their feeds again."""

    topic: ClassVar[str] = "graph.unmuted"
