"""How the other commands find the `lumen dev` that runs on a data folder."""

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from server.cli import given
from server.embedded import Home
from server.settings import Settings

_FILE = "running.json"
_PRIVATE = 0o600


class Running(Struct, frozen=True):
    """What `lumen dev` leaves for others to read, for as long as it runs."""

    database_url: str
    redis_url: str
    secret_key: str
    url: str


def announce(home: Home, running: Running) -> None:
    """Tell the other commands where everything is."""
    draft = home.folder(f"{_FILE}.new")
    draft.touch(_PRIVATE)
    draft.chmod(_PRIVATE)
    draft.write_bytes(msgspec.json.encode(running))
    draft.replace(home.folder(_FILE))


def withdraw(home: Home) -> None:
    """Nothing runs here any more."""
    home.folder(_FILE).unlink(missing_ok=True)


def find(home: Home) -> Running | None:
    """What runs on a data folder at this moment, if anything does."""
    # The file alone proves nothing: whoever wrote it may have been killed. The lock goes with him.
    if not home.is_held():
        return None
    try:
        return msgspec.json.decode(home.folder(_FILE).read_bytes(), type=Running)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def reach(settings: Settings) -> Settings:
    """Complete the settings with what the running `lumen dev` uses; end with a sentence if none."""
    wanted = ("database_url", "redis_url", "secret_key")
    if all(getattr(settings, name) is not None for name in wanted):
        return settings
    running = find(Home(settings.home))
    if running is None:
        given.refuse(
            f"Nothing runs on {_short(settings.home)}: start `lumen dev` in another terminal, "
            "or set DATABASE_URL, REDIS_URL and SECRET_KEY."
        )
    found = {name: getattr(settings, name) or getattr(running, name) for name in wanted}
    return msgspec.structs.replace(settings, **found)


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
