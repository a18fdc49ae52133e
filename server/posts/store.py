"""The tables of posts beside their items, and their SQL."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Table,
    Text,
    any_,
    bindparam,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from server.kernel.database import Db, metadata
from server.posts.model import LinkCard, Picture, Post, PostVersion, Question

posts = Table(
    "posts",
    metadata,
    # The id of the item that holds author, text, tags and state.
    Column("id", PG_UUID, primary_key=True),
    Column("author_id", PG_UUID, nullable=False),
    Column("quote_of", PG_UUID),
    Column("mentions", ARRAY(PG_UUID), nullable=False, server_default="{}"),
    # The first link of the text, and what a job found there.
    Column("link_url", Text),
    Column("link", JSONB(none_as_null=True)),
    Column("media", JSONB, nullable=False, server_default="[]"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("edited_at", DateTime(timezone=True)),
    # Whether it counts now as a post of its author and as a quote: while its item is live.
    Column("counted", Boolean, nullable=False, server_default="true"),
    Index("ix_posts_quote", "quote_of", "id", postgresql_where=text("quote_of is not null")),
    # For the sweep: links that no job has looked at.
    Index(
        "ix_posts_uncarded",
        "id",
        postgresql_where=text("link_url is not null and link is null"),
    ),
    schema="content",
    postgresql_partition_by="RANGE (id)",
)

post_edits = Table(
    "post_edits",
    metadata,
    Column("post_id", PG_UUID, primary_key=True),
    # When these words gave way to others.
    Column("edited_at", DateTime(timezone=True), primary_key=True),
    Column("body_text", Text, nullable=False),
    schema="content",
)

polls = Table(
    "polls",
    metadata,
    # The id of the post that asks.
    Column("id", PG_UUID, primary_key=True),
    Column("options", ARRAY(Text), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    # Since when it has been known that its time is over.
    Column("closed_at", DateTime(timezone=True)),
    CheckConstraint("cardinality(options) between 2 and 4", name="options"),
    Index("ix_polls_open", "ends_at", postgresql_where=text("closed_at is null")),
    schema="content",
)

_CLOSE = text(
    """
    update content.polls set closed_at = :now where id in (
      select id from content.polls where ends_at <= :now and closed_at is null
      order by ends_at limit :most for update skip locked)
    returning id
    """
)

_POST = tuple(posts.c[name] for name in Post.__struct_fields__)


async def insert(db: Db, post: Post) -> None:
    """Store a post."""
    await db.execute(posts.insert().values(msgspec.to_builtins(post, builtin_types=_AS_THEY_ARE)))


_AS_THEY_ARE = (UUID, datetime)


async def by_ids(db: Db, ids: Collection[UUID]) -> dict[UUID, Post]:
    """Read posts, deleted ones too; what is no post is left out."""
    if not ids:
        return {}
    rows = await db.execute(select(*_POST).where(posts.c.id == _any_of(ids)))
    return {row["id"]: _post(row) for row in rows.mappings()}


async def hold(db: Db, post_id: UUID) -> Post | None:
    """Read a post and keep others from changing it until the end."""
    found = select(*_POST).where(posts.c.id == post_id).with_for_update()
    row = (await db.execute(found)).mappings().one_or_none()
    return None if row is None else _post(row)


async def edit(db: Db, post: Post, before: str, now: datetime) -> None:
    """Note that a post has other words now, what they point at, and what it said before."""
    await db.execute(
        posts.update()
        .where(posts.c.id == post.id)
        .values(
            mentions=post.mentions,
            link_url=post.link_url,
            link=None if post.link is None else msgspec.to_builtins(post.link),
            edited_at=now,
        )
    )
    await db.execute(post_edits.insert().values(post_id=post.id, edited_at=now, body_text=before))


async def versions(db: Db, post_id: UUID) -> list[PostVersion]:
    """Read what a post said before, the last first."""
    rows = await db.execute(
        select(post_edits.c.body_text, post_edits.c.edited_at)
        .where(post_edits.c.post_id == post_id)
        .order_by(post_edits.c.edited_at.desc())
    )
    return [PostVersion(*row) for row in rows]


async def add_poll(db: Db, question: Question) -> None:
    """Store a poll."""
    await db.execute(
        polls.insert().values(id=question.id, options=question.options, ends_at=question.ends_at)
    )


async def close_polls(db: Db, now: datetime, most: int) -> list[UUID]:
    """Mark polls whose time is over, those that ended first; each is given once."""
    return list((await db.execute(_CLOSE, {"now": now, "most": most})).scalars())


async def questions(db: Db, ids: Collection[UUID]) -> dict[UUID, Question]:
    """Read polls by the posts that ask; a post without one is left out."""
    if not ids:
        return {}
    rows = await db.execute(
        select(polls.c.id, polls.c.options, polls.c.ends_at, polls.c.ends_at <= func.now()).where(
            polls.c.id == _any_of(ids)
        )
    )
    return {row.id: Question(*row) for row in rows}


async def card(db: Db, post_id: UUID, card: LinkCard) -> bool:
    """Store what a post's link leads to; False when the post has another link by now."""
    changed = await db.execute(
        posts.update()
        .where(posts.c.id == post_id, posts.c.link_url == card.url)
        .values(link=msgspec.to_builtins(card))
    )
    return changed.rowcount == 1


async def uncarded(db: Db, before: UUID, most: int) -> list[UUID]:
    """Read which posts, older than an id, have a link that nobody looked at; the last first."""
    rows = await db.execute(
        select(posts.c.id)
        .where(posts.c.link_url.is_not(None), posts.c.link.is_(None), posts.c.id < before)
        .order_by(posts.c.id.desc())
        .limit(most)
    )
    return list(rows.scalars())


# By the state of the item, and not by what was told: told twice, it comes to the same.
_SETTLE = text(
    """
    update content.posts post set counted = item.state = 'live'
    from content.items item
    where item.id = post.id and post.id = any(:ids) and post.counted <> (item.state = 'live')
    returning post.id, post.author_id, post.quote_of, post.counted
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))


async def settle(db: Db, ids: Collection[UUID]) -> list[Any]:
    """Let live posts count and others not; gives (id, author_id, quote_of, counted) of changed."""
    return list((await db.execute(_SETTLE, {"ids": list(ids)})).all())


_QUOTED = text(
    """
    select wanted.item_id,
      (select count(*) from content.posts p where p.quote_of = wanted.item_id and p.counted)
        as quotes
    from unnest(cast(:ids as uuid[])) as wanted (item_id)
    """
).bindparams(bindparam("ids", type_=ARRAY(PG_UUID)))


async def quoted(db: Db, ids: Collection[UUID]) -> dict[UUID, int]:
    """Count the quotes of items."""
    rows = await db.execute(_QUOTED, {"ids": list(ids)})
    return {row.item_id: row.quotes for row in rows}


async def begin_repeatable(db: Db) -> None:
    """Let every statement of a fresh transaction see the same state of the tables."""
    await db.execute(text("set transaction isolation level repeatable read"))


async def forget(db: Db, ids: Collection[UUID]) -> None:
    """Remove what is kept of posts that are removed whole."""
    for table, column in (
        (posts, posts.c.id),
        (polls, polls.c.id),
        (post_edits, post_edits.c.post_id),
    ):
        await db.execute(table.delete().where(column == _any_of(ids)))


def _post(row: Any) -> Post:
    kept = {
        "link": msgspec.convert(row["link"], LinkCard | None),
        "media": msgspec.convert(row["media"], list[Picture]),
    }
    return Post(**{**row, **kept})


def _any_of(ids: Collection[UUID]) -> Any:
    return any_(literal(list(ids), ARRAY(PG_UUID)))


async def truth(db: Db, authors: Collection[UUID]) -> dict[UUID, int]:
    """Count the posts of people that count, anew."""
    rows = await db.execute(
        select(posts.c.author_id, func.count())
        .where(posts.c.author_id.in_(list(authors)), posts.c.counted)
        .group_by(posts.c.author_id)
    )
    return dict.fromkeys(authors, 0) | {row[0]: row[1] for row in rows}
