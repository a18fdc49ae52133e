"""From ledger entries to what the reader sees of them now (rulings 2)."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from msgspec import UNSET

from server import display
from server.display import Item
from server.feed.model import Debug, Entry, Log, SlideView
from server.kernel.services import Services
from server.kernel.viewer import Viewer


async def items_of(
    services: Services, viewer: Viewer, entries: Sequence[tuple[int, Entry]]
) -> Mapping[UUID, Item]:
    """Read every item of some entries as the viewer sees it."""
    ids: Collection[UUID] = {item for _, entry in entries for item in entry.ids}
    if not ids:
        return {}
    async with services.database.read() as db:
        return await display.show(db, viewer, ids, services.storage)


async def slides_of(
    services: Services, viewer: Viewer, log: Log, entries: Sequence[tuple[int, Entry]]
) -> list[SlideView]:
    """Show slides; why they were chosen is told to admins, and to all where the policy says so."""
    shown = await items_of(services, viewer, entries)
    tell = services.policy.feed_debug or viewer.is_admin
    return [_slide(log, seq, entry, shown, tell=tell) for seq, entry in entries]


def _slide(
    log: Log, seq: int, entry: Entry, shown: Mapping[UUID, Item], *, tell: bool
) -> SlideView:
    featured, first, second, third = (shown[item] for item in entry.ids)
    why = Debug(entry.topic or "general", entry.reason, entry.propensity)
    return SlideView(
        slide_id=log.slide_id(seq),
        seq=seq,
        featured=featured,
        related=(first, second, third),
        debug=why if tell else UNSET,
    )
