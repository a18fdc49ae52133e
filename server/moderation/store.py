"""The tables of cases, reports, takedowns and sanctions, and their SQL."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    any_,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.dialects.postgresql import insert as pg_insert

from server.kernel.database import Db, metadata
from server.kernel.ids import new_id
from server.moderation.model import CaseState, Reason, Target, TargetKind, Verdict

# No foreign keys to what is judged: a case outlives what it was about.
cases = Table(
    "cases",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    Column("target_kind", Text, nullable=False),
    Column("target_id", PG_UUID, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("report_count", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("claimed_by", PG_UUID),
    Column("claimed_until", DateTime(timezone=True)),
    Column("verdict", Text),
    Column("decided_by", PG_UUID),
    Column("decided_at", DateTime(timezone=True)),
    Column("note", Text, nullable=False, server_default=""),
    CheckConstraint("target_kind in ('item', 'user')", name="target_kind"),
    CheckConstraint("state in ('open', 'closed')", name="state"),
    # Whatever is reported has one open case, into which all reports of it go.
    Index(
        "uq_cases_open",
        "target_kind",
        "target_id",
        unique=True,
        postgresql_where=text("state = 'open'"),
    ),
    Index("ix_cases_queue", "created_at", "id", postgresql_where=text("state = 'open'")),
    Index(
        "ix_cases_decided",
        text("decided_at desc"),
        text("id desc"),
        postgresql_where=text("state = 'closed'"),
    ),
    schema="ops",
)

reports = Table(
    "reports",
    metadata,
    Column("id", PG_UUID, primary_key=True),
    Column("case_id", PG_UUID, ForeignKey("ops.cases.id", ondelete="CASCADE"), nullable=False),
    Column("reporter_id", PG_UUID, nullable=False),
    Column("reason", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("uq_reports_reporter", "case_id", "reporter_id", unique=True),
    schema="ops",
)

# What the house removed, as distinct from what its author deleted: only this can be restored.
takedowns = Table(
    "takedowns",
    metadata,
    Column("item_id", PG_UUID, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("taken_by", PG_UUID),
    Column("taken_at", DateTime(timezone=True), nullable=False),
    schema="ops",
)

# Why a person is shadowbanned or suspended; that they are is the state of their account.
sanctions = Table(
    "sanctions",
    metadata,
    Column("user_id", PG_UUID, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("until", DateTime(timezone=True)),
    Column("given_by", PG_UUID),
    Column("given_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state in ('shadowbanned', 'suspended')", name="state"),
    Index("ix_sanctions_until", "until", postgresql_where=text("until is not null")),
    Index("ix_sanctions_given", "given_at"),
    schema="ops",
)


class Case(Struct, frozen=True, kw_only=True):
    """A case as it stands."""

    id: UUID
    target_kind: TargetKind
    target_id: UUID
    state: CaseState
    report_count: int
    created_at: datetime
    updated_at: datetime
    claimed_by: UUID | None
    claimed_until: datetime | None
    verdict: Verdict | None
    decided_at: datetime | None
    note: str


class Report(Struct, frozen=True, kw_only=True):
    """A report as it stands."""

    id: UUID
    case_id: UUID
    reporter_id: UUID
    reason: Reason
    note: str
    created_at: datetime


class Takedown(Struct, frozen=True):
    """Why the house removed an item."""

    item_id: UUID
    reason: Reason
    note: str
    taken_at: datetime


class Sanction(Struct, frozen=True):
    """Why a person may not take part as others do, and until when."""

    user_id: UUID
    state: str
    reason: Reason
    note: str
    until: datetime | None


_CASE = tuple(cases.c[name] for name in Case.__struct_fields__)
_REPORT = tuple(reports.c[name] for name in Report.__struct_fields__)
_TAKEDOWN = tuple(takedowns.c[name] for name in Takedown.__struct_fields__)
_SANCTION = tuple(sanctions.c[name] for name in Sanction.__struct_fields__)


async def open_case(db: Db, target: Target, now: datetime) -> UUID:
    """Give the open case of a target, opening one if need be; it is held until the end."""
    opened = (
        pg_insert(cases)
        .values(
            id=new_id(),
            target_kind=target.kind,
            target_id=target.id,
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_update(
            index_elements=["target_kind", "target_id"],
            index_where=text("state = 'open'"),
            set_={"updated_at": now},
        )
        .returning(cases.c.id)
    )
    case: UUID = (await db.execute(opened)).scalar_one()
    return case


async def add_report(
    db: Db, case: UUID, reporter: UUID, reason: Reason, note: str, now: datetime
) -> Report:
    """Add a report to a held case; somebody's second one is the first one again."""
    added = (
        pg_insert(reports)
        .values(
            id=new_id(),
            case_id=case,
            reporter_id=reporter,
            reason=reason,
            note=note,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["case_id", "reporter_id"])
        .returning(reports.c.id)
    )
    if (await db.execute(added)).first() is not None:
        counted = cases.update().where(cases.c.id == case)
        await db.execute(counted.values(report_count=cases.c.report_count + 1))
    mine = select(*_REPORT).where(reports.c.case_id == case, reports.c.reporter_id == reporter)
    return Report(**(await db.execute(mine)).mappings().one())


async def page(
    db: Db, state: CaseState, place: tuple[datetime, UUID] | None, limit: int
) -> list[Case]:
    """Read cases: the open ones with the oldest first, the closed ones with the latest first."""
    statement = select(*_CASE).where(cases.c.state == state).limit(limit)
    if state == "open":
        statement = statement.order_by(cases.c.created_at, cases.c.id)
        if place is not None:
            statement = statement.where(tuple_(cases.c.created_at, cases.c.id) > tuple_(*place))
    else:
        statement = statement.order_by(cases.c.decided_at.desc(), cases.c.id.desc())
        if place is not None:
            statement = statement.where(tuple_(cases.c.decided_at, cases.c.id) < tuple_(*place))
    return [Case(**row) for row in (await db.execute(statement)).mappings()]


async def hold(db: Db, case_id: UUID) -> Case | None:
    """Read a case and keep others from changing it until the end."""
    found = select(*_CASE).where(cases.c.id == case_id).with_for_update()
    row = (await db.execute(found)).mappings().one_or_none()
    return None if row is None else Case(**row)


async def claim(db: Db, case_id: UUID, by: UUID | None, until: datetime | None) -> None:
    """Let somebody hold a case until a moment; nobody, to let it go."""
    await db.execute(
        cases.update().where(cases.c.id == case_id).values(claimed_by=by, claimed_until=until)
    )


async def close(
    db: Db, case_id: UUID, verdict: Verdict, by: UUID | None, note: str, now: datetime
) -> None:
    """Close a case with its verdict."""
    await db.execute(
        cases.update()
        .where(cases.c.id == case_id)
        .values(
            state="closed",
            verdict=verdict,
            decided_by=by,
            decided_at=now,
            note=note,
            claimed_by=None,
            claimed_until=None,
        )
    )


async def open_cases(db: Db, kind: TargetKind, ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Read which targets have an open case, and which."""
    found = select(cases.c.target_id, cases.c.id).where(
        cases.c.state == "open", cases.c.target_kind == kind, cases.c.target_id == _any(ids)
    )
    return {row.target_id: row.id for row in await db.execute(found)}


async def newest_reports(db: Db, case_ids: Collection[UUID], most: int) -> list[Report]:
    """Read the newest reports of each case."""
    if not case_ids:
        return []
    rank = func.row_number().over(
        partition_by=reports.c.case_id, order_by=(reports.c.created_at.desc(), reports.c.id.desc())
    )
    ranked = select(*_REPORT, rank.label("rank")).where(reports.c.case_id == _any(case_ids))
    inner = ranked.subquery()
    columns = [inner.c[name] for name in Report.__struct_fields__]
    kept = select(*columns).where(inner.c.rank <= most).order_by(inner.c.rank)
    return [Report(**row) for row in (await db.execute(kept)).mappings()]


async def take_down(
    db: Db, item_id: UUID, reason: Reason, note: str, by: UUID | None, now: datetime
) -> None:
    """Note why an item was removed."""
    values = {"reason": reason, "note": note, "taken_by": by, "taken_at": now}
    await db.execute(
        pg_insert(takedowns)
        .values(item_id=item_id, **values)
        .on_conflict_do_update(index_elements=["item_id"], set_=values)
    )


async def takedown_of(db: Db, item_id: UUID) -> Takedown | None:
    """Read why an item was removed."""
    row = (await db.execute(select(*_TAKEDOWN).where(takedowns.c.item_id == item_id))).one_or_none()
    return None if row is None else Takedown(*row)


async def forget_takedown(db: Db, item_id: UUID) -> bool:
    """Forget that an item was removed; False when the house had not removed it."""
    gone = takedowns.delete().where(takedowns.c.item_id == item_id)
    return (await db.execute(gone)).rowcount > 0


async def sanction(db: Db, given: Sanction, by: UUID | None, now: datetime) -> None:
    """Note why a person may not take part as others do."""
    values = {
        "state": given.state,
        "reason": given.reason,
        "note": given.note,
        "until": given.until,
        "given_by": by,
        "given_at": now,
    }
    await db.execute(
        pg_insert(sanctions)
        .values(user_id=given.user_id, **values)
        .on_conflict_do_update(index_elements=["user_id"], set_=values)
    )


async def lift(db: Db, user_id: UUID) -> bool:
    """Forget a person's sanction; False when there was none."""
    gone = sanctions.delete().where(sanctions.c.user_id == user_id)
    return (await db.execute(gone)).rowcount > 0


async def sanctions_of(db: Db, user_ids: Collection[UUID]) -> dict[UUID, Sanction]:
    """Read people's sanctions."""
    rows = await db.execute(select(*_SANCTION).where(sanctions.c.user_id == _any(user_ids)))
    return {row.user_id: Sanction(*row) for row in rows}


async def ended(db: Db, now: datetime, most: int) -> list[UUID]:
    """Read whose suspension has ended; they are held, and who is held already is left out."""
    over = (
        select(sanctions.c.user_id)
        .where(sanctions.c.until <= now)
        .order_by(sanctions.c.until)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return list((await db.execute(over)).scalars())


def _any(ids: Collection[UUID]) -> Any:
    return any_(literal(list(ids), ARRAY(PG_UUID)))
