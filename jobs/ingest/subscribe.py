"""The job that asks a source's hub to tell us of what is new (W3C WebSub)."""

from jobs.ingest.answers import NotFetched, NoTurnYet
from jobs.ingest.desk import Desk
from jobs.runtime import job
from server import sources
from server.kernel.services import Services
from server.sources import Subscribe


@job(sources.SUBSCRIBE)
async def subscribe(services: Services, args: Subscribe) -> None:
    """Ask the hub of a source, for the first time or for longer; it answers at our own door."""
    async with services.database.read() as db:
        agreed = await sources.subscription(db, args.source_id)
    base = services.policy.public_url
    if agreed is None or agreed.ask_at is None or base is None:
        return
    form = {
        "hub.mode": "subscribe",
        "hub.topic": agreed.topic,
        "hub.callback": sources.callback_url(base, args.source_id),
        "hub.secret": agreed.secret,
        "hub.lease_seconds": str(int(sources.LEASE.total_seconds())),
    }
    now = services.clock.now()
    match await Desk(services).fetcher.post(agreed.hub, form, now=now):
        case NotFetched(reason=reason):
            error: str | None = reason
        case NoTurnYet():
            error = "The hub has no turn for us yet."
        case _:
            error = None
    async with services.database.begin() as db:
        await sources.hub_asked(db, agreed, now, error)
