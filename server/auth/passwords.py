"""Password hashes: argon2id, made in a few threads with a bounded line before them.

Hashes of another kind, from an import, are verified too and replaced at the next sign-in.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Struct
from prometheus_client import Counter, Gauge

from server.kernel.problems import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

# OWASP's second recommendation for argon2id: about 20 ms and 19 MiB a hash.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_BCRYPT = ("$2a$", "$2b$", "$2y$")
# bcrypt looks at no more; a longer password cannot have been the one it was made from.
_BCRYPT_BYTES = 72

THREADS = 2
MOST_WAITING = 64

_waiting = Gauge("lumen_password_hashes_waiting", "Password hashes asked for and not yet made.")
_refused = Counter("lumen_password_hashes_refused_total", "Refused because the line was full.")


class Verdict(Struct, frozen=True):
    """Whether a password was right, and whether its hash should be made anew."""

    right: bool
    outdated: bool = False


class _Line:
    """The threads that hash, and how many callers stand before them."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._standing = 0

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._standing >= MOST_WAITING:
            _refused.inc()
            raise Unavailable("Too many people are signing in just now.")
        self._standing += 1
        _waiting.set(self._standing)
        try:
            future = self._threads.submit(work, *args, **kwargs)
            return await asyncio.wrap_future(future)
        finally:
            self._standing -= 1
            _waiting.set(self._standing)


# One line for a process, since its two cores are what it protects.
_line = _Line()


async def hash_password(password: str) -> str:
    """Make the hash that is stored for a password.

    Raises:
        Unavailable: too many are waiting already.

    """
    return await _line.run(_HASHER.hash, password)


async def verify(password: str, stored: str | None) -> Verdict:
    """Compare a password with a stored hash; without one the same work is done in vain.

    Raises:
        Unavailable: too many are waiting already.

    """
    return await _line.run(_verify, password, stored)


def _verify(password: str, stored: str | None) -> Verdict:
    if stored is None:
        # An unknown name shall take as long as a wrong password.
        _matches_argon2(password, _nobodys_hash())
        return Verdict(right=False)
    if stored.startswith(_BCRYPT):
        return Verdict(right=_matches_bcrypt(password, stored), outdated=True)
    right = _matches_argon2(password, stored)
    return Verdict(right=right, outdated=right and _HASHER.check_needs_rehash(stored))


def _matches_argon2(password: str, stored: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _matches_bcrypt(password: str, stored: str) -> bool:
    raw = password.encode()
    return len(raw) <= _BCRYPT_BYTES and bcrypt.checkpw(raw, stored.encode())


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash("nobody has this password")
