"""What a delivery costs, against a C program that does nothing but send the same bytes.

    python -m tests.bench.broadcast [ROUNDS]

Server on one core, load on another, rounds interleaved, medians. "per CPU s" is deliveries (or
answers) for each second of the server's CPU; the ratio is to the floor of the same run; "idle"
is the share of the time in which the load generator waited for our server.
"""

import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
URL_PATH = "/socket/websocket?vsn=2.0.0"


class Row(NamedTuple):
    """One thing to measure, on our server and on the floor."""

    title: str
    mode: str
    options: dict[str, int]
    ours: tuple[str, ...] = ()
    floor: tuple[str, ...] = ()


ROWS = [
    Row("broadcast to 1,000, window 8, each by itself", "fanout", {"window": 8}, ("each",)),
    Row("broadcast to 1,000, window 8, coalesced", "fanout", {"window": 8}, (), ("coalesce",)),
    Row("50 publishers, coalesced", "fanout", {"window": 50, "pubs": 50}, (), ("coalesce",)),
    Row("ping, 100 clients", "ping", {"clients": 100}),
    Row("ping, 1,000 clients", "ping", {"clients": 1000}),
]


def main(rounds: int = 3) -> None:
    """Print the table."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        print("broadcast: no C compiler here, so there is no floor to compare with; skipped")
        return
    with tempfile.TemporaryDirectory() as folder:
        floor, loadgen = (build(compiler, name, Path(folder)) for name in ("floor", "loadgen"))
        print(f"broadcast cost · {revision()} · medians of {rounds}, interleaved")
        print(f"{'':46}{'ours':>12}{'floor':>12}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}{'idle':>7}")
        for row in ROWS:
            ours, theirs = [], []
            for _ in range(rounds):
                ours.append(measure([*our_server(), *row.ours], loadgen, row))
                theirs.append(measure([str(floor), "{port}", *row.floor], loadgen, row))
            print_row(row.title, ours, theirs)
        idle = measure(our_server(), loadgen, Row("", "idle", {"clients": 2000, "run_ms": 100}))
        print(f"memory of an idle joined client: {idle['kib_each']:.1f} KiB")
        rate = idle["joined"] / max(idle["connect_cpu_s"], 0.01)
        print(f"connect and join: {rate:,.0f} per CPU s")


def print_row(title: str, ours: list[Any], theirs: list[Any]) -> None:
    """Print one row of medians."""
    mine, floor = (statistics.median(map(per_cpu_second, runs)) for runs in (ours, theirs))
    p50, p99, idle = (
        statistics.median(run[key] for run in ours) for key in ("p50_ms", "p99_ms", "load_idle")
    )
    columns = f"{mine:12,.0f}{floor:12,.0f}{mine / floor:8.2f}{p50:9.2f}{p99:9.2f}{idle:7.0%}"
    print(f"{title:46}{columns}")


def per_cpu_second(run: dict[str, Any]) -> float:
    """Deliveries for each second of the server's CPU."""
    return float(run["deliveries"] / max(run["cpu_s"], 0.01))


def build(compiler: str, name: str, folder: Path) -> Path:
    """Compile one of the two C programs."""
    made = folder / name
    subprocess.run([compiler, "-O2", "-o", str(made), str(HERE / f"{name}.c")], check=True)
    return made


def our_server() -> list[str]:
    """Return the command of our server; `{port}` is filled in."""
    return [sys.executable, "-m", "tests.bench.broadcast_server", "{port}"]


def measure(command: list[str], loadgen: Path, row: Row) -> dict[str, Any]:
    """Run one server and one load against it."""
    with serving(command) as (port, pid):
        options = [f"{name}={value}" for name, value in row.options.items()]
        load = [str(loadgen), row.mode, str(port), URL_PATH, str(pid), *options]
        done = subprocess.run(pinned(load, 1), capture_output=True, check=True)
        measured: dict[str, Any] = json.loads(done.stdout)
        return measured


@contextmanager
def serving(command: list[str]) -> Iterator[tuple[int, int]]:
    """Start a server on a free port and end it whatever happens."""
    port = free_port()
    words = [word.format(port=port) for word in command]
    process = subprocess.Popen(pinned(words, 0))
    try:
        wait_for(port, process)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def pinned(command: list[str], core: int) -> list[str]:
    """Keep a program on one core, where there are two."""
    taskset = shutil.which("taskset")
    if taskset is None or (os.cpu_count() or 1) <= core:
        return command
    return [taskset, "-c", str(core), *command]


def free_port() -> int:
    """Return a port below the range of outgoing connections."""
    while True:
        port = random.randint(20_000, 32_000)  # noqa: S311 - a guess, then looked at
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return once the server listens."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"broadcast: {process.args!r} did not start")


def revision() -> str:
    """Return the commit that is measured."""
    git = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(git, capture_output=True, check=False, text=True, cwd=HERE)
    return done.stdout.strip() or "no git"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
