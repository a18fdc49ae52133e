"""The official client over its long poll, against two nodes of which either answers."""

import itertools
from typing import Any, ClassVar

import pytest

from realtime import Endpoint, LocalPubSub
from tests.e2e.judging import RELEASES, judged
from tests.services import in_a_thread
from tests.unit.realtime.rooms import Censor, Guest, Room


class JudgedRoom(Room):
    async def on_kick(self, _: Any) -> None:
        socket_id = self.socket.id()
        assert socket_id is not None
        await self.socket.endpoint.disconnect(socket_id)


class Judged(Guest):
    channels: ClassVar[Any] = {"room:*": JudgedRoom, "censored": Censor}
    infos: ClassVar[list[Any]] = []

    async def connect(self) -> None:
        Judged.infos.append(self.info)


async def two_nodes(package: str) -> dict[str, Any]:
    pubsub = LocalPubSub()
    shared = "a secret of both nodes, to sign with"
    async with (
        Endpoint(Judged, pubsub=pubsub, secrets=shared) as one,
        Endpoint(Judged, pubsub=pubsub, secrets=shared) as two,
    ):
        turns = itertools.cycle((one, two))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["path"] == "/socket/longpoll"
            await next(turns).longpoll(scope, receive, send)

        return await judged(app, "phoenix_longpoll.mjs", package)


@pytest.mark.parametrize("package", RELEASES)
def test_the_official_client_does_everything_without_sticky_sessions(package: str) -> None:
    Judged.infos.clear()
    old = package == "phoenix-1-7-21"
    seen = in_a_thread(two_nodes(package))
    assert seen == {
        "join": ["ok", {"joined": {"hello": "there"}}],
        "ping": ["ok", {"x": [1, "é"]}],
        "refused": ["error", {"reason": "not_now", "more": 1}],
        "binaryReply": [1, 2, 255],
        "wrongTopic": ["error", {"reason": "unmatched topic"}],
        "broadcast": {"all": True},
        "binaryBroadcast": [4, 5],
        "many": True,
        "afterCrash": ["ok", {"back": 1}],
        **({"closes": []} if old else {"afterKick": ["ok", {"back": 2}], "closes": [3410]}),
        "leave": ["ok", {}],
        "left": "closed",
    }
    info = Judged.infos[0]
    assert info.auth_token == (None if old else "s3cret?>~")  # which came with 1.8
    assert info.params == {"name": "ada", "vsn": "2.0.0"}
    assert info.transport == "longpoll"
