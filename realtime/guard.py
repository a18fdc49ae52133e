"""Calls what the app wrote; the one place of the library that catches whatever it raises."""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from inspect import iscoroutinefunction
from typing import Any, TypeVar

T = TypeVar("T")


class Raised:
    """What came instead of a result."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


async def guarded(work: Awaitable[T]) -> T | Raised:
    """Await a callback of the app; what it raises is returned."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - so that a channel crashes alone
        return Raised(error)


def guarded_call(function: Callable[..., T], *arguments: Any) -> T | Raised:
    """Call a callback of the app; what it raises is returned."""
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001 - so that one listener does not deafen the others
        return Raised(error)


def guarded_three(
    function: Callable[[Any, Any, Any], None], one: Any, two: Any, three: Any
) -> Raised | None:
    """Do the same for three arguments and no result, which costs less than `*arguments`."""
    try:
        function(one, two, three)
    except Exception as error:  # noqa: BLE001 - so that a channel crashes alone
        return Raised(error)
    return None


@lru_cache(1024)
def is_plain(function: Any) -> bool:
    """Say whether a callback may answer without a task."""
    return not iscoroutinefunction(function)


async def settled(result: T | Awaitable[T]) -> T:
    """Return what a callback came to, `async def` or plain."""
    if isinstance(result, Awaitable):
        return await result
    return result
