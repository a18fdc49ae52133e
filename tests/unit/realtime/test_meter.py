"""Rates: buckets, who shares them, and what a client hears that asks for too much."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import Limits, Rate, Rates
from realtime.close import OVER_RATE
from realtime.message import Message
from realtime.meter import Meters
from realtime.rates import Bucket
from realtime.telemetry import RateLimited
from realtime.testing import connect
from tests.unit.realtime.rooms import serving, told_of

SAY = Message("1", "2", "room:1", "say", {})
JOIN = Message("1", "1", "room:1", "phx_join", {})


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(Rate(per_s=2.0, burst=3.0))
    assert [bucket.take(1, 10.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert bucket.take(1, 10.25) == 0.25
    assert bucket.take(1, 10.5) == 0
    assert bucket.take(1, 10.5) == 0.5
    assert [bucket.take(1, 99.0) for _ in range(4)] == [0, 0, 0, 0.5]


def test_more_than_the_burst_is_given_by_a_full_bucket() -> None:
    bucket = Bucket(Rate(per_s=1.0, burst=2.0))
    assert bucket.take(10, 0.0) == 0
    assert bucket.take(1, 0.0) == 9
    assert bucket.take(1, 9.0) == 0


@pytest.mark.parametrize(("per_s", "burst"), [(0, 1), (1, 0), (-1, 1)])
def test_a_rate_is_more_than_nothing(per_s: float, burst: float) -> None:
    with pytest.raises(ValueError, match="more than nothing"):
        Rate(per_s, burst)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 4)), max_size=40),
    st.floats(0.1, 10),
    st.floats(0.1, 10),
)
def test_never_more_than_burst_and_rate_together(
    asked: list[tuple[float, float]], per_s: float, burst: float
) -> None:
    bucket, now, given_out = Bucket(Rate(per_s, burst)), 0.0, 0.0
    for pause, amount in asked:
        now += pause
        if bucket.take(amount, now) == 0:
            given_out += amount
    # The last one given may have been larger than what was left of the burst.
    assert given_out <= burst + per_s * now + max((amount for _, amount in asked), default=0)


def test_no_rates_no_meter() -> None:
    assert Meters(Limits()).of("ada", "10.0.0.1") is None
    assert Meters(Limits(user_rates=Rates())).of(None, "10.0.0.1") is None


def test_users_and_addresses_share_and_keep_their_buckets() -> None:
    one = Rates(pushes=Rate(1.0, 1.0))
    meters = Meters(Limits(user_rates=one, address_rates=Rates(joins=Rate(1.0, 1.0))))
    first, second = meters.of("ada", "10.0.0.1"), meters.of("ada", "10.0.0.2")
    assert first is not None
    assert second is not None
    assert first.ask(SAY, 1, 0.0) is None
    refusal = second.ask(SAY, 1, 0.0)
    assert refusal is not None
    assert (refusal.scope, refusal.kind, refusal.retry_after_s) == ("user", "pushes", 1.0)
    assert (refusal.warns, refusal.closes, refusal.binding) == (True, False, True)
    assert second.ask(JOIN, 1, 0.0) is None
    refusal = second.ask(JOIN, 1, 0.0)
    assert refusal is not None
    assert (refusal.scope, refusal.kind) == ("address", "joins")
    assert len(meters) == 3
    for meter in (first, second):
        meter.release()
    again = meters.of("ada", None)  # coming back is no way to a full bucket
    assert again is not None
    assert again.ask(SAY, 1, 0.0) is not None


def test_what_nobody_holds_is_kept_within_a_bound() -> None:
    one = Rates(pushes=Rate(1.0, 1.0))
    meters = Meters(Limits(socket_rates=one, user_rates=one))
    held = meters.of("kept", None)
    for number in range(10_100):
        meter = meters.of(f"user{number}", None)
        assert meter is not None
        meter.release()
    assert len(meters) == 10_001
    assert held is not None
    held.release()
    assert len(meters) == 10_000


def test_what_somebody_holds_is_never_forgotten() -> None:
    meters = Meters(Limits(user_rates=Rates(pushes=Rate(0.001, 1.0))))

    def pass_by(name: str) -> None:
        meter = meters.of(name, None)
        assert meter is not None
        meter.release()

    both = [meters.of("ada", None), meters.of("ada", None)]
    pass_by("grace")
    back = meters.of("grace", None)  # from among those that nobody held
    for meter in (both[0], back):
        assert meter is not None
        assert meter.ask(SAY, 1, 0.0) is None
    assert both[1] is not None
    both[1].release()
    for number in range(10_100):
        pass_by(f"user{number}")
    for name in ("ada", "grace"):
        meter = meters.of(name, None)
        assert meter is not None
        assert meter.ask(SAY, 1, 0.0) is not None


def test_heartbeats_and_leaves_are_counted_in_bytes_and_let_through() -> None:
    meter = Meters(Limits(socket_rates=Rates(pushes=Rate(1, 1), bytes=Rate(10, 20)))).of(None, None)
    assert meter is not None
    beat = Message(None, "1", "phoenix", "heartbeat", {})
    leave = Message("1", "1", "room:1", "phx_leave", {})
    for _ in range(2):
        assert meter.ask(beat, 5, 0.0) is None
        assert meter.ask(leave, 5, 0.0) is None
    refusal = meter.ask(beat, 5, 0.0)
    assert refusal is not None
    assert (refusal.kind, refusal.binding) == ("bytes", False)


async def test_too_much_is_refused_warned_of_once_and_then_closed() -> None:
    rates: dict[str, Any] = {
        "socket_rates": Rates(pushes=Rate(1.0, 2.0), joins=Rate(1.0, 1.0)),
        "refusals": Rate(0.001, 4.0),
    }
    async with serving(**rates) as (endpoint, told):
        client = await connect(endpoint)
        assert (await client.join("room:1")).ok
        refused = await client.join("room:2")
        assert refused.response == {"reason": "rate_limited", "retry_after_ms": 1000}
        warning = await client.receive("rate_limited")
        about = {"scope": "socket", "kind": "joins"}
        assert (warning.topic, warning.payload) == ("room:2", {**refused.response, **about})
        assert [(await client.request("room:1", "ping")).ok for _ in range(4)] == [1, 1, 0, 0]
        warnings = [message.topic for message in client.received]
        assert warnings == ["room:1"]  # of two refusals in a row one
        # A heartbeat is answered whatever else is refused.
        client.send(Message(None, "h", "phoenix", "heartbeat", {}))
        assert (await client.reply("h")).ok
        # A message without a ref is refused in silence, and one too many closes.
        client.send(Message("1", None, "room:1", "ping", {}))
        assert client.closed is None
        client.push("room:1", "ping")
        assert (await client.wait_closed()).code == OVER_RATE.code
        outcomes = [(event.kind, event.outcome) for event in told_of(told, RateLimited)]
        assert outcomes == [
            ("joins", "refused"),
            *[("pushes", "refused")] * 3,
            ("pushes", "closed"),
        ]


async def test_patience_comes_back_and_so_does_the_rate() -> None:
    async with serving(socket_rates=Rates(pushes=Rate(0.5, 1.0))) as (endpoint, _):
        client = await connect(endpoint)
        await client.join("room:1")
        assert (await client.request("room:1", "ping")).ok
        assert not (await client.request("room:1", "ping")).ok
        await client.refute("ping", within=2.0)
        assert (await client.request("room:1", "ping")).ok


async def test_a_heartbeat_flood_is_closed_too() -> None:
    rates = {"socket_rates": Rates(bytes=Rate(1.0, 100.0)), "refusals": Rate(0.001, 3.0)}
    async with serving(**rates) as (endpoint, told):
        client = await connect(endpoint)
        while client.closed is None:
            client.send(Message(None, "h", "phoenix", "heartbeat", {}))
        assert client.closed.code == 1008
        assert [event.outcome for event in told_of(told, RateLimited)] == ["closed"]
        assert len(endpoint.node.connections) == 0


def test_presence_is_counted_apart_and_warned_of_once_in_a_row() -> None:
    meters = Meters(Limits(user_rates=Rates(presence=Rate(1.0, 1.0)), refusals=Rate(0.001, 3.0)))
    meter = meters.of("ada", "10.0.0.1")
    assert meter is not None
    assert meter.be_present(0.0) is None
    refusals = [meter.be_present(0.25) for _ in range(4)]
    assert [refusal and refusal.warns for refusal in refusals] == [True, False, False, False]
    assert [refusal and refusal.closes for refusal in refusals] == [False, False, False, True]
    first = refusals[0]
    assert first is not None
    assert (first.scope, first.kind, first.retry_after_s) == ("user", "presence", 0.75)
    assert first.binding
    assert meter.ask(SAY, 1, 0.25) is None  # messages have nothing to do with it
    again = meter.be_present(0.5)
    assert again is not None
    assert not again.warns
    assert meter.be_present(1.0) is None
    once_more = meter.be_present(1.0)
    assert once_more is not None
    assert once_more.warns


def test_without_a_rate_of_presence_nobody_is_counted() -> None:
    meter = Meters(Limits(socket_rates=Rates(pushes=Rate(1.0, 1.0)))).of(None, None)
    assert meter is not None
    assert [meter.be_present(0.0) for _ in range(3)] == [None] * 3


def test_each_class_has_a_bucket_of_its_own() -> None:
    rates = Rates(joins=Rate(1, 1), pushes=Rate(1, 2), presence=Rate(1, 3), bytes=Rate(1, 4))
    meters = Meters(Limits(user_rates=rates))
    meter = meters.of("ada", None)
    assert meter is not None
    assert meters.names() == [("user", "ada")]
    bursts = {kind: bucket.burst_s for kind, bucket in meters.buckets("user", "ada").items()}
    assert bursts == {"joins": 1, "pushes": 2, "presence": 3, "bytes": 4}
    assert meters.buckets("user", "bob") == {}


def test_a_bucket_may_give_out_a_part() -> None:
    bucket = Bucket(Rate(per_s=4.0, burst=8.0))
    assert bucket.is_full(0.0)
    bucket.scale(0.5)
    assert bucket.take(4.0, 0.0) == 0
    assert not bucket.is_full(1.9)
    assert bucket.is_full(2.0)
    assert bucket.take(1.0, 0.0) == 0.5
    bucket.scale(1.0)
    assert bucket.take(1.0, 0.0) == 0.25


def test_a_lot_is_given_by_all_buckets_of_a_kind_or_by_none() -> None:
    wide, narrow = Rates(pushes=Rate(10, 40)), Rates(pushes=Rate(10, 20), bytes=Rate(100, 1_000))
    meters = Meters(Limits(user_rates=narrow, address_rates=wide))
    meter = meters.of("ada", "10.0.0.1")
    assert meter is not None
    user, address = meters.buckets("user", "ada"), meters.buckets("address", "10.0.0.1")
    assert meter.lot("pushes", 10, 0.0)  # half of what the narrower one holds
    assert (user["pushes"].full_at, address["pushes"].full_at) == (1.0, 1.0)
    assert not meter.lot("pushes", 10, 0.5)
    assert (user["pushes"].full_at, address["pushes"].full_at) == (1.0, 1.0)
    assert meter.lot("pushes", 10, 1.0)
    assert meter.lot("pushes", 10, 50.0)
    assert user["pushes"].full_at == 51.0
    assert user["bytes"].full_at == 0.0
    assert not meter.lot("bytes", 501, 0.0)
    assert meter.lot("bytes", 500, 0.0)
    assert user["bytes"].full_at == 5.0


def test_a_lot_ends_a_row_of_refusals() -> None:
    meters = Meters(Limits(user_rates=Rates(pushes=Rate(1, 2))))
    meter = meters.of("ada", None)
    assert meter is not None
    assert meter.push(1, 0.0) is meter.push(1, 0.0) is None
    warned = []
    for now in (0.0, 0.0, 1.5):
        if now:
            assert meter.lot("pushes", 0.25, now)
        refusals = [meter.push(1, now) for _ in range(3)]
        refusal = next(filter(None, refusals))
        assert (refusal.kind, refusal.scope, refusal.binding) == ("pushes", "user", True)
        warned.append(refusal.warns)
    assert warned == [True, False, True]


def test_patience_that_comes_back_quickly_closes_all_the_same() -> None:
    few = Rates(pushes=Rate(1, 1), presence=Rate(1, 1))
    for count in ("push", "be_present"):
        meters = Meters(Limits(user_rates=few, refusals=Rate(2.0, 1.0)))
        meter = meters.of("ada", None)
        assert meter is not None
        closes = [
            refusal and refusal.closes
            for refusal in (
                meter.push(1, 0.0) if count == "push" else meter.be_present(0.0) for _ in range(3)
            )
        ]
        assert closes == [None, False, True]


def test_whose_first_presence_is_too_much_is_warned() -> None:
    meters = Meters(Limits(user_rates=Rates(presence=Rate(1, 1))))
    one, other = meters.of("ada", None), meters.of("ada", None)
    assert one is not None
    assert other is not None
    assert one.be_present(0.0) is None
    refusal = other.be_present(0.0)
    assert refusal is not None
    assert refusal.warns
