"""What is kept of how a person signs in, as they take it with them."""

from typing import Any
from uuid import UUID

from server.auth import one_time, store
from server.kernel.database import Db
from server.kernel.exporting import MOST_EXPORTED, Exporter


async def sign_ins(db: Db, user_id: UUID) -> Any:
    """Give where the person is signed in."""
    return await store.list_sign_ins(db, user_id, MOST_EXPORTED)


async def identities(db: Db, user_id: UUID) -> Any:
    """Give which other houses know the person."""
    return await one_time.issuers_of(db, user_id)


exporters = [Exporter("sign_ins", sign_ins), Exporter("identities", identities)]
