"""Events leave with their transaction, reach each consumer, and take effect once."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import text

from realtime import PublishFailed
from server.kernel import delivery, parked
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.outbox import Event, Reaction, by_topic, emit
from server.kernel.relay import Relay
from server.kernel.services import Services

pytestmark = pytest.mark.anyio


class Happened(Event, frozen=True):
    """A test's own event."""

    topic: ClassVar[str] = "test.happened"
    n: int


class Recorder:
    """A consumer whose effect is a row, and which may fail."""

    def __init__(self, consumer: str = "recorder", fail: Sequence[int] = ()) -> None:
        self.consumer = consumer
        self.failing = set(fail)
        self.error: Exception = RuntimeError("not today")
        self.told: list[int] = []

    @property
    def reaction(self) -> Reaction:
        return Reaction(self.consumer, Happened, self.run)

    async def run(self, _services: Services, db: Db, event: Happened) -> None:
        self.told.append(event.n)
        await db.execute(
            text("insert into effects (consumer, n) values (:c, :n)"),
            {"c": self.consumer, "n": event.n},
        )
        if event.n in self.failing:
            raise self.error


@pytest.fixture(autouse=True)
async def effects(services: Services) -> None:
    async with services.database.begin() as db:
        await db.execute(text("create table effects (consumer text, n int)"))


async def rows(services: Services, query: str) -> list[Any]:
    async with services.database.read() as db:
        return [tuple(row) for row in (await db.execute(text(query))).all()]


async def put(services: Services, *numbers: int, key: UUID | str = "one") -> None:
    async with services.write() as db:
        for n in numbers:
            await emit(db, Happened(n), key=key)


async def put_and_fail(services: Services) -> None:
    async with services.write() as db:
        await emit(db, Happened(1), key="one")
        _ = 1 / 0


async def test_an_event_is_told_only_if_its_transaction_commits(services: Services) -> None:
    recorder = Recorder()
    relay = Relay(services, by_topic([recorder.reaction]))
    with pytest.raises(ZeroDivisionError):
        await put_and_fail(services)
    await put(services, 2)

    await relay.deliver()

    assert recorder.told == [2]


async def test_every_consumer_is_told_once_and_the_row_leaves(services: Services) -> None:
    first, second = Recorder("first"), Recorder("second")
    relay = Relay(services, by_topic([first.reaction, second.reaction]))
    await put(services, 1, 2, 3)

    await relay.deliver()
    await relay.deliver()

    assert (first.told, second.told) == ([1, 2, 3], [1, 2, 3])
    assert await rows(services, "select 1 from ops.outbox") == []
    assert await rows(services, "select 1 from ops.inbox") == []


async def test_a_failure_undoes_its_effect_and_spares_the_other_consumers(
    services: Services,
) -> None:
    good, bad = Recorder("good"), Recorder("bad", fail=[1])
    relay = Relay(services, by_topic([good.reaction, bad.reaction]))
    await put(services, 1)

    await relay.deliver()
    bad.failing.clear()
    async with services.database.begin() as db:
        await db.execute(text("update ops.setbacks set next_attempt_at = now()"))
    await relay.deliver()

    assert good.told == [1]
    assert sorted(await rows(services, "select consumer, n from effects")) == [
        ("bad", 1),
        ("good", 1),
    ]


async def test_a_key_keeps_its_order_and_holds_up_nobody_else(services: Services) -> None:
    recorder = Recorder(fail=[1])
    relay = Relay(services, by_topic([recorder.reaction]))
    await put(services, 1, 2, key="one")
    await put(services, 3, key="other")

    await relay.deliver()
    await relay.deliver()
    assert await rows(services, "select n from effects") == [(3,)]
    assert 2 not in recorder.told

    recorder.failing.clear()
    async with services.database.begin() as db:
        await db.execute(text("update ops.setbacks set next_attempt_at = now()"))
    await relay.deliver()
    assert recorder.told[-2:] == [1, 2]


async def test_what_nobody_can_take_is_parked_and_seen(services: Services) -> None:
    recorder = Recorder(fail=[1])
    relay = Relay(services, by_topic([recorder.reaction]))
    await put(services, 1, 2)

    for _ in range(delivery.ATTEMPTS):
        await relay.deliver()
        async with services.database.begin() as db:
            await db.execute(text("update ops.setbacks set next_attempt_at = now()"))
    await relay.deliver()

    async with services.database.read() as db:
        lag = await parked.lag(db)
    assert (lag.waiting, lag.parked) == (0, 1)
    assert await rows(services, "select error from ops.setbacks") == [("RuntimeError: not today",)]
    assert recorder.told[-1] == 2


async def test_two_relays_at_once_do_no_harm(services: Services) -> None:
    recorder = Recorder()
    reactions = by_topic([recorder.reaction])
    for n in range(50):
        await put(services, n, key=new_id())

    await asyncio.gather(*(Relay(services, reactions).deliver() for _ in range(4)))

    assert sorted(n for _, n in await rows(services, "select * from effects")) == list(range(50))


async def test_a_topic_without_consumers_does_not_pile_up(services: Services) -> None:
    await put(services, 1, 2)

    assert await Relay(services, {}).deliver() == 2
    assert await rows(services, "select 1 from ops.outbox") == []


async def test_what_one_consumer_cannot_take_keeps_it_from_no_other(services: Services) -> None:
    bad, good = Recorder("bad", fail=[1]), Recorder("good")
    relay = Relay(services, by_topic([bad.reaction, good.reaction]))
    await put(services, 1)

    await relay.deliver()
    assert await rows(services, "select consumer from effects") == [("good",)]

    bad.failing.clear()
    async with services.database.begin() as db:
        await db.execute(text("update ops.setbacks set next_attempt_at = now()"))
    await relay.deliver()
    assert good.told == [1]
    assert await rows(services, "select 1 from ops.outbox") == []


@pytest.mark.parametrize("error", [PublishFailed(), RedisConnectionError(), OSError()])
async def test_an_outage_parks_nothing_however_long_it_takes(
    services: Services, error: Exception
) -> None:
    recorder = Recorder(fail=[1])
    recorder.error = error
    relay = Relay(services, by_topic([recorder.reaction]))
    await put(services, 1)

    for _ in range(delivery.ATTEMPTS * 3):
        await relay.deliver()
        async with services.database.begin() as db:
            await db.execute(text("update ops.setbacks set next_attempt_at = now()"))
    recorder.failing.clear()
    await relay.deliver()

    assert await rows(services, "select n from effects") == [(1,)]
    assert await rows(services, "select 1 from ops.outbox") == []


async def test_a_person_sees_what_was_parked_and_has_it_tried_again_or_drops_it(
    services: Services,
) -> None:
    recorder = Recorder(fail=[1, 2])
    relay = Relay(services, by_topic([recorder.reaction]))
    await put(services, 1, 2)
    await put(services, 3, key="other")
    for _ in range(delivery.ATTEMPTS * 2):
        await relay.deliver()
        async with services.database.begin() as db:
            await db.execute(text("update ops.setbacks set next_attempt_at = now()"))
    async with services.database.read() as db:
        found = await parked.parked(db)
        (lag,) = await parked.group_lags(db, delivery.Wanted(by_topic([recorder.reaction])))
    assert [(each.topic, each.group, each.error) for each in found] == [
        ("test.happened", "recorder", "RuntimeError: not today")
    ] * 2
    assert (lag.group, lag.waiting, lag.parked) == ("recorder", 0, 2)

    recorder.failing.clear()
    second, first = found
    async with services.database.begin() as db:
        assert await parked.revive(db, [first.id]) == 1
    await relay.deliver()
    assert recorder.told[-1] == 1
    async with services.database.begin() as db:
        assert await parked.drop(db, [second.id]) == 1
    await relay.deliver()
    assert recorder.told[-1] == 1
    assert sorted(await rows(services, "select n from effects")) == [(1,), (3,)]
    assert await rows(services, "select 1 from ops.outbox") == []
    assert await rows(services, "select 1 from ops.inbox") == []


async def test_a_batch_is_told_in_its_order_and_at_once(services: Services) -> None:
    told: list[list[int]] = []

    async def run(_services: Services, _db: Db, events: Sequence[Happened]) -> None:
        told.append([event.n for event in events])

    relay = Relay(services, by_topic([Reaction("crowd", Happened, run, in_batches=True)]))
    for n in range(5):
        await put(services, n, key=new_id())
    await put(services, 5, 6)

    await relay.deliver()

    assert told == [[0, 1, 2, 3, 4, 5, 6]]
    assert await rows(services, "select 1 from ops.outbox") == []


@pytest.mark.row("D-23")
async def test_a_group_that_is_paused_finds_its_events_when_it_goes_on(services: Services) -> None:
    waits, goes = Recorder("waits"), Recorder("goes")
    table = by_topic([waits.reaction, goes.reaction])
    await put(services, 1, 2)

    await Relay(services, table, paused=["waits"]).deliver()
    assert (waits.told, goes.told) == ([], [1, 2])
    await put(services, 3)
    await Relay(services, table).deliver()

    assert (waits.told, goes.told) == ([1, 2, 3], [1, 2, 3])
    assert await rows(services, "select 1 from ops.outbox") == []


async def test_of_changes_that_exclude_each_other_the_later_one_is_told_last(
    services: Services,
) -> None:
    recorder = Recorder()
    relay = Relay(services, by_topic([recorder.reaction]))
    older = new_id()
    async with services.database.begin() as db:
        await emit(db, Happened(1), key="one")
        # Made before, written behind the lock of the other.
        await db.execute(
            text(
                "insert into ops.outbox (id, topic, key, payload)"
                " values (:id, 'test.happened', 'one', jsonb_build_object('n', 2))"
            ),
            {"id": older},
        )

    await relay.deliver()

    assert recorder.told == [1, 2]


async def test_what_is_removed_under_a_slow_delivery_is_not_taken_again(
    services: Services,
) -> None:
    """What `for key share` is for: the statement's picture still holds the row that is gone."""
    recorder = Recorder()
    wanted = delivery.Wanted(by_topic([recorder.reaction]))
    group = delivery.Group("recorder", wanted.groups["recorder"], services)
    done = delivery.Done(services, wanted)
    await put(services, 1, 2)
    first, second = [
        each[0] for each in await rows(services, "select id from ops.outbox order by seq")
    ]
    mark = text("insert into ops.inbox (event_id, consumer) values (:id, 'recorder')")
    async with services.database.engine.connect() as slow:
        # Somebody is about to take the first event: who delivers now waits for that mark.
        await slow.execute(mark, {"id": first})
        delivering = asyncio.create_task(group.deliver(["one"], done))
        await _waiting(services, 1)
        removing = asyncio.create_task(_take_and_remove(services, mark, second))
        await _waiting(services, 2, unless=removing)
        await slow.rollback()
    await asyncio.gather(delivering, removing)

    assert recorder.told == [1]


async def _take_and_remove(services: Services, mark: Any, event_id: UUID) -> None:
    async with services.database.begin() as db:
        await db.execute(mark, {"id": event_id})
    async with services.database.begin() as db:
        for table, column in (("outbox", "id"), ("inbox", "event_id")):
            await db.execute(
                text(f"delete from ops.{table} where {column} = :id"),  # noqa: S608 - our own
                {"id": event_id},
            )


async def _waiting(
    services: Services, count: int, unless: "asyncio.Task[None] | None" = None
) -> None:
    """Wait until so many statements wait for a lock."""
    query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    async with asyncio.timeout(30):
        while (await rows(services, query))[0][0] < count:
            if unless is not None and unless.done():
                return
            await asyncio.sleep(0)
