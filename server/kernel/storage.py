"""Where media bytes lie: a port with two adapters, and links that are signed and end."""

from datetime import timedelta
from pathlib import Path
from typing import Protocol


class Storage(Protocol):
    """Keeps objects by key; keys are made of `a-z0-9/-._` and never come from a client."""

    async def put_file(self, key: str, path: Path, *, mime: str) -> None:
        """Store a file under a key, whole or not at all."""
        ...

    async def put(self, key: str, content: bytes, *, mime: str) -> None:
        """Store bytes under a key, whole or not at all."""
        ...

    async def get(self, key: str) -> bytes:
        """Read an object; `KeyError` when there is none."""
        ...

    async def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; nothing happens when there is none."""
        ...

    def url(self, key: str) -> str:
        """Give a link that reads the object, the same all day so that caches work."""
        ...

    def upload_url(self, key: str, *, mime: str, size: int, lifetime: timedelta) -> str:
        """Give a link that takes exactly this many bytes of this type by PUT."""
        ...
