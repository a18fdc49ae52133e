"""Whom a person follows, blocks and mutes, as they take it with them."""

from typing import Any
from uuid import UUID

from sqlalchemy import Column, select

from server.graph.store import blocks, follows, mutes
from server.kernel.database import Db
from server.kernel.exporting import MOST_EXPORTED, Exporter, Exports


def _ties(owner: Column[Any], other: Column[Any], since: Column[Any]) -> Exports:
    async def run(db: Db, user_id: UUID) -> Any:
        found = select(other, since).where(owner == user_id).limit(MOST_EXPORTED)
        return [{"user_id": row[0], "since": row[1]} for row in await db.execute(found)]

    return run


exporters = [
    Exporter(
        "following", _ties(follows.c.follower_id, follows.c.followee_id, follows.c.created_at)
    ),
    Exporter("blocking", _ties(blocks.c.user_id, blocks.c.target_id, blocks.c.created_at)),
    Exporter("muting", _ties(mutes.c.user_id, mutes.c.target_id, mutes.c.created_at)),
]
