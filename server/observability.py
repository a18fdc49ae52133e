"""Listens to what the realtime library tells of itself, and measures what waits in the stores."""

import asyncio
import contextlib
from functools import lru_cache
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from realtime import telemetry
from server.catalog import CHANNELS, REACTIONS
from server.kernel import metrics, parked, partitions
from server.kernel.delivery import Wanted
from server.kernel.logs import log
from server.kernel.outbox import by_topic
from server.kernel.services import Services

MEASURE_SECONDS = 10.0
_WANTED = Wanted(by_topic(REACTIONS))
_log = log("realtime")
_DELTAS = text("select count(*) from (select 1 from engage.counter_delta limit 100000) waiting")


def known_event(pattern: str, event: str) -> str:
    """Name an event for a label; what a client invents would else make a series of each word."""
    channel = CHANNELS.get(pattern)
    return event if channel is not None and event in channel.handles else "unknown"


def on_realtime(event: telemetry.Event) -> None:  # noqa: C901, PLR0912, PLR0915 - a table, in effect
    """Count one telemetry event; called in place, so it only adds numbers."""
    match event:
        case telemetry.Flushed():
            metrics.broadcasts.inc(event.broadcasts)
            metrics.deliveries.inc(event.deliveries)
            metrics.flush_seconds.observe(event.seconds)
            metrics.delivery_seconds.observe(max(0.0, event.oldest_s))
        case telemetry.SocketOpened():
            metrics.sockets_open.inc()
            _child(metrics.sockets_opened, event.transport).inc()
        case telemetry.SocketClosed():
            metrics.sockets_open.dec()
            metrics.sockets_closed.labels(str(event.code)).inc()
        case telemetry.Drained():
            _log.info("drained", sockets=event.sockets, left=event.left)
        case telemetry.SocketRefused():
            metrics.sockets_refused.labels(str(event.status)).inc()
        case telemetry.Joined():
            _child(metrics.joins, event.pattern, event.outcome).inc()
            _child(metrics.join_seconds, event.pattern).observe(event.seconds)
        case telemetry.Handled():
            name = known_event(event.pattern, event.event)
            metrics.handled.labels(event.pattern, name, event.outcome).inc(event.count)
            metrics.handled_seconds.labels(event.pattern).observe(event.seconds / event.count)
        case telemetry.ChannelCrashed():
            metrics.crashes.labels(event.pattern).inc()
            _log.error("channel_crashed", topic=event.pattern, exc_info=event.error)
        case telemetry.WriterOverflowed():
            metrics.overflows.labels("writer").inc()
        case telemetry.InboxOverflowed():
            metrics.overflows.labels("inbox").inc()
        case telemetry.MalformedReceived():
            metrics.malformed.inc()
        case telemetry.RateLimited():
            metrics.rate_limited.labels(f"socket_{event.kind}").inc()
        case telemetry.PubSubLost():
            metrics.pubsub_outages.inc()
            metrics.pubsub_connected.set(0)
            _log.warning("pubsub_lost", reason=event.reason)
        case telemetry.PubSubRestored():
            metrics.pubsub_connected.set(1)
            _log.warning("pubsub_restored", seconds=event.seconds, attempts=event.attempts)
        case telemetry.PublishRefused():
            metrics.publish_failures.inc(event.count)


@lru_cache(1024)
def _child(metric: Any, *labels: str) -> Any:
    """Remember the metric of these labels: to look it up costs more than to count."""
    return metric.labels(*labels)


async def measure_forever(services: Services) -> None:
    """Set the gauges that only a look at the stores can tell, every `MEASURE_SECONDS` (V-38)."""
    while True:
        # A store that does not answer is for readiness to tell; the gauges keep their last value.
        with contextlib.suppress(OSError, TimeoutError, RedisError, SQLAlchemyError):
            await measure(services)
        await asyncio.sleep(MEASURE_SECONDS)


async def measure(services: Services) -> None:
    """Set the gauges once."""
    async with services.database.read() as db:
        outbox = await parked.lag(db)
        groups = await parked.group_lags(db, _WANTED)
        metrics.deltas_waiting.set((await db.execute(_DELTAS)).scalar_one())
        ahead = await partitions.months_ahead(db, services.clock.now())
        metrics.partitions_ahead.set(ahead)
    metrics.outbox_waiting.set(outbox.waiting)
    metrics.outbox_parked.set(outbox.parked)
    metrics.outbox_lag_seconds.set(outbox.oldest_seconds)
    for each in groups:
        metrics.events_waiting.labels(each.group).set(each.waiting)
        metrics.events_lag_seconds.labels(each.group).set(each.oldest_seconds)
        metrics.events_parked.labels(each.group).set(each.parked)
    pool: Any = services.database.engine.pool
    metrics.db_connections.set(pool.checkedout())
    for queue, depth in (await services.queue.depths()).items():
        metrics.queue_depth.labels(queue).set(depth.waiting)
        metrics.queue_failed.labels(queue).set(depth.failed)
