"""Other servers on the same load, where `make bench-peers` has installed them, in .bench/."""

import shutil
import sys
from pathlib import Path

from msgspec import Struct

from tests.bench.realtime_stage import URL_PATH

PEERS = Path(__file__).parent / "peers"
FOLDER = Path(__file__).parents[2] / ".bench"
NODE_MODULES = FOLDER / "node_modules"
PACKAGES = FOLDER / "python"
SOCKET_IO_PATH = "/socket.io/?EIO=4&transport=websocket"


class Peer(Struct, frozen=True):
    """A server to start, and how to talk to it."""

    command: list[str]
    environ: dict[str, str] = {}
    path: str = URL_PATH
    socket_io: bool = False


def _all() -> dict[str, tuple[Path | None, Peer]]:
    """Every peer, with what has to be there for it."""
    node = shutil.which("node") or "node"
    with_packages = {"PYTHONPATH": str(PACKAGES)}

    def python(name: str) -> list[str]:
        return [sys.executable, str(PEERS / name), "{port}"]

    return {
        "npm ws": (
            NODE_MODULES / "ws",
            Peer([node, str(PEERS / "ws.js"), "{port}"], {"NODE_PATH": str(NODE_MODULES)}),
        ),
        "socket.io": (
            NODE_MODULES / "socket.io",
            Peer(
                [node, str(PEERS / "socketio.js"), "{port}"],
                {"NODE_PATH": str(NODE_MODULES)},
                SOCKET_IO_PATH,
                socket_io=True,
            ),
        ),
        "Starlette on uvicorn": (None, Peer(python("plain_starlette.py"))),
        "python-socketio": (
            PACKAGES / "socketio",
            Peer(python("python_socketio.py"), with_packages, SOCKET_IO_PATH, socket_io=True),
        ),
        "Django Channels": (
            PACKAGES / "channels",
            Peer(python("django_channels.py"), with_packages),
        ),
    }


def installed() -> dict[str, Peer]:
    """Return the peers that can be started here."""
    return {name: peer for name, (needs, peer) in _all().items() if needs is None or needs.exists()}


def missing() -> list[str]:
    """Return the names of the others."""
    return [name for name in _all() if name not in installed()]
