"""Timelines for tests: posts straight into the outbox's path, and the naive timeline to compare."""

from typing import Any
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import text

from server import catalog, items
from server.items import NewItem
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.timelines import TimelinePage, TimelineQuery, Timelines, following

REACTIONS = [
    each for each in catalog.REACTIONS if each.consumer.startswith(("timelines.", "fan_out."))
]

# Every entry of everybody whom a reader hears, one by one compared with all others: slow, and plain
# to see that it is right. The rules are written a second time here, over the truth alone.
_NAIVE = text(
    """
    with heard as (
      select followee_id as id from content.follows f join content.users u on u.id = f.followee_id
      where f.follower_id = :reader and u.state = 'active'
        and not exists (select from content.mutes
                        where user_id = :reader and target_id = f.followee_id)
      union select cast(:reader as uuid)),
    brought as (
      select i.id as item_id, i.author_id as actor_id, false as repost, i.sort_at as moment
      from content.items i where i.state = 'live' and i.kind <> 'COMMENT'
        and i.author_id in (select id from heard)
      union all
      select r.item_id, r.user_id, true, greatest(r.created_at, i.sort_at + interval '1 us')
      from engage.reposts r join content.items i on i.id = r.item_id
      where i.state = 'live' and r.user_id in (select id from heard))
    select b.item_id, b.actor_id, b.repost from brought b
    join content.items i on i.id = b.item_id
    left join content.users author on author.id = i.author_id
    where not exists (
        select from brought earlier where b.repost and earlier.item_id = b.item_id
          and earlier.moment >= b.moment - interval '24 hours'
          and (earlier.moment, earlier.actor_id) < (b.moment, b.actor_id))
      and (author.id is null or author.id = :reader or author.state = 'active')
      and not exists (select from content.blocks x where x.user_id = :reader
                      and x.target_id = i.author_id)
      and not exists (select from content.blocks x where x.user_id = i.author_id
                      and x.target_id = :reader)
      and not exists (select from content.mutes x where x.user_id = :reader
                      and x.target_id = i.author_id)
    order by b.moment desc, b.item_id desc, b.actor_id desc
    """
)

Shown = list[tuple[UUID, UUID, bool]]


async def post(db: Db, services: Services, author: Viewer) -> UUID:
    """Post as an author, by the door that posts go through."""
    item_id = new_id()
    assert author.id is not None
    new = NewItem(id=item_id, kind="TWEET", author_id=author.id, body_text="Words")
    await items.write(db, new, services.clock.now())
    return item_id


async def relay(services: Services) -> None:
    """Deliver to timelines until nothing is left."""
    courier = Relay(services, by_topic(REACTIONS))
    while await courier.deliver():
        pass


async def naive(services: Services, reader: Viewer) -> Shown:
    """Read the whole timeline from the truth alone."""
    async with services.database.read() as db:
        rows = (await db.execute(_NAIVE, {"reader": reader.id})).all()
    return [(row.item_id, row.actor_id, row.repost) for row in rows]


async def walked(services: Services, reader: Viewer, limit: int = 3) -> Shown:
    """Read the whole timeline page by page, as a reader does."""
    shown: Shown = []
    cursor = None
    while True:
        page = await following(services, reader, TimelineQuery(cursor, limit))
        shown += shown_of(page)
        if not page.has_more:
            return shown
        assert len(page.items) == limit
        cursor = page.cursor


def shown_of(page: TimelinePage) -> Shown:
    shown: Shown = []
    for item in page.items:
        by = item.reposted_by or item.author
        assert by is not None
        assert by.id is not None
        shown.append((item.id, by.id, item.reposted_by is not None))
    return shown


def with_policy(services: Services, **changes: Any) -> Services:
    """Give the services of a process with other settings, reading timelines too."""
    changed = replace(services, policy=replace(services.policy, **changes), parts={})
    changed.parts[Timelines] = Timelines(changed)
    return changed
