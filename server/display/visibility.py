"""Which items a viewer may see: the one place that says so, for every feed, slide and page."""

from collections.abc import Collection, Mapping
from uuid import UUID

from server import graph
from server.items import StoredItem
from server.kernel.database import Db
from server.kernel.viewer import Viewer
from server.users import User


async def visible(
    db: Db,
    viewer: Viewer,
    items: Collection[StoredItem],
    authors: Mapping[UUID, User],
    *,
    muted: bool = False,
) -> set[UUID]:
    """Choose the ids of those items that the viewer may see, by one read for all of them.

    An item is seen while it is live, while its author is in order, and while neither the viewer
    nor the author has blocked the other. Whom the viewer muted is seen only with `muted`: where
    a thing was asked for, and not in feeds. People always see what is their own, and admins also
    what a verdict hides.
    """
    live = [item for item in items if item.state == "live"]
    others = {item.author_id for item in live if item.author_id and item.author_id != viewer.id}
    hidden = await graph.hidden_authors(db, viewer, others, muted=not muted)
    if not viewer.is_admin:
        hidden |= {each for each in others if not _in_order(authors.get(each))}
    return {item.id for item in live if item.author_id not in hidden}


def _in_order(author: User | None) -> bool:
    return author is not None and author.state == "active"
