"""What the rendering process does once it is confined."""

from pathlib import Path
from typing import BinaryIO

import av
import msgspec

from jobs.cards.film import render
from jobs.cards.order import Made, Order, Progress, Report


def carry_out(order: bytes, reports: BinaryIO) -> None:
    """Render what an order says and report on the way, a line each."""
    av.logging.set_level(av.logging.ERROR)
    asked = msgspec.json.decode(order, type=Order)

    def report(told: Report) -> None:
        reports.write(msgspec.json.encode(told) + b"\n")
        reports.flush()

    film = render(asked.card, Path(asked.name), lambda done: report(Progress(done)))
    report(Made(film.frames, film.width, film.height, film.duration_sec, film.bytes))
