"""A client in the lane, without a network: what it is sent is kept as bytes."""

from typing import Any

import msgspec

from realtime import Endpoint
from realtime.close import Close
from realtime.express import connection_of
from realtime.serializer import negotiate
from realtime.socket import ConnectInfo
from realtime.way import Write
from realtime.writer import FramedWriter


class LaneClient:
    """Plays the transport of one client."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.closed: Close | None = None
        self.connection: Any = None
        self.direct: Write = self.write

    def write(self, data: bytes) -> None:
        self.sent += data

    def buffered(self) -> int:
        return 0

    def close(self, close: Close, grace_s: float) -> None:  # noqa: ARG002
        self.closed = close

    def send_raw(self, data: str | bytes) -> None:
        self.connection.received(data)

    def send(self, *frame: Any) -> None:
        self.send_raw(msgspec.json.encode(frame).decode())

    def messages(self) -> list[Any]:
        """Take the frames apart: texts read, bytes as they are."""
        read: list[Any] = []
        data = bytes(self.sent)
        while data:
            size, start = data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(data[2:10], "big"), 10
            payload = data[start : start + size]
            read.append(payload if data[0] == 0x82 else msgspec.json.decode(payload))
            data = data[start + size :]
        return read


async def connect_lane(endpoint: Endpoint, *, vsn: str = "2.0.0", **params: Any) -> LaneClient:
    """Connect as the lane does."""
    serializer = negotiate(vsn)
    assert serializer is not None
    info = ConnectInfo(params={**params, "vsn": vsn}, peer="127.0.0.1")
    socket = await endpoint.node.admit(info)
    client = LaneClient()
    limits = endpoint.node.limits
    writer = FramedWriter(serializer, client, limit=limits.writer_bytes, grace_s=1.0)
    client.connection = connection_of(endpoint.node, socket, writer)
    writer.overflowed = client.connection.overflowed
    client.connection.opened(seconds=0.0)
    return client
