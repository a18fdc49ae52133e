"""Which access tokens count no longer, though they have not ended: asked at every request.

An access token is believed without a look at the database until it ends, a quarter of an hour
after it was made. What came between is known to every web process by name: the sign-ins that were
ended, and the people whose role or state is another than their token says. PostgreSQL is the
truth. It is read when the process starts, after an outage between nodes, and every few seconds for
what was told while Redis, or whoever tells, was away; what is told comes sooner than that.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import timedelta
from uuid import UUID

from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from realtime import Broadcast, Endpoint, PublishFailed
from server import users
from server.auth import store
from server.auth.tokens import Claims
from server.kernel import metrics
from server.kernel.logs import log
from server.kernel.services import Services

# Told between nodes; no client can join it.
TOPIC = "outdated"
ENDED, STANDING = "ended", "standing"

MAY_ACT = frozenset({"active", "shadowbanned"})
READ_SECONDS = 2.0
# Transactions that committed a while after the moment that they wrote down.
OVERLAP = timedelta(seconds=10)
# Beyond it the oldest are believed again, for the little time that they have left.
MOST = 200_000

_log = log("auth")


class Ended(Struct, frozen=True):
    """Which sign-ins were ended."""

    families: list[UUID]


class Standing(Struct, frozen=True):
    """What a person may be from now on; without a role, nobody."""

    user_id: UUID
    role: str


class Outdated:
    """What this process knows of tokens that count no longer."""

    def __init__(self, services: Services) -> None:
        self._services = services
        # With the moment from which on no token is left that it is about; the oldest first.
        self._ended: dict[UUID, float] = {}
        self._roles: dict[UUID, tuple[str, float]] = {}
        self._heard = 0
        self._read_at: float | None = None
        self._wanted = asyncio.Event()

    def covers(self, claims: Claims) -> bool:
        """Say whether a token that is otherwise good counts no longer."""
        if claims.sid in self._ended:
            return True
        known = self._roles.get(claims.sub)
        return known is not None and known[0] != claims.role

    def end(self, families: Collection[UUID]) -> None:
        """Believe no token of these sign-ins."""
        until = self._until()
        self._ended.update(dict.fromkeys(families, until))
        self._forget()

    def stand(self, roles: Mapping[UUID, str]) -> None:
        """Believe no token of these people that names another role."""
        until = self._until()
        for user_id, role in roles.items():
            self._roles.pop(user_id, None)
            self._roles[user_id] = (role, until)
        self._forget()

    def on_told(self, broadcast: Broadcast) -> None:
        """Hear what another process did."""
        self._heard += 1
        if broadcast.event == ENDED:
            self.end(broadcast.decode(Ended).families)
        else:
            told = broadcast.decode(Standing)
            self.stand({told.user_id: told.role})

    def on_gap(self) -> None:
        """Read all of it anew: something may not have been heard."""
        self._read_at = None
        self._wanted.set()

    async def read(self) -> bool:
        """Read what changed since it was last read; at first, all that a token may not know."""
        clock, heard = self._services.clock, self._heard
        now = clock.now()
        within = timedelta(seconds=self._services.policy.access_token_seconds)
        if self._read_at is not None:
            within = min(within, timedelta(seconds=now.timestamp() - self._read_at) + OVERLAP)
        async with self._services.database.read() as db:
            ended = await store.ended_since(db, now - within, MOST)
            changed = await users.changed_within(db, within, MOST)
        self.end(ended)
        if heard != self._heard:
            # What was told meanwhile may be newer than what was read.
            return False
        self.stand({each.id: role_of(each) for each in changed})
        self._read_at = now.timestamp()
        return True

    async def keep(self) -> None:
        """Read on for as long as the task lives."""
        while True:
            self._wanted.clear()
            try:
                await self.read()
            except (OSError, TimeoutError, SQLAlchemyError) as error:
                _log.warning("outdated_not_read", error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(READ_SECONDS):
                    await self._wanted.wait()

    def _until(self) -> float:
        lifetime = self._services.policy.access_token_seconds
        return self._services.clock.now().timestamp() + lifetime

    def _forget(self) -> None:
        now = self._services.clock.now().timestamp()
        while self._ended:
            oldest = next(iter(self._ended))
            if self._ended[oldest] > now and not _over(len(self._ended)):
                break
            del self._ended[oldest]
        while self._roles:
            oldest = next(iter(self._roles))
            if self._roles[oldest][1] > now and not _over(len(self._roles)):
                break
            del self._roles[oldest]


def _over(count: int) -> bool:
    if count > MOST:
        metrics.outdated_dropped.inc()
        return True
    return False


def role_of(user: users.User) -> str:
    """Give the role that tokens of a person have to name; none for who may not act."""
    return user.role if user.state in MAY_ACT else ""


def covers(services: Services, claims: Claims) -> bool:
    """Ask what this process knows; one that serves nobody knows nothing."""
    outdated: Outdated | None = services.parts.get(Outdated)
    return outdated is not None and outdated.covers(claims)


async def tell_ended(services: Services, families: Collection[UUID]) -> None:
    """Have every node refuse the tokens of sign-ins whose end is committed.

    Sooner than the event, which tells it once more and for certain.
    """
    outdated: Outdated | None = services.parts.get(Outdated)
    if outdated is not None:
        outdated.end(families)
    if families:
        with contextlib.suppress(PublishFailed):
            await services.publisher.broadcast(TOPIC, ENDED, Ended(list(families)))


@contextlib.asynccontextmanager
async def running(services: Services, endpoint: Endpoint) -> AsyncIterator[Outdated]:
    """Refuse outdated tokens in this process while the block runs."""
    outdated = Outdated(services)
    services.parts[Outdated] = outdated
    detach = [endpoint.subscribe(TOPIC, outdated.on_told), endpoint.on_gap(outdated.on_gap)]
    # Once subscribed, so that nothing changes in between unheard.
    with contextlib.suppress(OSError, TimeoutError, SQLAlchemyError):
        await outdated.read()
    keeping = asyncio.create_task(outdated.keep())
    try:
        yield outdated
    finally:
        for stop in detach:
            stop()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        del services.parts[Outdated]
