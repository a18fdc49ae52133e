"""What is kept of a person's account, as they take it with them."""

from typing import Any
from uuid import UUID

from msgspec import to_builtins

from server.kernel.database import Db
from server.kernel.exporting import Exporter
from server.users import store


async def account(db: Db, user_id: UUID) -> Any:
    """Give the account, its profile and its settings."""
    user = (await store.by_ids(db, [user_id]))[user_id]
    found = await store.account(db, user.username)
    return to_builtins(found)


exporters = [Exporter("account", account)]
