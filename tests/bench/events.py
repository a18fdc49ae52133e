"""How long an event takes from its commit to a socket, and how many go through the relay a second.

    python -m tests.bench.events [COMMENTS] [EVENTS]

A comment is written in a transaction of this process; the clock runs from its commit until the
owner of the item has the notification on a websocket: two hops through outbox, stream and group.
Then likes are put into the outbox at once, and counted until the groups have taken all of them.
"""

import asyncio
import sys
import time
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
from sqlalchemy import text
from typing_extensions import override

from server import comments
from server.bootstrap import services_of
from server.comments import Draft
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.settings import load
from tests.bench.likes import Screen
from tests.bench.stage import SECRET, Stage, conditions, in_loop, percentiles, stage
from tests.people import a_user, an_item

BETWEEN_SECONDS = 0.1
WARM_UP = 20
_LIKES = text(
    """
    insert into ops.outbox (id, topic, key, payload)
    select gen_random_uuid(), 'engagement.recorded', :item || '/' || fan,
      jsonb_build_object('action', 'like', 'item_id', cast(:item as text), 'user_id', fan)
    from (select cast(gen_random_uuid() as text) as fan from generate_series(1, :count)) fans
    """
)
_LEFT = text("select count(*) from ops.outbox")


class Inbox(Screen):
    """A websocket that listens for notifications."""

    @override
    def data_received(self, data: bytes) -> None:
        if b'"notification"' in data and b"phx_reply" not in data:
            self.told()
        super().data_received(data)


def main(written: int = 200, events: int = 20_000) -> None:
    """Print the figures."""
    print(f"commit to socket, and events a second · {conditions()}", flush=True)
    with stage(pulse=True) as ready:
        in_loop(measure(ready, written, events))


async def measure(ready: Stage, written: int, events: int) -> None:
    """Write comments one after the other, then put many likes into the outbox."""
    environ = {"DATABASE_URL": ready.database_url, "REDIS_URL": ready.redis_url}
    async with (
        services_of(load({**environ, "SECRET_KEY": SECRET})) as services,
        httpx2.AsyncClient(base_url=ready.url) as http,
    ):
        person = {"username": "keeper", "email": "k@example.org", "password": "a long pass phrase"}
        answer = (await http.post("/auth/register", json=person)).json()
        owner = Viewer(UUID(answer["user"]["id"]), "user")
        screen = await listen(ready, str(owner.id), answer["access_token"])
        async with services.write() as db:
            writer = await a_user(db, "writer")
            items = [await an_item(db, author=owner) for _ in range(WARM_UP + written)]
        waited = [await once(services, screen, writer, item) for item in items]
        print(f"  notification, commit to socket     {percentiles(waited[WARM_UP:])}")
        seconds = await flood(services, items[0], events)
        print(f"  {events:,} likes through the relay    {events / seconds:,.0f} events a second")
        screen.close()


async def once(services: Services, screen: Screen, writer: Viewer, item: UUID) -> float:
    """Write one comment and wait until its notification is there."""
    arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def note() -> None:
        if not arrived.done():
            arrived.set_result(time.perf_counter())

    screen.told = note
    async with services.write() as db:
        await comments.create(db, writer, item, Draft("Here"), services.clock.now())
    committed = time.perf_counter()
    async with asyncio.timeout(20):
        took = await arrived - committed
    await asyncio.sleep(BETWEEN_SECONDS)
    return took


async def flood(services: Services, item: UUID, count: int) -> float:
    """Put likes of one item into the outbox and wait until all are taken."""
    began = time.perf_counter()
    async with services.write() as db:
        await db.execute(_LIKES, {"item": str(item), "count": count})
    began = time.perf_counter()
    while True:
        async with services.database.read() as db:
            if (await db.execute(_LEFT)).scalar_one() == 0:
                return time.perf_counter() - began
        await asyncio.sleep(0.02)


async def listen(ready: Stage, owner: str, token: str) -> Screen:
    """Open the owner's inbox."""
    host, port = urlsplit(ready.url).netloc.split(":")
    loop = asyncio.get_running_loop()
    place = f"{host}:{port}"
    _, screen = await loop.create_connection(lambda: Inbox(place, token), host, int(port))
    await screen.answered()
    screen.say(["1", "1", f"user:{owner}", "phx_join", {}])
    await screen.answered()
    return screen


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
