"""Which authors are written into their followers' timelines, and which are merged in on reading.

On the way up an author is pulled at once: readers find in PostgreSQL what is no longer written to
them. On the way down they are first written again, then all lists are filled up with what was not
written, and only then nobody pulls them any more. So no entry is ever missing in between.
"""

from typing import Literal, TypeAlias
from uuid import UUID

from sqlalchemy import text

from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.timelines.events import AuthorSank

Mode: TypeAlias = Literal["push", "both", "pull"]

_STANDING = text(
    """
    select u.follower_count, p.mode from content.users u
    left join content.pulled_authors p on p.user_id = u.id where u.id = :user_id
    """
)
_RISE = text(
    """
    insert into content.pulled_authors (user_id, mode, turn) values (:user_id, 'pull', :turn)
    on conflict (user_id) do update set mode = 'pull', turn = excluded.turn
    """
)
_SINK = text(
    """
    update content.pulled_authors set mode = 'both', turn = :turn
    where user_id = :user_id and mode = 'pull' returning 1
    """
)
_LEAVE = text("delete from content.pulled_authors where user_id = :user_id and turn = :turn")


async def mode_of(db: Db, user_id: UUID) -> Mode:
    """Say how an author reaches timelines now."""
    row = (await db.execute(_STANDING, {"user_id": user_id})).one_or_none()
    return "push" if row is None or row.mode is None else row.mode


async def weigh(db: Db, user_id: UUID, *, pull_from: int, push_below: int) -> None:
    """Change how an author reaches timelines, if the followers have become many or few enough."""
    row = (await db.execute(_STANDING, {"user_id": user_id})).one_or_none()
    if row is None:
        return
    given = {"user_id": user_id, "turn": new_id()}
    if row.follower_count >= pull_from and row.mode != "pull":
        await db.execute(_RISE, given)
        return
    few = row.follower_count <= push_below and row.mode == "pull"
    if few and (await db.execute(_SINK, given)).first() is not None:
        await outbox.emit(db, AuthorSank(user_id, given["turn"]), key=user_id)


async def leave(db: Db, user_id: UUID, turn: UUID) -> None:
    """Pull an author no more, unless they rose again meanwhile."""
    await db.execute(_LEAVE, {"user_id": user_id, "turn": turn})
