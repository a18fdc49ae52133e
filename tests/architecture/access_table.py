"""Who may do what, from the tables that route.

`python tests/architecture/access_table.py` writes the page, and `tests/integration/test_access.py`
asks the app itself whether every line of it is true.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

ROOT = Path(__file__).parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from server.app import ALL_OPERATIONS  # noqa: E402 - found only now when run as a script
from server.catalog import CHANNELS  # noqa: E402
from server.kernel.endpoint import Access  # noqa: E402
from server.kernel.viewer import Role  # noqa: E402

PAGE = ROOT / "docs" / "access.md"
ROLES: tuple[Role, ...] = ("visitor", "user", "creator", "admin")
Word: TypeAlias = Literal["yes", "sign in", "no"]

# Who may join a topic stands in no table of the server: a new channel is entered here.
# `owner` is the person whose id the topic ends in, and nobody else, whatever their role.
JOINS: dict[str, Literal["anyone", "user", "owner"]] = {
    "feed:news": "anyone",
    "feed:foryou": "anyone",
    "feed:following": "user",
    "item:*": "anyone",
    "user:*": "owner",
}


class Line(Struct, frozen=True):
    """One thing that can be asked for, and what each role is told."""

    what: str
    words: tuple[Word, ...]


def words(access: Access) -> tuple[Word, ...]:
    """Say what each role is told where something is for these."""
    return tuple(_word(access, role) for role in ROLES)


def _word(access: Access, role: Role) -> Word:
    if access == "anyone" or role == "admin":
        return "yes"
    if role == "visitor":
        return "sign in"
    return "yes" if access == "user" else "no"


def operations() -> Iterator[Line]:
    """Every operation of the API."""
    for operation in ALL_OPERATIONS:
        yield Line(f"`{operation.method} {operation.path}`", words(operation.access))


def channels() -> Iterator[Line]:
    """Every join, and every event that clients may send."""
    for topic, channel in CHANNELS.items():
        joins = JOINS[topic]
        told = ("sign in", "own", "own", "own") if joins == "owner" else words(joins)
        yield Line(f"`{topic}` join", told)  # type: ignore[arg-type]
        for event, on in sorted(channel.handles.items()):
            yield Line(f"`{topic}` `{event}`", words(on.access))


ABOUT = """# Who may do what

Written by `python tests/architecture/access_table.py` from the tables that route, and compared
with them by a test; another asks the app each of these questions in each role. What is for
everybody may still be refused for another reason than the role: another's thing, a block, a wrong
password. **sign in**: 401 `sign_in_first`; **no**: 403 `not_allowed`; **own**: only with one's
own id.
"""
BETWEEN = "A push counts once its channel is joined; whoever's token has ended is a visitor."


def page() -> str:
    """Write the page."""
    rest, socket = _table("operation", operations()), _table("topic", channels())
    return "\n".join([ABOUT, *rest, "", BETWEEN, "", *socket, ""])


def _table(what: str, lines: Iterator[Line]) -> list[str]:
    head = [f"| {what} | {' | '.join(ROLES)} |", f"|---|{'---|' * len(ROLES)}"]
    return [*head, *(f"| {line.what} | {' | '.join(line.words)} |" for line in lines)]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
