"""What a person uploaded, as they take it with them."""

from typing import Any
from uuid import UUID

from server.kernel.database import Db
from server.kernel.exporting import MOST_EXPORTED, Exporter
from server.uploads import store


async def uploaded(db: Db, user_id: UUID) -> Any:
    """Give what a person uploaded, the newest first."""
    return [
        {
            "id": each.id,
            "key": each.key,
            "mime": each.mime,
            "size": each.size,
            "state": each.state,
            "created_at": each.created_at,
        }
        for each in await store.of_owner(db, user_id, MOST_EXPORTED)
    ]


exporters = [Exporter("uploads", uploaded)]
