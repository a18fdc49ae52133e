"""The job that loads the demo content: its feeds, with their dates moved up to now."""

import asyncio
import random
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from jobs.ingest.outcomes import store
from jobs.ingest.parse import Feed, Given, read
from jobs.runtime import job
from server import demo, engagement, items, sources, users
from server.demo import DemoFeed
from server.kernel.database import Db
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.sources import About, Fetched, NewSource, Source
from server.users import NewUser, UserExists

# How old the newest entry is made to be.
A_MOMENT = timedelta(seconds=40)
LIKES_EACH = 6
_HOUSE = Viewer(role="admin")


@job(demo.LOAD)
async def load(services: Services, _: demo.LoadDemo) -> None:
    """Store what the demo feeds hold; what is there already is left alone."""
    now = services.clock.now()
    read_all = await asyncio.to_thread(_read_all, now)
    people: dict[str, UUID] = {}
    new: list[UUID] = []
    for feed_file, feed in read_all:
        async with services.write() as db:
            source = await _source(db, feed_file, feed)
            stored = await store(db, source, feed.entries, now)
            if demo.is_talk(feed_file.name):
                people |= await _introduce(db, source, feed, people)
            await _record(db, source, feed, len(stored.new), now)
        new += stored.new
    async with services.write() as db:
        await _like_some(db, list(people.values()), new)


def _read_all(now: datetime) -> list[tuple[DemoFeed, Feed]]:
    """Read the feeds and move all their dates by one amount, so that the newest is a moment old."""
    given = [(each, read(each.content, Given(url=each.url), now)) for each in demo.feeds()]
    newest = max(entry.published_at for _, feed in given for entry in feed.entries)
    moved = now - A_MOMENT - newest
    return [
        (
            each,
            replace(
                feed,
                entries=tuple(
                    replace(entry, published_at=entry.published_at + moved)
                    for entry in feed.entries
                ),
            ),
        )
        for each, feed in given
    ]


async def _source(db: Db, feed_file: DemoFeed, feed: Feed) -> Source:
    new = NewSource(url=feed_file.url, title=feed.title)
    source = await sources.add_unasked(db, _HOUSE, feed_file.url, new, demo=True)
    return replace(source, language=source.language or feed.language)


async def _record(db: Db, source: Source, feed: Feed, new_items: int, now: datetime) -> None:
    claimed = await sources.claim(db, source.id, now)
    if claimed is None:
        return
    about = About(
        title=feed.title, site_url=feed.site_url, language=feed.language, licence=feed.licence
    )
    outcome = Fetched(
        about=about,
        status=200,
        etag=None,
        last_modified=None,
        new_items=new_items,
        next_check_at=now,
    )
    await sources.succeeded(db, claimed, outcome, now)


async def _introduce(db: Db, source: Source, feed: Feed, known: dict[str, UUID]) -> dict[str, UUID]:
    """Make people of the names that wrote in a feed, without a password: nobody can be them."""
    found = {}
    for name in sorted({entry.author_name for entry in feed.entries if entry.author_name}):
        person = known.get(name) or await _person(db, name)
        if person is not None:
            await items.set_author(db, source.id, name, person)
            found[name] = person
    return found


async def _person(db: Db, name: str) -> UUID | None:
    username = demo.username_of(name)
    email = f"{username}@{demo.DOMAIN}"
    new = NewUser(username=username, email=email, password_hash=None, display_name=name)
    try:
        return (await users.create(db, _HOUSE, new)).id
    except UserExists:
        there = await users.by_username(db, username)
        return there.id if there is not None and there.email == email else None


async def _like_some(db: Db, people: list[UUID], new: list[UUID]) -> None:
    """Let the demo's people like a few of the things that were new."""
    if not new:
        return
    choice = random.Random(len(new))  # noqa: S311 - the same likes at every first start
    for person in people:
        for item_id in {
            choice.choice(new[: choice.randint(1, len(new))]) for _ in range(LIKES_EACH)
        }:
            await engagement.like(db, Viewer(person, "user"), item_id)
