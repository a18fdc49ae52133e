"""The rendering process from outside: what it may not do, and what is not believed of it."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import UUID

import pytest

from jobs import apart
from jobs.cards.boxes import starts_at_once
from jobs.cards.model import CardText
from jobs.cards.studio import NotRendered, rendered

pytestmark = pytest.mark.anyio
CARD = CardText(item_id=UUID(int=7), kind="ARTICLE", title="Rain", body="It rained.")
ROOT = Path(__file__).parents[4]
MADE = (
    '{{"type": "made", "frames": {frames}, "width": 720, "height": 1280,'
    ' "duration_sec": {seconds}, "bytes": {size}}}'
)
CONFINED = """
import json, os, resource, socket, sys
from jobs.cards.child import confine
confine()
def refused(what):
    try:
        what()
    except OSError:
        return True
    return False
def connect():
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2)
print(json.dumps({
    "memory": resource.getrlimit(resource.RLIMIT_AS),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "nice": os.nice(0),
    "alone": refused(connect),
    "could_be_alone": os.stat("/proc/self/ns/net").st_ino != int(sys.argv[2]),
}))
"""


async def hears(_done: float) -> None:
    return


def child_says(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Put another program in the place of the rendering process."""
    package = folder / "jobs" / "cards"
    package.mkdir(parents=True)
    for each in (package, package.parent):
        (each / "__init__.py").touch()
    (package / "child.py").write_text(program)
    monkeypatch.setattr(
        apart, "environment", lambda _given: {"PYTHONPATH": str(folder), "PATH": "/usr/bin"}
    )


def test_the_process_is_confined() -> None:
    network = str(Path("/proc/self/ns/net").stat().st_ino)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = subprocess.run(
            [sys.executable, "-c", CONFINED, str(listener.getsockname()[1]), network],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
    told = json.loads(done.stdout)
    assert told["memory"][1] == 1500 << 20
    assert told["files"][1] <= 64
    assert told["core"] == [0, 0]
    assert told["nice"] >= 10
    # Not even this machine's own listeners can be reached, where the system allows to forbid it.
    assert told["alone"] == told["could_be_alone"]


def test_the_process_gets_no_secret() -> None:
    given = {"SECRET_KEY": "s", "DATABASE_URL": "d", "S3_SECRET_ACCESS_KEY": "k", "PATH": "/bin"}
    kept = apart.environment(given)
    assert kept["PATH"] == "/bin"
    assert not {"SECRET_KEY", "DATABASE_URL", "S3_SECRET_ACCESS_KEY"} & set(kept)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import sys; sys.exit('It cannot be done.')", "ended with 1: It cannot be done."),
        ("", "ended with 0: it said nothing"),
        ("print('hello')", "no report"),
        ("print('x' * 100_000)", "more in one line"),
        ("import os; os.kill(os.getpid(), 9)", "ended with -9"),
        ('import time; print(\'{"type": "progress", "done": 0.1}\'); time.sleep(600)', "took"),
        ("print('" + MADE.format(seconds=600, frames=18000, size=3) + "')", "not as planned"),
        ("print('" + MADE.format(seconds=7, frames=200, size=3) + "')", "not as planned"),
        (
            "open('card.mp4', 'wb').write(b'abcd'); print('"
            + MADE.format(seconds=7, frames=210, size=3)
            + "')",
            "has 4 bytes",
        ),
        (
            "open('card.mp4', 'wb').write(b'abc'); print('"
            + MADE.format(seconds=7, frames=210, size=3)
            + "')",
            "before it is all there",
        ),
    ],
)
async def test_what_is_no_film_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    program: str,
    says: str,
) -> None:
    child_says(monkeypatch, tmp_path_factory.mktemp("other"), program)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    within = 1.0 if says == "took" else 30.0
    with pytest.raises(NotRendered, match=says):
        async with rendered(CARD, hears, within=within):
            pass
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - pathlib has no better word


def box(name: bytes, content: bytes = b"") -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content


@pytest.mark.parametrize(
    ("content", "at_once"),
    [
        (box(b"ftyp") + box(b"moov", b"12") + box(b"mdat", b"3"), True),
        (box(b"ftyp") + box(b"mdat", b"3") + box(b"moov", b"12"), False),
        (box(b"moov"), False),
        (box(b"moov") + b"\0\0\0\1mdat" + (99).to_bytes(8, "big"), True),
        (box(b"free") * 99 + box(b"moov") + box(b"mdat"), False),
        (b"\0\0\0\0moov" + box(b"mdat"), False),
        (b"", False),
        (b"\0\0", False),
    ],
)
def test_where_the_table_of_contents_is(tmp_path: Path, content: bytes, at_once: bool) -> None:
    (tmp_path / "film.mp4").write_bytes(content)
    assert starts_at_once(tmp_path / "film.mp4") is at_once


async def test_folders_that_killed_workers_left_are_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    child_says(monkeypatch, tmp_path, "raise SystemExit(3)")
    left, under_way, others = [
        tmp_path / name for name in ("lumen-card-left", "lumen-card-now", "somebody-else")
    ]
    for folder in (left, under_way, others):
        folder.mkdir()
        (folder / "card.mp4").touch()
    for folder in (left, others):
        os.utime(folder, (0, 0))
    with pytest.raises(NotRendered):
        async with rendered(CARD, hears):
            pass
    assert [left.exists(), under_way.exists(), others.exists()] == [False, True, True]
