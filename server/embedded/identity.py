"""As whom PostgreSQL runs: it refuses root, so root needs another face."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

from server.embedded import child
from server.embedded.failures import EmbeddedError


class Identity(Struct, frozen=True):
    """How a child presents itself: as we are, as a mapped user, or as another user."""

    user_namespace: bool = False
    user: int | None = None
    group: int | None = None

    def options(self) -> list[str]:
        """The words that tell the child script."""
        if self.user_namespace:
            return ["--user-namespace"]
        if self.user is not None:
            return ["--user", str(self.user), "--group", str(self.group)]
        return []

    def own(self, directory: Path) -> None:
        """Give a directory and what is in it to the user who will run there."""
        if self.user is None or self.group is None:
            return
        for path in [directory, *directory.rglob("*")]:
            os.chown(path, self.user, self.group, follow_symlinks=False)


AS_WE_ARE = Identity()


def choose(directory: Path, binary: Path) -> Identity:
    """Decide who runs `binary` over `directory`.

    Raises:
        EmbeddedError: we are root and may become nobody else here.

    """
    if os.geteuid() != 0:
        return AS_WE_ARE
    owner = directory.stat().st_uid if directory.exists() else 0
    if owner != 0:
        # An earlier start handed the files to this user: whoever else came could not read them.
        return _as_user(pwd.getpwuid(owner))
    if user_namespaces_work():
        return Identity(user_namespace=True)
    for name in ("postgres", "nobody"):
        user = _find(name)
        if user is not None and _passable(directory, user) and _passable(binary, user):
            return _as_user(user)
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, this machine allows no user namespaces, and no other "
        f"user can pass the folders above {directory}. Run Lumen as an ordinary user, or set "
        "LUMEN_HOME to a folder whose parents everybody may pass (and install outside /root), "
        "or set DATABASE_URL to a PostgreSQL of your own."
    )


def user_namespaces_work() -> bool:
    """Whether root may become a mapped user here; containers often forbid it."""
    if sys.platform != "linux":
        return False
    probe = [sys.executable, "-I", "-S", str(Path(child.__file__)), "--user-namespace"]
    probe += ["--parent", str(os.getpid()), "--death-signal", "9", "--", "/bin/true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0  # noqa: S603


def _find(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _as_user(user: pwd.struct_passwd) -> Identity:
    return Identity(user=user.pw_uid, group=user.pw_gid)


def _passable(path: Path, user: pwd.struct_passwd) -> bool:
    for parent in path.resolve().parents:
        if not parent.exists():
            continue
        facts = parent.stat()
        mine = facts.st_uid == user.pw_uid and facts.st_mode & 0o100
        if not (mine or facts.st_mode & 0o001):
            return False
    return True
