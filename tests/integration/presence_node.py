"""A node on which people come and go without end: to be killed. Usage: REDIS_URL NAME SEED."""

import asyncio
import random
import sys

from realtime import Endpoint
from realtime.presence import Pace, Presence
from realtime.pubsub.redis import RedisPubSub
from realtime.testing import connect
from tests.unit.realtime.presence.lobbies import TOPIC, Visitor


async def main(url: str, name: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - to be repeatable
    presences: list[Presence] = []

    def make_socket(info: object) -> Visitor:
        visitor = Visitor(info)  # type: ignore[arg-type]
        visitor.assigns["presence"] = presences[0]
        return visitor

    async with Endpoint(make_socket, pubsub=RedisPubSub(url)) as endpoint:
        presences.append(Presence(endpoint, pace=Pace(broadcast_period_s=0.05)))
        async with presences[0]:
            number = 0
            clients = []
            while True:
                client = await connect(endpoint)
                await client.join(TOPIC, {"name": f"{name}-{number}"})
                clients.append(client)
                number += 1
                if len(clients) > 5:
                    await clients.pop(chance.randrange(len(clients))).close()
                await asyncio.sleep(chance.uniform(0, 0.02))


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
