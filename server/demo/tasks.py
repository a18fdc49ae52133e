"""The job that loads the demo content."""

from msgspec import Struct

from server.kernel.queue import Task


class LoadDemo(Struct, frozen=True):
    """Takes nothing: what is loaded lies beside this file."""


LOAD = Task("demo.load", "ingest", LoadDemo, timeout_seconds=120, retry_seconds=(2, 5))
JOB_ID = "demo-load"
