"""Rules 1.1 to 1.3, 1.9 and 1.10: how a client comes in and goes, by either transport."""

import base64
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from websockets.exceptions import InvalidStatus

from tests.conformance.rules import (
    LONGPOLL,
    ROOM,
    WEBSOCKET,
    joined,
    reply,
    rule,
    says,
    says_no_more,
)
from tests.conformance.wire import PATIENCE_S, Gone, Judge, PollWire

BEARER = "base64url.bearer.phx."


async def _refused(judge: Judge, query: str = "vsn=2.0.0", **given: Any) -> int:
    """Return the status that a client is turned away with."""
    try:
        async with judge.connect(query, **given):
            raise AssertionError("let in")
    except InvalidStatus as refusal:
        return refusal.response.status_code
    except Gone as gone:
        return 403 if "'status': 403" in str(gone) else 0


async def _who(wire: Any) -> Any:
    await joined(wire)
    await wire.send(["1", "who", ROOM, "who", {}])
    return (await wire.receive())[4]["response"]


@rule("1.1 vsn is read as ~> 1.0.0 and ~> 2.0.0 of semantic versions, and refused with 403")
async def versions(judge: Judge) -> None:
    async with judge.connect("vsn=2.0.7") as wire:
        await says_no_more(wire)
    for vsn in ("2.1.0", "3.0.0", "2.0", "2", "", "next"):
        assert await _refused(judge, f"vsn={vsn}") == 403, vsn
    assert await _refused(judge, "vsn[]=2.0.0") == 403


@rule("1.1 what asks for no upgrade is answered 400", on=WEBSOCKET)
async def no_upgrade(judge: Judge) -> None:
    address = judge.address("vsn=2.0.0").replace("ws://", "http://", 1)
    async with httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
        answer = await http.get(address)
        assert answer.status_code == 400
        assert "upgrade" in answer.text
        assert (await http.post(address, content=b"{}")).status_code == 400


@rule("1.1 params nest by brackets, arrays are maps by index, empty pieces are nothing")
async def query_strings(judge: Judge) -> None:
    query = "a=1&nested%5Ba%5D=1&arr%5B0%5D=1&arr%5B1%5D=2&&vsn=2.0.0&"
    async with judge.connect(query) as wire:
        params = (await _who(wire))["params"]
    params.pop("token", None)
    nested = {"a": "1", "nested": {"a": "1"}, "arr": {"0": "1", "1": "2"}}
    assert params == {**nested, "vsn": "2.0.0"}


@rule("1.1 who is refused by connect gets its status before the upgrade", on=WEBSOCKET)
async def refused_connect(judge: Judge) -> None:
    for status in (403, 401, 429):
        assert await _refused(judge, f"vsn=2.0.0&refuse={status}") == status


@rule("1.1 who is refused by connect gets status 403 in the body", on=LONGPOLL)
async def refused_connect_by_poll(judge: Judge) -> None:
    assert await _refused(judge, "vsn=2.0.0&refuse=401") == 403


@rule("1.2 the token comes as a subprotocol, in base64 without padding; only phoenix is echoed",
      on=WEBSOCKET)  # fmt: skip
async def auth_token(judge: Judge) -> None:
    for token in ("s3cret", "s3cret?>~", "é"):
        text = base64.b64encode(token.encode()).decode().rstrip("=")
        if "/" in text:
            text = text.replace("/", "_").replace("+", "-")
        async with judge.connect(offered=("phoenix", BEARER + text)) as wire:
            assert wire.client.subprotocol == "phoenix"
            assert (await _who(wire))["token"] == token


@rule("1.2 phoenix is echoed where it is offered, and nothing where nothing is", on=WEBSOCKET)
async def subprotocols(judge: Judge) -> None:
    async with judge.connect(offered=("phoenix",)) as wire:
        assert wire.client.subprotocol == "phoenix"
        assert (await _who(wire))["token"] is None
    async with judge.connect() as wire:
        assert wire.client.subprotocol is None


@rule("1.2 two tokens are none", on=WEBSOCKET)
async def two_tokens(judge: Judge) -> None:
    async with judge.connect(offered=("phoenix", BEARER + "YQ", BEARER + "Yg")) as wire:
        assert (await _who(wire))["token"] is None


@rule("1.2 over long polls the token is a header, as it is", on=LONGPOLL)
async def auth_token_by_poll(judge: Judge) -> None:
    async with judge.connect(headers={"x-phoenix-authtoken": "s3cret?>~"}) as wire:
        assert (await _who(wire))["token"] == "s3cret?>~"


@rule("1.3 no origin and the server's own are let in; another, null and file are refused with 403")
async def origins(judge: Judge) -> None:
    async with judge.connect(origin=f"http://{judge.host}") as wire:
        await says_no_more(wire)
    for origin in ("http://elsewhere.example", "null", "file://"):
        assert await _refused(judge, origin=origin) == 403, origin


@rule("1.9 text that is not UTF-8 closes with 1007", on=WEBSOCKET)
async def not_utf8(judge: Judge) -> None:
    assert await _closed_by(judge, b"\x81\x82\x00\x00\x00\x00\xc3\x28") == 1007


@rule("1.9 a breach of the websocket protocol closes with 1002", on=WEBSOCKET)
async def breaches(judge: Judge) -> None:
    for breach in (
        b"\x83\x80\x00\x00\x00\x00",  # an opcode that is none
        b"\x81\x01a",  # not masked
        b"\xc1\x80\x00\x00\x00\x00",  # a bit of an extension that nobody asked for
        b"\x09\x80\x00\x00\x00\x00",  # a ping in pieces
        b"\x80\x80\x00\x00\x00\x00",  # a continuation of nothing
    ):
        assert await _closed_by(judge, breach) == 1002, breach


async def _closed_by(judge: Judge, data: bytes) -> int:
    async with judge.connect() as wire:
        wire.client.transport.write(data)
        code: int = await wire.closing()
        return code


@rule("1.9 a frame too large closes with 1009", on=WEBSOCKET)
async def too_large(judge: Judge) -> None:
    head = b"\x81\xff" + (64 * 1024 * 1024).to_bytes(8, "big") + bytes(4)
    assert await _closed_by(judge, head) == 1009


@rule("1.9 a message in fragments, with a ping in between, is one message", on=WEBSOCKET)
async def fragments(judge: Judge) -> None:
    async with judge.connect() as wire:
        write, mask = wire.client.transport.write, bytes(4)
        write(b"\x01\x86" + mask + b"[null," + b"\x89\x81" + mask + b"?")
        rest = b'"1","phoenix","heartbeat",{}]'
        write(b"\x80" + bytes((0x80 | len(rest),)) + mask + rest)
        await says(wire, reply(None, "1", "ok", {}, "phoenix"))


@rule("1.9 a disconnect by socket id closes with 1001, and nobody else's socket")
async def disconnect(judge: Judge) -> None:
    name = secrets.token_hex(4)
    async with judge.connect(f"vsn=2.0.0&id={name}") as wire, judge.connect() as other:
        await joined(wire)
        await wire.send(["1", "2", ROOM, "kick", {}])
        assert await wire.closing() == (410 if judge.polls else 1001)
        await says_no_more(other)


@rule("1.9 a client's goodbye is returned", on=WEBSOCKET)
async def goodbye(judge: Judge) -> None:
    async with judge.connect() as wire:
        await wire.client.close(1000)
        assert wire.client.close_code == 1000


@asynccontextmanager
async def _opened(judge: Judge) -> AsyncIterator[PollWire]:
    async with judge.polling() as wire:
        body = await wire.poll()
        assert body == {"status": 410, "token": body["token"], "messages": []}
        yield wire


@rule("1.10 a session begins with 410, a token and no messages; every message is a string",
      on=LONGPOLL)  # fmt: skip
async def poll_session(judge: Judge) -> None:
    async with _opened(judge) as wire:
        await wire.send(["1", "1", ROOM, "phx_join", {}])
        body = await wire.poll()
        assert body["status"] == 200
        assert all(isinstance(message, str) for message in body["messages"])
        assert body["token"]


@rule("1.10 a post is answered 200 though what is in it is refused", on=LONGPOLL)
async def post_is_ok(judge: Judge) -> None:
    async with _opened(judge) as wire:
        assert await wire.post('["1","1","attic","phx_join",{}]') == {"status": 200}
        refusal = reply(None, "1", "error", {"reason": "unmatched topic"}, "attic")
        await says(wire, refusal)


@rule("1.10 a batch is lines that end with either line end, in order", on=LONGPOLL)
async def batches(judge: Judge) -> None:
    async with _opened(judge) as wire:
        beats = [f'[null,"{n}","phoenix","heartbeat",{{}}]' for n in range(3)]
        body = f"{beats[0]}\r\n{beats[1]}\n{beats[2]}"
        assert await wire.post(body) == {"status": 200}
        await says(wire, *(reply(None, str(n), "ok", {}, "phoenix") for n in range(3)))


@rule("1.10 an empty line is nothing", on=LONGPOLL, beyond=True)
async def empty_lines(judge: Judge) -> None:
    async with _opened(judge) as wire:
        assert await wire.post("\n\r\n") == {"status": 200}
        await says_no_more(wire)


@rule("1.10 a body of any other type is one message, as version 1 sends it", on=LONGPOLL)
async def version_one_by_poll(judge: Judge) -> None:
    async with judge.polling("vsn=1.0.0") as wire:
        await wire.poll()
        join = {"topic": ROOM, "event": "phx_join", "payload": {}, "ref": "1"}
        assert await wire.post(json.dumps(join), "application/json") == {"status": 200}
        answer = {"status": "ok", "response": {}}
        await says(wire, {"topic": ROOM, "event": "phx_reply", "payload": answer, "ref": "1"})


@rule("1.10 the token of a session may come in a header", on=LONGPOLL)
async def token_in_a_header(judge: Judge) -> None:
    async with _opened(judge) as wire, judge.polling() as other:
        await wire.send(["1", "1", ROOM, "phx_join", {}])
        body = await other.poll(headers={"x-phoenix-longpoll-token": wire.token})
        assert (body["status"], len(body["messages"])) == (200, 1)


@rule("1.10 a poll whose time is over is answered 204, and the session lives on", on=LONGPOLL)
async def poll_without_news(judge: Judge) -> None:
    async with _opened(judge) as wire:
        body = await wire.poll()
        assert (body["status"], body["messages"]) == (204, [])
        await says_no_more(wire)


@rule("1.10 a post to a session that is none is answered 410, a poll begins another", on=LONGPOLL)
async def unknown_sessions(judge: Judge) -> None:
    async with judge.polling("vsn=2.0.0&token=nonsense") as wire:
        assert await wire.post('[null,"1","phoenix","heartbeat",{}]') == {"status": 410}
        body = await wire.poll()
        assert (body["status"], body["messages"]) == (410, [])
        assert body["token"] != "nonsense"


@rule("1.10 a preflight echoes the headers asked for; other methods are 400", on=LONGPOLL)
async def preflights(judge: Judge) -> None:
    address = judge.address("vsn=2.0.0")
    async with httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
        wanted = {"access-control-request-headers": "x-phoenix-authtoken"}
        answer = await http.options(address, headers=wanted)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-headers"] == "x-phoenix-authtoken"
        assert answer.headers["access-control-allow-methods"] == "get, post, options"
        assert answer.headers["access-control-max-age"] == "3600"
        assert (await http.delete(address)).status_code == 400


@rule("1.10 every answer is JSON, not to be kept, for any page", on=LONGPOLL)
async def poll_headers(judge: Judge) -> None:
    async with httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False) as http:
        answer = await http.get(judge.address("vsn=2.0.0&"))
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-allow-origin"] == "*"
