"""What a moderator looks up: an item, removed or not, and a person."""

from uuid import UUID

from server import items, users
from server.kernel.database import Db
from server.kernel.problems import NotFound
from server.kernel.viewer import Viewer
from server.moderation import store
from server.moderation.actions import check_admin
from server.moderation.cases import ref
from server.moderation.model import ItemShown, PersonShown


async def item(db: Db, viewer: Viewer, item_id: UUID) -> ItemShown:
    """Give an item as it is kept, with why it was removed.

    Raises:
        NotAllowed: the viewer is no admin.
        NotFound: there is no such item.

    """
    check_admin(viewer)
    kept = (await items.by_ids(db, [item_id])).get(item_id)
    if kept is None:
        raise NotFound("There is no such item.")
    author_id = kept.author_id
    author = (await users.by_ids(db, [author_id])).get(author_id) if author_id else None
    taken = await store.takedown_of(db, item_id)
    return ItemShown(
        id=kept.id,
        type=kept.kind,
        state=kept.state,
        title=kept.title,
        body_text=kept.body_text,
        author=ref(author),
        author_state=author.state if author else None,
        published_at=kept.published_at,
        removed_for=taken.reason if taken else None,
        removed_at=taken.taken_at if taken else None,
        note=taken.note if taken else "",
        open_case=(await store.open_cases(db, "item", [item_id])).get(item_id),
    )


async def person(db: Db, viewer: Viewer, user_id: UUID) -> PersonShown:
    """Give a person's standing, and why it is what it is. Refused as `item` is."""
    check_admin(viewer)
    user = (await users.by_ids(db, [user_id])).get(user_id)
    if user is None:
        raise NotFound("There is no such person.")
    sanction = (await store.sanctions_of(db, [user_id])).get(user_id)
    return PersonShown(
        id=user.id,
        username=user.username,
        display_name=user.display_name,
        role=user.role,
        state=user.state,
        until=sanction.until if sanction else None,
        reason=sanction.reason if sanction else None,
        note=sanction.note if sanction else "",
    )
