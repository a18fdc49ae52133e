"""One value of the process, made again when it is old: by one caller, whoever else is waiting."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Keeps what `make` made.

    After `fresh_seconds` the old value still serves while a new one is made behind it; after
    `forget`, or `old_seconds`, callers wait for the new one.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[Value]],
        *,
        fresh_seconds: float,
        old_seconds: float,
        time: Callable[[], float],
    ) -> None:
        self._make = make
        self._fresh_seconds = fresh_seconds
        self._old_seconds = old_seconds
        self._time = time
        self._value: Value | None = None
        self._made_at = 0.0
        self._generation = 0
        self._of_generation = -1
        self._making: asyncio.Task[Value] | None = None

    async def get(self) -> Value:
        """Give the value, making it if need be."""
        while True:
            age = self._time() - self._made_at
            known = self._value is not None and self._of_generation == self._generation
            if not known or age > self._old_seconds:
                generation = self._generation
                value = await asyncio.shield(self._start())
                # What was being made when it was forgotten may miss what made it be forgotten.
                if self._of_generation >= generation:
                    return value
                continue
            if age > self._fresh_seconds:
                self._start()
            assert self._value is not None  # noqa: S101 - `known` says so
            return self._value

    def forget(self) -> None:
        """Let the next caller wait for a new value."""
        self._generation += 1

    async def close(self) -> None:
        """Stop what is being made."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)

    def _start(self) -> asyncio.Task[Value]:
        if self._making is None:
            self._making = asyncio.create_task(self._run(self._generation))
            self._making.add_done_callback(self._done)
        return self._making

    async def _run(self, generation: int) -> Value:
        value = await self._make()
        self._value, self._made_at = value, self._time()
        self._of_generation = generation
        return value

    def _done(self, task: asyncio.Task[Value]) -> None:
        self._making = None
        if not task.cancelled():
            # Whoever waits is told; a failure behind an old value shows at the next attempt.
            task.exception()
