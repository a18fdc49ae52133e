"""The jobs that accounts need."""

from uuid import UUID

from msgspec import Struct

from server.kernel.queue import Task


class SendLetter(Struct, frozen=True):
    """Which one-time token's letter is sent; the token itself never lies in a queue."""

    token_id: UUID


LETTER = Task("accounts.letter", "mail", SendLetter, timeout_seconds=60, retry_seconds=(5, 60, 300))


def letter_id(token_id: UUID) -> str:
    """Name the job that sends a letter: one at a time."""
    return f"letter-{token_id}"
