"""Every number that Lumen shows to Prometheus, in one table of names."""

import os
from collections.abc import Callable

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    start_http_server,
)

# prometheus_client's own switch: where the processes of one server keep their numbers together.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def _of_the_stores(name: str, documentation: str, labels: tuple[str, ...] = ()) -> Gauge:
    """What every process of a server measures alike."""
    return Gauge(name, documentation, labels, multiprocess_mode="livemostrecent")


http_requests = Counter(
    "http_requests_total", "HTTP requests answered.", ("method", "endpoint", "status")
)
http_seconds = Histogram(
    "http_request_duration_seconds", "Time to answer.", ("endpoint",), buckets=_FAST
)
db_seconds = Histogram(
    "db_query_duration_seconds", "Time of statements.", ("query_type",), buckets=_FAST
)
db_connections = Gauge(
    "db_connections_in_use", "Connections that the pool has lent.", multiprocess_mode="livesum"
)

sockets_open = Gauge(
    "realtime_sockets_open", "Sockets that are open on this node.", multiprocess_mode="livesum"
)
sockets_opened = Counter("realtime_sockets_opened_total", "Sockets opened.", ("transport",))
sockets_refused = Counter("realtime_sockets_refused_total", "Connects refused.", ("status",))
sockets_closed = Counter("realtime_sockets_closed_total", "Sockets closed.", ("code",))
joins = Counter("realtime_joins_total", "Joins by how they ended.", ("topic", "outcome"))
join_seconds = Histogram(
    "realtime_join_duration_seconds", "Time to answer a join.", ("topic",), buckets=_FAST
)
handled = Counter(
    "realtime_messages_handled_total", "Messages handled.", ("topic", "event", "outcome")
)
handled_seconds = Histogram(
    "realtime_message_duration_seconds", "Time to handle a message.", ("topic",), buckets=_FAST
)
broadcasts = Counter("realtime_broadcasts_total", "Broadcasts that reached this node.")
deliveries = Counter("realtime_deliveries_total", "Frames handed to sockets by broadcasts.")
flush_seconds = Histogram(
    "realtime_broadcast_duration_seconds", "From reaching the node to its sockets.", buckets=_FAST
)
delivery_seconds = Histogram(
    "realtime_delivery_latency_seconds", "From publishing to the sockets.", buckets=_FAST
)
overflows = Counter("realtime_overflows_total", "Bounds that were hit.", ("queue",))
malformed = Counter("realtime_malformed_total", "Messages that were not understood.")
crashes = Counter("realtime_channel_crashes_total", "Channels that crashed.", ("topic",))
pubsub_outages = Counter("realtime_pubsub_outages_total", "Outages of the bus between nodes.")
pubsub_connected = Gauge(
    "realtime_pubsub_connected", "Whether the bus is connected.", multiprocess_mode="livemin"
)
publish_failures = Counter("realtime_publish_failures_total", "Broadcasts the bus did not take.")

outbox_waiting = _of_the_stores("outbox_waiting", "Events that wait in the outbox.")
outbox_parked = _of_the_stores("outbox_parked", "Events that no attempt could deliver.")
outbox_lag_seconds = _of_the_stores("outbox_lag_seconds", "Age of the oldest event that waits.")
events_waiting = _of_the_stores("events_waiting", "Events that a group has not taken.", ("group",))
events_lag_seconds = _of_the_stores(
    "events_lag_seconds", "Age of the oldest event that a group has not taken.", ("group",)
)
events_parked = _of_the_stores(
    "events_parked", "Events that a group could not take, however often tried.", ("group",)
)
pushes_sent = Counter("web_pushes_total", "Messages to browsers by how they ended.", ("outcome",))
queue_depth = _of_the_stores("queue_depth", "Jobs that wait.", ("queue",))
queue_failed = _of_the_stores(
    "queue_failed", "Jobs that failed for good: dead letters.", ("queue",)
)
deltas_waiting = _of_the_stores("counter_deltas_waiting", "Deltas that are not yet folded.")
partitions_ahead = _of_the_stores(
    "partitions_ahead", "Months ahead with partitions; under 2 is an alarm."
)
ingest_stage_seconds = Histogram(
    "ingest_stage_duration_seconds",
    "From one stage of an item to the next; `whole` is from its publication to a screen.",
    ("stage",),
    buckets=(
        0.05,
        0.1,
        0.25,
        0.5,
        1.0,
        2.5,
        5.0,
        15.0,
        60.0,
        300.0,
        900.0,
        3600.0,
        14400.0,
        86400.0,
    ),
)
ingest_fetches = Counter("ingest_fetches_total", "Sources asked, by how it went.", ("outcome",))
ingest_reads_ended = Counter(
    "ingest_reads_ended_total", "Documents whose reading was ended: they asked too much of us."
)
outdated_dropped = Counter(
    "auth_outdated_dropped_total", "Ended sign-ins that too many others pushed out of memory."
)
rate_limited = Counter("rate_limited_total", "Requests refused by a limit.", ("limit",))


def listen(host: str, port: int, folder: str | None = None) -> Callable[[], None]:
    """Show metrics on a port of their own, from a thread, until told to stop.

    They are those of this process, or of all that keep theirs together in a folder.
    """
    registry = REGISTRY
    if folder is not None:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
    server, thread = start_http_server(port, addr=host, registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def exposition() -> bytes:
    """Return every metric in the text format of Prometheus, of all processes of this server."""
    if SHARED_FOLDER not in os.environ:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)
