"""The background processes: what they are called, what each works on, in which order they start."""

from collections.abc import Mapping

from server.cli.console import Console
from server.cli.parts import PythonPart

# Cards are drawn when nothing else wants the processor: low priority is what makes them harmless.
CARDS_NICE = 15
# How long a job under way is waited for: with a person at the terminal, and with a host's patience.
# One that is cut off is taken up again.
_STOP_SECONDS_AT_TERMINAL = 4.0
_STOP_SECONDS = 20.0


def background_parts(
    environ: Mapping[str, str], console: Console | None = None
) -> list[PythonPart]:
    """One process that folds, relays and schedules, one that ingests and embeds, one for cards."""
    parts = [
        PythonPart("pulse", ["jobs", "pulse"], environ, console=console),
        PythonPart(
            "worker",
            ["jobs", "work", "--queues", "ingest", "embed", "mail", "media"],
            environ,
            console=console,
        ),
        PythonPart(
            "cards",
            ["jobs", "work", "--queues", "cards", "films"],
            environ,
            console=console,
            nice=CARDS_NICE,
        ),
    ]
    for part in parts:
        part.stop_seconds = _STOP_SECONDS if console is None else _STOP_SECONDS_AT_TERMINAL
    return parts
