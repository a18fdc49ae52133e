"""The modules that hold the jobs of each queue: a worker imports those of its own queues only."""

from collections.abc import Iterable
from importlib import import_module

MODULES: dict[str, tuple[str, ...]] = {
    "ingest": (
        "jobs.ingest.refresh",
        "jobs.ingest.preview",
        "jobs.ingest.subscribe",
        "jobs.ingest.pictures",
        "jobs.ingest.link_card",
        "jobs.ingest.demo",
    ),
    "embed": ("jobs.embed.job", "jobs.cards.poster_job"),
    "mail": (
        "jobs.accounts.letters",
        "jobs.accounts.export",
        "jobs.notify.digest_job",
        "jobs.notify.push_job",
    ),
    "media": ("jobs.pictures.job",),
    "cards": ("jobs.cards.render_job",),
    "films": ("jobs.media.job",),
}


def load(queues: Iterable[str]) -> None:
    """Import what does the jobs of these queues, so that each is registered."""
    for queue in queues:
        for module in MODULES[queue]:
            import_module(module)
