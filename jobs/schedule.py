"""What runs by the clock, in the one scheduler: sweeps, housekeeping and the books of the queues.

A sweep derives the jobs that should be there from what the database says, so a Redis that lost
everything is soon as full as it was (rulings 3). The queue lets each job id in once, so a sweep
that comes too often does nothing.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeAlias

from msgspec import Struct
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from jobs.embed.engine import MODEL
from jobs.registries import Registries
from server import (
    auth,
    comments,
    engagement,
    items,
    media,
    moderation,
    notifications,
    posts,
    profiles,
    sources,
    uploads,
    users,
)
from server.kernel import idempotency, partitions
from server.kernel.ids import floor_of
from server.kernel.logs import log
from server.kernel.services import Services

Work: TypeAlias = Callable[[Services], Awaitable[None]]

MOST_OF_A_SWEEP = 500
MOST_BATCHES = 200
# The storage is asked for each of them, in one transaction.
MOST_OF_A_PURGE = 50
# Items of one recount, twice: the newest, and some of any age.
SAMPLE = 200
AFTER_FAILURE_SECONDS = 10.0
_FRESH = timedelta(hours=2)
_ALL = timedelta(days=60)
_chance = random.Random()  # noqa: S311 - nothing is guarded by it
_log = log("schedule")


class Every(Struct, frozen=True):
    """A piece of work and the pause after each time; at a failure it is tried again later."""

    name: str
    seconds: float
    run: Work


async def ask_sources(services: Services) -> None:
    """Queue the refresh of every source whose time has come, and what came as a file."""
    async with services.database.read() as db:
        due = await sources.due(db, services.clock.now(), MOST_OF_A_SWEEP)
        untaken = await sources.untaken(db, services.clock.now(), MOST_OF_A_SWEEP)
    await services.queue.enqueue_many(
        sources.REFRESH,
        [(sources.refresh_id(each), sources.RefreshSource(each)) for each in due],
    )
    await services.queue.enqueue_many(
        sources.TAKE_IN,
        [(sources.take_in_id(each), sources.TakeIn(each)) for each in untaken],
    )


async def ask_hubs(services: Services) -> None:
    """Queue the asking of hubs: for the first time, again, and for longer."""
    if services.policy.public_url is None:
        return
    async with services.database.read() as db:
        due = await sources.due_hubs(db, services.clock.now(), MOST_OF_A_SWEEP)
    await services.queue.enqueue_many(
        sources.SUBSCRIBE, [(sources.subscribe_id(each), sources.Subscribe(each)) for each in due]
    )


async def keep_pictures(services: Services) -> None:
    """Queue the fetching of pictures that items brought."""
    async with services.database.read() as db:
        due = await items.pictures_due(db, services.clock.now(), MOST_OF_A_SWEEP)
    await services.queue.enqueue_many(
        items.KEEP_PICTURE, [(items.picture_id(each), items.KeepPicture(each)) for each in due]
    )


async def forget_fetches(services: Services) -> None:
    """Drop how fetches went long ago, and when old items reached a screen."""
    now = services.clock.now()
    for old in (sources.forget, items.forget):
        for _ in range(MOST_BATCHES):
            async with services.database.begin() as db:
                if not await old(db, now):
                    break


async def embed_fresh(services: Services) -> None:
    """Queue the embedding of what came lately and has none."""
    await _embed(services, _FRESH)


async def embed_all(services: Services) -> None:
    """Queue the embedding of whatever has none."""
    await _embed(services, _ALL)


async def draw_cards(services: Services) -> None:
    """Queue the posters and films that cards wait for."""
    async with services.database.read() as db:
        waiting = await media.waiting(db, now=services.clock.now(), limit=MOST_OF_A_SWEEP)
    if await _has_nothing_waiting(services, media.POSTERS.queue):
        await services.queue.enqueue_many(media.POSTERS, waiting.posters)
    await services.queue.enqueue_many(media.RENDER, waiting.renderings)


async def make_partitions(services: Services) -> None:
    """Make the partitions of the coming months."""
    now = services.clock.now()
    async with services.database.begin() as db:
        made = await partitions.ensure(db, now)
    if made:
        _log.info("partitions_made", names=made)


async def forget(services: Services) -> None:
    """Drop what is kept for a while only: sign-ins that ended, keys of requests, what was seen."""
    now = services.clock.now()
    async with services.database.begin() as db:
        await auth.forget_ended(db, now)
        await auth.forget_letters(db, now)
    for _ in range(MOST_BATCHES):
        async with services.database.begin() as db:
            if not await idempotency.forget(db, now):
                break
    for _ in range(MOST_BATCHES):
        async with services.database.begin() as db:
            if not await engagement.forget_seen(db, now):
                return


async def close_polls(services: Services) -> None:
    """Tell of polls whose time is over."""
    for _ in range(MOST_BATCHES):
        async with services.write() as db:
            closed = await posts.close_polls(db, services.clock.now(), MOST_OF_A_SWEEP)
        if closed < MOST_OF_A_SWEEP:
            return


async def purge_notifications(services: Services) -> None:
    """Remove notifications that are too old to be kept."""
    for _ in range(MOST_BATCHES):
        async with services.database.begin() as db:
            now, days = services.clock.now(), services.policy.notification_days
            if not await notifications.purge(db, now, days):
                return


async def end_suspensions(services: Services) -> None:
    """Let those take part again whose suspension has ended."""
    async with services.write() as db:
        await moderation.end_suspensions(db, services.clock.now())


async def recount(services: Services) -> None:
    """Compare some counters with what they count, and repair; a difference is a bug."""
    long_ago = services.clock.now() - _ALL * _chance.random()
    async with services.database.read() as db:
        ids = await engagement.sample(db, floor_of(long_ago), SAMPLE)
    async with services.write() as db:
        wrong = await engagement.rebuild(db, ids)
    async with services.write() as db:
        wrong += await comments.rebuild(db, ids)
    async with services.write() as db:
        wrong += await posts.rebuild(db, ids)
    async with services.write() as db:
        wrong += await engagement.rebuild_polls(db, SAMPLE)
    async with services.database.read() as db:
        people = await users.sample(db, floor_of(long_ago), SAMPLE)
    async with services.write() as db:
        wrong += await profiles.recount(db, people)
    if wrong:
        _log.error("counters_drifted", wrong=wrong, of=len(ids))


async def send_letters(services: Services) -> None:
    """Queue the letters that have not left."""
    async with services.database.read() as db:
        waiting = await auth.unsent_letters(db, services.clock.now(), MOST_OF_A_SWEEP)
    await services.queue.enqueue_many(
        auth.LETTER, [(auth.letter_id(each), auth.SendLetter(each)) for each in waiting]
    )


async def send_digests(services: Services) -> None:
    """Queue the letters with what people have not read."""
    async with services.database.read() as db:
        due = await notifications.digests_due(db, services.clock.now(), MOST_OF_A_SWEEP)
    await services.queue.enqueue_many(
        notifications.DIGEST,
        [(notifications.digest_id(each), notifications.SendDigest(each)) for each in due],
    )


async def ring_late(services: Services) -> None:
    """Queue what telephones should have been told by now."""
    if services.policy.vapid_private_key is not None:
        await notifications.ring_late(services)


async def make_exports(services: Services) -> None:
    """Queue the copies of their data that people wait for, and remove the old ones."""
    async with services.database.read() as db:
        waiting = await profiles.waiting_exports(db, MOST_OF_A_SWEEP)
    await services.queue.enqueue_many(
        profiles.EXPORT,
        [(profiles.export_id(each), profiles.MakeExport(each)) for each in waiting],
    )
    async with services.database.begin() as db:
        old = await profiles.forget_exports(db, services.clock.now(), MOST_OF_A_SWEEP)
    for key in old:
        await services.storage.delete(key)


async def erase_people(services: Services) -> None:
    """Erase who left and did not come back in time."""
    now = services.clock.now()
    async with services.database.read() as db:
        leaving = await users.leaving(db, now, MOST_OF_A_SWEEP)
    for user_id in leaving:
        async with services.write() as db:
            await users.erase(db, user_id, now)
            await auth.forget_person(db, user_id)
            await uploads.forget_person(db, user_id, now)


async def look_at_uploads(services: Services) -> None:
    """Queue the looking at uploads that are there, also where nobody said that they are."""
    now = services.clock.now()
    async with services.database.read() as db:
        waiting = await uploads.waiting(db, now, MOST_OF_A_SWEEP)
    for each in waiting:
        if each.state == "signed" and await services.storage.exists(each.key):
            async with services.write() as db:
                await uploads.arrived(db, each.id, now)
    there = [each.id for each in waiting if each.state == "arrived" and each.kind == "picture"]
    await services.queue.enqueue_many(
        uploads.PICTURE, [(uploads.picture_id(each), uploads.CheckUpload(each)) for each in there]
    )


async def encode_films(services: Services) -> None:
    """Queue the encoding of films and sounds: of new ones, and of what fell silent."""
    now = services.clock.now()
    async with services.database.read() as db:
        arrived = await uploads.waiting(db, now, MOST_OF_A_SWEEP)
    new = [each for each in arrived if each.state == "arrived" and each.kind != "picture"]
    async with services.database.begin() as db:
        for each in new:
            await media.encoding.ask(
                db, each.id, each.owner_id, key=each.key, size=each.size, now=now
            )
        line = await media.encoding.in_line(db, now=now, limit=MOST_OF_A_SWEEP)
    await services.queue.enqueue_many(media.ENCODE, media.encoding.tickets(line))


async def purge_uploads(services: Services) -> None:
    """Remove what was uploaded and nothing shows, and what is not to be kept as it came."""
    now, storage = services.clock.now(), services.storage
    async with services.database.begin() as db:
        await uploads.drop_originals(db, storage, MOST_OF_A_PURGE)
    async with services.database.begin() as db:
        await uploads.purge_ended(db, storage, now, MOST_OF_A_PURGE)


async def card_links(services: Services) -> None:
    """Queue the cards of links that nobody has looked at."""
    async with services.database.read() as db:
        waiting = await posts.uncarded(db, services.clock.now(), MOST_OF_A_SWEEP)
    await services.queue.enqueue_many(
        posts.CARD_LINK,
        [(posts.card_link_id(each), posts.CardLink(each)) for each in waiting],
    )


SWEEPS: Sequence[Every] = (
    Every("ask_sources", 5, ask_sources),
    Every("ask_hubs", 30, ask_hubs),
    Every("keep_pictures", 10, keep_pictures),
    Every("forget_fetches", 3600, forget_fetches),
    Every("embed_fresh", 15, embed_fresh),
    Every("embed_all", 600, embed_all),
    Every("draw_cards", 20, draw_cards),
    Every("send_letters", 30, send_letters),
    Every("send_digests", 300, send_digests),
    Every("ring_late", 30, ring_late),
    Every("make_exports", 60, make_exports),
    Every("erase_people", 3600, erase_people),
    Every("make_partitions", 3600, make_partitions),
    Every("close_polls", 5, close_polls),
    Every("purge_notifications", 3600, purge_notifications),
    Every("end_suspensions", 30, end_suspensions),
    Every("forget", 3600, forget),
    Every("card_links", 60, card_links),
    Every("look_at_uploads", 20, look_at_uploads),
    Every("purge_uploads", 60, purge_uploads),
    Every("encode_films", 10, encode_films),
    Every("recount", 3600, recount),
)


async def run(services: Services, redis_url: str) -> None:
    """Do everything on time for as long as the task lives."""
    async with _books(redis_url) as books, asyncio.TaskGroup() as group:
        for each in (*SWEEPS, *books):
            group.create_task(_repeat(each, services), name=each.name)


async def _repeat(each: Every, services: Services) -> None:
    while True:
        try:
            await each.run(services)
        except (OSError, SQLAlchemyError, RedisError) as error:
            # A store is away: it is there again by one of the next times.
            _log.warning("sweep_failed", sweep=each.name, error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(min(each.seconds, AFTER_FAILURE_SECONDS))
        else:
            await asyncio.sleep(each.seconds)


@asynccontextmanager
async def _books(redis_url: str) -> AsyncIterator[tuple[Every, ...]]:
    registries = Registries(redis_url)

    async def retries(_: Services) -> None:
        await asyncio.to_thread(registries.enqueue_retries)

    async def clean(_: Services) -> None:
        await asyncio.to_thread(registries.clean)

    try:
        yield Every("enqueue_retries", 1, retries), Every("clean_registries", 5, clean)
    finally:
        registries.close()


async def _has_nothing_waiting(services: Services, queue: str) -> bool:
    """Whether a queue is empty: what waits in batches is not to be queued again in other batches.

    What was lost in a queue that is full waits until it is not; so a backlog cannot feed itself.
    """
    return (await services.queue.depths())[queue].waiting == 0


async def _embed(services: Services, back: timedelta) -> None:
    if not await _has_nothing_waiting(services, items.EMBED.queue):
        return
    async with services.database.read() as db:
        lacking = await items.missing_embeddings(
            db, MODEL, services.clock.now(), back=back, most=MOST_OF_A_SWEEP
        )
    await services.queue.enqueue_many(items.EMBED, list(items.embed_jobs(lacking)))
