"""People and items for tests, put straight into the tables."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text

from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.viewer import Viewer

_USER = text(
    """
    insert into content.users (id, username, email, display_name, role)
    values (:id, :username, :username || '@example.org', initcap(:username), :role)
    """
)
_ITEM = text(
    """
    insert into content.items
      (id, kind, state, author_id, title, body_text, story_id, published_at, first_seen_at)
    values (:id, :kind, :state, :author_id, 'A title', 'A text', :id, :now, :now)
    """
)


async def a_user(db: Db, username: str, role: str = "user") -> Viewer:
    """Make a person and give the viewer that they are."""
    user_id = new_id()
    await db.execute(_USER, {"id": user_id, "username": username, "role": role})
    return Viewer(user_id, role)  # type: ignore[arg-type]


async def an_item(
    db: Db, *, kind: str = "ARTICLE", state: str = "live", author: Viewer | None = None
) -> UUID:
    """Make an item that nobody has touched."""
    item_id = new_id()
    author_id = author.id if author else None
    row = {"id": item_id, "kind": kind, "state": state, "author_id": author_id}
    await db.execute(_ITEM, {**row, "now": datetime.now(UTC)})
    return item_id
