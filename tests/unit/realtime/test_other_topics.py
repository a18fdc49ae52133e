"""What a channel has for itself: other topics, messages to its own later self, assigns."""

from typing import Any, ClassVar

from realtime import Broadcast, Channel, Endpoint, LocalPubSub, Ok, Socket
from realtime.testing import connect


class Desk(Channel):
    """Listens where it is told to, without one `async def`."""

    ended: ClassVar[list[str]] = []

    def join(self, params: Any) -> Any:
        for topic in params.get("topics", ()):
            self.subscribe(topic)
            self.subscribe(topic)
        return {"of": self.assigns["user"]}

    def handle_in(self, event: str, payload: Any) -> Any:
        match event:
            case "assign":
                self.assigns.update(payload)
                return Ok(self.assigns)
            case "forget":
                self.unsubscribe(payload["topic"])
                self.unsubscribe("never heard of")
            case "later":
                timer = self.send_after(30, payload)
                if payload.get("cancel"):
                    timer.cancel()
        return Ok()

    def handle_info(self, message: Any) -> None:
        if isinstance(message, Broadcast):
            self.push("overheard", {"topic": message.topic, "payload": message.decode()})
        else:
            self.push("said", message)

    def handle_out(self, event: str, payload: Any) -> None:
        self.push(event, {"seen": payload})

    def terminate(self, reason: str) -> None:
        Desk.ended.append(reason)

    intercept = frozenset({"news"})


class Worker(Socket):
    channels: ClassVar[Any] = {"desk:*": Desk}

    def connect(self) -> None:
        self.assigns["user"] = "ada"


def endpoint() -> Endpoint:
    return Endpoint(Worker, pubsub=LocalPubSub())


async def test_a_channel_hears_other_topics_until_it_ends() -> None:
    async with endpoint() as served:
        client = await connect(served)
        assert (await client.join("desk:1", {"topics": ["users:1", "users:2"]})).ok
        await served.broadcast("users:1", "changed", {"n": 1})
        heard = await client.receive("overheard")
        assert heard.payload == {"topic": "users:1", "payload": {"n": 1}}
        await client.refute("overheard")  # subscribing twice is subscribing once
        await client.request("desk:1", "forget", {"topic": "users:1"})
        await served.broadcast("users:1", "changed", {"n": 2})
        await served.broadcast("users:2", "changed", {"n": 3})
        assert (await client.receive("overheard")).payload["payload"] == {"n": 3}
        assert len(served.node.fanout) == 2
        await client.leave("desk:1")
        assert len(served.node.fanout) == 0


async def test_a_refused_or_broken_join_listens_no_more() -> None:
    async with endpoint() as served:
        client = await connect(served)
        client.connection.socket.assigns.clear()
        assert not (await client.join("desk:1", {"topics": ["users:1"]})).ok
        assert len(served.node.fanout) == 0


async def test_a_message_to_oneself_comes_when_its_time_has_come() -> None:
    async with endpoint() as served:
        client = await connect(served)
        await client.join("desk:1")
        await client.request("desk:1", "later", {"n": 1})
        await client.request("desk:1", "later", {"n": 2, "cancel": True})
        await client.refute("said", within=29.9)
        assert (await client.receive("said")).payload == {"n": 1}
        await client.request("desk:1", "later", {"n": 3})
        await client.leave("desk:1")
        await client.refute("said", within=31)


async def test_what_one_channel_keeps_is_no_business_of_another() -> None:
    async with endpoint() as served:
        client = await connect(served)
        await client.join("desk:1")
        await client.join("desk:2")
        mine = await client.request("desk:1", "assign", {"page": 1})
        assert mine.response == {"user": "ada", "page": 1}
        other = await client.request("desk:2", "assign", {})
        assert other.response == {"user": "ada"}
        assert client.connection.socket.assigns == {"user": "ada"}


async def test_every_callback_may_be_a_plain_function() -> None:
    Desk.ended.clear()
    async with endpoint() as served:
        client = await connect(served)
        await client.join("desk:1")
        await served.broadcast("desk:1", "news", {"n": 1})
        assert (await client.receive("news")).payload == {"seen": {"n": 1}}
        await client.close()
    assert Desk.ended == ["closed"]
