"""What the developing process does once it is confined."""

from pathlib import Path
from typing import BinaryIO

import msgspec

from jobs.pictures.develop import NotAPicture, develop
from jobs.pictures.order import Order, Progress, Refused, Report


def carry_out(order: bytes, reports: BinaryIO) -> None:
    """Develop what an order says and report on the way, a line each."""
    asked = msgspec.json.decode(order, type=Order)

    def report(told: Report) -> None:
        reports.write(msgspec.json.encode(told) + b"\n")
        reports.flush()

    try:
        told: Report = develop(Path(asked.name), asked.suffix, lambda done: report(Progress(done)))
    except NotAPicture as refusal:
        told = Refused(str(refusal))
    except MemoryError:
        told = Refused("It takes more memory to read than a picture may.")
    report(told)
