"""How fast texts become vectors, on one thread: `python -m tests.bench.embed [onnx|torch]`."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from jobs.embed.build import built_graph
from jobs.embed.engine import open_engine
from tests.bench.machine import Machine

SENTENCE = "Item {n}: the old weir came down in {year}, and what lives in the river came back."
ARTICLE = " ".join(SENTENCE.format(n=n, year=1900 + n) for n in range(14))


def bench(kind: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if kind == "onnx":
            with Machine("build of the graph") as machine:
                path = built_graph(Path(folder))
            machine.row(megabytes=round(path.stat().st_size / 1e6, 1))
        with Machine("load") as machine:
            engine = open_engine(kind, Path(folder))
            engine.embed(["warm"])
        machine.row(engine=kind)
    short = [SENTENCE.format(n=n, year=1900 + n % 100) for n in range(320)]
    long = [f"{n} {ARTICLE}" for n in range(48)]
    for name, texts in (("sentences", short), ("articles of 256 tokens", long)):
        with Machine(name) as machine:
            engine.embed(texts)
        machine.row(
            count=len(texts),
            a_cpu_second=round(len(texts) / machine.cpu_seconds, 1),
            a_wall_second=round(len(texts) / machine.wall_seconds, 1),
        )
    with Machine("one query") as machine:
        for text in short[:100]:
            engine.embed([text])
    machine.row(each_ms=round(machine.cpu_seconds * 10, 2))


if __name__ == "__main__":
    bench(sys.argv[1] if len(sys.argv) > 1 else "onnx")
