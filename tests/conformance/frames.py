"""Rules 1.4 to 1.9: what frames look like, where they go, how channels come and go."""

import secrets
from typing import Any

from tests.conformance.rules import (
    BEAT,
    BOTH,
    HEARTBEAT,
    ROOM,
    UNMATCHED,
    WEBSOCKET,
    joined,
    reply,
    rule,
    says,
    says_no_more,
)
from tests.conformance.wire import Judge


def binary(join_ref: str, ref: str, event: str, data: bytes, topic: str = ROOM) -> bytes:
    """Write a client's binary push."""
    names = [name.encode() for name in (join_ref, ref, topic, event)]
    return b"".join((bytes((0, *map(len, names))), *names, data))


def fresh() -> str:
    """Name a topic that nobody else is on: the server may be one that others use."""
    return f"room:{secrets.token_hex(4)}"


@rule("1.4 a client's frame and the answer are arrays of five, the refs echoed")
async def text_frames(judge: Judge) -> None:
    async with judge.connect() as wire:
        await wire.send(["5", "5", ROOM, "phx_join", {"a": 1}])
        await says(wire, reply("5", "5", "ok", {"a": 1}))
        await wire.send(["5", "6", ROOM, "echo", {"x": [1, "é\u2028", None, 1.5, True]}])
        await says(wire, reply("5", "6", "ok", {"x": [1, "é\u2028", None, 1.5, True]}))


@rule("1.4 a push of the server has a null ref and the channel's join_ref")
async def server_push(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        await wire.send(["1", None, ROOM, "tell", {"n": 1}])
        await says(wire, ["1", None, ROOM, "told", {"n": 1}])


@rule("1.4 a broadcast has neither ref")
async def broadcast(judge: Judge) -> None:
    topic = fresh()
    async with judge.connect() as wire, judge.connect() as other:
        await joined(wire, "1", topic)
        await joined(other, "7", topic)
        await wire.send(["1", "2", topic, "shout", {"n": 1}])
        for each in (wire, other):
            await says(each, [None, None, topic, "shout", {"n": 1}])


@rule("1.4 elements after the fifth are ignored")
async def longer_arrays(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        await wire.send(["1", "2", ROOM, "echo", {}, "six", {"seven": 7}])
        await says(wire, reply("1", "2", "ok", {}))


@rule("1.4 a ref may be any JSON value and comes back as it was; 1 is not the string 1")
async def refs_of_any_type(judge: Judge) -> None:
    async with judge.connect() as wire:
        await wire.send([7, 7, ROOM, "phx_join", {}])
        await says(wire, reply(7, 7, "ok", {}))
        await wire.send([7, 8, ROOM, "echo", {}])
        await says(wire, reply(7, 8, "ok", {}))
        await wire.send(["7", "9", ROOM, "echo", {}])
        await says_no_more(wire)


@rule("1.4 what a client sends may be any JSON value")
async def payloads_of_any_type(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        for payload in ([1], "text", 3, None, False):
            await wire.send(["1", "2", ROOM, "echo", payload])
            await says(wire, reply("1", "2", "ok", payload))


@rule("1.5 a binary push is answered by a binary reply, sizes counting bytes", on=WEBSOCKET)
async def binary_reply(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire, "1", "room:é")
        await wire.send(binary("1", "2", "echo", b"\x01\x02\x03", "room:é"))
        await says(wire, b"\x01\x01\x01\x07\x02" + "12room:éok".encode() + b"\x01\x02\x03")


@rule("1.5 a binary push of the server has no ref", on=WEBSOCKET)
async def binary_push(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        await wire.send(binary("1", "2", "tell", b"\xff"))
        await says(wire, b"\x00\x01\x06\x041room:1told\xff")


@rule("1.5 a binary broadcast has no refs, and may be empty", on=WEBSOCKET)
async def binary_broadcast(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire, "1", topic := fresh())
        for data in (b"\x00\x01", b""):
            await wire.send(binary("1", "2", "shout", data, topic))
            await says(wire, b"\x02\x0d\x05" + topic.encode() + b"shout" + data)


@rule("1.5 a binary message with an empty join_ref is stale: nobody is asked")
async def binary_without_join_ref(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        await wire.send(binary("", "2", "echo", b"\x01"))
        await says_no_more(wire)


@rule("1.5 server-to-client binary survives the long poll", on=("longpoll",), beyond=True)
async def binary_over_polls(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        await wire.send(binary("1", "2", "echo", b"\x01\x02"))
        await says(wire, reply("1", "2", "ok", {"$binary": "AQI="}))


@rule("1.6 version 1 speaks in objects of four keys and never names a join_ref", on=WEBSOCKET)
async def version_one(judge: Judge) -> None:
    async with judge.connect("vsn=1.0.0") as wire:
        await wire.send({"topic": ROOM, "event": "phx_join", "payload": {}, "ref": "1"})
        await says(wire, _one("phx_reply", "1", {"status": "ok", "response": {}}))
        await wire.send({"topic": ROOM, "event": "tell", "payload": {"a": 1}, "ref": "2"})
        await says(wire, _one("told", None, {"a": 1}))
        await wire.send({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "3"})
        await says(wire, _one("phx_reply", "3", {"status": "ok", "response": {}}, "phoenix"))


@rule("1.6 version 1 is what a client speaks that names none; a join_ref is honoured", on=WEBSOCKET)
async def version_none(judge: Judge) -> None:
    async with judge.connect("") as wire:
        await wire.send(
            {"topic": ROOM, "event": "phx_join", "payload": {}, "ref": "1", "join_ref": "1"}
        )
        await says(wire, _one("phx_reply", "1", {"status": "ok", "response": {}}))
        stale = {"topic": ROOM, "event": "echo", "payload": {}, "ref": "2", "join_ref": "0"}
        await wire.send(stale)
        await wire.send({**stale, "ref": "3", "join_ref": "1"})
        await says(wire, _one("phx_reply", "3", {"status": "ok", "response": {}}))


def _one(event: str, ref: Any, payload: Any, topic: str = ROOM) -> dict[str, Any]:
    return {"topic": topic, "event": event, "payload": payload, "ref": ref}


@rule("1.6 what version 1 is asked may be any JSON value; an array is none of its messages",
      on=WEBSOCKET, beyond=True)  # fmt: skip
async def version_one_payloads(judge: Judge) -> None:
    async with judge.connect("vsn=1.0.0") as wire:
        await wire.send({"topic": ROOM, "event": "phx_join", "payload": {}, "ref": "1"})
        await wire.receive()
        await wire.send(["1", "9", ROOM, "echo", {}])
        for payload in ([1], "text", None):
            await wire.send({"topic": ROOM, "event": "echo", "payload": payload, "ref": "2"})
            await says(wire, _one("phx_reply", "2", {"status": "ok", "response": payload}))


@rule("1.7.1 a heartbeat is answered in any state, its join_ref always null")
async def heartbeats(judge: Judge) -> None:
    async with judge.connect() as wire:
        await wire.send(["9", "8", "phoenix", "heartbeat", {}])
        await says(wire, reply(None, "8", "ok", {}, "phoenix"))


@rule("1.7.1 any other event on the topic phoenix is unmatched, a join too")
async def topic_phoenix(judge: Judge) -> None:
    async with judge.connect() as wire:
        for event in ("phx_join", "echo"):
            await wire.send(["1", "2", "phoenix", event, {}])
            await says(wire, reply(None, "2", "error", UNMATCHED, "phoenix"))


@rule("1.7.2 a join without a route is refused with a null join_ref")
async def join_without_route(judge: Judge) -> None:
    async with judge.connect() as wire:
        await wire.send(["1", "1", "attic", "phx_join", {}])
        await says(wire, reply(None, "1", "error", UNMATCHED, "attic"))


@rule("1.7.2 a refused join says why and leaves the topic free")
async def refused_join(judge: Judge) -> None:
    async with judge.connect() as wire:
        await wire.send(["1", "1", ROOM, "phx_join", {"refuse": "full"}])
        await says(wire, reply("1", "1", "error", {"reason": "full"}))
        await wire.send(["1", "2", ROOM, "echo", {}])
        await says(wire, reply(None, "2", "error", UNMATCHED))
        await joined(wire, "3")


@rule("1.7.2 a join that raises is answered `join crashed`")
async def crashed_join(judge: Judge) -> None:
    async with judge.connect() as wire:
        await wire.send(["1", "1", ROOM, "phx_join", {"crash": 1}])
        await says(wire, reply("1", "1", "error", {"reason": "join crashed"}))
        await joined(wire, "2")


@rule("1.7.2 the channel limit, 100 unless set, is told with the join_ref; leaving makes room")
async def channel_limit(judge: Judge) -> None:
    async with judge.connect() as wire:
        for number in range(100):
            await joined(wire, str(number), f"room:{number}")
        await wire.send(["x", "y", "room:x", "phx_join", {}])
        refusal = {"reason": "too many channels joined"}
        await says(wire, reply("x", "y", "error", refusal, "room:x"))
        await wire.send(["1", "z", "room:1", "phx_leave", {}])
        await says(wire, reply("1", "z", "ok", {}), ["1", "1", "room:1", "phx_close", {}])
        await joined(wire, "x", "room:x")


@rule("1.7.3 of a duplicate join the new answer comes first, then phx_close with the OLD join_ref")
async def duplicate_join(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        await wire.send(["2", "2", ROOM, "phx_join", {}])
        await says(wire, reply("2", "2", "ok", {}), ["1", "1", ROOM, "phx_close", {}])
        await wire.send(["2", "3", ROOM, "echo", {}])
        await says(wire, reply("2", "3", "ok", {}))


@rule("1.7.3 the old channel is gone even if the new join is refused")
async def refused_duplicate_join(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        await wire.send(["2", "2", ROOM, "phx_join", {"refuse": "no"}])
        refused = reply("2", "2", "error", {"reason": "no"})
        await says(wire, refused, ["1", "1", ROOM, "phx_close", {}])
        await wire.send(["1", "3", ROOM, "echo", {}])
        await says(wire, reply(None, "3", "error", UNMATCHED))


@rule("1.7.3 of a leave with a join right behind it, the join's ok comes before the old phx_close")
async def leave_and_join(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        leaving, joining = ["1", "2", ROOM, "phx_leave", {}], ["3", "3", ROOM, "phx_join", {}]
        await wire.send_together(leaving, joining)
        came = await wire.receive()
        if came == reply("1", "2", "ok", {}):  # Phoenix rarely answers the leave, and we always
            came = await wire.receive()
        assert came == reply("3", "3", "ok", {})
        await says(wire, ["1", "1", ROOM, "phx_close", {}])
        await says_no_more(wire)


@rule("1.7.4 a leave is answered ok, and phx_close with the join_ref follows; the topic is free")
async def leave(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        await wire.send(["1", "2", ROOM, "phx_leave", {}])
        await says(wire, reply("1", "2", "ok", {}), ["1", "1", ROOM, "phx_close", {}])
        await joined(wire, "3")


@rule("1.7.4 a leave with a null join_ref is accepted; with a stale one it has no answer at all")
async def leave_by_others(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        await wire.send(["0", "2", ROOM, "phx_leave", {}])
        await says_no_more(wire)
        await wire.send([None, "3", ROOM, "phx_leave", {}])
        await says(wire, reply(None, "3", "ok", {}), ["1", "1", ROOM, "phx_close", {}])


@rule("1.7.5 a stale join_ref is ignored; a null one is accepted, answered with the channel's own")
async def stale_and_null(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        await wire.send(["0", "2", ROOM, "echo", {}])
        await says_no_more(wire)
        await wire.send([None, "3", ROOM, "echo", {}])
        await says(wire, reply("1", "3", "ok", {}))


@rule("1.7.6 leaving what was not joined is answered ok, both refs echoed")
async def idempotent_leave(judge: Judge) -> None:
    async with judge.connect() as wire:
        await wire.send(["4", "5", ROOM, "phx_leave", {}])
        await says(wire, reply("4", "5", "ok", {}))


@rule("1.7.7 any other event on a topic not joined is refused with a null join_ref")
async def not_joined(judge: Judge) -> None:
    async with judge.connect() as wire:
        await wire.send(["4", "5", ROOM, "echo", {}])
        await says(wire, reply(None, "5", "error", UNMATCHED))


@rule("1.7 a join with a ref and no join_ref signs with its ref, and is found by null only")
async def join_without_join_ref(judge: Judge) -> None:
    async with judge.connect() as wire:
        await wire.send([None, "9", ROOM, "phx_join", {}])
        await says(wire, reply(None, "9", "ok", {}))
        await wire.send(["9", "10", ROOM, "echo", {}])
        await says_no_more(wire)
        await wire.send([None, None, ROOM, "tell", {}])
        await says(wire, ["9", None, ROOM, "told", {}])


@rule("1.8 what a channel pushes after its join comes behind the answer")
async def after_join(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire, "1", ROOM, {"after": 1})
        await says(wire, ["1", None, ROOM, "after", {}])


@rule("1.8 an answer of status error, and no answer, are answers too; a channel keeps its order")
async def kinds_of_answers(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        await wire.send(["1", "2", ROOM, "silent", {}])
        await wire.send(["1", "3", ROOM, "fail", {"why": "so"}])
        await wire.send(["1", "4", ROOM, "later", {"n": 1}])
        await says(wire, reply("1", "3", "error", {"why": "so"}), reply("1", "4", "ok", {"n": 1}))


@rule("1.8 a crash is phx_error with ref and join_ref of the join; then the topic is free")
async def crash(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire, "1", "room:other")
        await joined(wire, "2")
        await wire.send(["2", "3", ROOM, "crash", {}])
        await says(wire, ["2", "2", ROOM, "phx_error", {"reason": "channel_crash"}])
        await wire.send(["2", "4", ROOM, "echo", {}])
        await says(wire, reply(None, "4", "error", UNMATCHED))
        await joined(wire, "5")
        await wire.send(["1", "6", "room:other", "echo", {}])
        await says(wire, reply("1", "6", "ok", {}, "room:other"))


@rule("1.8 a stop answers first; normal and shutdown are phx_close, anything else phx_error")
async def stops(judge: Judge) -> None:
    async with judge.connect() as wire:
        for ref, reason in (("1", "normal"), ("2", "shutdown")):
            await joined(wire, ref)
            await wire.send([ref, "s", ROOM, "stop", {"reason": reason}])
            await says(wire, reply(ref, "s", "ok", {}), [ref, ref, ROOM, "phx_close", {}])
        await joined(wire, "3")
        await wire.send(["3", "s", ROOM, "stop", {"reason": "broken"}])
        error = ["3", "3", ROOM, "phx_error", {"reason": "channel_crash"}]
        await says(wire, reply("3", "s", "ok", {}), error)


@rule("1.8 an answer may come once the handler is over")
async def late_answers(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        for ref in ("2", "3"):
            await wire.send(["1", ref, ROOM, "later", {"n": ref}])
        await says(wire, reply("1", "2", "ok", {"n": "2"}), reply("1", "3", "ok", {"n": "3"}))


@rule("1.8 the end of a socket ends its channels: its presences leave", on=WEBSOCKET)
async def closed_socket(judge: Judge) -> None:
    lobby = f"lobby:{secrets.token_hex(4)}"
    async with judge.connect() as wire:
        await joined(wire, "1", lobby, {"name": "stays"})
        async with judge.connect() as other:
            await joined(other, "1", lobby, {"name": "goes"})
            await _diff(wire, lobby, "joins", "goes")
        await _diff(wire, lobby, "leaves", "goes")


async def _diff(wire: Any, topic: str, which: str, name: str) -> None:
    """Wait until presence has told of somebody, in the shapes of 2.3."""
    while True:
        join_ref, ref, where, event, payload = await wire.receive()
        if event == "presence_diff":
            assert (join_ref, ref, where) == (None, None, topic)
            assert payload.keys() == {"joins", "leaves"}
            if name in payload[which]:
                (meta,) = payload[which][name]["metas"]
                assert len(meta["phx_ref"]) == 16
                return


@rule("2.3 presence_state is pushed to who joins: keys with their metas, each with a phx_ref")
async def presence_state(judge: Judge) -> None:
    lobby = f"lobby:{secrets.token_hex(4)}"
    async with judge.connect() as wire, judge.connect() as other:
        await joined(wire, "1", lobby, {"name": "ada"})
        await says(wire, ["1", None, lobby, "presence_state", {}])
        await _diff(wire, lobby, "joins", "ada")
        await joined(other, "7", lobby, {"name": "bob"})
        join_ref, ref, _, event, state = await other.receive()
        assert (join_ref, ref, event) == ("7", None, "presence_state")
        assert [*state] == ["ada"]
        assert [*state["ada"]] == ["metas"]
        assert [*state["ada"]["metas"][0]] == ["phx_ref"]


@rule("2.1 broadcast_from leaves out the sender alone")
async def broadcast_from(judge: Judge) -> None:
    topic = fresh()
    async with judge.connect() as wire, judge.connect() as other:
        await joined(wire, "1", topic)
        await joined(other, "2", topic)
        await wire.send(["1", "2", topic, "others", {"n": 1}])
        await says(other, [None, None, topic, "shout", {"n": 1}])
        await wire.send(["1", "3", topic, "echo", {}])
        await says(wire, reply("1", "3", "ok", {}, topic))


@rule("2.1 an intercepted broadcast goes through the channel and comes as its push")
async def intercepted(judge: Judge) -> None:
    topic = f"censored:{secrets.token_hex(4)}"
    async with judge.connect() as wire:
        await joined(wire, "1", topic)
        await wire.send(["1", "2", topic, "shout", {"n": 1}])
        await says(wire, ["1", None, topic, "shout", {"n": 1, "seen": True}])


@rule("2.2 broadcasts, pushes and answers to one client keep the order in which they were made")
async def order(judge: Judge) -> None:
    topic = fresh()
    async with judge.connect() as wire:
        await joined(wire, "1", topic)
        for n in range(20):
            await wire.send(["1", str(n), topic, ("shout", "tell", "echo")[n % 3], {"n": n}])
        came = [await wire.receive() for _ in range(20)]
        numbers = [frame[4]["response" if n % 3 == 2 else "n"] for n, frame in enumerate(came)]
        assert [n["n"] if isinstance(n, dict) else n for n in numbers] == list(range(20))


@rule("1.9 a malformed message costs itself: socket and channels live", on=BOTH, beyond=True)
async def malformed(judge: Judge) -> None:
    async with judge.connect() as wire:
        await joined(wire)
        for nonsense in ("[", "{}", "[1,2,3,4]", '["1","2",3,"e",{}]', b"\x07\x00", b"\x00\x09"):
            await wire.send(nonsense)
        await wire.send(["1", "2", ROOM, "echo", {}])
        await says(wire, reply("1", "2", "ok", {}))


@rule("1.8 a heartbeat is answered while a join is under way, and so are other joins", beyond=True)
async def joins_side_by_side(judge: Judge) -> None:
    async with judge.connect() as wire:
        await wire.send(["1", "1", "room:slow", "phx_join", {"slow": 1.0}])
        await wire.send(HEARTBEAT)
        await says(wire, BEAT)
        await joined(wire, "2")
        await says(wire, reply("1", "1", "ok", {"slow": 1.0}, "room:slow"))
