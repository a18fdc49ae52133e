"""`realtime.debug`: who is here, on what."""

import asyncio

from realtime import debug
from realtime.testing import connect
from tests.unit.realtime.polling import Poller
from tests.unit.realtime.rooms import serving


async def test_who_is_here_and_on_what() -> None:
    async with serving() as (endpoint, _):
        ada = await connect(endpoint, params={"name": "ada"})
        await ada.join("room:1")
        await ada.join("room:2")
        await asyncio.sleep(10)
        await (await Poller.open(endpoint, query="vsn=1.0.0")).post()
        poller = await (await Poller.open(endpoint)).joined("room:2")
        await endpoint.broadcast("room:2", "news", {})
        await asyncio.sleep(1)
        first, second, third = debug.list_sockets(endpoint)
        assert first == debug.SocketSeen(
            id="guest:ada",
            peer="127.0.0.1",
            transport="testing",
            vsn="2.0.0",
            seconds=11.0,
            topics=["room:1", "room:2"],
            waiting_bytes=0,
        )
        assert (second.transport, second.vsn, second.topics) == ("longpoll", "1.0.0", [])
        assert (third.id, third.topics) == (None, ["room:2"])
        assert third.waiting_bytes == len('[null,null,"room:2","news",{}]')
        assert debug.list_sockets(endpoint, socket_id="guest:ada") == [first]
        assert debug.list_sockets(endpoint, topic="room:2", limit=1) == [first]
        assert debug.list_topics(endpoint) == {"room:2": 2, "room:1": 1}
        assert debug.list_topics(endpoint, limit=1) == {"room:2": 2}
        await poller.get()
