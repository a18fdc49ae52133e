"""What a node holds at this moment, as Phoenix.Debug tells it: for a console or a test."""

from collections.abc import Iterator
from itertools import islice

from msgspec import Struct

from realtime.connection import Connection
from realtime.endpoint import Endpoint


class SocketSeen(Struct, frozen=True, kw_only=True):
    """One connected client."""

    id: str | None
    peer: str | None
    transport: str
    vsn: str
    seconds: float
    topics: list[str]
    waiting_bytes: int


def list_sockets(
    endpoint: Endpoint, *, socket_id: str | None = None, topic: str | None = None, limit: int = 100
) -> list[SocketSeen]:
    """Return this node's clients, the oldest first: all, those of one id, those on one topic."""
    return list(islice(_seen(endpoint, socket_id, topic), limit))


def list_topics(endpoint: Endpoint, *, limit: int = 100) -> dict[str, int]:
    """Return how many of this node's clients are on each topic, the fullest topics first."""
    counts: dict[str, int] = {}
    for connection in _connections(endpoint):
        for topic in connection.topics():
            counts[topic] = counts.get(topic, 0) + 1
    fullest = sorted(counts.items(), key=lambda found: (-found[1], found[0]))
    return dict(fullest[:limit])


def _seen(endpoint: Endpoint, socket_id: str | None, topic: str | None) -> Iterator[SocketSeen]:
    for connection in _connections(endpoint):
        topics = connection.topics()
        own_id = connection.socket.id()
        if socket_id in (None, own_id) and (topic is None or topic in topics):
            yield SocketSeen(
                id=own_id,
                peer=connection.socket.info.peer,
                transport=connection.socket.info.transport,
                vsn=connection.writer.serializer.vsn,
                seconds=connection.age(),
                topics=topics,
                waiting_bytes=connection.waiting(),
            )


def _connections(endpoint: Endpoint) -> Iterator[Connection]:
    for connection in tuple(endpoint.node.connections):
        if isinstance(connection, Connection):
            yield connection
