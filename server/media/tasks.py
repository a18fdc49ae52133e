"""What workers do for cards."""

from uuid import UUID

from msgspec import Struct

from server.kernel.queue import Task


class Posters(Struct, frozen=True):
    """The items whose posters are to be drawn."""

    ids: list[UUID]


class Rendering(Struct, frozen=True):
    """The item whose card is to be rendered."""

    item_id: UUID


class Encode(Struct, frozen=True):
    """On whose behalf a film is encoded: it may be another whose turn it is."""

    id: UUID


# Readers see posters at once and before all else; films come when there is time for them.
POSTERS = Task("cards.poster", "embed", Posters, timeout_seconds=120)
# As often as an attempt may fail: the last failure is seen among the dead letters.
RENDER = Task("cards.render", "cards", Rendering, timeout_seconds=120, retry_seconds=(5, 30))
# As long as the longest film may take; a job ends itself much sooner. What fails is put in line
# again by the job, and by the sweep.
ENCODE = Task("media.encode", "films", Encode, timeout_seconds=14 * 3600, retry_seconds=(5, 30))
