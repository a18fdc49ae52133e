"""The stage of tests/bench/realtime.py: servers and loads as processes, each on its core."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

HERE = Path(__file__).parent
URL_PATH = "/socket/websocket?vsn=2.0.0"
START_SECONDS = 30.0

Run: TypeAlias = dict[str, Any]  # what the load generator prints


def compiler() -> str | None:
    """Return the C compiler of this machine."""
    return shutil.which("cc") or shutil.which("gcc")


def build(cc: str, name: str, folder: Path) -> Path:
    """Compile one of the two C programs."""
    made = folder / name
    subprocess.run([cc, "-O2", "-o", str(made), str(HERE / f"{name}.c")], check=True)
    return made


def load(
    loadgen: Path,
    mode: str,
    port: int,
    pid: int,
    options: Mapping[str, int],
    token: str = "",
    path: str = URL_PATH,
    core: int | None = 1,
) -> Run:
    """Put one load on a server, and return what was seen."""
    words = [f"{name}={value}" for name, value in options.items()]
    if token:
        words.append(f"token={subprotocol(token)}")
    command = [str(loadgen), mode, str(port), path, str(pid), *words]
    done = subprocess.run(pinned(command, core), capture_output=True, check=True)
    run: Run = json.loads(done.stdout)
    return run


def subprotocol(token: str) -> str:
    """Write a token as phoenix.js writes it into a subprotocol."""
    return b64encode(token.encode()).decode().rstrip("=")


@contextmanager
def serving(
    command: list[str], environ: Mapping[str, str] | None = None, core: int | None = 0
) -> Iterator[tuple[int, int]]:
    """Start a server on a free port and end it whatever happens."""
    port = free_port()
    words = [word.format(port=port) for word in command]
    process = subprocess.Popen(pinned(words, core), env={**os.environ, **(environ or {})})
    try:
        wait_for(port, process)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def pinned(command: list[str], core: int | None) -> list[str]:
    """Keep a program on one core, where there are two."""
    taskset = shutil.which("taskset")
    if taskset is None or core is None or (os.cpu_count() or 1) <= core:
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
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"realtime: {process.args!r} did not start")


def revision() -> str:
    """Return the commit that is measured."""
    git = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(git, capture_output=True, check=False, text=True, cwd=HERE)
    return done.stdout.strip() or "no git"
