"""Objects as files below one folder, served by the web process itself under signed links."""

import asyncio
import base64
import hashlib
import hmac
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlencode
from uuid import uuid4

from msgspec import Struct

from server.kernel.clock import Clock, SystemClock
from server.kernel.signing import SIGNATURE_BYTES, key_for
from server.kernel.storage import LINK_DAYS, checked, day_of

# Where the web process serves the files.
PREFIX = "/media/"
_PARTS = ".parts"


_SHORT = {"expires": "e", "size": "n", "mime": "t", "sha256": "h"}


class Grant(Struct, frozen=True, kw_only=True, rename=_SHORT):
    """What a link allows until when: to read a key, or to write so many bytes of a type to it."""

    expires: int
    size: int | None = None
    mime: str | None = None
    # In hexadecimal, of the bytes to be written.
    sha256: str | None = None


class WrongSize(ValueError):
    """Other than the signed number of bytes arrived."""


class WrongBytes(ValueError):
    """Other bytes arrived than those whose checksum was signed."""


class DiskStorage:
    """Keeps objects below a folder; a file appears under its key only when it is whole."""

    def __init__(
        self, folder: Path, *, secret: str, clock: Clock | None = None, public_url: str = ""
    ) -> None:
        self._folder = folder
        self._secret = key_for(secret, "media")
        self._clock = clock or SystemClock()
        self._public_url = public_url.rstrip("/")

    async def put_file(self, key: str, path: Path, *, mime: str) -> None:
        """Store a file under a key, whole or not at all."""

        def fill(part: BinaryIO) -> None:
            with path.open("rb") as source:
                shutil.copyfileobj(source, part, 1 << 20)

        await asyncio.to_thread(self._write, checked(key, mime), fill)

    async def put(self, key: str, content: bytes, *, mime: str) -> None:
        """Store bytes under a key, whole or not at all."""

        def fill(part: BinaryIO) -> None:
            part.write(content)

        await asyncio.to_thread(self._write, checked(key, mime), fill)

    async def receive(
        self, key: str, chunks: AsyncIterator[bytes], *, size: int, sha256: str | None = None
    ) -> None:
        """Store what arrives in pieces, if it is exactly so many bytes, and these.

        Raises:
            WrongSize: it is more or fewer; nothing is stored.
            WrongBytes: their checksum is another; nothing is stored.

        """
        digest = hashlib.sha256()
        part = await asyncio.to_thread(self._open_part)
        try:
            arrived = 0
            async for chunk in chunks:
                arrived += len(chunk)
                if arrived > size:
                    break
                digest.update(chunk)
                await asyncio.to_thread(part.write, chunk)
            if arrived != size:
                raise WrongSize(f"{size} bytes were announced, another number came.")
            if sha256 is not None and digest.hexdigest() != sha256:
                raise WrongBytes("The bytes have another checksum than was announced.")
            await asyncio.to_thread(self._keep, part, checked(key))
        finally:
            await asyncio.to_thread(_discard, part)

    async def get(self, key: str) -> bytes:
        """Read an object; `KeyError` when there is none."""
        try:
            return await asyncio.to_thread(self.path(key).read_bytes)
        except FileNotFoundError:
            raise KeyError(key) from None

    async def fetch(self, key: str, path: Path) -> None:
        """Copy an object into a file, however large it is; `KeyError` when there is none."""
        try:
            await asyncio.to_thread(shutil.copyfile, self.path(key), path)
        except FileNotFoundError:
            raise KeyError(key) from None

    async def beginning(self, key: str, count: int) -> bytes:
        """Read the first bytes of an object; `KeyError` when there is none."""

        def read() -> bytes:
            with self.path(key).open("rb") as file:
                return file.read(count)

        try:
            return await asyncio.to_thread(read)
        except FileNotFoundError:
            raise KeyError(key) from None

    async def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        return await asyncio.to_thread(self.path(key).is_file)

    async def begin_parts(self, key: str, *, mime: str) -> str:
        """Begin an object that comes in parts; gives the name by which they find together."""
        checked(key, mime)
        name = uuid4().hex
        await asyncio.to_thread((self._folder / _PARTS / name).mkdir, parents=True)
        return name

    async def put_part(self, key: str, name: str, number: int, content: bytes) -> str:
        """Store a part, from 1 on; the same may be stored again under its number. Gives its tag.

        Raises:
            KeyError: nothing of that name is begun, or it was joined or dropped.

        """
        folder = self._parts_of(key, name)

        def write() -> None:
            part = self._open_part()
            try:
                part.write(content)
                part.flush()
                os.fsync(part.fileno())
                Path(part.name).replace(folder / str(number))
            except FileNotFoundError:
                raise KeyError(name) from None
            finally:
                _discard(part)

        await asyncio.to_thread(write)
        return hashlib.sha256(content).hexdigest()

    async def join_parts(self, key: str, name: str, tags: Sequence[str]) -> None:
        """Make an object of its parts, whole or not at all. Refused as `put_part` is."""
        folder = self._parts_of(key, name)

        def fill(whole: BinaryIO) -> None:
            for number, _ in enumerate(tags, 1):
                with (folder / str(number)).open("rb") as part:
                    shutil.copyfileobj(part, whole, 1 << 20)

        try:
            await asyncio.to_thread(self._write, checked(key), fill)
        except FileNotFoundError:
            raise KeyError(name) from None
        await self.drop_parts(key, name)

    async def drop_parts(self, key: str, name: str) -> None:
        """Forget the parts of an object; nothing happens when there are none."""
        await asyncio.to_thread(shutil.rmtree, self._parts_of(key, name), ignore_errors=True)

    def _parts_of(self, key: str, name: str) -> Path:
        checked(key)
        if not (name.isascii() and name.isalnum()):
            raise KeyError(name)
        return self._folder / _PARTS / name

    async def delete(self, key: str) -> None:
        """Remove an object; nothing happens when there is none."""
        await asyncio.to_thread(self.path(key).unlink, missing_ok=True)

    def url(self, key: str) -> str:
        """Give a link that reads the object, the same all day so that caches work."""
        ends = day_of(self._clock.now()) + timedelta(days=LINK_DAYS)
        return self._link("GET", checked(key), Grant(expires=int(ends.timestamp())))

    def upload_url(
        self, key: str, *, mime: str, size: int, lifetime: timedelta, sha256: bytes | None = None
    ) -> str:
        """Give a link that takes exactly this many bytes of this type by PUT, or just these."""
        ends = self._clock.now() + lifetime
        known = None if sha256 is None else sha256.hex()
        grant = Grant(expires=int(ends.timestamp()), size=size, mime=mime, sha256=known)
        return self._link("PUT", checked(key, mime), grant)

    def upload_headers(self, mime: str, sha256: bytes | None) -> dict[str, str]:
        """Give the headers that such a PUT must have besides its length."""
        if sha256 is None:
            return {"content-type": mime}
        # RFC 9530: what the link was signed for, and what the sender says, are the same.
        return {"content-type": mime, "content-digest": content_digest(sha256)}

    def path(self, key: str) -> Path:
        """Give the file of a key, there or not."""
        return self._folder / checked(key)

    def allows(self, method: str, key: str, grant: Grant, signature: str) -> bool:
        """Say whether a link was signed by us for this, and has not ended."""
        if not hmac.compare_digest(self._signature(method, key, grant), signature.encode()):
            return False
        return datetime.fromtimestamp(grant.expires, UTC) > self._clock.now()

    def _link(self, method: str, key: str, grant: Grant) -> str:
        asked = {"e": grant.expires, "n": grant.size, "t": grant.mime, "h": grant.sha256}
        query = {name: value for name, value in asked.items() if value is not None}
        query["s"] = self._signature(method, key, grant).decode()
        return f"{self._public_url}{PREFIX}{quote(key)}?{urlencode(query)}"

    def _signature(self, method: str, key: str, grant: Grant) -> bytes:
        signed = f"{method}\n{key}\n{grant.expires}\n{grant.size}\n{grant.mime}\n{grant.sha256}"
        digest = hmac.digest(self._secret, signed.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:SIGNATURE_BYTES]).rstrip(b"=")

    def _write(self, key: str, fill: Callable[[BinaryIO], None]) -> None:
        part = self._open_part()
        try:
            fill(part)
            self._keep(part, key)
        finally:
            _discard(part)

    def _open_part(self) -> BinaryIO:
        # Beside the objects, so that the rename stays in one file system; no key begins with a dot.
        parts = self._folder / _PARTS
        parts.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=parts)
        os.fchmod(handle, 0o644)
        os.close(handle)
        return Path(name).open("wb")

    def _keep(self, part: BinaryIO, key: str) -> None:
        part.flush()
        os.fsync(part.fileno())
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        Path(part.name).replace(path)
        _sync_folder(path.parent)


def content_digest(sha256: bytes) -> str:
    """Write a checksum as the header Content-Digest has it (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(sha256).decode()}:"


def _discard(part: BinaryIO) -> None:
    """Close what is being written, and remove it unless it became an object."""
    part.close()
    Path(part.name).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
