"""Every benchmark, one after the other, each in a process of its own: `make bench`.

Run it on a machine that does nothing else; a row's idle share says how far that was so.
"""

import subprocess
import sys

# In the order of a reader's day: it starts, a page comes, a like moves, the feed is filled.
BENCHMARKS = (
    "start",
    "feed_page",
    "likes",
    "events",
    "hot_item",
    "realtime",
    "trouble",
    "following",
    "ingest",
    "newsroom",
    "embed",
    "cards",
    "encode",
)


def main() -> None:
    failed = []
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"Not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
