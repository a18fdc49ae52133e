"""One client that sends anything at all, beside one that minds its own business."""

import asyncio
from typing import Any

from realtime.testing import connect
from tests.unit.realtime.lanes import connect_lane
from tests.unit.realtime.rooms import serving


async def offend(frames: list[str | bytes], vsn: str = "2.0.0", *, is_lane: bool = False) -> None:
    """Send these, and fail if anything but the sender is the worse for it."""
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: failures.append(about))
    async with serving(max_malformed=1_000, max_frame_bytes=100_000) as (endpoint, _):
        neighbour = await connect(endpoint)
        offender: Any = await (connect_lane if is_lane else connect)(endpoint, vsn=vsn)
        assert (await neighbour.join("room:1")).ok
        for frame in frames:
            if offender.closed is None:
                offender.send_raw(frame)
        neighbour.push("room:1", "shout", {"whole": True})
        while (await neighbour.receive("shout")).payload != {"whole": True}:
            pass  # what the offender shouted, if it found out how
        if offender.closed is None:
            assert not offender.connection.over
        offender.connection.closed(1005)
        await asyncio.sleep(100)
        assert endpoint.measure().sockets == len({neighbour} if neighbour.closed is None else {})
        assert endpoint.measure().waiting_bytes == 0
    assert failures == []
    counts = endpoint.measure()
    assert (counts.sockets, counts.channels, counts.topics, counts.tasks) == (0, 0, 0, 0)
