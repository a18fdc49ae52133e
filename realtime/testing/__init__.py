"""A client without a network, and a clock that costs no time: for tests of channels.

    def test_somebody_joins() -> None:
        async def story() -> None:
            async with Endpoint(UserSocket, pubsub=LocalPubSub()) as endpoint:
                client = await connect(endpoint)
                assert (await client.join("room:1")).ok
                await client.refute("anything")

        run(story())

Under `run` time is virtual: whoever sleeps is woken at once when nothing else can happen, so
"nothing arrives within a minute" is exact and free.

What goes wrong on real networks can be done here: `Client.stop_reading`, `Client.send_torn`,
`Client.lose`, and between nodes `Network`, with outages, lost and torn frames, and `kill`.
"""

from realtime.testing.client import Client, Closed, Reply, connect
from realtime.testing.clock import VirtualClockLoop, run
from realtime.testing.network import Network, NetworkPubSub, kill

__all__ = [
    "Client",
    "Closed",
    "Network",
    "NetworkPubSub",
    "Reply",
    "VirtualClockLoop",
    "connect",
    "kill",
    "run",
]
