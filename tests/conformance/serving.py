"""Starts the example app in a process of its own, as whoever judges a server finds it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Server:
    """One running node."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.conformance.app", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )

    @cached_property
    def port(self) -> int:
        """Where it listens, as soon as it does."""
        assert self.process.stdout is not None
        port = int(self.process.stdout.readline() or 0)
        assert port, "the app did not start"
        return port

    @property
    def url(self) -> str:
        """What phoenix.js is given."""
        return f"ws://127.0.0.1:{self.port}/socket"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it as a crash of the machine would: SIGKILL."""
        self.process.kill()
        self._ended()

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.terminate()
        return self._ended()

    def _ended(self) -> int:
        code = self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


@contextmanager
def serving(*arguments: str) -> Iterator[Server]:
    """Run the example app with these arguments."""
    with several(1, *arguments) as (server,):
        yield server


@contextmanager
def several(count: int, *arguments: str) -> Iterator[list[Server]]:
    """Run so many of them, which start side by side."""
    servers = [Server(*arguments) for _ in range(count)]
    try:
        assert all(server.port for server in servers)
        yield servers
    finally:
        for server in servers:
            if server.process.poll() is None:
                server.stop()
            elif server.process.stdout is not None:
                server.process.stdout.close()
