"""How long `lumen dev` takes from nothing to a slide: `python -m tests.bench.start [ROUNDS]`.

From the start of the command, after the install: the first time in an empty folder, with initdb,
tables, model and demo content; the second time over what the first one left. A slide is there when
`GET /feed/news` gives one; asked every 50 ms.
"""

import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from server.embedded import ports
from tests.bench.machine import Machine

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 120.0
LOOK_SECONDS = 0.05
NOT_SET = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "HOST", "LUMEN_HOME")


def first_slide(folder: Path) -> float:
    """Start in a folder, wait for a slide, stop cleanly; the seconds until the slide."""
    port = ports.pick()
    environ = {name: value for name, value in os.environ.items() if name not in NOT_SET}
    environ |= {"PORT": str(port), "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    with (folder / "said.log").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "dev"], cwd=folder, env=environ, stderr=said
        )
    try:
        while not slides(port):
            if process.poll() is not None or time.perf_counter() - began > LONGEST_SECONDS:
                sys.exit((folder / "said.log").read_text())
            time.sleep(LOOK_SECONDS)
        return time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def slides(port: int) -> int:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        line.request("GET", "/feed/news")
        answer = line.getresponse()
        return len(json.loads(answer.read())["slides"]) if answer.status == 200 else 0
    except OSError:
        return 0
    finally:
        line.close()


def main(rounds: int) -> None:
    firsts, seconds = [], []
    with Machine("cold start to the first slide") as machine:
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                firsts.append(first_slide(Path(folder)))
                seconds.append(first_slide(Path(folder)))
    machine.row(
        rounds=rounds,
        first_start_s=round(statistics.median(firsts), 2),
        second_start_s=round(statistics.median(seconds), 2),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
