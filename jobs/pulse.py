"""The pulse: one background process that folds counters, relays events and schedules jobs.

However many are started, each of the three runs in one of them at a time, by a lease in PostgreSQL;
when its holder dies another takes over within two seconds. Two at once, for the blink of a lost
lease, would do no harm: what each does is right when done twice.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

import uvloop
from sqlalchemy.exc import SQLAlchemyError

from jobs import schedule
from jobs.workshop import Opens
from server import catalog, engagement
from server.kernel import leases
from server.kernel.bell import listening
from server.kernel.ids import new_id
from server.kernel.logs import log
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services

Work: TypeAlias = Callable[[], Awaitable[None]]

LEASE_SPAN = timedelta(seconds=1.5)
RENEW_SECONDS = 0.4
FIRST_REST_SECONDS = 0.1
LONGEST_REST_SECONDS = 5.0

_log = log("pulse")


def run(opens: Opens, *, listen_url: str, redis_url: str) -> None:
    """Be the pulse until SIGTERM or SIGINT."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_told(opens, listen_url, redis_url))


async def beat(services: Services, *, listen_url: str, redis_url: str) -> None:
    """Do the three things, those whose lease is free, for as long as the task lives."""
    relay = Relay(services, by_topic(catalog.REACTIONS), services.policy.paused_consumers)
    holder = new_id()
    async with (
        # One ear for each: whoever hears the bell clears it.
        listening(listen_url) as to_fold,
        listening(listen_url) as to_relay,
        asyncio.TaskGroup() as group,
    ):
        # The fold holds a lease of its own.
        group.create_task(keep_going("fold", lambda: engagement.fold_forever(services, to_fold)))
        for name, work in (
            ("relay", lambda: relay.run(to_relay)),
            ("scheduler", lambda: schedule.run(services, redis_url)),
        ):
            tenure = Tenure(services, name, holder, work)
            group.create_task(keep_going(name, tenure.run))


class Tenure:
    """Work that is done only while a lease is held."""

    def __init__(self, services: Services, name: str, holder: UUID, work: Work) -> None:
        self._services = services
        self._name = name
        self._holder = holder
        self._work = work

    async def run(self) -> None:
        """Take the lease when it is free, work while it is held, and start over."""
        try:
            while True:
                if await self._take():
                    await self._while_held()
                await asyncio.sleep(RENEW_SECONDS)
        finally:
            await asyncio.shield(self._give_up())

    async def _while_held(self) -> None:
        _log.info("lease_taken", lease=self._name)
        work = asyncio.ensure_future(self._work())
        try:
            good_until = time.monotonic() + LEASE_SPAN.total_seconds()
            while not work.done() and time.monotonic() < good_until:
                await asyncio.wait([work], timeout=RENEW_SECONDS)
                begun = time.monotonic()
                if await self._take():
                    good_until = begun + LEASE_SPAN.total_seconds()
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    async def _take(self) -> bool:
        try:
            async with asyncio.timeout(LEASE_SPAN.total_seconds()):
                async with self._services.database.begin() as db:
                    return await leases.take(db, self._name, self._holder, LEASE_SPAN)
        except (OSError, SQLAlchemyError):
            return False

    async def _give_up(self) -> None:
        with contextlib.suppress(OSError, SQLAlchemyError):
            async with self._services.database.begin() as db:
                await leases.give_up(db, self._name, self._holder)


async def keep_going(name: str, work: Work) -> None:
    """Start work again whenever it breaks, after a pause that grows while it keeps breaking."""
    rest = FIRST_REST_SECONDS
    while True:
        begun = time.monotonic()
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - a supervisor: one broken part stops no other
            said = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            _log.error("part_broke", part=name, exc_info=said)
        if time.monotonic() - begun > LONGEST_REST_SECONDS:
            rest = FIRST_REST_SECONDS
        await asyncio.sleep(rest)
        rest = min(rest * 2, LONGEST_REST_SECONDS)


async def _until_told(opens: Opens, listen_url: str, redis_url: str) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with opens() as services:
        beating = asyncio.ensure_future(beat(services, listen_url=listen_url, redis_url=redis_url))
        telling = asyncio.ensure_future(told.wait())
        _log.info("pulse_started")
        await asyncio.wait([beating, telling], return_when=asyncio.FIRST_COMPLETED)
        for task in (beating, telling):
            task.cancel()
        await asyncio.wait([beating, telling])
        _log.info("pulse_stopped")
    if told.is_set():
        return
    beating.result()
