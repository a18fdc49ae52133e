"""`realtime.transports.sse`: the same topics, one way."""

import asyncio
import base64
import json
from typing import Any, ClassVar
from urllib.parse import quote

import pytest

from realtime import Channel, Endpoint, Limits, LocalPubSub, Socket
from realtime.telemetry import SocketClosed, SocketOpened, SocketRefused, WriterOverflowed
from tests.unit.realtime.polling import Request
from tests.unit.realtime.rooms import Room, serving, told_of


class Stream(Request):
    """One event stream, and its events in order."""

    def __init__(self, endpoint: Endpoint, query: str, **about: Any) -> None:
        super().__init__(endpoint.sse, query=f"vsn=2.0.0&{query}", **about)
        self._read = 0

    async def next(self) -> dict[str, str]:
        """Return the next event that is one: comments and `retry` are not."""
        while True:
            end = self.body.find(b"\n\n", self._read)
            if end < 0:
                self._news.clear()
                async with asyncio.timeout(100):
                    await self._news.wait()
                continue
            lines = self.body[self._read : end].decode().split("\n")
            self._read = end + 2
            fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
            if "data" in fields:
                return fields

    async def message(self) -> Any:
        return json.loads((await self.next())["data"])


async def test_topics_are_joined_and_what_they_say_is_streamed() -> None:
    async with serving() as (endpoint, told):
        params = quote(json.dumps({"a": [1]}))
        stream = Stream(endpoint, f"topics=room:1,room:2,attic&join[room:1]={params}")
        answers = [await stream.message() for _ in range(3)]
        attic = {"status": "error", "response": {"reason": "unmatched topic"}}
        assert sorted(answers, key=str) == [
            ["1", "1", "room:1", "phx_reply", {"status": "ok", "response": {"joined": {"a": [1]}}}],
            ["2", "2", "room:2", "phx_reply", {"status": "ok", "response": {}}],
            [None, "3", "attic", "phx_reply", attic],
        ]
        await endpoint.broadcast("room:2", "news", {"n": 1})
        assert await stream.message() == [None, None, "room:2", "news", {"n": 1}]
        await endpoint.broadcast("room:2", "news", b"\x07")
        assert (await stream.message())[4] == {"$binary": "Bw=="}
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-store"
        assert told_of(told, SocketOpened)[0].transport == "sse"
        stream.hang_up()
        await stream.task
        assert told_of(told, SocketClosed)[0].code == 1005
        await asyncio.sleep(1)
        assert sorted(Room.ended) == [("room:1", "closed"), ("room:2", "closed")]
        assert len(endpoint.node.fanout) == len(endpoint.node.connections) == 0


@pytest.mark.parametrize(
    "query", ["topics[]=room:1&topics[]=room:2", "topics[0]=room:1&topics[1]=room:2"]
)
async def test_lists_of_topics_as_clients_write_them(query: str) -> None:
    async with serving() as (endpoint, _):
        stream = Stream(endpoint, f"{query}&join[room:1][a]=1")
        assert (await stream.message())[4]["response"] == {"joined": {"a": "1"}}
        assert (await stream.message())[2] == "room:2"


async def test_version_1_is_objects() -> None:
    async with serving() as (endpoint, _):
        stream = Stream(endpoint, "vsn=1.0.0&topics=room:1")
        answer = {"status": "ok", "response": {}}
        assert await stream.message() == {
            "topic": "room:1",
            "event": "phx_reply",
            "payload": answer,
            "ref": "1",
        }


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 400),
        ("topics=", {}, 400),
        ("topics[a][b]=1", {}, 400),
        ("topics=room:1&join[room:1]={", {}, 400),
        ("topics=room:1&join[room:1]=[1]", {}, 400),
        ("topics=room:1&join=1", {}, 400),
        ("vsn=3.0.0&topics=room:1", {}, 403),
        ("status=401&topics=room:1", {}, 401),
        ("topics=room:1", {"origin": "https://evil.test"}, 403),
    ],
)
async def test_what_is_refused(query: str, headers: dict[str, str], status: int) -> None:
    async with serving() as (endpoint, told):
        request = Stream(endpoint, query, headers=headers)
        await request.task
        assert request.status == status
        assert json.loads(request.body)["reason"]
        assert len(told_of(told, SocketRefused)) == (status != 400)
        assert len(endpoint.node.connections) == 0


@pytest.mark.parametrize(
    "headers", [{"x-phoenix-authtoken": "s3cret"}, {"authorization": "Bearer s3cret"}]
)
async def test_the_token_comes_in_a_header(headers: dict[str, str]) -> None:
    async with serving() as (endpoint, _):
        stream = Stream(endpoint, "topics=room:1", headers=headers)
        await stream.next()
        ((connection,),) = (endpoint.node.connections,)
        assert connection.socket.info.auth_token == "s3cret"


async def test_methods() -> None:
    async with serving() as (endpoint, _):
        preflight = Stream(endpoint, "", method="OPTIONS")
        await preflight.task
        assert (preflight.status, preflight.headers["access-control-max-age"]) == (200, "3600")
        post = Stream(endpoint, "", method="POST")
        await post.task
        assert post.status == 405
        with pytest.raises(RuntimeError, match="HTTP"):
            await endpoint.sse({"type": "websocket"}, None, None)  # type: ignore[arg-type]


async def test_quiet_streams_are_commented_and_live() -> None:
    async with serving(sse_comment_s=15) as (endpoint, _):
        stream = Stream(endpoint, "topics=room:1")
        await stream.next()
        await asyncio.sleep(15 * 20)
        assert stream.body.endswith(b":\n\n" * 20)
        assert stream.body.startswith(b"retry: ")
        await endpoint.broadcast("room:1", "news", {})
        assert (await stream.message())[3] == "news"


async def test_json_on_several_lines_is_one_line() -> None:
    async with serving() as (endpoint, _):
        stream = Stream(endpoint, "topics=room:1")
        await stream.next()
        from msgspec import Raw  # noqa: PLC0415 - for this one

        await endpoint.broadcast("room:1", "news", Raw(b'{\r\n "a": "b\\n"}'))
        assert (await stream.message())[4] == {"a": "b\n"}


async def test_a_node_that_stops_says_so_and_ends_the_stream() -> None:
    async with serving() as (endpoint, _):
        stream = Stream(endpoint, "topics=room:1")
        await stream.next()
        await endpoint.broadcast("room:1", "last", {})
        await endpoint.stop()
        assert (await stream.message())[3] == "last"
        close = await stream.next()
        assert (close["event"], json.loads(close["data"])["code"]) == ("close", 1012)
        await stream.task
        assert stream.ended


async def test_a_client_that_never_reads_is_bounded_and_gone_in_bounded_time() -> None:
    async with serving(writer_bytes=1_000, close_grace_s=1.5) as (endpoint, told):
        stream = Stream(endpoint, "topics=room:1")
        await stream.next()
        stream.reading.clear()
        for n in range(20):
            await endpoint.broadcast("room:1", "news", {"n": n, "pad": "x" * 100})
            await asyncio.sleep(0)
        await stream.task
        assert told_of(told, WriterOverflowed)[0].cause == "bytes"
        assert told_of(told, SocketClosed)[0].code == 4008


async def test_a_client_that_takes_nothing_is_gone_however_little_waits() -> None:
    async with serving(writer_stall_s=20) as (endpoint, told):
        stream = Stream(endpoint, "topics=room:1")
        await stream.next()
        stream.reading.clear()
        await endpoint.broadcast("room:1", "news", {})
        await stream.task
        assert told_of(told, WriterOverflowed)[0].cause == "stalled"
        assert told_of(told, SocketClosed)[0].seconds < 30


async def test_a_client_that_vanishes_while_it_is_sent_to() -> None:
    async with serving() as (endpoint, told):

        async def send(_: Any) -> None:
            raise OSError("gone")

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/socket/sse",
            "scheme": "http",
            "headers": [],
            "query_string": b"vsn=2.0.0&topics=room:1",
        }
        await endpoint.sse(scope, asyncio.Queue().get, send)
        assert told_of(told, SocketClosed)[0].code == 1005


# Coming back.


class Feed(Channel):
    """Answers with the place where it begins, and pushes places."""

    asked: ClassVar[list[Any]] = []

    async def join(self, params: Any) -> Any:
        Feed.asked.append((self.topic, params))
        self.push("slide", {"seq": 1, "cursor": f"{self.topic}@1"})
        self.push("other", [{"cursor": "x"}])
        self.push("other", {"cursor": 7})
        return {"cursor": f"{self.topic}@0"}


class Reader(Socket):
    channels: ClassVar[Any] = {"feed:*": Feed}


@pytest.mark.parametrize("vsn", ["2.0.0", "1.0.0"])
async def test_the_last_id_brings_every_topic_back_to_its_cursor(vsn: str) -> None:
    Feed.asked.clear()
    async with Endpoint(Reader, pubsub=LocalPubSub(), limits=Limits()) as endpoint:
        query = f"vsn={vsn}&topics=feed:a,feed:b&join[feed:a]=" + quote('{"limit":3}')
        stream = Stream(endpoint, query)
        ids = [(await stream.next()).get("id") for _ in range(8)]
        assert sum(identity is not None for identity in ids) == 4
        last = next(filter(None, reversed(ids)))
        for about in ({"headers": {"last-event-id": last}}, {"by_param": last}):
            again = query + (
                f"&last_event_id={about.pop('by_param')}" if "by_param" in about else ""
            )
            await Stream(endpoint, again, **about).next()
        first = [("feed:a", {"limit": 3}), ("feed:b", {})]
        back = [
            ("feed:a", {"limit": 3, "cursor": "feed:a@1"}),
            ("feed:b", {"cursor": "feed:b@1"}),
        ]
        assert Feed.asked == first + back + back


@pytest.mark.parametrize(
    "event_id", ["x", "é", "A" * 9_000, base64.urlsafe_b64encode(b'{"a":1}').decode(), "e30"]
)
async def test_an_id_that_is_none_is_no_position(event_id: str) -> None:
    Feed.asked.clear()
    async with Endpoint(Reader, pubsub=LocalPubSub()) as endpoint:
        stream = Stream(endpoint, "topics=feed:a", headers={"last-event-id": event_id})
        await stream.next()
        assert Feed.asked == [("feed:a", {})]
