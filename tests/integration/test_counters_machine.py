"""Counters equal their edges after any interleaving of acts, retries, crashes and folds."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from server import engagement
from server.engagement import AlreadyVoted, Ballot, Standing
from server.kernel.database import Database, Db
from server.kernel.ids import new_id
from server.kernel.viewer import Viewer
from tests.people import an_item

T = TypeVar("T")
Act = Callable[[Db, Viewer, UUID], Coroutine[Any, Any, Standing]]

ACTS: dict[str, Act] = {
    "like": engagement.like,
    "unlike": engagement.unlike,
    "bookmark": engagement.bookmark,
    "unbookmark": engagement.unbookmark,
    "repost": engagement.repost,
    "unrepost": engagement.unrepost,
}
OPTIONS = range(engagement.MOST_OPTIONS)
PEOPLE = [Viewer(new_id(), "user") for _ in range(3)]
# Whoever is in the middle of a transaction of their own does nothing else meanwhile.
SLOW = Viewer(new_id(), "user")
ITEMS = range(2)

_EDGES = text(
    """
    select (select count(*) from engage.likes where item_id = :id) as likes,
           (select count(*) from engage.bookmarks where item_id = :id) as bookmarks,
           (select count(*) from engage.reposts where item_id = :id) as reposts,
           coalesce((select reposts from engage.item_counters where item_id = :id), 0)
           + coalesce((select sum(change) from engage.counter_delta
                       where item_id = :id and field = 2), 0) as counted_reposts,
           coalesce((select likes from engage.item_counters where item_id = :id), 0)
           + coalesce((select sum(change) from engage.counter_delta
                       where item_id = :id and field = 0), 0) as counted_likes,
           coalesce((select bookmarks from engage.item_counters where item_id = :id), 0)
           + coalesce((select sum(change) from engage.counter_delta
                       where item_id = :id and field = 4), 0) as counted_bookmarks,
           coalesce((select version from engage.item_counters where item_id = :id), 0) as version
    """
)


_VOTES = text(
    """
    select option,
      (select count(*) from engage.poll_votes v
       where v.poll_id = :id and v.option = options.option) as cast_for_it,
      (coalesce((select array[votes_0, votes_1, votes_2, votes_3] from engage.poll_counters
                where poll_id = :id), '{0,0,0,0}'))[options.option + 1]
      + coalesce((select sum(change) from engage.counter_delta
                  where item_id = :id and field = 5 + options.option), 0) as counted
    from generate_series(0, 3) as options (option) order by option
    """
)


class Counters(RuleBasedStateMachine):
    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._database = Database(self.url, pool=4)
        self._items = self._run(self._make_items())
        self._liked: set[tuple[UUID | None, UUID]] = set()
        self._kept: set[tuple[UUID | None, UUID]] = set()
        self._passed_on: set[tuple[UUID | None, UUID]] = set()
        self._votes: dict[tuple[UUID | None, UUID], int] = {}
        self._versions = dict.fromkeys(self._items, 0)
        self._slow: tuple[AsyncExitStack, str, UUID] | None = None

    @rule(who=st.sampled_from(PEOPLE), item=st.sampled_from(ITEMS), act=st.sampled_from([*ACTS]))
    def acts(self, who: Viewer, item: int, act: str) -> None:
        item_id = self._items[item]
        standing = self._run(self._act(who, item_id, act))
        self._note(who, item_id, act)
        # The slow one's act is not committed: nobody sees it.
        assert standing.counts.likes == sum(1 for _, i in self._liked if i == item_id)
        assert standing.counts.bookmarks == sum(1 for _, i in self._kept if i == item_id)
        assert standing.liked_by_me == ((who.id, item_id) in self._liked)
        assert standing.counts.reposts == sum(1 for _, i in self._passed_on if i == item_id)
        assert standing.bookmarked_by_me == ((who.id, item_id) in self._kept)
        assert standing.reposted_by_me == ((who.id, item_id) in self._passed_on)

    @rule(
        who=st.sampled_from(PEOPLE), poll=st.sampled_from(ITEMS), option=st.sampled_from([*OPTIONS])
    )
    def votes(self, who: Viewer, poll: int, option: int) -> None:
        poll_id = self._items[poll]
        before = self._votes.get((who.id, poll_id))
        ballot = self._run(self._vote(who, poll_id, option))
        if before is not None and before != option:
            assert ballot is None
            return
        assert ballot is not None
        self._votes[who.id, poll_id] = option
        assert list(ballot.votes.votes) == self._cast(poll_id)

    @rule(who=st.sampled_from(PEOPLE), poll=st.sampled_from(ITEMS))
    def votes_and_dies_before_the_commit(self, who: Viewer, poll: int) -> None:
        self._run(self._vote(who, self._items[poll], 0, dies=True))

    @rule(who=st.sampled_from(PEOPLE), item=st.sampled_from(ITEMS), act=st.sampled_from([*ACTS]))
    def acts_and_dies_before_the_commit(self, who: Viewer, item: int, act: str) -> None:
        self._run(self._act(who, self._items[item], act, dies=True))

    @precondition(lambda self: self._slow is None)
    @rule(item=st.sampled_from(ITEMS), act=st.sampled_from([*ACTS]))
    def begins_a_slow_act(self, item: int, act: str) -> None:
        self._slow = (self._run(self._begin(self._items[item], act)), act, self._items[item])

    @precondition(lambda self: self._slow is not None)
    @rule()
    def ends_the_slow_act(self) -> None:
        assert self._slow is not None
        transaction, act, item_id = self._slow
        self._run(transaction.aclose())
        self._note(SLOW, item_id, act)
        self._slow = None

    @rule(limit=st.sampled_from([1, 2, 1000]), resting=st.sets(st.sampled_from(ITEMS)))
    def folds(self, limit: int, resting: set[int]) -> None:
        held = {self._items[each] for each in resting}
        for moved in self._run(self._fold(held, limit)):
            assert moved.id not in held
            assert moved.version > self._versions[moved.id]

    @rule()
    def folds_and_dies_before_the_commit(self) -> None:
        self._run(self._fold(set(), 1000, dies=True))

    @rule()
    def two_fold_at_once(self) -> None:
        self._run(self._fold_twice())

    @invariant()
    def counters_equal_edges_and_versions_never_fall(self) -> None:
        for item_id in self._items:
            row = self._run(self._read(item_id))
            assert row.likes == row.counted_likes
            assert row.bookmarks == row.counted_bookmarks
            assert row.reposts == row.counted_reposts
            assert row.likes == sum(1 for _, i in self._liked if i == item_id)
            votes = self._run(self._read_votes(item_id))
            assert [each.cast_for_it for each in votes] == [each.counted for each in votes]
            assert [each.counted for each in votes] == self._cast(item_id)
            assert row.version >= self._versions[item_id]
            self._versions[item_id] = row.version

    def teardown(self) -> None:
        if self._slow is not None:
            self._run(self._slow[0].aclose())
        self._run(self._fold(set(), 1000))
        for item_id in self._items:
            assert self._run(self._pending(item_id)) == 0
        self._run(self._database.close())
        self._runner.close()

    def _note(self, who: Viewer, item_id: UUID, act: str) -> None:
        kinds = {"like": self._liked, "bookmark": self._kept, "repost": self._passed_on}
        edges = kinds[act.removeprefix("un")]
        (edges.discard if act.startswith("un") else edges.add)((who.id, item_id))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _make_items(self) -> list[UUID]:
        async with self._database.begin() as db:
            return [await an_item(db) for _ in ITEMS]

    async def _act(self, who: Viewer, item_id: UUID, act: str, *, dies: bool = False) -> Standing:
        async with self._database.engine.connect() as db:
            standing = await ACTS[act](db, who, item_id)
            await (db.rollback() if dies else db.commit())
        return standing

    async def _vote(
        self, who: Viewer, poll_id: UUID, option: int, *, dies: bool = False
    ) -> Ballot | None:
        async with self._database.engine.connect() as db:
            try:
                ballot = await engagement.vote(db, who, poll_id, option)
            except AlreadyVoted:
                return None
            await (db.rollback() if dies else db.commit())
        return ballot

    def _cast(self, poll_id: UUID) -> list[int]:
        cast = [option for (_, poll), option in self._votes.items() if poll == poll_id]
        return [cast.count(option) for option in OPTIONS]

    async def _read_votes(self, poll_id: UUID) -> Any:
        async with self._database.read() as db:
            return (await db.execute(_VOTES, {"id": poll_id})).all()

    async def _begin(self, item_id: UUID, act: str) -> AsyncExitStack:
        stack = AsyncExitStack()
        db = await stack.enter_async_context(self._database.begin())
        await ACTS[act](db, SLOW, item_id)
        return stack

    async def _fold(
        self, resting: set[UUID], limit: int, *, dies: bool = False
    ) -> list[engagement.ItemCounts]:
        async with self._database.engine.connect() as db:
            moved = await engagement.fold_once(db, resting, limit)
            await (db.rollback() if dies else db.commit())
        return moved

    async def _fold_twice(self) -> None:
        await asyncio.gather(self._fold(set(), 1), self._fold(set(), 1000))

    async def _read(self, item_id: UUID) -> Any:
        async with self._database.read() as db:
            return (await db.execute(_EDGES, {"id": item_id})).one()

    async def _pending(self, item_id: UUID) -> int:
        waiting = text("select count(*) from engage.counter_delta where item_id = :id")
        async with self._database.read() as db:
            return int((await db.execute(waiting, {"id": item_id})).scalar_one())


@pytest.mark.row("K21")
def test_counters_equal_their_edges_whatever_happens(database_url: str) -> None:
    Counters.url = database_url
    run_state_machine_as_test(
        Counters, settings=settings(max_examples=15, stateful_step_count=20, deadline=None)
    )
