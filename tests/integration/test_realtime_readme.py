"""realtime/README.md as a stranger reads it: in a folder with nothing in it but the package."""

import asyncio
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest

import realtime
from realtime import Limits, Rates
from realtime.telemetry import Event, Span
from tests.conformance.rules import says
from tests.conformance.wire import Judge, Wire

ROOT = Path(__file__).parents[2]
README = ROOT.joinpath("realtime", "README.md").read_text("utf-8")
# The stranger has what the page says it needs, and nothing of Lumen's.
WALL = """
import os, runpy, sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"server", "jobs", "tests"}:
            raise ImportError(f"this is not in the package: {name}")

sys.meta_path.insert(0, Wall())
import realtime
assert realtime.__file__.startswith(os.getcwd()), realtime.__file__
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def block(kind: str, has: str = "") -> str:
    """Return the first block of a kind that has these words in it."""
    blocks: list[str] = re.findall(rf"^```{kind}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return next(text for text in blocks if has in text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "realtime", tmp_path / "realtime")
    tmp_path.joinpath("chat.py").write_text(block("python", "# chat.py"), "utf-8")
    tmp_path.joinpath("test_chat.py").write_text(block("python", "# test_chat.py"), "utf-8")
    return tmp_path


def stranger(folder: Path, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WALL, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """Run the page's own command, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    program, *words = shlex.split(block("sh").replace("4000", str(port)))
    process = stranger(folder, program, *words)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "Uvicorn running" in line:
                break
        else:
            pytest.fail("the page's server did not start")
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize("transport", ["websocket", "longpoll"])
def test_the_server_of_the_page_runs_and_does_what_it_says(folder: Path, transport: str) -> None:
    async def story(judge: Judge) -> None:
        async with judge.connect() as wire, judge.connect() as other:
            await wire.send(["1", "1", "room:1", "phx_join", {}])
            refused = {"status": "error", "response": {"reason": "name_missing"}}
            await says(wire, ["1", "1", "room:1", "phx_reply", refused])
            await _join(wire, "ada", {})
            diff = await wire.receive()
            assert diff[3] == "presence_diff"
            assert [*diff[4]["joins"]] == ["ada"]
            await other.send(["1", "1", "room:1", "phx_join", {"name": "bob"}])
            await other.receive()
            await wire.send(["2", "3", "room:1", "shout", {"text": "hello"}])
            for each in (wire, other):
                while (frame := await each.receive())[3] != "shout":
                    pass
                assert frame[4] == {"from": "ada", "text": "hello"}

    with serving(folder) as port:
        asyncio.run(story(Judge(f"ws://127.0.0.1:{port}/socket", transport)))


async def _join(wire: Wire, name: str, here: object) -> None:
    await wire.send(["2", "2", "room:1", "phx_join", {"name": name}])
    answer = {"status": "ok", "response": {"hello": name}}
    await says(wire, ["2", "2", "room:1", "phx_reply", answer])
    await says(wire, ["2", None, "room:1", "presence_state", here])


def test_the_client_of_the_page_hears_itself(folder: Path) -> None:
    node = shutil.which("node")
    assert node is not None, "Node is needed to run the official client"
    folder.joinpath("node_modules").symlink_to(ROOT / "node_modules")
    with serving(folder) as port:
        script = block("js", "room.join()").replace("4000", str(port))
        folder.joinpath("chat.mjs").write_text(script, "utf-8")
        client = subprocess.Popen(
            [node, "--experimental-websocket", "chat.mjs"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout is not None
        assert client.stdout.readline() == "ada hello\n"
        client.kill()
        client.communicate()


def test_the_test_of_the_page_passes(folder: Path) -> None:
    words = ("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", "test_chat.py")
    process = stranger(folder, "pytest", *words)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "1 passed" in said


def test_the_page_names_every_limit_every_event_and_everything_public() -> None:
    told = README + ROOT.joinpath("realtime", "presence", "README.md").read_text("utf-8")
    names = {
        *Limits.__struct_fields__,
        *Rates.__struct_fields__,
        *(kind.__name__ for kind in get_args(Event)),
        *(kind.__name__ for kind in get_args(Span)),
        *(set(realtime.__all__) - {"Hub"}),  # which is the endpoint, as sockets see it
    }
    assert {name for name in names if not re.search(rf"\b{name}\b", told)} == set()
