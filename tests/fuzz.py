"""A fuzzer that is led by which lines its inputs reach: python -m tests.fuzz [--seconds 60]

It needs the extra `fuzz` (atheris, which has wheels for Linux). Each input is a conversation: its
lines are the frames of one client, those that begin with a zero byte binary. What is found is
written to a file `crash-…`, which is run again by naming it.
"""

import argparse
import sys
from pathlib import Path

from realtime.testing import run
from tests.unit.realtime.fuzzing import offend

CORPUS = Path(__file__).parents[1] / ".corpora" / "frames"  # grows from run to run
SEEDS = (
    b'["1","1","room:1","phx_join",{}]\n["1","2","room:1","ping",{"a":1}]',
    b'["1","1","room:1","phx_join",{}]\n["2","2","room:1","phx_join",{"slow":1}]',
    b'["1","1","room:1","phx_join",{"push":"x"}]\n["1","3","room:1","phx_leave",{}]',
    b'["1","1","room:1","phx_join",{}]\n\x00\x01\x01\x06\x0412room:1ping\x01\x02',
    b'[null,"1","phoenix","heartbeat",{}]\n["1","2","room:1","shout",{}]',
)


def converse(data: bytes) -> None:
    """Let one client say this to a server, in either version, or in the lane."""
    frames: list[str | bytes] = [
        line if line.startswith(b"\x00") else line.decode(errors="replace")
        for line in data[1:].split(b"\n")
    ]
    vsn = "1.0.0" if data[:1] == b"1" else "2.0.0"
    run(offend(frames, vsn, is_lane=data[:1] == b"3"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("files", nargs="*", help="inputs to run again")
    given = parser.parse_args()
    try:
        import atheris  # noqa: PLC0415 - only this command needs it
    except ImportError:
        sys.exit("The fuzzer needs atheris: pip install -e '.[fuzz]'")
    CORPUS.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS):
        for version in (b"1", b"2", b"3"):
            CORPUS.joinpath(f"seed-{number}-{version.decode()}").write_bytes(version + seed)
    flags = [f"-max_total_time={given.seconds}", "-timeout=20", "-max_len=2000"]
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *flags, *(given.files or [str(CORPUS)])], converse)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
