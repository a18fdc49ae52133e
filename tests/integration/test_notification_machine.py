"""Any course of likes, follows, comments and marks leaves the inbox that a simple model has."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from server import notifications
from server.bootstrap import services_of
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.notifications import Notice, PageQuery, Projection, reactions
from server.notifications.model import InboxJoin
from server.settings import load
from tests.integration.conftest import SECRET
from tests.people import a_user

ACTORS, TARGETS = 4, 2
_actors = st.integers(0, ACTORS - 1)
_targets = st.integers(0, TARGETS - 1)
_acts = st.tuples(st.sampled_from(["like", "comment"]), _actors, _targets)


class Group:
    """A notification, as simply as it can be said: who is in it, and what of it was seen."""

    def __init__(self) -> None:
        # Who acted and counts, who took it back unseen; the newest last.
        self.actors: list[int] = []
        self.withdrawn: set[int] = set()
        self.unseen: set[int] = set()
        self.read = False

    @property
    def alive(self) -> bool:
        return bool(self.actors)


class Model:
    """An inbox without a database."""

    def __init__(self) -> None:
        self.groups: dict[tuple[str, int], list[Group]] = {}

    def _current(self, key: tuple[str, int]) -> Group | None:
        groups = self.groups.get(key, [])
        return groups[-1] if groups and not groups[-1].read else None

    def act(self, kind: str, actor: int, target: int) -> None:
        key = (kind, target)
        everywhere = self.groups.setdefault(key, [])
        current = self._current(key)
        if kind == "like":
            if current and actor in current.withdrawn:
                current.withdrawn.discard(actor)
                current.actors.append(actor)
                return
            if any(actor in group.actors or actor in group.withdrawn for group in everywhere):
                return
        if current is None:
            current = Group()
            everywhere.append(current)
        if actor in current.actors:
            current.actors.remove(actor)
        current.actors.append(actor)
        current.unseen.add(actor)

    def take_back(self, actor: int, target: int) -> None:
        current = self._current(("like", target))
        if current and actor in current.unseen and actor in current.actors:
            current.actors.remove(actor)
            current.withdrawn.add(actor)

    def see(self) -> None:
        for group in self._all():
            if not group.read:
                group.unseen = set()

    def read(self) -> None:
        for group in self._all():
            group.read = True
            group.unseen = set()

    def retract(self, target: int) -> None:
        for (_, about), groups in self.groups.items():
            if about == target:
                groups.clear()

    def _all(self) -> list[Group]:
        return [group for groups in self.groups.values() for group in groups]

    @property
    def inbox(self) -> dict[tuple[str, int, bool], list[set[int]]]:
        shown: dict[tuple[str, int, bool], list[set[int]]] = {}
        for (kind, target), groups in self.groups.items():
            for group in groups:
                if group.alive:
                    shown.setdefault((kind, target, group.read), []).append(set(group.actors))
        return shown

    @property
    def unread(self) -> int:
        return sum(1 for group in self._all() if group.alive and not group.read)


class World:
    """The real thing, on a loop that the machine drives."""

    def __init__(self, services: Services, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self.services = services
        self.run = run
        self.owner: Viewer
        self.actors: list[Viewer] = []
        # A world of its own for each course: nobody else is told of these.
        self.targets = [new_id() for _ in range(TARGETS)]
        self.projection = Projection(services.redis)
        self.cursor: str | None = None
        self.session: dict[UUID, notifications.Notification] = {}

    async def begin(self) -> None:
        async with self.services.database.begin() as db:
            name = new_id().hex[-12:]
            self.owner = await a_user(db, f"o{name}")
            self.actors = [await a_user(db, f"a{n}{name}") for n in range(ACTORS)]

    def notice(self, kind: Any, actor: int, target: int) -> Notice:
        assert self.owner.id
        return Notice(
            user_id=self.owner.id,
            kind=kind,
            actor_id=self.actors[actor].id,
            target_id=self.targets[target],
            item_id=self.targets[target],
        )

    async def notify(self, acts: list[tuple[str, int, int]]) -> None:
        async with self.services.write() as db:
            notices = [self.notice(*act) for act in acts]
            await notifications.notify(db, notices, self.services.clock.now())

    async def take_back(self, actor: int, target: int) -> None:
        async with self.services.write() as db:
            notice = self.notice("like", actor, target)
            await notifications.take_back(db, [notice], self.services.clock.now())

    async def see(self) -> None:
        async with self.services.write() as db:
            await notifications.mark_seen(db, self.owner)

    async def read(self) -> None:
        async with self.services.write() as db:
            await notifications.mark_read(db, self.owner, None, self.services.clock.now())

    async def retract(self, target: int) -> None:
        async with self.services.write() as db:
            await notifications.retract(db, [self.targets[target]], self.services.clock.now())

    async def relay(self) -> None:
        relay = Relay(self.services.with_publisher(Nobody()), by_topic(reactions.reactions))
        while await relay.deliver():
            pass

    async def rejoin(self) -> None:
        async with self.services.database.read() as db:
            secret, params = self.services.policy.secret, InboxJoin(cursor=self.cursor, limit=50)
            inbox = await notifications.joined(db, self.owner, secret, params, self.projection)
        if self.cursor is None or inbox.reset:
            self.session = {}
        self.session |= {each.id: each for each in inbox.items}
        for gone in inbox.gone:
            self.session.pop(gone, None)
        self.cursor = inbox.cursor

    async def page(self) -> notifications.NotificationPage:
        async with self.services.database.read() as db:
            secret, query = self.services.policy.secret, PageQuery(limit=50)
            return await notifications.page(db, self.owner, secret, query, self.projection)

    def shape(
        self, shown: Iterable[notifications.Notification]
    ) -> dict[tuple[str, int, bool], list[set[int]]]:
        """What is shown, in the words of the model."""
        number = {viewer.id: n for n, viewer in enumerate(self.actors)}
        found: dict[tuple[str, int, bool], list[set[int]]] = {}
        for each in sorted(shown, key=lambda each: each.created_at):
            assert each.actor_count == len(each.actors)
            key = (each.kind, self.targets.index(each.target_id), each.read)
            found.setdefault(key, []).append({number[actor.id] for actor in each.actors})
        return found


class Nobody:
    """Takes broadcasts for nobody."""

    async def broadcast(self, topic: str, event: str, payload: object) -> None:
        """Tell nobody."""


class InboxMachine(RuleBasedStateMachine):
    """What people do, in any order, told to the model and to the database."""

    world_of: Callable[[], World]

    @initialize()
    def begin(self) -> None:
        self.world = type(self).world_of()
        self.world.run(self.world.begin())
        self.model = Model()
        self.retracted: set[int] = set()

    def _do(self, work: Coroutine[Any, Any, Any]) -> None:
        self.world.run(work)

    @rule(acts=st.lists(_acts, min_size=1, max_size=5))
    def acts_come(self, acts: list[tuple[str, int, int]]) -> None:
        acts = [act for act in acts if act[2] not in self.retracted]
        self._do(self.world.notify(acts))
        for act in acts:
            self.model.act(*act)

    @rule(actor=_actors, about=_targets)
    def a_like_is_taken_back(self, actor: int, about: int) -> None:
        self._do(self.world.take_back(actor, about))
        self.model.take_back(actor, about)

    @rule()
    def the_owner_sees_them(self) -> None:
        self._do(self.world.see())
        self.model.see()

    @rule()
    def the_owner_reads_them(self) -> None:
        self._do(self.world.read())
        self.model.read()

    @rule(about=_targets)
    def a_target_is_retracted(self, about: int) -> None:
        self._do(self.world.retract(about))
        self.model.retract(about)
        self.retracted.add(about)

    @rule()
    def events_are_relayed(self) -> None:
        self._do(self.world.relay())

    @rule()
    def redis_is_lost(self) -> None:
        self._do(self.world.services.redis.flushall())

    @rule()
    def the_session_comes_back(self) -> None:
        self._do(self.world.rejoin())
        assert self.world.shape(self.world.session.values()) == self.model.inbox

    @invariant()
    def the_inbox_is_as_the_model_has_it(self) -> None:
        page = self.world.run(self.world.page())
        assert self.world.shape(page.items) == self.model.inbox
        assert page.unread_count == self.model.unread
        moments = [(each.updated_at, each.id) for each in page.items]
        assert moments == sorted(moments, reverse=True)


@pytest.mark.row("D-20")
@pytest.mark.row("D-21")
@pytest.mark.row("D-04")
@pytest.mark.timeout(300)
def test_an_inbox_is_what_the_model_says(database_url: str, redis_url: str) -> None:
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEY": SECRET}
    with asyncio.Runner() as runner:
        opened = services_of(load(environ))
        services = runner.run(opened.__aenter__())
        InboxMachine.world_of = staticmethod(lambda: World(services, runner.run))
        try:
            run_state_machine_as_test(
                InboxMachine,
                settings=settings(
                    max_examples=25,
                    stateful_step_count=20,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))
