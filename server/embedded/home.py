"""The data folder: what lies where, who holds it, and the secrets made for it."""

import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

from server.embedded.process import wait_until

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_PASSABLE_FOLDER = 0o711
_LOG_BYTES = 10 * 1024 * 1024
_LOOK_SECONDS = 0.5


class HomeBusyError(RuntimeError):
    """Another process holds this data folder."""


class Home:
    """A data folder of one Lumen on one machine."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: IO[str] | None = None

    def prepare(self) -> None:
        """Make the folder, for its owner only."""
        # Root may have to run PostgreSQL as somebody else, who must pass here to reach his data.
        mode = _PASSABLE_FOLDER if os.geteuid() == 0 else _PRIVATE_FOLDER
        self.path.mkdir(mode=mode, parents=True, exist_ok=True)
        for name in ("logs", "secrets"):
            (self.path / name).mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)

    def folder(self, name: str) -> Path:
        """The folder of one server or one kind of file."""
        return self.path / name

    def acquire(self) -> None:
        """Hold the folder until this process ends, however it ends.

        Raises:
            HomeBusyError: another process holds it; the sentence says which.

        """
        file = (self.path / "lock").open("a+", encoding="ascii")
        # Another command may be looking whether somebody holds it, which takes it for a moment.
        if not wait_until(lambda: _lock(file), _LOOK_SECONDS):
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise HomeBusyError(
                f"Lumen is already running on {self.path} (process {holder or 'unknown'}): "
                "stop it first, or give this one another folder with LUMEN_HOME."
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._lock = file

    def is_held(self) -> bool:
        """Whether some process, this one included, holds the folder."""
        try:
            file = (self.path / "lock").open("r", encoding="ascii")
        except FileNotFoundError:
            return False
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def release(self) -> None:
        """Let another process hold the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def secret(self, name: str) -> str:
        """A secret made once for this folder and kept in it, readable by its owner only."""
        file = self.path / "secrets" / name
        if not file.exists():
            # Whole or not at all: a start that is killed here must not leave half a password.
            draft = file.with_suffix(".new")
            draft.touch(_PRIVATE_FILE)
            draft.chmod(_PRIVATE_FILE)
            draft.write_text(secrets.token_urlsafe(32), "ascii")
            draft.replace(file)
        return file.read_text("ascii").strip()

    def log(self, name: str) -> Path:
        """The log file of one server, begun anew when the last one has grown large."""
        file = self.path / "logs" / f"{name}.log"
        if file.exists() and file.stat().st_size > _LOG_BYTES:
            file.replace(file.with_suffix(".log.old"))
        return file


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
