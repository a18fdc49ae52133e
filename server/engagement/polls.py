"""The votes of polls: edges like any other, counted by the same deltas; their SQL."""

from collections.abc import Collection
from uuid import UUID

from msgspec import Struct
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.engagement.events import VoteCast
from server.engagement.model import FIELDS, MOST_OPTIONS, Votes
from server.engagement.store import VOTE_SUMS
from server.kernel import outbox
from server.kernel.database import Db

_OPTIONS = range(MOST_OPTIONS)
_COUNTED = ", ".join(
    f"coalesce(kept.votes_{option}, 0) + pending.votes_{option} as votes_{option}"
    for option in _OPTIONS
)

# As with a like: the vote, its delta and its event are there together or not at all.
_CAST = text(
    f"""
    with cast_now as (
      insert into engage.poll_votes (poll_id, user_id, option)
      values (:poll_id, :user_id, :option)
      on conflict do nothing returning poll_id, option),
    delta as (
      insert into engage.counter_delta (item_id, field, change)
      select poll_id, {len(FIELDS)} + option, 1 from cast_now),
    told as (
      insert into ops.outbox (id, topic, key, payload)
      select :event_id, :event_topic, :event_key, cast(:event_payload as jsonb) from cast_now)
    select exists (select from cast_now) as changed,
      (select option from engage.poll_votes
       where poll_id = :poll_id and user_id = :user_id) as before,
      {_COUNTED}, coalesce(kept.version, 0) as version
    from (select {VOTE_SUMS} from engage.counter_delta where item_id = :poll_id) as pending
    left join engage.poll_counters kept on kept.poll_id = :poll_id
    """  # noqa: S608 - our own column names
)

_VOTES = text(
    f"""
    select poll_id, {", ".join(f"votes_{option}" for option in _OPTIONS)}, version
    from engage.poll_counters where poll_id = any(:ids)
    """  # noqa: S608 - our own column names
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))

_OWN = text(
    "select poll_id, option from engage.poll_votes where user_id = :user_id and poll_id = any(:ids)"
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))

_VOTERS = text(
    """
    select user_id from engage.poll_votes
    where poll_id = :poll_id and (cast(:after as uuid) is null or user_id > :after)
    order by user_id limit :most
    """
)

# What is counted and what waits to be, beside what the edges say, in one snapshot.
_KNOWN = text(
    f"""
    select chosen.poll_id, {_COUNTED},
      {
        ", ".join(
            f"(select count(*) from engage.poll_votes v"
            f" where v.poll_id = chosen.poll_id and v.option = {option}) as true_{option}"
            for option in _OPTIONS
        )
    }
    from (select poll_id from engage.poll_counters order by poll_id desc limit :most) as chosen
    join engage.poll_counters kept on kept.poll_id = chosen.poll_id
    cross join lateral (
      select {VOTE_SUMS} from engage.counter_delta where item_id = chosen.poll_id) as pending
    """  # noqa: S608 - our own column names
)
_MEND = text(
    "insert into engage.counter_delta (item_id, field, change) values (:item_id, :field, :change)"
)


class Cast(Struct, frozen=True):
    """A vote that was asked for: whether it is new, the one that counts, and all of them."""

    changed: bool
    option: int
    votes: Votes


async def cast(db: Db, poll_id: UUID, user_id: UUID, option: int) -> Cast:
    """Store a vote, unless the person has voted; with the votes as they are after it."""
    event = VoteCast(poll_id=poll_id, user_id=user_id)
    given = {"poll_id": poll_id, "user_id": user_id, "option": option}
    told = outbox.columns(event, f"{poll_id}/{user_id}")
    row = (await db.execute(_CAST, given | told)).one()
    votes = [getattr(row, f"votes_{each}") for each in _OPTIONS]
    if row.changed:
        # The statement sees the tables as they were before it.
        votes[option] += 1
    chosen = option if row.changed or row.before is None else row.before
    return Cast(row.changed, chosen, Votes(poll_id, tuple(votes), row.version))


async def votes(db: Db, ids: Collection[UUID]) -> dict[UUID, Votes]:
    """Read the votes of polls as they are folded; one in which nobody voted is left out."""
    if not ids:
        return {}
    rows = await db.execute(_VOTES, {"ids": list(ids)})
    return {row[0]: Votes(row[0], tuple(row[1:-1]), row[-1]) for row in rows}


async def own(db: Db, user_id: UUID, ids: Collection[UUID]) -> dict[UUID, int]:
    """Read for which options a person voted; a poll in which they did not is left out."""
    if not ids:
        return {}
    rows = await db.execute(_OWN, {"user_id": user_id, "ids": list(ids)})
    return {row.poll_id: row.option for row in rows}


async def voters(db: Db, poll_id: UUID, after: UUID | None, most: int) -> list[UUID]:
    """Read who voted in a poll, so many at a time, after one of them."""
    given = {"poll_id": poll_id, "after": after, "most": most}
    return list((await db.execute(_VOTERS, given)).scalars())


async def mend(db: Db, most: int) -> int:
    """Compare the newest polls' counts with their votes and repair by deltas; says how many."""
    rows = (await db.execute(_KNOWN, {"most": most})).all()
    changes = [
        {"item_id": row.poll_id, "field": len(FIELDS) + option, "change": right - known}
        for row in rows
        for option, (known, right) in enumerate(
            zip(row[1 : 1 + MOST_OPTIONS], row[1 + MOST_OPTIONS :], strict=True)
        )
        if right != known
    ]
    if changes:
        await db.execute(_MEND, changes)
    return len(changes)
