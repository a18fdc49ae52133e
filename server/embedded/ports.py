"""Ports for servers that only this machine may reach."""

import errno
import random
import socket
from pathlib import Path

from server.embedded.failures import EmbeddedError

LOOPBACK = "127.0.0.1"
# Outgoing connections take theirs from 32768 up on Linux, so a fixed port there is lost at random.
_RANGE = range(20000, 32768)
_ATTEMPTS = 50


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port at this moment.

    Raises:
        EmbeddedError: it could not listen there whatever the port.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that is only waiting out its end does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise EmbeddedError(f"HOST={host} cannot be listened on: {error.strerror}.") from error
    return True


def pick() -> int:
    """A port of the safe range that is free at this moment."""
    chance = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        port = chance.choice(_RANGE)
        if is_free(port):
            return port
    raise EmbeddedError(f"No free port found between {_RANGE.start} and {_RANGE.stop - 1}.")


def remembered(file: Path) -> int:
    """The port that this data folder used last, if it is still free, else a new one."""
    try:
        port = int(file.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        port = 0
    if port not in _RANGE or not is_free(port):
        port = pick()
    file.write_text(f"{port}\n", "ascii")
    return port
