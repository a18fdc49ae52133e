"""The background processes: what they are called, what each works on, in which order they start."""

from collections.abc import Mapping

from server.cli.console import Console
from server.cli.parts import PythonPart

# Cards are drawn when nothing else wants the processor: low priority is what makes them harmless.
CARDS_NICE = 15


def background_parts(
    environ: Mapping[str, str], console: Console | None = None
) -> list[PythonPart]:
    """One process that folds, relays and schedules, one that ingests and embeds, one for cards."""
    return [
        PythonPart("pulse", ["jobs", "pulse"], environ, console=console),
        PythonPart(
            "worker", ["jobs", "work", "--queues", "ingest", "embed"], environ, console=console
        ),
        PythonPart(
            "cards",
            ["jobs", "work", "--queues", "cards"],
            environ,
            console=console,
            nice=CARDS_NICE,
        ),
    ]
