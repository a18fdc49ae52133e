"""The timeline that is read equals the naive one, whatever happened before (issue 4's oracle).

People follow, block, mute, post, repost, delete and come back; authors cross the thresholds; Redis
is emptied, or restarts with what it had a while ago; the relay dies in the middle of a step; and
everything that writes to lists can be held right before it writes, while the rest goes on.

It was seen to fail with each of these taken away: comparing what lists hold with the truth, lifting
the floor when a list is cut or filled, filling lists up before an author is merged in no longer,
and letting no list count after something was not written. The guards of a build that goes on while
others write are too seldom met here; test_timeline_lists.py has a test for each.
"""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import Any, ClassVar, TypeVar
from unittest import mock

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from server import engagement, graph, items
from server.bootstrap import services_of
from server.engagement import NoSuchItem
from server.items import NewItem
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.problems import Problem
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.settings import Settings
from server.timelines import FanOut, Timelines, store
from server.timelines.lists import Lists, key_of
from tests.people import a_user, an_item
from tests.timelines import REACTIONS, naive, relay, walked, with_policy

T = TypeVar("T")
EXAMPLES = int(os.environ.get("TIMELINE_EXAMPLES", "15"))
PEOPLE = range(5)
TIES = {
    "follow": graph.follow,
    "unfollow": graph.unfollow,
    "block": graph.block,
    "unblock": graph.unblock,
    "mute": graph.mute,
    "unmute": graph.unmute,
}
WRITES = ("push", "fill", "remove", "remove_actor", "finish")
MISFORTUNES = (
    "the relay dies at a write",
    "the relay dies at a write",
    "redis loses everything",
    "redis loses a list",
    "a relay runs that does not write",
)
WHO = st.sampled_from(PEOPLE)
WHICH = st.integers(0, 30)
AGES = st.sampled_from([0, 0, 1, 20, 30])


class Died(Exception):
    """The process is gone in the middle of a write."""


class Gates:
    """Holds whoever is about to write, or kills them."""

    def __init__(self) -> None:
        self.closed: set[str] = set()
        self.deadly = 0
        self.opened = asyncio.Event()

    async def passed(self, write: str) -> None:
        while write in self.closed:
            self.opened.clear()
            await self.opened.wait()
        if self.deadly:
            self.deadly -= 1
            if not self.deadly:
                raise Died

    def open(self) -> None:
        self.closed.clear()
        self.opened.set()


class Held(Lists):
    """Lists behind gates."""

    gates: Gates


def _gated(name: str) -> Any:
    async def write(self: Held, *arguments: Any) -> Any:
        await self.gates.passed(name)
        return await getattr(Lists, name)(self, *arguments)

    return write


for _name in WRITES:
    setattr(Held, _name, _gated(_name))


class Timeline(RuleBasedStateMachine):
    services: ClassVar[Services]
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.on = with_policy(self.services, timeline_pull_from=3, timeline_push_below=1)
        self.off = with_policy(self.on, timeline_fan_out=False)
        self.gates = Gates()
        lists = Held(self.on.redis, days=14)
        lists.gates = self.gates
        for part in (self.on.part(Timelines), self.on.parts.setdefault(FanOut, FanOut(self.on))):
            part.lists = lists
        self._relaying: asyncio.Task[None] | None = None
        self._reading: list[asyncio.Task[Any]] = []
        self._run(self.on.redis.flushall())
        self._people = self._run(self._make_people())
        self._items = [self._run(self._make_item())]

    @rule(who=WHO, whom=WHO, what=st.sampled_from([*TIES, "follow", "follow", "follow"]))
    def changes_a_tie(self, who: int, whom: int, what: str) -> None:
        if who != whom:
            self._run(self._tie(self._people[who], whom, what))

    @rule(whom=WHO, what=st.sampled_from(["follow", "unfollow"]))
    def everybody_changes_a_tie(self, whom: int, what: str) -> None:
        for who in PEOPLE:
            self.changes_a_tie(who, whom, what)

    @initialize(followed=st.sets(WHO, min_size=2, max_size=4))
    def all_know_each_other_and_read(self, followed: set[int]) -> None:
        for whom in followed:
            self.everybody_changes_a_tie(whom, "follow")
            self.posts(whom, 0, 1)
        self.all_is_compared()

    @rule(who=WHO, hours=AGES, many=st.sampled_from([1, 1, 2, 5]))
    def posts(self, who: int, hours: int, many: int) -> None:
        for _ in range(many):
            self._items.append(self._run(self._post(self._people[who], hours)))

    @rule(who=WHO, which=WHICH, hours=AGES, back=st.sampled_from([False, False, True]))
    def reposts_or_takes_it_back(self, who: int, which: int, hours: int, back: bool) -> None:
        viewer, item_id = self._people[who], self._items[which % len(self._items)]
        with suppress(NoSuchItem):
            self._run(
                self._unrepost(viewer, item_id) if back else self._repost(viewer, item_id, hours)
            )

    @rule(which=WHICH, back=st.booleans())
    def is_deleted_or_comes_back(self, which: int, back: bool) -> None:
        item_id = self._items[which % len(self._items)]
        self._run(self._restore(item_id) if back else self._retract(item_id))

    @rule(who=WHO, state=st.sampled_from(["active", "active", "suspended", "shadowbanned"]))
    def is_judged(self, who: int, state: str) -> None:
        self._run(self._judge(self._people[who], state))

    @precondition(lambda self: self._relaying is None)
    @rule(what=st.sampled_from(MISFORTUNES), who=WHO, writes=st.integers(1, 6))
    def misfortune(self, what: str, who: int, writes: int) -> None:
        if what == "redis loses everything":
            self._run(self.on.redis.flushall())
        elif what == "redis loses a list":
            self._run(self.on.redis.delete(key_of(self._id(who))))
        elif what == "the relay dies at a write":
            self.gates.open()
            self.gates.deadly = writes
            self._run(self._die())
            self.gates.deadly = 0
        else:
            self._run(relay(self.off))

    @rule(readers=st.sets(WHO, min_size=1))
    def read(self, readers: set[int]) -> None:
        self._reading += [self._start(walked(self.on, self._people[who])) for who in readers]
        self._run(self._a_while())

    @precondition(lambda self: self._relaying is None)
    @rule()
    def the_relay_runs(self) -> None:
        self._relaying = self._start(self._relay())
        self._run(self._a_while())
        self._end_if_done()

    @rule(write=st.sampled_from(WRITES))
    def is_held(self, write: str) -> None:
        self.gates.closed.add(write)

    @rule()
    def nobody_is_held(self) -> None:
        self.gates.open()
        self._run(self._a_while())
        self._end_if_done()

    @rule()
    def all_is_compared(self) -> None:
        self.gates.open()
        self._run(self._settle())
        for viewer in self._people:
            right = self._run(naive(self.on, viewer))
            assert self._run(walked(self.on, viewer)) == right
            assert self._run(walked(self.on, viewer, 100)) == right
            assert self._run(walked(self.off, viewer)) == right

    def teardown(self) -> None:
        self.all_is_compared()
        self._run(self.on.part(Timelines).close())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self.runner.get_loop().create_task(work)

    def _id(self, who: int) -> Any:
        return self._people[who].id

    async def _a_while(self) -> None:
        """Let whoever is going on go on, until held or done: nothing else happens meanwhile."""
        tasks = {*self._reading, *([self._relaying] if self._relaying else [])}
        for _ in range(40):
            tasks = {task for task in tasks if not task.done()}
            if not tasks:
                return
            await asyncio.wait(tasks, timeout=0.005)

    def _end_if_done(self) -> None:
        if self._relaying is not None and self._relaying.done():
            self._relaying.result()
            self._relaying = None

    async def _settle(self) -> None:
        if self._relaying is not None:
            await self._relaying
            self._relaying = None
        await asyncio.gather(*self._reading)
        self._reading.clear()
        await self._cure()
        await relay(self.on)

    async def _relay(self) -> None:
        await relay(self.on)

    async def _die(self) -> None:
        await self._cure()
        await Relay(self.on, by_topic(REACTIONS)).deliver()
        await self._cure()

    async def _cure(self) -> None:
        """What died is tried again at once: its pause is over."""
        async with self.on.write() as db:
            await db.execute(text("delete from ops.setbacks"))

    async def _make_people(self) -> list[Viewer]:
        async with self.on.write() as db:
            run = new_id().hex[-12:]
            return [await a_user(db, f"{run}_{number}") for number in PEOPLE]

    async def _make_item(self) -> Any:
        async with self.on.write() as db:
            return await an_item(db)

    async def _tie(self, viewer: Viewer, whom: int, what: str) -> None:
        # Whoever settles a list holds the reader: who would have to wait for it does nothing.
        with suppress(Problem, DBAPIError):
            async with self.on.write() as db:
                await db.execute(text("set local lock_timeout = '20ms'"))
                person = await graph.relation(db, viewer, self._id(whom))
                await TIES[what](db, viewer, person.username)

    async def _post(self, viewer: Viewer, hours: int) -> Any:
        assert viewer.id is not None
        item_id = new_id()
        new = NewItem(id=item_id, kind="TWEET", author_id=viewer.id, body_text="Words")
        async with self.on.write() as db:
            await items.write(db, new, self.on.clock.now() - timedelta(hours=hours))
        return item_id

    async def _repost(self, viewer: Viewer, item_id: Any, hours: int) -> None:
        given = {"item": item_id, "who": viewer.id, "ago": timedelta(hours=hours)}
        async with self.on.write() as db:
            before = await engagement.flags(db, viewer, [item_id])
            await engagement.repost(db, viewer, item_id)
            if item_id not in before.reposted:
                aged = "update engage.reposts set created_at = created_at - cast(:ago as interval)"
                where = " where item_id = :item and user_id = :who"
                await db.execute(text(aged + where), given)

    async def _unrepost(self, viewer: Viewer, item_id: Any) -> None:
        async with self.on.write() as db:
            await engagement.unrepost(db, viewer, item_id)

    async def _retract(self, item_id: Any) -> None:
        async with self.on.write() as db:
            await items.retract(db, Viewer(new_id(), "admin"), [item_id])

    async def _restore(self, item_id: Any) -> None:
        async with self.on.write() as db:
            await items.restore(db, [item_id])

    async def _judge(self, viewer: Viewer, state: str) -> None:
        change = text("update content.users set state = :state where id = :id")
        with suppress(DBAPIError):
            async with self.on.write() as db:
                await db.execute(text("set local lock_timeout = '20ms'"))
                await db.execute(change, {"state": state, "id": viewer.id})


@pytest.fixture
def small() -> Iterator[None]:
    """Lists of six entries, and chunks of two followers: bounds are met at every turn."""
    with ExitStack() as stack:
        for module in ("timeline", "lists", "fanout"):
            stack.enter_context(mock.patch(f"server.timelines.{module}.KEPT", 6))
        stack.enter_context(mock.patch("server.timelines.fanout.CHUNK", 2))
        stack.enter_context(mock.patch.object(store, "KEEP", store.keep_statement(2)))
        yield


@pytest.mark.row("T-36")
def test_the_timeline_equals_the_naive_one_whatever_happens(
    settings: Settings,
    small: None,  # noqa: ARG001 - only has to be there
) -> None:
    with asyncio.Runner() as runner:
        opened = services_of(settings)
        Timeline.runner, Timeline.services = runner, runner.run(opened.__aenter__())
        try:
            run_state_machine_as_test(
                Timeline,
                settings=hypothesis.settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=40,
                    deadline=None,
                    # What fails is made shorter, without a search for what else would fail.
                    phases=(
                        hypothesis.Phase.reuse,
                        hypothesis.Phase.generate,
                        hypothesis.Phase.shrink,
                    ),
                ),
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))
