"""`realtime.transports.longpoll`: the rules of Phoenix, and what is promised beyond them."""

import asyncio
import base64
import inspect
import json

import pytest

from realtime import Endpoint, LocalPubSub, PublishFailed
from realtime.pubsub.port import Envelope
from realtime.telemetry import (
    MalformedReceived,
    SocketClosed,
    SocketOpened,
    SocketRefused,
    WriterOverflowed,
)
from tests.unit.realtime import polling, test_channels
from tests.unit.realtime.polling import Poller, Request
from tests.unit.realtime.rooms import Guest, Room, serving, told_of

SECRET = "a secret that all nodes of a test share"
HEARTBEAT = [None, "9", "phoenix", "heartbeat", {}]

# Every case of the channels is one of the long poll, but those that count registries or tell of
# the close codes of websockets.
NOT_OF_THE_LONG_POLL = {
    "test_a_channel_that_cannot_be_made_is_a_crashed_join",
    "test_a_client_that_goes_away_ends_its_channels",
    "test_a_client_that_sends_nothing_but_nonsense_is_closed",
    "test_a_message_too_big_closes_with_1009",
    "test_silence_is_closed_and_heartbeats_are_life",
    "test_a_refused_connect_says_its_status",
    "test_a_connect_that_takes_too_long_is_refused",
    "test_a_socket_id_reaches_all_its_sockets_on_every_node",
}
CASES = [
    name
    for name, case in vars(test_channels).items()
    if name.startswith("test_")
    and inspect.iscoroutinefunction(case)
    and not inspect.signature(case).parameters
    and name not in NOT_OF_THE_LONG_POLL
]


@pytest.mark.parametrize("name", CASES)
async def test_channels_are_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_channels, "connect", polling.connect)
    await getattr(test_channels, name)()


# Requests and their answers.


async def test_a_session_begins_with_410_and_a_token() -> None:
    async with serving() as (endpoint, told):
        request = Poller(endpoint).request()
        answered = await request.answer()
        assert answered == {"status": 410, "token": answered["token"], "messages": []}
        assert request.headers["content-type"] == "application/json; charset=utf-8"
        assert request.headers["cache-control"] == "no-store"
        assert request.headers["access-control-allow-origin"] == "*"
        assert told_of(told, SocketOpened)[0].transport == "longpoll"


async def test_a_poll_gives_what_waits_and_every_message_is_a_string() -> None:
    async with serving() as (endpoint, _):
        poller = await Poller.open(endpoint)
        assert await poller.post(["1", "1", "room:1", "phx_join", {}], HEARTBEAT) == 200
        answered = await poller.get()
        assert answered == {
            "status": 200,
            "token": poller.token,
            "messages": [
                '[null,"9","phoenix","phx_reply",{"status":"ok","response":{}}]',
                '["1","1","room:1","phx_reply",{"status":"ok","response":{}}]',
            ],
        }


async def test_a_poll_waits_a_window_and_then_says_204() -> None:
    async with serving(poll_window_s=10) as (endpoint, _):
        poller = await Poller.open(endpoint)
        began = asyncio.get_running_loop().time()
        answered = await poller.get()
        assert answered == {"status": 204, "token": poller.token, "messages": []}
        assert asyncio.get_running_loop().time() - began == pytest.approx(10)


async def test_what_comes_while_a_poll_waits_is_its_answer_a_tick_at_a_time() -> None:
    async with serving() as (endpoint, _):
        poller = await (await Poller.open(endpoint)).joined()
        waiting = poller.request()
        await asyncio.sleep(1)
        for n in range(3):
            await endpoint.broadcast("room:1", "news", n)
        messages = (await waiting.answer())["messages"]
        assert [json.loads(message)[4] for message in messages] == [0, 1, 2]


async def test_of_two_polls_at_once_the_later_is_meant() -> None:
    async with serving() as (endpoint, _):
        poller = await (await Poller.open(endpoint)).joined()
        first = poller.request()
        await asyncio.sleep(1)
        second = poller.request()
        assert (await first.answer())["status"] == 204
        await endpoint.broadcast("room:1", "news", {})
        assert (await second.answer())["status"] == 200


async def test_a_poll_that_is_hung_up_on_loses_nothing() -> None:
    async with serving() as (endpoint, _):
        poller = await (await Poller.open(endpoint)).joined()
        waiting = poller.request()
        await asyncio.sleep(1)
        waiting.hang_up()
        await waiting.task
        assert waiting.status == 0
        await endpoint.broadcast("room:1", "news", {})
        await asyncio.sleep(1)
        assert [message[3] for message in await poller.messages()] == ["news"]


async def test_a_session_ends_after_one_and_a_half_windows_without_a_poll() -> None:
    async with serving(poll_window_s=10) as (endpoint, told):
        poller = await (await Poller.open(endpoint)).joined()
        await asyncio.sleep(14.9)
        assert (await poller.get())["status"] == 204
        await asyncio.sleep(4.9)
        assert Room.ended == []
        await asyncio.sleep(0.2)
        assert Room.ended == [("room:1", "closed")]
        assert told_of(told, SocketClosed)[0].code == 4009
        assert await poller.post(HEARTBEAT) == 410
        answered = await poller.get()
        assert (answered["status"], answered["messages"]) == (410, [])
        assert answered["token"] != poller.token
        assert len(endpoint.longpoll) == len(endpoint.node.connections) == 1


async def test_posts_alone_do_not_keep_a_session() -> None:
    async with serving(poll_window_s=10) as (endpoint, _):
        poller = await Poller.open(endpoint)
        for _ in range(3):
            await asyncio.sleep(4)
            assert await poller.post(HEARTBEAT) == 200
        await asyncio.sleep(4)
        assert await poller.post(HEARTBEAT) == 410


@pytest.mark.parametrize("token", ["", "x", "rt1.e30.x"])
async def test_a_token_that_is_none_is_no_session(token: str) -> None:
    async with serving() as (endpoint, _):
        poller = Poller(endpoint)
        poller.token = token
        assert await poller.post(HEARTBEAT) == 410
        assert (await poller.get())["status"] == 410


async def test_the_token_may_come_in_a_header() -> None:
    async with serving() as (endpoint, _):
        poller = await Poller.open(endpoint)
        by_header = {"x-phoenix-longpoll-token": poller.token or ""}
        request = Request(endpoint.longpoll, headers=by_header, query="vsn=2.0.0&token=other")
        assert (await request.answer())["status"] == 204


async def test_the_auth_token_comes_in_a_header_as_it_is() -> None:
    async with serving() as (endpoint, _):
        request = Poller(endpoint).request(headers={"X-Phoenix-AuthToken": "s3cret?>~"})
        assert (await request.answer())["status"] == 410
        ((connection,),) = (endpoint.node.connections,)
        info = connection.socket.info
        assert (info.auth_token, info.transport, info.peer) == (
            "s3cret?>~",
            "longpoll",
            "10.0.0.1",
        )
        assert info.params == {"vsn": "2.0.0"}


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("vsn=2.0", {}, 403),
        ("vsn=2.0.0&status=429", {}, 403),
        ("vsn=2.0.0&status=503", {}, 500),  # phoenix.js comes back by itself
        ("vsn=2.0.0", {"origin": "https://evil.test"}, 403),
    ],
)
async def test_who_is_refused(query: str, headers: dict[str, str], status: int) -> None:
    async with serving() as (endpoint, told):
        request = Request(endpoint.longpoll, query=query, headers=headers)
        assert await request.answer() == {"status": status}
        assert len(told_of(told, SocketRefused)) == 1
        assert len(endpoint.longpoll) == 0


async def test_a_post_of_another_page_is_refused() -> None:
    async with serving() as (endpoint, _):
        poller = await Poller.open(endpoint)
        assert await poller.post(HEARTBEAT, origin="https://evil.test") == 403
        assert await poller.post(HEARTBEAT, origin="https://here.test") == 200


async def test_other_methods() -> None:
    async with serving() as (endpoint, _):
        asked = {"access-control-request-headers": "x-phoenix-authtoken"}
        preflight = Request(endpoint.longpoll, "OPTIONS", headers=asked)
        await preflight.task
        assert (preflight.status, preflight.body) == (200, b"")
        assert preflight.headers["access-control-allow-headers"] == "x-phoenix-authtoken"
        assert preflight.headers["access-control-allow-methods"] == "get, post, options"
        assert preflight.headers["access-control-max-age"] == "3600"
        other = Request(endpoint.longpoll, "DELETE")
        await other.task
        assert other.status == 400


async def test_only_http_is_served() -> None:
    async with serving() as (endpoint, _):
        with pytest.raises(RuntimeError, match="HTTP"):
            await endpoint.longpoll({"type": "websocket"}, None, None)  # type: ignore[arg-type]


# Batches.


async def test_empty_lines_and_both_line_ends_are_nothing() -> None:
    async with serving() as (endpoint, told):
        poller = await Poller.open(endpoint)
        line = json.dumps(HEARTBEAT).encode()
        for body in (line + b"\n", b"\r\n" + line + b"\r\n\r\n", b"\n"):
            assert await poller.post(body=body) == 200
        assert len(await poller.messages()) == 2
        assert told_of(told, MalformedReceived) == []


async def test_a_batch_over_a_hundred_is_refused_as_a_whole_and_counted() -> None:
    async with serving() as (endpoint, told):
        poller = await Poller.open(endpoint)
        assert await poller.post(*[HEARTBEAT] * 100) == 200
        assert len(await poller.messages()) == 100
        assert await poller.post(*[HEARTBEAT] * 101) == 413
        assert len(told_of(told, MalformedReceived)) == 1
        assert (await poller.get())["status"] == 204


@pytest.mark.parametrize("headers", [{}, {"content-length": "99999"}])
async def test_a_batch_of_too_many_bytes_is_not_read_to_its_end(headers: dict[str, str]) -> None:
    async with serving(max_batch_bytes=1_000) as (endpoint, told):
        poller = await Poller.open(endpoint)
        request = poller.request("POST", body=[b"x" * 600] * 3, headers=headers)
        assert await request.answer() == {"status": 413}
        assert len(told_of(told, MalformedReceived)) == 1


async def test_nonsense_costs_itself_and_is_counted() -> None:
    async with serving() as (endpoint, told):
        poller = await Poller.open(endpoint)
        nonsense = [b"[1]", b"{", b"AAAA=", b"\xff", b"[\xff]", base64.b64encode(b"\x09"), b"==="]
        body = b"\n".join([*nonsense, json.dumps(HEARTBEAT).encode()])
        assert await poller.post(body=body) == 200
        assert len(await poller.messages()) == 1
        assert len(told_of(told, MalformedReceived)) == len(nonsense)


async def test_a_binary_push_is_a_line_of_base64_and_bytes_come_back_in_text() -> None:
    async with serving() as (endpoint, _):
        poller = await (await Poller.open(endpoint)).joined()
        push = b"\x00\x01\x01\x06\x04" + b"15room:1ping" + b"\x01\x02\xff"
        assert await poller.post(base64.b64encode(push).decode()) == 200
        said = {"$binary": base64.b64encode(b"\x01\x02\xff").decode()}
        assert await poller.messages() == [
            ["1", "5", "room:1", "phx_reply", {"status": "ok", "response": said}]
        ]
        await endpoint.broadcast("room:1", "news", b"\x01\x02\xff")
        assert await poller.messages() == [[None, None, "room:1", "news", said]]


async def test_any_other_content_type_is_one_message() -> None:
    async with serving() as (endpoint, _):
        poller = await Poller.open(endpoint, query="vsn=1.0.0")
        body = b'{"topic":"phoenix","event":"heartbeat",\n"payload":{},"ref":"1"}'
        about = {"content-type": "application/json"}
        assert await poller.post(body=body, **about) == 200
        assert (await poller.messages())[0]["ref"] == "1"
        about = {"content-type": "Application/X-NDJSON; charset=utf-8"}
        assert await poller.post(body=body.replace(b"\n", b"") + b"\n", **about) == 200
        assert (await poller.messages())[0]["ref"] == "1"


# Bounds and ends.


async def test_what_waits_is_bounded_and_too_much_ends_the_session() -> None:
    async with serving(writer_bytes=1_000) as (endpoint, told):
        poller = await (await Poller.open(endpoint)).joined()
        reader = await (await Poller.open(endpoint)).joined()
        for n in range(20):
            await endpoint.broadcast("room:1", "news", {"n": n, "pad": "x" * 100})
            assert (await reader.messages())[0][4]["n"] == n  # nobody else waits
        (overflow,) = told_of(told, WriterOverflowed)
        assert 1_000 < overflow.waiting_bytes < 1_200
        assert told_of(told, SocketClosed)[0].code == 4008
        assert await poller.post(HEARTBEAT) == 410
        assert (await poller.get())["status"] == 410


async def test_there_are_no_more_sessions_than_the_limit() -> None:
    async with serving(max_polls=2) as (endpoint, told):
        for _ in range(2):
            await Poller.open(endpoint)
        assert await Poller(endpoint).get() == {"status": 500}
        assert told_of(told, SocketRefused)[0].status == 503


async def test_a_disconnect_gives_what_waits_and_then_410() -> None:
    async with serving() as (endpoint, _):
        poller = await (await Poller.open(endpoint, query="vsn=2.0.0&name=ada")).joined()
        await endpoint.broadcast("room:1", "last", {})
        await endpoint.disconnect("guest:ada")
        assert [message[3] for message in await poller.messages()] == ["last"]
        assert (await poller.get())["status"] == 410


async def test_a_poll_that_waits_ends_with_its_session() -> None:
    async with serving() as (endpoint, _):
        poller = await Poller.open(endpoint, query="vsn=2.0.0&name=ada")
        waiting = poller.request()
        await asyncio.sleep(1)
        await endpoint.disconnect("guest:ada")
        assert (await waiting.answer())["status"] == 410


async def test_a_node_that_stops_makes_clients_come_back_later() -> None:
    async with serving() as (endpoint, told):
        poller = await Poller.open(endpoint)
        waiting = poller.request()
        await asyncio.sleep(1)
        endpoint.node.begin_drain()
        assert (await waiting.answer())["status"] == 500
        assert told_of(told, SocketClosed)[0].code == 1012
        assert await Poller(endpoint).get() == {"status": 500}


async def test_nothing_is_left_of_sessions_that_are_over() -> None:
    async with serving() as (endpoint, told):
        for _ in range(50):
            await (await Poller.open(endpoint)).joined()
        await asyncio.sleep(100)
        assert len(told_of(told, SocketClosed)) == 50
        assert len(endpoint.longpoll) == len(endpoint.node.connections) == 0
        assert len(endpoint.node.fanout) == 0


# Without sticky sessions.


class Unreliable(LocalPubSub):
    """A way between nodes that is down while a test says so."""

    down = False

    async def publish(self, envelope: Envelope) -> None:
        if self.down:
            raise PublishFailed
        await super().publish(envelope)


def node_on(pubsub: LocalPubSub, secret: str = SECRET) -> Endpoint:
    return Endpoint(Guest, pubsub=pubsub, secrets=secret)


async def test_any_node_answers_any_request() -> None:
    pubsub = LocalPubSub()
    async with node_on(pubsub) as one, node_on(pubsub) as two, node_on(pubsub) as three:
        poller = await (await Poller.open(one, two, three)).joined()
        for n in range(6):
            assert await poller.post(["1", "2", "room:1", "shout", {"n": n}]) == 200
            waiting = poller.request()
            assert [json.loads(m)[4] for m in (await waiting.answer())["messages"]] == [{"n": n}]
        waiting = poller.request()
        await asyncio.sleep(5)
        await two.broadcast("room:1", "news", b"\x07")
        assert json.loads((await waiting.answer())["messages"][0])[4] == {"$binary": "Bw=="}
        assert (await poller.get())["status"] == 204
        assert [len(node.longpoll) for node in (one, two, three)] == [1, 0, 0]
        await asyncio.sleep(20)
        assert all(len(node.node.fanout) == 0 for node in (one, two, three))


async def test_the_owner_that_is_gone_is_waited_for_two_seconds() -> None:
    pubsub = LocalPubSub()
    async with node_on(pubsub) as one, node_on(pubsub) as two:
        poller = await Poller.open(one)
        await one.stop()
        poller.endpoints = [two]
        began = asyncio.get_running_loop().time()
        assert await poller.post(HEARTBEAT) == 410
        assert asyncio.get_running_loop().time() - began == pytest.approx(2)
        assert (await poller.get())["status"] == 410
        assert len(two.longpoll) == 1  # where the client goes on


async def test_an_outage_between_nodes_is_no_end_for_a_poll() -> None:
    pubsub = Unreliable()
    async with node_on(pubsub) as one, node_on(pubsub) as two:
        poller = await (await Poller.open(one)).joined()
        poller.endpoints = [two]
        pubsub.down = True
        began = asyncio.get_running_loop().time()
        for _ in range(3):
            assert (await poller.get())["status"] == 204
        assert asyncio.get_running_loop().time() - began == pytest.approx(3)  # no busy loop
        pubsub.down = False
        one.local_broadcast("room:1", "news", {})
        assert (await poller.messages())[0][3] == "news"


async def test_an_owner_cut_off_while_it_holds_a_poll() -> None:
    pubsub = Unreliable()
    async with node_on(pubsub) as one, node_on(pubsub) as two:
        poller = await (await Poller.open(one)).joined()
        poller.endpoints = [two]
        waiting = poller.request()
        await asyncio.sleep(1)
        pubsub.down = True
        one.local_broadcast("room:1", "news", {})
        await asyncio.sleep(1)
        pubsub.down = False
        assert (await waiting.answer())["status"] == 410  # what was lost shows as a new session


async def test_tokens_of_another_secret_mean_nothing() -> None:
    pubsub = LocalPubSub()
    other = "another secret, of another cluster"
    async with node_on(pubsub) as one, node_on(pubsub, other) as two:
        poller = await Poller.open(one)
        poller.endpoints = [two]
        assert await poller.post(HEARTBEAT) == 410


async def test_what_is_no_question_between_nodes_is_counted() -> None:
    async with serving() as (endpoint, told):
        await Poller.open(endpoint)
        for payload in (b"\xc1", {"a": 1}):
            await endpoint.broadcast(f"phx:lp:{endpoint.name}", "phx:lp", payload)
        assert len(told_of(told, MalformedReceived)) == 2


def test_every_case_left_out_exists() -> None:
    assert set(vars(test_channels)) >= NOT_OF_THE_LONG_POLL
