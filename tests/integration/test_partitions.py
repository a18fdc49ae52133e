"""Months of the tables that grow, made ahead in a real database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from server.kernel import partitions
from server.kernel.database import Database
from server.kernel.ids import floor_of

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=400)
TABLES = len(partitions.PARTITIONED)
_INDEXES = text(
    """
    select count(*) from pg_index parent
    join pg_class of on of.oid = parent.indrelid and of.relkind = 'p'
    where not parent.indisvalid
       or (select count(*) from pg_inherits where inhparent = parent.indexrelid)
          <> (select count(*) from pg_inherits where inhparent = parent.indrelid)
    """
)
_ITEM = text(
    """
    insert into content.items (id, kind, story_id, published_at, first_seen_at)
    values (:id, 'TWEET', :id, now(), now())
    """
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool=5)
    yield database
    await database.close()


async def ensured(database: Database, now: datetime) -> list[str]:
    async with database.begin() as db:
        return await partitions.ensure(db, now)


async def test_a_new_database_is_two_months_ahead(database: Database) -> None:
    async with database.read() as db:
        assert await partitions.months_ahead(db, NOW) == partitions.AHEAD
    assert await ensured(database, NOW) == []


async def test_what_is_missing_is_made_once(database: Database) -> None:
    async with database.read() as db:
        assert await partitions.months_ahead(db, LATER) == -1
    made = await ensured(database, LATER)

    assert len(made) == len(set(made)) == 3 * TABLES
    assert await ensured(database, LATER) == []
    async with database.begin() as db:
        assert await partitions.months_ahead(db, LATER) == partitions.AHEAD
        await db.execute(_ITEM, {"id": floor_of(LATER)})
        assert (await db.execute(_INDEXES)).scalar_one() == 0


async def test_the_alarm_tells_of_the_month_that_is_missing(database: Database) -> None:
    month = partitions.after(partitions.month_of(NOW), 1)
    next_month = datetime(month.year, month.month, 1, tzinfo=UTC)
    async with database.read() as db:
        assert await partitions.months_ahead(db, next_month) == 1


async def test_two_at_once_make_each_month_once(database: Database) -> None:
    first, second = await asyncio.gather(ensured(database, LATER), ensured(database, LATER))

    assert len(first) + len(second) == 3 * TABLES


async def test_readers_and_writers_of_the_table_are_not_waited_for(database: Database) -> None:
    async with database.begin() as db:
        await db.execute(_ITEM, {"id": floor_of(NOW)})
        await db.execute(text("select count(*) from content.items"))
        assert len(await ensured(database, LATER)) == 3 * TABLES


async def test_who_holds_the_whole_table_is_waited_for_briefly(database: Database) -> None:
    async with database.begin() as db:
        await db.execute(text("lock table content.items in access exclusive mode"))
        with pytest.raises(DBAPIError, match="lock timeout"):
            await ensured(database, LATER)
