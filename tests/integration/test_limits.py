"""Rate limits in Redis, and without it."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from server.embedded import RedisServer
from server.kernel import limits
from server.kernel.clock import FixedClock
from server.kernel.problems import TooMany
from server.kernel.services import Services


class Rate(Struct, frozen=True):
    count: int
    seconds: float


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
async def limited(services: Services, clock: FixedClock) -> Services:
    return msgspec.structs.replace(services, clock=clock)


@pytest.fixture(autouse=True)
def redis_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with a process that has not seen Redis fail."""
    monkeypatch.setattr(limits, "_fallback", limits._Fallback())


@pytest.mark.anyio
async def test_a_limit_is_of_a_name_and_of_somebody(limited: Services, clock: FixedClock) -> None:
    rate = Rate(2, 60)
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
async def test_switched_off_nothing_is_counted(limited: Services) -> None:
    policy = msgspec.structs.replace(limited.policy, rate_limits=False)
    free = msgspec.structs.replace(limited, policy=policy)
    for _ in range(5):
        await limits.admit(free, "write", "ada", Rate(1, 60))
    assert await limited.redis.keys("rl:*") == []


@pytest.mark.anyio
async def test_without_redis_the_process_counts_by_itself(
    limited: Services, clock: FixedClock, redis_server: RedisServer
) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        away = msgspec.structs.replace(limited, redis=redis)
        redis_server.kill()
        rate = Rate(2, 60)
        for _ in range(2):
            await limits.admit(away, "write", "ada", rate)
        with pytest.raises(TooMany):
            await limits.admit(away, "write", "ada", rate)
        clock.advance(timedelta(seconds=30))
        await limits.admit(away, "write", "ada", rate)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    count=st.integers(1, 9),
    seconds=st.integers(1, 300),
    pauses=st.lists(st.integers(0, 90_000), max_size=20),
)
def test_the_script_decides_as_the_function_does(
    redis_url: str, count: int, seconds: int, pauses: list[int]
) -> None:
    rate, due, now = Rate(count, float(seconds)), 0.0, 1_700_000_000_000.0
    with SyncRedis.from_url(redis_url) as redis:
        redis.flushall()
        for pause in pauses:
            now += pause
            expected = limits.step(due, now, rate)
            due = expected.due_ms
            arguments = [f"{now:.3f}", f"{seconds * 1000 / count:.6f}", str(count)]
            admitted, number = redis.eval(limits._SCRIPT, 1, "key", *arguments)
            assert bool(admitted) == expected.admitted
            said = expected.due_ms - now if expected.admitted else expected.wait_ms
            assert float(number) == pytest.approx(said, abs=1.0)
            # Redis would forget the key by its own clock, which does not move here.
            redis.persist("key")
