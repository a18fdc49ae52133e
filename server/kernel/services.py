"""What the edges open: the one bag of connections of a process, built by its root."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from server.kernel.bell import Bell
from server.kernel.clock import Clock
from server.kernel.database import Database, Db
from server.kernel.mail import Mailer
from server.kernel.queue import JobQueue
from server.kernel.storage import Storage

Part = TypeVar("Part")


class Publishes(Protocol):
    """Tells every open screen on a topic: an endpoint of realtime, or a publisher of it."""

    async def broadcast(self, topic: str, event: str, payload: object) -> None:
        """Send an event to all who joined the topic, on every node."""
        ...


class OidcClient(Struct, frozen=True):
    """Whom an issuer of sign-ins knows us as."""

    issuer: str
    client_id: str
    client_secret: str


class Policy(Struct, frozen=True, kw_only=True):
    """The settings that rules depend on."""

    secret: str
    public_url: str | None = None
    # Where links that leave the server lead: the public URL, or what it listens on without one.
    page_url: str = "http://127.0.0.1:8080"
    # Nobody signs in by Google without it.
    google: OidcClient | None = None
    access_token_seconds: float = 900.0
    refresh_token_seconds: float = 2592000.0
    secure_cookies: bool = False
    most_followees: int = 5_000
    timeline_fan_out: bool = True
    timeline_pull_from: int = 10_000
    timeline_push_below: int = 8_000
    timeline_days: int = 14
    # How many megabytes of uploads a person may keep here, by role.
    upload_quotas: Mapping[str, int] = {}
    post_characters: int = 500
    post_edit_seconds: float = 900.0
    notification_days: int = 180
    feed_window: int = 3
    feed_debug: bool = False
    rate_limits: bool = True
    # Limits in place of the defaults, by name: how many in how many seconds.
    rates: Mapping[str, tuple[int, float]] = {}
    fetch_private_addresses: bool = False
    trusted_proxies: tuple[str, ...] = ()
    # Groups of reactions that are told nothing for now; their events wait.
    paused_consumers: tuple[str, ...] = ()
    # Who this server is to push services; without a key no telephone is told.
    vapid_private_key: str | None = None
    vapid_subject: str = "mailto:admin@localhost"
    # Pages elsewhere that may act for a reader who is signed in.
    allowed_origins: tuple[str, ...] = ()


class Services(Struct, frozen=True, kw_only=True):
    """Everything an edge may reach; what it hands on are the parts an action needs."""

    policy: Policy
    database: Database
    redis: Redis
    publisher: Publishes
    storage: Storage
    mailer: Mailer
    queue: JobQueue
    clock: Clock
    bell: Bell
    # What a domain keeps while the process runs, put there by the process's root.
    parts: dict[type, Any] = {}
    # The transaction that everything written belongs to, when it is one that was opened outside.
    joined: Db | None = None

    def part(self, kind: type[Part]) -> Part:
        """Give what a domain keeps in this process."""
        try:
            found: Part = self.parts[kind]
        except KeyError:
            raise RuntimeError(f"This process does not run {kind.__qualname__}.") from None
        return found

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Db]:
        """Open a transaction; once it has committed, fold and relay are woken."""
        if self.joined is not None:
            yield self.joined
            return
        async with self.database.begin() as db:
            yield db
        self.bell.ring()

    def within(self, db: Db) -> "Services":
        """Give the same services, writing in a transaction that whoever opened it commits."""
        return msgspec.structs.replace(self, joined=db)

    def with_publisher(self, publisher: Publishes) -> "Services":
        """Give the same services, telling screens through another publisher."""
        return msgspec.structs.replace(self, publisher=publisher)
