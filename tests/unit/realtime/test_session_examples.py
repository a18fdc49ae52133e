"""`realtime.session`: what each rule of Phoenix's socket.ex says, word for word."""

import pytest

from realtime.message import Message, Reply
from realtime.session import Command, Deliver, End, Leave, Send, Session, Start

JOIN = Message("1", "1", "room:1", "phx_join", {"as": "ada"})
AGAIN = Message("5", "5", "room:1", "phx_join", {})
BARE = Message(None, "9", "room:1", "phx_join", {})
SAY = Message("1", "2", "room:1", "say", {"text": "hi"})
LEAVE = Message("1", "3", "room:1", "phx_leave", {})


def answer(message: Message, status: str = "ok", **response: str) -> Send:
    return Send(Reply(message.join_ref, message.ref, message.topic, status, response))


def unjoined(message: Message, reason: str) -> Send:
    return Send(Reply(None, message.ref, message.topic, "error", {"reason": reason}))


def over(event: str, join_ref: str, **payload: str) -> Send:
    return Send(Message(join_ref, join_ref, "room:1", event, payload))


def session(*joins: Message, limit: int = 1) -> Session:
    """A session in which these joins were answered ok, keys 1, 2, …"""
    session = Session(lambda topic: topic.startswith("room:"), limit=limit)
    for key, join in enumerate(joins, 1):
        session.receive(join)
        session.answered(key, "ok", {})
    return session


@pytest.mark.parametrize(
    ("joins", "message", "commands"),
    [
        # Topic phoenix: a heartbeat is answered whatever the state, its join_ref always null.
        ([], beat := Message("1", "7", "phoenix", "heartbeat", {}), [
            Send(Reply(None, "7", "phoenix", "ok", {}))]),
        ([], other := Message(None, "7", "phoenix", "say", {}), [
            unjoined(other, "unmatched topic")]),
        ([], Message(None, "7", "room:1", "heartbeat", {}), [
            unjoined(Message(None, "7", "room:1", "heartbeat", {}), "unmatched topic")]),
        # A join with a route starts a channel; without one the refusal has a null join_ref.
        ([], JOIN, [Start(1, "1", JOIN)]),
        ([], away := Message("1", "1", "attic", "phx_join", {}), [
            unjoined(away, "unmatched topic")]),
        # Too many: the refusal echoes the join_ref.
        ([JOIN], more := Message("2", "2", "room:2", "phx_join", {}), [
            answer(more, "error", reason="too many channels joined")]),
        # What is kept for as long as the channel is there is short.
        ([], long := Message("1", "1", "room:" + "x" * 251, "phx_join", {}), [
            answer(long, "error", reason="too long a name")]),
        ([], long := Message("1" * 256, "1", "room:1", "phx_join", {}), [
            answer(long, "error", reason="too long a name")]),
        ([], long := Message("1" * 255, "1" * 255, "room:" + "x" * 250, "phx_join", {}), [
            Start(1, "1" * 255, long)]),
        ([], deep := Message(None, {"a": 1}, "room:1", "phx_join", {}), [
            answer(deep, "error", reason="too long a name")]),
        # A duplicate join ends the old channel, the limit notwithstanding.
        ([JOIN], AGAIN, [End(1, "duplicate_join"), Start(2, "5", AGAIN)]),
        # A message goes to its channel with an equal join_ref or none at all.
        ([JOIN], SAY, [Deliver(1, SAY)]),
        ([JOIN], bare := Message(None, "2", "room:1", "say", {}), [Deliver(1, bare)]),
        # A stale one is ignored, and so is a stale leave.
        ([JOIN, AGAIN], SAY, []),
        ([JOIN, AGAIN], LEAVE, []),
        # 1 is not "1", and neither is the empty join_ref of a binary frame.
        ([JOIN], Message(1, "2", "room:1", "say", {}), []),
        ([JOIN], Message("", "2", "room:1", "say", {}), []),
        # Not joined: the refusal has a null join_ref.
        ([], SAY, [unjoined(SAY, "unmatched topic")]),
        # Leaving goes through the inbox; not joined, it is idempotent.
        ([JOIN], LEAVE, [Leave(1)]),
        ([JOIN], Message(None, "3", "room:1", "phx_leave", {}), [Leave(1)]),
        ([], LEAVE, [answer(LEAVE)]),
        # A join without join_ref signs with its ref but is found by null only.
        ([], BARE, [Start(1, "9", BARE)]),
        ([BARE], Message("9", "10", "room:1", "say", {}), []),
    ],
)  # fmt: skip
def test_receive(joins: list[Message], message: Message, commands: list[Command]) -> None:
    joined = session(*joins)
    # The short way of what most messages are says the same.
    delivered = [command.key for command in commands if isinstance(command, Deliver)]
    assert joined.addressee(message) == (delivered[0] if delivered else 0)
    assert joined.receive(message) == commands


def test_the_new_joins_answer_comes_before_the_close_of_the_old() -> None:
    joined = session(JOIN)
    joined.receive(AGAIN)
    assert joined.answered(2, "ok", {"a": 1}) == [
        Send(Reply("5", "5", "room:1", "ok", {"a": 1})),
        over("phx_close", "1"),
    ]


def test_the_old_channel_is_gone_even_if_the_new_join_is_refused() -> None:
    joined = session(JOIN)
    joined.receive(AGAIN)
    assert joined.answered(2, "error", {"reason": "no"}) == [
        answer(AGAIN, "error", reason="no"),
        over("phx_close", "1"),
    ]
    assert joined.receive(SAY) == [unjoined(SAY, "unmatched topic")]


def test_a_join_overtaken_by_another_is_closed_after_its_answer() -> None:
    third = Message("7", "7", "room:1", "phx_join", {})
    joined = session(JOIN)
    joined.receive(AGAIN)
    assert joined.receive(third) == [End(2, "duplicate_join"), Start(3, "7", third)]
    assert joined.answered(2, "ok", {}) == []
    assert joined.answered(3, "ok", {}) == [
        answer(third),
        over("phx_close", "1"),
        over("phx_close", "5"),
    ]


def test_leaving_is_answered_before_the_close() -> None:
    joined = session(JOIN)
    joined.receive(LEAVE)
    assert joined.left(1) == [answer(LEAVE), over("phx_close", "1")]
    assert joined.left(1) == []
    assert joined.receive(SAY) == [unjoined(SAY, "unmatched topic")]


def test_a_channel_being_left_hears_nothing_more() -> None:
    joined = session(JOIN)
    joined.receive(LEAVE)
    assert joined.receive(SAY) == []
    assert joined.receive(LEAVE) == [answer(LEAVE)]


def test_a_join_right_behind_a_leave() -> None:
    joined = session(JOIN)
    joined.receive(LEAVE)
    assert joined.receive(AGAIN) == [
        End(1, "duplicate_join"),
        answer(LEAVE),
        Start(2, "5", AGAIN),
    ]
    assert joined.answered(2, "ok", {}) == [answer(AGAIN), over("phx_close", "1")]


def test_leaving_during_a_join_gives_it_up_without_an_answer() -> None:
    joined = Session(lambda _: True)
    joined.receive(JOIN)
    assert joined.receive(LEAVE) == [End(1, "left"), answer(LEAVE), over("phx_close", "1")]
    assert joined.answered(1, "ok", {}) == []


def test_leaving_during_a_rejoin_tells_of_the_old_channel_too() -> None:
    joined = session(JOIN)
    joined.receive(AGAIN)
    leave = Message("5", "6", "room:1", "phx_leave", {})
    assert joined.receive(leave) == [
        End(2, "left"),
        answer(leave),
        over("phx_close", "5"),
        over("phx_close", "1"),
    ]


def test_a_message_during_a_join_waits_behind_it() -> None:
    joined = Session(lambda _: True)
    joined.receive(JOIN)
    assert joined.receive(SAY) == [Deliver(1, SAY)]


@pytest.mark.parametrize(
    ("crashed", "told"),
    [
        (False, over("phx_close", "1")),
        (True, over("phx_error", "1", reason="channel_crash")),
    ],
)
def test_an_end_is_told_once(crashed: bool, told: Send) -> None:
    joined = session(JOIN)
    assert joined.ended(1, crashed=crashed) == [told]
    assert joined.ended(1, crashed=crashed) == []
    assert len(joined) == 0


def test_the_end_of_a_replaced_channel_is_not_told() -> None:
    assert session(JOIN, AGAIN).ended(1, crashed=True) == []


def test_a_refused_join_frees_its_topic() -> None:
    joined = Session(lambda _: True)
    joined.receive(JOIN)
    assert joined.answered(1, "error", {}) == [answer(JOIN, "error")]
    assert joined.receive(AGAIN) == [Start(2, "5", AGAIN)]


def test_a_client_may_join_a_hundred_channels_unless_told_otherwise() -> None:
    joined = Session(lambda _: True)
    joins = [Message(str(n), str(n), f"room:{n}", "phx_join", {}) for n in range(101)]
    *started, refused = [joined.receive(join)[0] for join in joins]
    assert all(isinstance(command, Start) for command in started)
    assert refused == answer(joins[-1], "error", reason="too many channels joined")


def test_a_channel_being_left_is_nobodys_addressee() -> None:
    joined = session(JOIN)
    assert joined.addressee(SAY) == 1
    joined.receive(LEAVE)
    assert joined.addressee(SAY) == 0


def test_nobody_joins_the_topic_of_heartbeats() -> None:
    open_to_all = Session(lambda _: True)
    join = Message("1", "1", "phoenix", "phx_join", {})
    assert open_to_all.receive(join) == [unjoined(join, "unmatched topic")]


def test_the_topics_that_are_joined() -> None:
    joined = session(JOIN)
    assert joined.topics() == ["room:1"]
    assert len(joined) == 1
    joined.receive(LEAVE)
    joined.left(1)
    assert joined.topics() == []


def test_a_left_channel_that_is_joined_again_is_closed_but_once() -> None:
    joined = session(JOIN)
    joined.receive(LEAVE)
    joined.receive(AGAIN)
    assert joined.left(1) == []
    assert joined.ended(1, crashed=True) == []
    assert joined.answered(2, "ok", {}) == [answer(AGAIN), over("phx_close", "1")]


def test_a_join_is_nobodys_message_even_under_the_refs_of_the_last() -> None:
    assert session(JOIN).addressee(Message("1", "9", "room:1", "phx_join", {})) == 0


def test_a_channel_signs_with_the_join_ref_where_it_differs_from_the_ref() -> None:
    join = Message("1", "2", "room:1", "phx_join", {})
    assert session().receive(join) == [Start(1, "1", join)]
