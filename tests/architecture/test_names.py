"""A file is named for what it does, and fits the eye."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("realtime", "server", "jobs")
BANNED_FILES = {"utils", "helpers", "common", "constants", "base", "misc", "service", "manager"}
BANNED_ENDINGS = ("Manager", "Helper", "Util", "Utils", "Service", "Impl", "Repository")
MOST_LINES = 400
# The supervisors, which may catch whatever the code that they run raises: one for each kind of
# smallest unit - a channel, an event, a job, a request, a command.
SUPERVISORS = {
    "realtime/guard.py",
    "server/kernel/delivery.py",
    "jobs/pulse.py",
    "realtime/transports/uvicorn_stock.py",
    "jobs/workshop.py",
    "server/cli/console.py",
    "server/front.py",
}


def files() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def test_no_file_is_a_drawer_for_anything() -> None:
    assert [str(f.relative_to(ROOT)) for f in files() if f.stem in BANNED_FILES] == []


def test_modules_fit_the_eye() -> None:
    long = {
        str(file.relative_to(ROOT)): count
        for file in files()
        if (count := len(file.read_text("utf-8").splitlines())) > MOST_LINES
    }

    assert long == {}


def test_classes_are_named_for_what_they_are() -> None:
    named = [
        f"{file.relative_to(ROOT)}: {node.name}"
        for file in files()
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and node.name.endswith(BANNED_ENDINGS)
    ]

    assert named == []


def test_only_supervisors_catch_everything() -> None:
    catching = {
        str(file.relative_to(ROOT))
        for file in files()
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
    }

    assert catching <= SUPERVISORS
