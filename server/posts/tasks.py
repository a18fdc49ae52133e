"""The job that posts need."""

from uuid import UUID

from msgspec import Struct

from server.kernel.queue import Task


class CardLink(Struct, frozen=True):
    """The post whose link is to be looked at."""

    post_id: UUID


CARD_LINK = Task("posts.card_link", "ingest", CardLink, timeout_seconds=90, at_front=True)


def card_link_id(post_id: UUID) -> str:
    """Name the job, so that the same post waits once."""
    return f"card-link-{post_id}"
