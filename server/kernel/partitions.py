"""Monthly partitions of the tables that grow: ranges of ids, whose first bits are their time.

A partition is made as an ordinary table and then attached, which lets readers and writers of the
parent go on; making it in place would stop them all. Nothing catches rows outside every range, so
the scheduler keeps two months ahead and says how many there are.
"""

from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import text

from server.kernel.database import Db
from server.kernel.ids import floor_of

PARTITIONED: tuple[tuple[str, str], ...] = (
    ("content", "items"),
    ("content", "item_embeddings"),
    ("content", "comments"),
    ("content", "posts"),
    ("engage", "likes"),
    ("engage", "bookmarks"),
    ("engage", "reposts"),
    ("engage", "poll_votes"),
)

AHEAD = 2
LOCK_TIMEOUT = "2s"

_ATTACHED = text(
    """
    select child.relname
    from pg_inherits
    join pg_class child on child.oid = pg_inherits.inhrelid
    where pg_inherits.inhparent = cast(:parent as regclass)
    """
)


def month_of(moment: datetime) -> date:
    """Give the first day of a moment's month, in UTC."""
    day = moment.astimezone(UTC).date()
    return day.replace(day=1)


def after(month: date, count: int = 1) -> date:
    """Give the month that is so many months later."""
    months = month.year * 12 + month.month - 1 + count
    return date(months // 12, months % 12 + 1, 1)


def name_of(table: str, month: date) -> str:
    """Name the partition of a month, as `items_2026_11`."""
    return f"{table}_{month:%Y_%m}"


def bounds(month: date) -> tuple[UUID, UUID]:
    """Give the least id of a month and of the one after it."""
    first, following = (
        datetime(each.year, each.month, 1, tzinfo=UTC) for each in (month, after(month))
    )
    return floor_of(first), floor_of(following)


def statements(schema: str, table: str, month: date) -> list[str]:
    """Write the SQL that makes the partition of one month and attaches it.

    The indexes are copied with the table, so that attaching finds them and builds none.
    """
    parent, child = f"{schema}.{table}", f"{schema}.{name_of(table, month)}"
    low, high = bounds(month)
    return [
        f"create table {child} (like {parent} including all)",
        f"alter table {parent} attach partition {child} for values from ('{low}') to ('{high}')",
    ]


def first_statements(schema: str, table: str, now: datetime) -> list[str]:
    """Write the SQL that gives a table that is new its partitions up to now and ahead."""
    this_month = month_of(now)
    return [
        statement
        for ahead in range(AHEAD + 1)
        for statement in statements(schema, table, after(this_month, ahead))
    ]


async def ensure(db: Db, now: datetime, ahead: int = AHEAD) -> list[str]:
    """Make what is missing of this month's partitions and of those ahead; say what was made.

    May be called by several processes at once: each waits for the others, briefly, by the same
    lock that attaching takes, and then finds nothing left to do.
    """
    await db.execute(text(f"set local lock_timeout = '{LOCK_TIMEOUT}'"))
    made = []
    for schema, table in PARTITIONED:
        if not await _missing(db, schema, table, now, ahead):
            continue
        await db.execute(text(f"lock table only {schema}.{table} in share update exclusive mode"))
        for month in await _missing(db, schema, table, now, ahead):
            for statement in statements(schema, table, month):
                await db.execute(text(statement))
            made.append(f"{schema}.{name_of(table, month)}")
    return made


async def months_ahead(db: Db, now: datetime) -> int:
    """Count the coming months for which every table is ready; under `AHEAD` is an alarm.

    Minus one means that not even this month is.
    """
    least = AHEAD
    for schema, table in PARTITIONED:
        missing = await _missing(db, schema, table, now, AHEAD)
        if missing:
            gap = (missing[0].year - now.year) * 12 + missing[0].month - now.month
            least = min(least, gap - 1)
    return least


async def _missing(db: Db, schema: str, table: str, now: datetime, ahead: int) -> list[date]:
    rows = await db.execute(_ATTACHED, {"parent": f"{schema}.{table}"})
    present = set(rows.scalars())
    wanted = (after(month_of(now), count) for count in range(ahead + 1))
    return [month for month in wanted if name_of(table, month) not in present]
