"""Has documents read by processes of their own, so that a hostile one costs that process only."""

import asyncio
import atexit
import contextlib
import os
import queue
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import IO

import msgspec

import jobs
from jobs.ingest.reader import CPU_SECONDS, LENGTH
from jobs.ingest.reading import Order, Refused, Result, result_of, written
from server.kernel.metrics import ingest_reads_ended

# Reading fills a processor: more processes than this only wait for one another.
PROCESSES = 2
# By the wall, for what waits instead of working; a busy machine may need it all.
WALL_SECONDS = 60.0
# So much work is given to one process before another takes its place: parsers leak.
ORDERS = 2000
GRACE_SECONDS = 5.0
MOST_RESULT = 64 * 1024 * 1024
_PIECE = 1 << 20
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class _Ended(Exception):
    """The process is gone."""


class _TooLong(Exception):
    """The process is not to be waited for."""


class Readers:
    """A few reading processes, started when they are needed and again when they died."""

    def __init__(
        self,
        processes: int = PROCESSES,
        *,
        cpu_seconds: int = CPU_SECONDS,
        wall_seconds: float = WALL_SECONDS,
    ) -> None:
        self._wall_seconds = wall_seconds
        self._cpu_seconds = cpu_seconds
        self._free: queue.LifoQueue[_Reader] = queue.LifoQueue()
        for _ in range(processes):
            self._free.put(_Reader(cpu_seconds))
        # As many as there are processes: none of them ever waits for another.
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="readers")

    async def carry_out(self, order: Order) -> Result:
        """Have an order carried out; what the process died of is refused."""
        content = written(order)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._carry_out, content)

    def close(self) -> None:
        """End the processes."""
        self._threads.shutdown()
        with contextlib.suppress(queue.Empty):
            while True:
                self._free.get_nowait().end(at_once=True)

    def _carry_out(self, order: bytes) -> Result:
        reader = self._free.get()
        try:
            return result_of(reader.ask(order, time.monotonic() + self._wall_seconds))
        except _TooLong:
            reader.end(at_once=True)
            reason = f"Reading it takes more than {self._wall_seconds:.0f} s."
        except (_Ended, OSError, msgspec.DecodeError):
            reason = _why(reader.end(), self._cpu_seconds)
        finally:
            self._free.put(reader)
        ingest_reads_ended.inc()
        return Refused(reason)


class _Reader:
    """One reading process."""

    def __init__(self, cpu_seconds: int) -> None:
        self._cpu_seconds = cpu_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._orders = 0

    def ask(self, order: bytes, until: float) -> bytes:
        """Give an order and wait for its result, no longer than until a time."""
        process = self._running()
        self._orders += 1
        assert process.stdin is not None  # noqa: S101 - it was asked for
        assert process.stdout is not None  # noqa: S101 - it was asked for
        process.stdin.write(LENGTH.pack(len(order)) + order)
        process.stdin.flush()
        size: int = LENGTH.unpack(_taken(process.stdout, LENGTH.size, until))[0]
        if size > MOST_RESULT:
            raise _Ended
        return _taken(process.stdout, size, until)

    def end(self, *, at_once: bool = False) -> int:
        """End the process, whatever it is doing; gives the code with which it ended."""
        if self._process is None:
            return 0
        if not at_once:
            with contextlib.suppress(subprocess.TimeoutExpired):
                # One that is ending by itself is let say how.
                self._process.wait(GRACE_SECONDS)
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process = None
        return code

    def _running(self) -> subprocess.Popen[bytes]:
        if self._orders >= ORDERS or (self._process and self._process.poll() is not None):
            self.end(at_once=True)
        if self._process is None:
            self._orders = 0
            # It ends with this process, for then nobody holds the other end of its pipe.
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "jobs.ingest.reader", str(self._cpu_seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(os.environ),
                start_new_session=True,
            )
        return self._process


def _why(code: int, cpu_seconds: int) -> str:
    if code == -signal.SIGXCPU:
        return f"Reading it takes more than {cpu_seconds} s of a processor."
    return f"Reading it ended the process that read it, with {code}."


def _taken(pipe: IO[bytes], size: int, until: float) -> bytes:
    taken = bytearray()
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    while len(taken) < size:
        if not waiting.poll(max(0.0, until - time.monotonic()) * 1000):
            raise _TooLong
        piece = os.read(pipe.fileno(), min(_PIECE, size - len(taken)))
        if not piece:
            raise _Ended
        taken += piece
    return bytes(taken)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """Give the process what it needs to find itself, and no secret of ours."""
    kept = {name: given[name] for name in _INHERITED if name in given}
    root = str(Path(jobs.__file__).parent.parent)
    return {**kept, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1", **_ONE_THREAD}


@cache
def of_this_process() -> Readers:
    """Give the readers of this worker."""
    readers = Readers()
    atexit.register(readers.close)
    return readers
