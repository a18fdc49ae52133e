"""Channels as their clients see them: each test quotes the rule that it shows."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from msgspec import Raw

from realtime import ConnectRefused, Ok, SocketRef
from realtime.message import Message
from realtime.telemetry import (
    ChannelCrashed,
    Handled,
    InboxOverflowed,
    Joined,
    MalformedReceived,
    SocketClosed,
    SocketOpened,
    SocketRefused,
)
from realtime.testing import Client, Closed, connect
from tests.unit.realtime.rooms import Room, serving, told_of


async def joined(endpoint: Any, topic: str = "room:1", **params: Any) -> Client:
    client = await connect(endpoint)
    assert (await client.join(topic, params)).ok
    return client


def room_of(client: Client, topic: str = "room:1") -> Room:
    room = client.connection.socket.assigns["rooms"][topic]
    assert isinstance(room, Room)
    return room


# Joining.


async def test_a_join_is_answered_with_what_join_returned() -> None:
    async with serving() as (endpoint, told):
        client = await connect(endpoint)
        reply = await client.join("room:1", {"a": 1})
        assert (reply.status, reply.response) == ("ok", {"joined": {"a": 1}})
        assert (await client.join("room:2")).response == {}
        assert told_of(told, Joined)[0] == Joined("room:*", "ok", 0.0)


async def test_a_join_may_be_answered_with_bytes() -> None:
    async with serving() as (endpoint, _):
        client = await connect(endpoint)
        assert (await client.join("room:1", {"bytes": True})).response == b"\x00\x01"


async def test_a_refused_join_says_why_and_leaves_the_topic_free() -> None:
    async with serving() as (endpoint, told):
        client = await connect(endpoint)
        reply = await client.join("room:1", {"refuse": "not_allowed"})
        assert reply.status == "error"
        assert reply.response == {"reason": "not_allowed", "hint": 1}
        assert told_of(told, Joined)[0].outcome == "refused"
        assert (await client.join("room:1")).ok
        assert Room.ended == []  # terminate is for joins that were answered ok


@pytest.mark.parametrize("params", [{"crash": 1}, {"unspeakable": 1}, {"push_unspeakable": 1}])
async def test_a_crashed_join_is_told_as_such(params: dict[str, Any]) -> None:
    async with serving() as (endpoint, told):
        client = await connect(endpoint)
        reply = await client.join("room:1", params)
        assert (reply.status, reply.response) == ("error", {"reason": "join crashed"})
        assert told_of(told, Joined)[0].outcome == "crashed"
        assert told_of(told, ChannelCrashed)[0].callback == "join"


async def test_a_channel_that_cannot_be_made_is_a_crashed_join() -> None:
    async with serving() as (endpoint, told):
        client = await connect(endpoint)
        assert (await client.join("unmakeable")).response == {"reason": "join crashed"}
        assert told_of(told, ChannelCrashed)[0].callback == "join"
        await client.close()
        assert len(endpoint.node.fanout) == 0


async def test_an_answer_that_this_client_cannot_be_sent_is_a_crashed_join() -> None:
    async with serving() as (endpoint, _):
        client = await connect(endpoint, vsn="1.0.0")
        assert (await client.join("room:1", {"bytes": 1})).response == {"reason": "join crashed"}
        assert (await client.join("room:1")).ok


async def test_a_join_that_takes_too_long_is_answered_before_the_client_gives_up() -> None:
    async with serving(join_timeout_s=8) as (endpoint, told):
        client = await connect(endpoint)
        reply = await client.join("room:1", {"slow": 100})
        assert (reply.status, reply.response) == ("error", {"reason": "join timeout"})
        assert told_of(told, Joined)[0].seconds == pytest.approx(8)


async def test_heartbeats_and_other_topics_are_answered_during_a_slow_join() -> None:
    async with serving() as (endpoint, _):
        client = await connect(endpoint)
        slow = asyncio.create_task(client.join("room:1", {"slow": 5}))
        await asyncio.sleep(1)
        ref = client.push("phoenix", "heartbeat")
        assert (await client.reply(ref, timeout=0.1)).ok
        assert (await client.join("room:2", timeout=0.1)).ok
        assert not slow.done()
        assert (await slow).ok


async def test_what_is_pushed_or_broadcast_during_a_join_follows_its_answer() -> None:
    async with serving() as (endpoint, _):
        client = await connect(endpoint)
        join = asyncio.create_task(client.join("room:1", {"slow": 5}))
        await asyncio.sleep(1)
        await endpoint.broadcast("room:1", "news", {"n": 1})
        await client.refute(within=3)
        await join
        await endpoint.broadcast("room:1", "news", {"n": 2})
        assert [(await client.receive("news")).payload["n"] for _ in range(2)] == [1, 2]
        await client.refute("news")


async def test_nothing_of_a_topic_reaches_a_client_that_was_refused() -> None:
    async with serving() as (endpoint, _):
        client = await connect(endpoint)
        join = asyncio.create_task(client.join("room:1", {"refuse": "no"}))
        await endpoint.broadcast("room:1", "secret", {})
        assert not (await join).ok
        await endpoint.broadcast("room:1", "secret", {})
        await client.refute()


async def test_pushes_and_infos_of_a_join_come_after_its_answer() -> None:
    async with serving() as (endpoint, _):
        client = await connect(endpoint)
        client.send(Message("1", "1", "room:1", "phx_join", {"push": "early"}))
        await asyncio.sleep(0.1)
        events = [message.event for message in client.received]
        assert events == ["phx_reply", "early", "info"]


async def test_a_second_join_answers_first_and_then_closes_the_first() -> None:
    async with serving() as (endpoint, _):
        client = await connect(endpoint)
        client.send(Message("1", "1", "room:1", "phx_join", {}))
        client.send(Message("2", "2", "room:1", "phx_join", {}))
        await asyncio.sleep(0.1)
        client.send(Message("3", "3", "room:1", "phx_join", {}))
        await asyncio.sleep(0.1)
        seen = [(m.join_ref, m.event) for m in client.received]
        assert seen == [
            ("2", "phx_reply"),
            ("1", "phx_close"),
            ("3", "phx_reply"),
            ("2", "phx_close"),
        ]
        assert Room.ended == [("room:1", "duplicate_join")]  # the first was never answered
        await endpoint.broadcast("room:1", "news", {})
        await client.receive("news")
        await client.refute("news")


async def test_topics_without_a_channel() -> None:
    async with serving() as (endpoint, _):
        client = await connect(endpoint)
        reply = await client.join("attic")
        assert (reply.status, reply.response) == ("error", {"reason": "unmatched topic"})


async def test_no_more_channels_than_the_limit() -> None:
    async with serving(max_channels=1) as (endpoint, _):
        client = await joined(endpoint)
        reply = await client.join("room:2")
        assert reply.response == {"reason": "too many channels joined"}


# Messages.


async def test_replies() -> None:
    async with serving() as (endpoint, told):
        client = await joined(endpoint)
        assert (await client.request("room:1", "ping", {"x": 1})).response == {"x": 1}
        assert (await client.request("room:1", "ping", b"\x01")).response == b"\x01"
        error = await client.request("room:1", "error", {"why": 1})
        assert (error.status, error.response) == ("error", {"why": 1})
        refused = await client.request("room:1", "refuse", {"more": 2})
        assert refused.response == {"reason": "not_now", "more": 2}
        unknown = await client.request("room:1", "whatever")
        assert unknown.response == {"reason": "unknown_event", "event": "whatever"}
        client.push("room:1", "quiet")
        await client.refute("phx_reply")
        outcomes = Counter(
            (h.event, h.outcome) for h in told_of(told, Handled) for _ in range(h.count)
        )
        assert outcomes == {
            ("ping", "ok"): 2,
            ("error", "refused"): 1,
            ("refuse", "refused"): 1,
            ("whatever", "refused"): 1,
            ("quiet", "ok"): 1,
        }


async def test_a_reply_is_signed_with_the_channels_join_ref() -> None:
    async with serving() as (endpoint, _):
        client = await joined(endpoint)
        client.send(Message(None, "77", "room:1", "ping", {}))
        await asyncio.sleep(0.1)
        (reply,) = client.received
        assert (reply.join_ref, reply.ref) == ("1", "77")


async def test_a_message_without_a_ref_is_handled_and_not_answered() -> None:
    async with serving() as (endpoint, told):
        client = await joined(endpoint)
        client.send(Message("1", None, "room:1", "ping", {}))
        await asyncio.sleep(0.1)
        assert client.received == []
        assert len(told_of(told, Handled)) == 1


async def test_messages_of_a_channel_are_handled_in_order_and_channels_do_not_wait() -> None:
    async with serving() as (endpoint, _):
        client = await joined(endpoint)
        await client.join("room:2")
        slow = client.push("room:1", "slow", {"seconds": 5})
        behind = client.push("room:1", "ping")
        beside = client.push("room:2", "ping")
        assert (await client.reply(beside, timeout=1)).ok
        assert (await client.reply(behind)).ok
        assert (await client.reply(slow, timeout=0)).ok


async def test_an_answer_may_come_later() -> None:
    async with serving() as (endpoint, _):
        client = await joined(endpoint)
        asked = client.push("room:1", "ask")
        await client.refute("phx_reply")
        client.push("room:1", "answer", {"after": "all"})
        assert (await client.reply(asked)).response == {"after": "all"}
        with pytest.raises(RuntimeError, match="inside handle_in"):
            room_of(client).socket_ref()


async def test_infos_share_the_inbox() -> None:
    async with serving() as (endpoint, _):
        client = await joined(endpoint)
        room_of(client).send_info(1)
        room_of(client).send_info(2)
        await client.request("room:1", "ping")
        assert room_of(client).infos == [1, 2]


# Ends.


async def test_leaving_answers_then_closes_and_is_idempotent() -> None:
    async with serving() as (endpoint, _):
        client = await joined(endpoint)
        slow = client.push("room:1", "slow", {"seconds": 1})
        leave = client.push("room:1", "phx_leave")
        await asyncio.sleep(2)
        seen = [(m.ref, m.event) for m in client.received]
        assert seen == [(slow, "phx_reply"), (leave, "phx_reply"), ("1", "phx_close")]
        assert Room.ended == [("room:1", "left")]
        assert (await client.leave("room:1")).ok
        assert (await client.request("room:1", "ping")).response == {"reason": "unmatched topic"}
        await endpoint.broadcast("room:1", "news", {})
        await client.refute("news")


async def test_leaving_during_a_join_ends_it() -> None:
    async with serving() as (endpoint, told):
        client = await connect(endpoint)
        client.send(Message("1", "1", "room:1", "phx_join", {"slow": 5}))
        await asyncio.sleep(1)
        client.send(Message("1", "2", "room:1", "phx_leave", {}))
        await asyncio.sleep(10)
        assert [(m.ref, m.event) for m in client.received] == [
            ("2", "phx_reply"),
            ("1", "phx_close"),
        ]
        assert told_of(told, Joined)[0].outcome == "abandoned"


@pytest.mark.parametrize("how", ["handle_in", "handle_info"])
async def test_a_crash_is_phx_error_and_hurts_nobody_else(how: str) -> None:
    async with serving() as (endpoint, told):
        client, other = await joined(endpoint), await joined(endpoint)
        await client.join("room:2")
        if how == "handle_in":
            client.push("room:1", "crash")
        else:
            room_of(client).send_info("crash")
        error = await client.receive("phx_error")
        assert error == Message("1", "1", "room:1", "phx_error", {"reason": "channel_crash"})
        assert told_of(told, ChannelCrashed)[0].callback == how
        assert Room.ended == [("room:1", "crashed")]
        assert (await client.request("room:1", "ping")).response == {"reason": "unmatched topic"}
        assert (await client.request("room:2", "ping")).ok
        assert (await other.request("room:1", "ping")).ok
        assert (await client.join("room:1")).ok


@pytest.mark.parametrize(
    ("reason", "event"),
    [
        ("normal", "phx_close"),
        ("shutdown", "phx_close"),
        ("shutdown:moved", "phx_close"),
        ("badly", "phx_error"),
    ],
)
async def test_a_stop_answers_first_and_its_reason_decides(reason: str, event: str) -> None:
    async with serving() as (endpoint, _):
        client = await joined(endpoint)
        ref = client.push("room:1", "stop", {"reason": reason})
        await asyncio.sleep(0.1)
        assert [(m.ref, m.event) for m in client.received] == [(ref, "phx_reply"), ("1", event)]
        assert Room.ended == [("room:1", reason)]


async def test_a_channel_may_stop_itself() -> None:
    async with serving() as (endpoint, _):
        client = await joined(endpoint)
        client.push("room:1", "stop_later")
        await client.receive("phx_close")


async def test_a_client_that_goes_away_ends_its_channels() -> None:
    async with serving() as (endpoint, told):
        client = await joined(endpoint)
        await client.join("room:2")
        await client.close(1001)
        await asyncio.sleep(0.1)
        assert sorted(Room.ended) == [("room:1", "closed"), ("room:2", "closed")]
        assert told_of(told, SocketClosed)[0].code == 1001
        assert len(endpoint.node.fanout) == 0
        assert endpoint.node.connections == {}


async def test_a_handler_at_work_may_finish_when_its_client_goes_but_not_for_ever() -> None:
    async with serving(shutdown_timeout_s=5) as (endpoint, _):
        client = await joined(endpoint)
        await client.join("room:2")
        client.push("room:1", "slow", {"seconds": 3})
        client.push("room:2", "slow", {"seconds": 1000})
        await asyncio.sleep(1)
        await client.close()
        await asyncio.sleep(3)
        assert Room.ended == [("room:1", "closed")]
        await asyncio.sleep(3)
        assert Room.ended == [("room:1", "closed"), ("room:2", "closed")]


async def test_an_end_that_hangs_or_breaks_is_cut_short() -> None:
    async with serving() as (endpoint, told):
        for topic in ("room:hangs", "room:breaks"):
            client = await joined(endpoint, topic)
            await client.close()
        await asyncio.sleep(10)
        crashes = told_of(told, ChannelCrashed)
        assert [crash.callback for crash in crashes] == ["terminate", "terminate"]


async def test_a_channel_over_is_deaf_and_dumb() -> None:
    async with serving() as (endpoint, _):
        client = await joined(endpoint)
        room = room_of(client)
        await client.leave("room:1")
        client.received.clear()
        room.push("late", {})
        room.send_info("late")
        room.reply(SocketRef("9"), Ok())
        await client.refute()
        assert room.infos == []


async def test_a_channel_nobody_joined_cannot_push() -> None:
    async with serving() as (endpoint, _):
        client = await joined(endpoint)
        with pytest.raises(RuntimeError, match="not running"):
            Room(client.connection.socket, "room:9").push("e", {})


# Broadcasts.


async def test_a_broadcast_reaches_everyone_on_the_topic() -> None:
    async with serving() as (endpoint, _):
        one, other = await joined(endpoint), await joined(endpoint)
        elsewhere = await joined(endpoint, "room:2")
        one.push("room:1", "shout", {"a": 1})
        for client in (one, other):
            assert await client.receive() == Message(None, None, "room:1", "shout", {"a": 1})
        await elsewhere.refute()


async def test_broadcast_from_leaves_out_the_sender_alone() -> None:
    async with serving() as (endpoint, _):
        one, other = await joined(endpoint), await joined(endpoint)
        one.push("room:1", "others", {"a": 1})
        one.push("room:1", "shout", {"a": 2})
        assert [(await other.receive()).payload["a"] for _ in range(2)] == [1, 2]
        assert (await one.receive()).payload == {"a": 2}
        await one.refute()


async def test_pushes_and_replies_never_overtake_a_broadcast() -> None:
    async with serving() as (endpoint, _):
        client = await joined(endpoint)
        ref = client.push("room:1", "shout_and_push")
        await asyncio.sleep(0.1)
        seen = [(m.event, m.payload.get("n")) for m in client.received]
        assert seen[:6] == [(event, n) for n in range(3) for event in ("shout", "own")]
        assert client.received[6].ref == ref


async def test_intercepted_broadcasts_go_through_handle_out() -> None:
    async with serving() as (endpoint, told):
        client = await joined(endpoint, "censored")
        for word in ("good", "bad", "better"):
            await endpoint.broadcast("censored", "word", {"word": word})
        await endpoint.broadcast("censored", "plain", {"word": "bad"})
        assert (await client.receive("plain")).payload == {"word": "bad"}
        words = [(await client.receive("word")).payload["word"] for _ in range(2)]
        assert words == ["GOOD", "BETTER"]
        await client.refute("word")
        await endpoint.broadcast("censored", "word", Raw(b"not JSON"))
        await client.receive("phx_error")
        assert told_of(told, ChannelCrashed)[0].callback == "handle_out"


async def test_a_shared_frame_is_a_broadcast_to_chosen_channels() -> None:
    async with serving() as (endpoint, _):
        one, other = await joined(endpoint), await joined(endpoint)
        frame = endpoint.frame("room:1", "counters", {"items": []})
        room_of(one).push_frame(frame)
        assert await one.receive() == Message(None, None, "room:1", "counters", {"items": []})
        await other.refute()


# Bounds.


async def test_a_malformed_message_costs_itself_and_is_counted() -> None:
    async with serving() as (endpoint, told):
        client = await joined(endpoint)
        for data in ("nonsense", b"\x09", "[]"):
            client.send_raw(data)
        assert (await client.request("room:1", "ping")).ok
        assert len(told_of(told, MalformedReceived)) == 3


async def test_a_client_that_sends_nothing_but_nonsense_is_closed() -> None:
    async with serving(max_malformed=3) as (endpoint, _):
        client = await joined(endpoint)
        for _ in range(3):
            client.send_raw("nonsense")
        assert (await client.wait_closed()).code == 4010
        with pytest.raises(Closed):
            client.send_raw("more")


async def test_a_message_too_big_closes_with_1009() -> None:
    async with serving(max_frame_bytes=100) as (endpoint, _):
        client = await joined(endpoint)
        client.push("room:1", "ping", {"x": "y" * 100})
        assert (await client.wait_closed()).code == 1009


async def test_a_full_inbox_refuses_the_clients_messages() -> None:
    async with serving(inbox_size=2) as (endpoint, told):
        client = await joined(endpoint)
        client.push("room:1", "wait")
        await asyncio.sleep(0.1)
        refs = [client.push("room:1", "ping") for _ in range(3)]
        assert (await client.reply(refs[2])).response == {"reason": "overloaded"}
        assert told_of(told, InboxOverflowed) == [InboxOverflowed("room:*", "client")]
        room_of(client).gate.set()
        assert (await client.reply(refs[0])).ok
        assert (await client.reply(refs[1])).ok


async def test_a_channel_that_cannot_keep_up_with_its_infos_ends_with_phx_error() -> None:
    async with serving(inbox_size=2) as (endpoint, told):
        client = await joined(endpoint)
        for n in range(3):
            room_of(client).send_info(n)
        await client.receive("phx_error")
        assert told_of(told, InboxOverflowed) == [InboxOverflowed("room:*", "server")]
        assert Room.ended == [("room:1", "overloaded")]


async def test_a_join_that_too_much_is_broadcast_to_is_refused() -> None:
    async with serving(inbox_size=2) as (endpoint, _):
        client = await connect(endpoint)
        join = asyncio.create_task(client.join("room:1", {"slow": 5}))
        await asyncio.sleep(1)
        for _ in range(3):
            await endpoint.broadcast("room:1", "news", {})
        assert (await join).response == {"reason": "overloaded"}
        await client.refute()


async def test_silence_is_closed_and_heartbeats_are_life() -> None:
    async with serving(idle_timeout_s=60) as (endpoint, _):
        silent, alive = await joined(endpoint), await joined(endpoint)
        for _ in range(10):
            await asyncio.sleep(30)
            alive.push("phoenix", "heartbeat")
        assert silent.closed is not None
        assert silent.closed.code == 4009
        assert alive.closed is None


# Connecting.


async def test_a_refused_connect_says_its_status() -> None:
    async with serving() as (endpoint, told):
        with pytest.raises(ConnectRefused) as refused:
            await connect(endpoint, params={"status": "401"})
        assert refused.value.status == 401
        with pytest.raises(ConnectRefused):
            await connect(endpoint, vsn="2.1.0")
        assert [event.status for event in told_of(told, SocketRefused)] == [401, 403]


async def test_a_connect_that_takes_too_long_is_refused() -> None:
    async with serving(connect_timeout_s=8) as (endpoint, _):
        with pytest.raises(ConnectRefused) as refused:
            await connect(endpoint, params={"slow": "100"})
        assert refused.value.status == 503


async def test_a_socket_id_reaches_all_its_sockets_on_every_node() -> None:
    async with serving() as (endpoint, told):
        adas = [await connect(endpoint, params={"name": "ada"}) for _ in range(2)]
        bob = await connect(endpoint, params={"name": "bob"})
        assert len(told_of(told, SocketOpened)) == 3
        await endpoint.disconnect("guest:ada")
        for ada in adas:
            assert (await ada.wait_closed()).code == 1001
        assert bob.closed is None
        assert list(endpoint.node.by_id) == ["guest:bob"]


async def test_version_1_is_spoken_too() -> None:
    async with serving() as (endpoint, _):
        client = await connect(endpoint, vsn="1.0.0")
        assert (await client.join("room:1")).ok
        client.push("room:1", "shout", {"a": 1})
        assert await client.receive() == Message(None, None, "room:1", "shout", {"a": 1})
        await endpoint.broadcast("room:1", "bin", b"\x01")  # cannot be told to this client
        assert (await client.request("room:1", "ping", {"b": 2})).response == {"b": 2}
        await client.refute()
