"""A ledger without Redis, which the contract holds to the same rules."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from server.feed.model import Entry, Log


class MemoryLedger:
    """Keeps ledgers in a dict, and lets others come in between."""

    def __init__(self) -> None:
        self.logs: dict[UUID, Log] = {}

    async def read(self, session: UUID) -> Log | None:
        await asyncio.sleep(0)
        return self.logs.get(session)

    async def append(self, log: Log, entries: Sequence[Entry]) -> bool:
        await asyncio.sleep(0)
        kept = self.logs.get(log.session)
        if kept is None:
            kept = Log(log.session, log.epoch, log.base, barred=log.barred)
            if log.entries:
                return False
        elif (kept.epoch, len(kept.entries)) != (log.epoch, len(log.entries)):
            return False
        self.logs[log.session] = Log(
            log.session, log.epoch, kept.base, (*kept.entries, *entries), kept.barred
        )
        return True
