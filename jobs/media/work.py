"""What the encoding process does once it is confined."""

import resource
from pathlib import Path
from typing import BinaryIO

import av
import msgspec

from jobs.media.encode import encode
from jobs.media.model import Refused
from jobs.media.order import Declined, Made, Order, Progress, Report


def carry_out(order: bytes, reports: BinaryIO) -> None:
    """Encode what an order says and report on the way, a line each."""
    av.logging.set_level(av.logging.PANIC)
    asked = msgspec.json.decode(order, type=Order)
    _tighten(resource.RLIMIT_CPU, asked.cpu_seconds)
    _tighten(resource.RLIMIT_FSIZE, asked.most_bytes)

    def report(told: Report) -> None:
        reports.write(msgspec.json.encode(told) + b"\n")
        reports.flush()

    try:
        made = encode(
            Path(asked.source),
            Path(asked.folder),
            asked.bounds,
            lambda done: report(Progress(round(done, 4))),
        )
    except Refused as refusal:
        report(Declined(str(refusal)))
    except MemoryError:
        report(Declined("It takes more memory than any film may."))
    except OSError as error:
        # PyAV's errors are of this kind too: the file was readable at first, and then not.
        if not isinstance(error, av.error.FFmpegError):
            raise
        report(Declined(f"The file cannot be decoded: {error.strerror}."))
    else:
        report(Made(made))


def _tighten(limit: int, most: int) -> None:
    soft, hard = resource.getrlimit(limit)
    if soft == resource.RLIM_INFINITY or most < soft:
        resource.setrlimit(limit, (most, hard))
