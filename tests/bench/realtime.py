"""What realtime costs, against a C program that does nothing but send the same bytes.

    python -m tests.bench.realtime [--alone] [ROUNDS] [--row WORDS OF A ROW'S TITLE]

Server on one core, load on the other, rounds interleaved with the floor's, medians. A ratio is to
the floor of the same run; "idle" is the share of the time in which the load generator had nothing
to do, in our runs: where it is near nothing, the load was the limit and not the server.
The rows of heartbeats are measured on `lumen serve` itself with its default settings. Nothing
else of Lumen answers without asking PostgreSQL, and nothing that a client says is broadcast as it
is: the other rows run on an app of one channel over the same engine, with tokens, rates and
Lumen's metrics on.
Peers are measured where `make bench-peers` has installed them, and not at all with --alone.
"""

import os
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from server.embedded import Home, RedisServer
from tests.bench import realtime_peers
from tests.bench.realtime_server import SIGNED
from tests.bench.realtime_stage import Run, build, compiler, load, revision, serving
from tests.bench.stage import stage

ROUNDS = 5


def per_cpu_second(run: Run) -> float:
    """Deliveries, or answers, for each second of the server's CPU."""
    return run["deliveries"] / max(run["cpu_s"], 0.01)


def half_time(run: Run) -> float:
    """Milliseconds until half of the shouts were everywhere."""
    return run["p50_ms"]


def cpu_share(run: Run) -> float:
    """The share of a core that the server took, in percent."""
    return 100 * run["cpu_s"] / run["wall_s"]


def connects(run: Run) -> float:
    """Clients connected and joined a second."""
    return run["joined"] / run["connect_s"]


def connects_of_cpu(run: Run) -> float:
    """Clients connected and joined for each second of the server's CPU."""
    return run["joined"] / max(run["connect_cpu_s"], 0.01)


class Row(Struct, frozen=True, kw_only=True):
    """One line of the table: a load, what is read from it, and the bar."""

    title: str
    mode: str
    options: dict[str, int]
    figure: Callable[[Run], float] = per_cpu_second
    bar: float
    most: bool = False  # the bar is the most there may be, not the least
    ours: tuple[str, ...] = ()
    floor: tuple[str, ...] = ()
    peers: bool = False
    shipped: bool = False  # by `lumen serve`, without a token
    aside: tuple[str, Callable[[Run], float]] | None = None  # another figure of the same runs


BRIEFLY = {"warm_ms": 300, "run_ms": 2000}
ONE_BROADCAST = {"clients": 10_000, "window": 1, "pause_ms": 40}
MIXED = {"clients": 2000, "topics": 200, "rate": 25}
ROWS = [
    Row(
        title="broadcast to 1,000, window 8, each by itself",
        mode="fanout",
        options={"window": 8},
        bar=0.80,
        ours=("each",),
        peers=True,
    ),
    Row(
        title="broadcast to 1,000, window 8, coalesced",
        mode="fanout",
        options={"window": 8},
        bar=0.75,
        floor=("coalesce",),
    ),
    Row(
        title="50 publishers, coalesced (plain floor)",
        mode="fanout",
        options={"window": 50, "pubs": 50},
        bar=15,
        peers=True,
    ),
    Row(
        title="one broadcast to 10,000, p50 ms",
        mode="fanout",
        options=ONE_BROADCAST,
        figure=half_time,
        bar=1.35,
        most=True,
    ),
    Row(title="ping, 100 clients", mode="ping", options={"clients": 100}, bar=0.60, peers=True),
    Row(title="ping, 1,000 clients", mode="ping", options={"clients": 1000}, bar=0.60),
    Row(
        title="lumen serve: heartbeat, 100 clients",
        mode="ping",
        options={"clients": 100, "beat": 1},
        bar=0.60,
        shipped=True,
    ),
    Row(
        title="lumen serve: heartbeat, 1,000 clients",
        mode="ping",
        options={"clients": 1000, "beat": 1},
        bar=0.60,
        shipped=True,
    ),
    Row(
        title="connect and join with a token, per s",
        mode="idle",
        options={"clients": 4000, "run_ms": 10},
        figure=connects,
        bar=0.30,
        aside=("  the same, per CPU s", connects_of_cpu),
    ),
    Row(
        title="2,000 clients, 200 topics, 25/s each, CPU %",
        mode="mixed",
        options=MIXED,
        figure=cpu_share,
        bar=1.4,
        most=True,
    ),
]
HEAD = ("ours", "floor", "ratio", "bar", "p50 ms", "p99 ms", "idle")


def main(rounds: int = ROUNDS, only: str = "", *, alone: bool = False) -> None:
    """Print the table."""
    cc = compiler()
    if cc is None:
        print("realtime: no C compiler here, so there is no floor to compare with; skipped")
        return
    with tempfile.TemporaryDirectory() as folder:
        floor, loadgen = (build(cc, name, Path(folder)) for name in ("floor", "loadgen"))
        load_there = f"load {os.getloadavg()[0]:.1f} before"
        print(f"realtime · {revision()} · medians of {rounds}, interleaved · {load_there}")
        print(f"{'':46}" + "".join(f"{word:>11}" for word in HEAD))
        for row in ROWS:
            if only in row.title:
                measure(row, floor, loadgen, rounds, alone=alone)
        if only in "memory":
            memory(loadgen, rounds)
        if only in "held":
            held(loadgen)
        if only in "two nodes":
            two_nodes(loadgen, Path(folder), rounds)


def measure(row: Row, floor: Path, loadgen: Path, rounds: int, *, alone: bool) -> None:
    """Run one row on our server, on the floor and on the peers, by turns."""
    options = {**BRIEFLY, **row.options}
    runs: dict[str, list[Run]] = {"ours": [], "floor": []}
    with_peers = row.peers and not alone
    peers = realtime_peers.installed() if with_peers else {}
    with ExitStack() as open_still:
        lumen = open_still.enter_context(shipped()) if row.shipped else None
        for _ in range(rounds):
            if lumen is not None:
                runs["ours"].append(load(loadgen, row.mode, *lumen, options))
            else:
                runs["ours"].append(once(row, [*ours(), *row.ours], options, loadgen))
            runs["floor"].append(once(row, [str(floor), "{port}", *row.floor], options, loadgen))
            for name, peer in peers.items():
                with serving(peer.command, peer.environ) as (port, pid):
                    told = {**options, "dialect": int(peer.socket_io)}
                    done = load(loadgen, row.mode, port, pid, told, path=peer.path)
                runs.setdefault(name, []).append(done)
    show(row, runs)
    for name in peers:
        there = statistics.median(map(row.figure, runs[name]))
        ratio = there / statistics.median(map(row.figure, runs["floor"]))
        print(f"{'  ' + name:46}{there:11,.1f}{'':11}{ratio:11.2f}", flush=True)
    if with_peers:
        for name in realtime_peers.missing():
            print(f"  {name}: not installed here (make bench-peers); skipped", flush=True)


def once(row: Row, command: list[str], options: Mapping[str, int], loadgen: Path) -> Run:
    """Start a server, load it once, and end it."""
    with serving(command) as (port, pid):
        return load(loadgen, row.mode, port, pid, options, SIGNED.sign("bench", 1))


def show(row: Row, runs: dict[str, list[Run]]) -> None:
    """Print one row of the table, and what is told beside it."""
    p50, p99, idle = (middle(runs["ours"], key) for key in ("p50_ms", "p99_ms", "load_idle"))
    ours, floor = (statistics.median(map(row.figure, runs[name])) for name in ("ours", "floor"))
    ratio = ours / floor
    good = ratio <= row.bar if row.most else ratio >= row.bar
    print(
        f"{row.title:46}{ours:11,.1f}{floor:11,.1f}{ratio:11.2f}"
        f"{row.bar:8g} {'ok' if good else '--'}{p50:11.2f}{p99:11.2f}{idle:11.0%}",
        flush=True,
    )
    if row.aside is not None:
        title, figure = row.aside
        ours, floor = (statistics.median(map(figure, runs[name])) for name in ("ours", "floor"))
        print(f"{title:46}{ours:11,.1f}{floor:11,.1f}{ours / floor:11.2f}", flush=True)


@contextmanager
def shipped() -> Iterator[tuple[int, int]]:
    """Start `lumen serve` with its stores and its default settings, and keep it on one core."""
    with stage(more={"RATE_LIMITS": "true"}) as ready:
        for thread in Path(f"/proc/{ready.pid}/task").iterdir():
            if (os.cpu_count() or 1) > 1:
                os.sched_setaffinity(int(thread.name), {0})
        yield urlsplit(ready.url).port or 0, ready.pid


def memory(loadgen: Path, rounds: int) -> None:
    """Print what an idle joined client keeps."""
    kib = []
    for _ in range(rounds):
        with serving(ours()) as (port, pid):
            options = {"clients": 4000, "run_ms": 10}
            kib.append(load(loadgen, "idle", port, pid, options, SIGNED.sign("bench", 1)))
    print(f"memory of an idle joined client: {middle(kib, 'kib_each'):.1f} KiB (bar 12)")


def held(loadgen: Path) -> None:
    """Print how long the loop was held while broadcasts went to 10,000."""
    with serving([*ours(), "held"]) as (port, pid):
        url = f"http://127.0.0.1:{port}/"
        token = SIGNED.sign("bench", 1)
        load(loadgen, "fanout", port, pid, ONE_BROADCAST, token)
        print(f"loop held at most {_ask(url):.1f} ms by broadcasts to 10,000 (bar 10), CPU time")


def two_nodes(loadgen: Path, folder: Path, rounds: int) -> None:
    """Print what a second node and Redis between them cost."""
    home = Home(folder / "home")
    home.prepare()
    redis = RedisServer(home)
    options = {"clients": 5000, "topics": 500, "rate": 2}
    token = SIGNED.sign("bench", 1)
    redis.start()
    two, one = [], []
    try:
        for _ in range(rounds):
            shared = [*ours(), f"redis={redis.url}"]
            with serving(shared, core=None) as first, serving(shared, core=None) as second:
                both = {**options, "port2": second[0], "server2": second[1]}
                two.append(load(loadgen, "mixed", *first, both, token, core=None))
            with serving(ours(), core=None) as alone:
                one.append(load(loadgen, "mixed", *alone, options, token, core=None))
    finally:
        redis.stop()
    p50, p99 = middle(two, "p50_ms"), middle(two, "p99_ms")
    cost, alone_cost = (1e6 / statistics.median(map(per_cpu_second, runs)) for runs in (two, one))
    print(
        f"two nodes through Redis, 500 topics of 10, 2/s each: p50 {p50:.2f} ms, p99 {p99:.2f} ms "
        f"(bar 20); CPU for a delivery {cost:.1f} us, on one node without Redis {alone_cost:.1f} us"
    )


def ours() -> list[str]:
    """Return the command of our server; `{port}` is filled in."""
    return [sys.executable, "-m", "tests.bench.realtime_server", "{port}"]


def middle(runs: list[Run], key: str) -> float:
    """Return the median of one figure."""
    return statistics.median(run[key] for run in runs)


def _ask(url: str) -> float:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own
        body: Any = answer.read()
        return float(body)


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word not in ("--alone", "--row")]
    number = int(words.pop(0)) if words and words[0].isdigit() else ROUNDS
    main(number, " ".join(words), alone="--alone" in sys.argv)
