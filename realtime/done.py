"""What a plain function gives back to whoever awaits it: nothing is left to do."""

# mypy: disable-error-code="explicit-override"
# typing.override is newer than Python 3.11, and nothing else here needs typing_extensions.

from collections.abc import Coroutine, Generator
from typing import Any, Final, NoReturn


class Done(Coroutine[Any, Any, None]):
    """A coroutine that was over before it began: awaited, or made a task, it costs no turn."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        yield from ()

    def send(self, value: Any) -> NoReturn:  # noqa: ARG002
        """Be over."""
        raise StopIteration

    def throw(self, *error: Any) -> NoReturn:
        """Raise what is thrown in."""
        raise error[0]

    def close(self) -> None:
        """Be over already."""


DONE: Final = Done()
