"""The background processes: what they are called, what each works on, in which order they start."""

from collections.abc import Mapping

from server.cli.console import Console
from server.cli.services import PythonService

# Cards are drawn when nothing else wants the processor: low priority is what makes them harmless.
CARDS_NICE = 15


def background_services(
    environ: Mapping[str, str], console: Console | None = None
) -> list[PythonService]:
    """One process that folds, relays and schedules, one that ingests and embeds, one for cards."""
    return [
        PythonService("pulse", ["jobs", "pulse"], environ, console=console),
        PythonService(
            "worker", ["jobs", "work", "--queues", "ingest", "embed"], environ, console=console
        ),
        PythonService(
            "cards",
            ["jobs", "work", "--queues", "cards"],
            environ,
            console=console,
            nice=CARDS_NICE,
        ),
    ]
