"""Rate limits in Redis, and without it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import anyio
import httpx2
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from starlette.applications import Starlette

from server.embedded import RedisServer
from server.kernel import limits
from server.kernel.clock import FixedClock
from server.kernel.limits import Ask, Quota
from server.kernel.problems import TooMany
from server.kernel.services import Services
from server.settings import Settings
from tests.integration.conftest import client_of


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
async def limited(services: Services, clock: FixedClock) -> Services:
    return msgspec.structs.replace(services, clock=clock)


@pytest.mark.anyio
async def test_a_limit_is_of_a_name_and_of_somebody(limited: Services, clock: FixedClock) -> None:
    rate = Quota(2, 60)
    for _ in range(2):
        await limits.admit(limited, "write", "ada", rate)
    with pytest.raises(TooMany) as refused:
        await limits.admit(limited, "write", "ada", rate)
    assert refused.value.headers["retry-after"] == "30"
    assert refused.value.more == {"retry_after": 30}
    await limits.admit(limited, "write", "bob", rate)
    await limits.admit(limited, "read", "ada", rate)
    clock.advance(timedelta(seconds=30))
    await limits.admit(limited, "write", "ada", rate)
    assert await limited.redis.pttl("rl:write:ada") <= 60_000


@pytest.mark.anyio
async def test_what_one_limit_refuses_takes_nothing_out_of_another(limited: Services) -> None:
    mine, ours = Ask("write", "ada", Quota(1, 60)), Ask("address", "10.0.0.1", Quota(3, 60))
    headers = await limits.admit_all(limited, [mine, ours])
    assert headers == {
        "ratelimit-policy": '"write";q=1;w=60, "address";q=3;w=60',
        "ratelimit": '"write";r=0;t=60, "address";r=2;t=20',
    }
    for _ in range(5):
        with pytest.raises(TooMany) as refused:
            await limits.admit_all(limited, [mine, ours])
        assert refused.value.headers == headers | {"retry-after": "60"}
    for _ in range(2):
        await limits.admit(limited, "address", "10.0.0.1", ours.rate)
    with pytest.raises(TooMany):
        await limits.admit(limited, "address", "10.0.0.1", ours.rate)


@pytest.mark.anyio
async def test_the_operator_sets_limits_by_their_names(limited: Services) -> None:
    policy = msgspec.structs.replace(limited.policy, rates={"write": (3, 60.0)})
    services = msgspec.structs.replace(limited, policy=policy)
    for _ in range(3):
        await limits.admit(services, "write", "ada", Quota(1, 60))
    with pytest.raises(TooMany):
        await limits.admit(services, "write", "ada", Quota(1, 60))


@pytest.mark.anyio
async def test_many_at_once_are_counted_one_by_one_in_few_round_trips(
    limited: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    evalsha = limited.redis.evalsha

    async def counted(*arguments: object) -> object:
        nonlocal asked
        asked += 1
        return await evalsha(*arguments)

    monkeypatch.setattr(limited.redis, "evalsha", counted)
    passed = 0

    async def one() -> None:
        nonlocal passed
        try:
            await limits.admit(limited, "write", "ada", Quota(20, 60))
        except TooMany:
            return
        passed += 1

    async with anyio.create_task_group() as group:
        for _ in range(500):
            group.start_soon(one)
    assert passed == 20
    assert asked <= 4


@pytest.mark.anyio
async def test_whoever_goes_away_keeps_nobody_else_waiting(limited: Services) -> None:
    tasks = [
        asyncio.create_task(limits.admit(limited, "write", str(n), Quota(1, 60))) for n in range(9)
    ]
    await asyncio.sleep(0)
    tasks[4].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in done].count(asyncio.CancelledError) == 1


@pytest.mark.anyio
async def test_switched_off_nothing_is_counted(limited: Services) -> None:
    policy = msgspec.structs.replace(limited.policy, rate_limits=False)
    free = msgspec.structs.replace(limited, policy=policy)
    for _ in range(5):
        await limits.admit(free, "write", "ada", Quota(1, 60))
    assert await limited.redis.keys("rl:*") == []


@pytest.mark.anyio
async def test_without_redis_the_process_counts_by_itself(
    limited: Services, clock: FixedClock, redis_server: RedisServer
) -> None:
    before = limits._local._value.get()
    async with Redis.from_url(redis_server.url) as redis:
        away = msgspec.structs.replace(limited, redis=redis)
        redis_server.kill()
        rate = Quota(2, 60)
        for _ in range(2):
            await limits.admit(away, "write", "ada", rate)
        with pytest.raises(TooMany):
            await limits.admit(away, "write", "ada", rate)
        clock.advance(timedelta(seconds=30))
        await limits.admit(away, "write", "ada", rate)
    assert limits._local._value.get() == before + 4


def test_the_local_table_is_bounded() -> None:
    table = limits.LocalTable(most=3)
    for number in range(10):
        table.admit([Ask("write", str(number), Quota(1, 60))], 0.0)
    assert len(table._due) == 3


@pytest.mark.anyio
async def test_answers_tell_how_the_limits_stand(settings: Settings) -> None:
    from server.app import create_app  # noqa: PLC0415 - tests of limits alone do not load it

    app: Starlette = create_app(msgspec.structs.replace(settings, rates="read=2/100"))
    async with app.router.lifespan_context(app), client_of(app) as client:
        answers: list[httpx2.Response] = [await client.get("/feed/foryou") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == [
        "r=1",
        "r=0",
        "r=0",
    ]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"read";q=2;w=100'}
    assert answers[2].headers["retry-after"] == "50"
    assert answers[2].json()["reason"] == "too_many"


NOW_MS = 1_700_000_000_000.0


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rates=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 300)), min_size=1, max_size=3),
    pauses=st.lists(st.integers(0, 90_000), max_size=20),
)
def test_the_script_decides_as_the_function_does(
    redis_url: str, rates: list[tuple[int, int]], pauses: list[int]
) -> None:
    asks = [Ask("n", str(n), Quota(*rate)) for n, rate in enumerate(rates)]
    table, now = limits.LocalTable(), NOW_MS
    with SyncRedis.from_url(redis_url) as redis:
        redis.flushall()
        for pause in pauses:
            now += pause
            expected = table.admit(asks, now)
            said = _eval(redis, asks, now)
            assert bool(said[0]) == expected.admitted
            assert [float(each) for each in said[1:]] == pytest.approx(expected.ahead_ms, abs=1.0)


def _eval(redis: SyncRedis, asks: Sequence[Ask], now: float) -> list[bytes]:
    values = [f"{now:.3f}", str(len(asks))]
    for ask in asks:
        values += (f"{ask.interval_ms:.6f}", str(ask.rate.count))
    keys = [ask.key for ask in asks]
    said: list[bytes] = redis.eval(limits._SCRIPT, len(keys), *keys, *values)
    for key in keys:
        # Redis would forget the key by its own clock, which does not move here.
        redis.persist(key)
    return said


class Naive:
    """What a limit means, without a formula: a bucket of whole drops that refills drop by drop."""

    def __init__(self, count: int, drop_ms: int) -> None:
        self.count, self.drop_ms = count, drop_ms
        # When each drop that was taken is back, one after the other.
        self.back: list[int] = []

    def left(self, now: int) -> int:
        self.back = [moment for moment in self.back if moment > now]
        return self.count - len(self.back)

    def take(self, now: int) -> None:
        self.back.append(max([now, *self.back]) + self.drop_ms)


class Limiter(RuleBasedStateMachine):
    """The limiter beside the naive one, on a clock that only tests move."""

    def __init__(self) -> None:
        super().__init__()
        self.table = limits.LocalTable()
        self.now = 0
        self.admitted: dict[str, list[int]] = {"ada": [], "bob": []}

    @initialize(count=st.integers(1, 6), drop_ms=st.integers(1, 5_000))
    def begin(self, count: int, drop_ms: int) -> None:
        self.rate = Quota(count, count * drop_ms / 1000)
        self.drop_ms = drop_ms
        self.naive = {who: Naive(count, drop_ms) for who in self.admitted}

    @rule(who=st.sampled_from(["ada", "bob"]))
    def one_asks(self, who: str) -> None:
        self._ask([who])

    @rule()
    def both_are_asked_for(self) -> None:
        self._ask(["ada", "bob"])

    @rule(ms=st.integers(0, 12_000))
    def time_passes(self, ms: int) -> None:
        self.now += ms

    @invariant()
    def no_window_holds_more_than_its_bound(self) -> None:
        for moments in self.admitted.values():
            for first, begin in enumerate(moments):
                window = self.now - begin
                bound = self.rate.count + window / self.drop_ms
                assert len(moments) - first <= bound + 1e-6

    def _ask(self, people: list[str]) -> None:
        asks = [Ask("n", who, self.rate) for who in people]
        step = self.table.admit(asks, float(self.now))
        free = [self.naive[who].left(self.now) > 0 for who in people]
        assert step.admitted == all(free)
        if step.admitted:
            for who in people:
                self.naive[who].take(self.now)
                self.admitted[who].append(self.now)
            said = limits.headers(asks, step)["ratelimit"].split(", ")
            left = [f";r={self.naive[who].left(self.now)};" for who in people]
            assert all(part in each for part, each in zip(left, said, strict=True))


TestLimiter = Limiter.TestCase
TestLimiter.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
