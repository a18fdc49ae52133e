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
"""

from realtime.testing.client import Client, Closed, Reply, connect
from realtime.testing.clock import VirtualClockLoop, run

__all__ = ["Client", "Closed", "Reply", "VirtualClockLoop", "connect", "run"]
