"""`lumen serve --workers N`: several web processes on one port, under one supervisor."""

import os
import sys
import tempfile
import time
from collections.abc import Mapping

import click
from prometheus_client import multiprocess
from typing_extensions import override

from server.cli.console import Console
from server.cli.parts import PythonPart
from server.cli.serve import GRACEFUL_SECONDS, sharing_socket
from server.cli.supervisor import GaveUpError, Stopped, Supervisor
from server.kernel.metrics import SHARED_FOLDER

# The readers of one process have begun to come back elsewhere when the next one sends its own away.
STAGGER_SECONDS = 0.5
_STOP_SECONDS = GRACEFUL_SECONDS + 10.0


class WebWorker(PythonPart):
    """One web process. What it counted stays in the sum when it is gone; what it held does not."""

    def __init__(self, number: int, host: str, port: int, environ: Mapping[str, str]) -> None:
        words = ["server.cli", "serve", "--host", host, "--port", str(port), "--shares-port"]
        super().__init__(f"web {number}", words, environ)
        self.stop_seconds = _STOP_SECONDS
        self._counted: int | None = None

    @override
    def start(self) -> None:
        self._forget()
        super().start()
        self._counted = self.pid

    @override
    def ask_to_stop(self) -> None:
        super().ask_to_stop()
        time.sleep(STAGGER_SECONDS)

    @override
    def stop(self) -> None:
        super().stop()
        self._forget()

    def _forget(self) -> None:
        """Take the gauges of a process that is gone out of the sum."""
        if self._counted is not None:
            multiprocess.mark_process_dead(self._counted)  # type: ignore[no-untyped-call]
            self._counted = None


def supervise(count: int, host: str, port: int) -> None:
    """Keep `count` web processes running on the port until a signal comes."""
    with (
        tempfile.TemporaryDirectory(prefix="lumen-metrics-") as folder,
        sharing_socket(host, port),  # not listening: it only keeps the port ours meanwhile
        Supervisor(Console(sys.stderr)) as supervisor,
    ):
        os.environ[SHARED_FOLDER] = folder
        workers = [WebWorker(number, host, port, os.environ) for number in range(1, count + 1)]
        try:
            supervisor.start(*workers, saying=f"Starting {count} web processes")
            supervisor.watch()
        except Stopped:
            pass
        except GaveUpError as error:
            raise click.ClickException(str(error)) from error
        finally:
            supervisor.stop()
