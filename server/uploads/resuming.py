"""Uploads that come in pieces, over hours and networks, and go on where they were cut off."""

import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import ClientDisconnect

from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.problems import Conflict, NotFound, Problem, TooLarge
from server.kernel.services import Services
from server.kernel.storage import PART_BYTES, Storage, mime_of
from server.kernel.viewer import Viewer
from server.uploads import store
from server.uploads.actions import arrived, begin
from server.uploads.model import PATIENCE, Pieces, SignUpload, Upload, tail_of

# A request that says nothing for so long is taken to be dead, and another may go on.
SILENCE = timedelta(seconds=60)
ALGORITHMS = ("sha1", "sha256")


class Ended(Problem):
    """The upload was given up, or not gone on with for too long."""

    status = 410


class Busy(Problem):
    """Another request is adding to this upload."""

    status = 423


class ChecksumMismatch(Problem):
    """The bytes have another checksum than was said; they were thrown away."""

    # As the tus protocol has it.
    status = 460


class Checksum(Struct, frozen=True):
    """What the bytes of one piece come to."""

    algorithm: str
    digest: bytes


class Piece(Struct, frozen=True):
    """One request's bytes: from where on, and what they come to."""

    offset: int
    chunks: AsyncIterator[bytes]
    checksum: Checksum | None = None


async def open_upload(
    services: Services, viewer: Viewer, asked: SignUpload, quotas: Mapping[str, int]
) -> Upload:
    """Begin an upload in pieces. Refused as `actions.sign` is."""
    now = services.clock.now()
    async with services.write() as db:
        upload = await begin(db, viewer, asked, quotas, now=now, until=now + PATIENCE)
        name = await services.storage.begin_parts(upload.key, mime=upload.mime)
        await store.lay_out(db, upload.id, Pieces(name))
    return replace(upload, pieces=Pieces(name))


async def standing(db: Db, viewer: Viewer, upload_id: UUID) -> Upload:
    """Read how far one of the viewer's uploads in pieces is.

    Raises:
        NotFound: there is none of the viewer's.
        Ended: it was given up, or not gone on with for too long.

    """
    upload = await store.find(db, upload_id)
    if upload is None or upload.owner_id != viewer.id:
        raise NotFound("There is no such upload of yours.")
    if upload.state == "purged" or (upload.state == "signed" and upload.pieces is None):
        raise Ended
    return upload


async def add(services: Services, viewer: Viewer, upload_id: UUID, piece: Piece) -> Upload:
    """Add what arrives to an upload; what came before the connection broke stays.

    Raises:
        NotFound: there is none of the viewer's.
        Ended: it was given up, or not gone on with for too long.
        Busy: another request is adding to it.
        Conflict: the piece does not begin where the upload ends.
        TooLarge: it goes beyond the size that was announced.
        ChecksumMismatch: the bytes are other ones.

    """
    token, now = new_id(), services.clock.now()
    async with services.write() as db:
        known = await standing(db, viewer, upload_id)
        if known.state == "signed" and known.expires_at <= now:
            raise Ended
        upload = await store.take_up(db, upload_id, token, now=now, silence=SILENCE)
    if upload is None and known.state != "signed":
        # All of it is there: an empty piece at the end changes nothing.
        _check_offset(known, piece.offset)
        return known
    if upload is None:
        raise Busy
    try:
        _check_offset(upload, piece.offset)
        return await _Adding(services, upload, token).run(piece)
    finally:
        async with services.database.begin() as db:
            await store.put_down(db, upload_id, token)


async def give_up(services: Services, viewer: Viewer, upload_id: UUID) -> None:
    """End an upload and give its room back. Refused as `standing` is."""
    now, storage = services.clock.now(), services.storage
    async with services.write() as db:
        upload = await standing(db, viewer, upload_id)
        if upload.state != "signed" or upload.pieces is None:
            raise Conflict("It is all there already; what nothing shows goes by itself.")
        await store.purge(db, [upload.id], now)
        await store.release(db, {upload.owner_id: upload.size})
    await _drop(storage, upload, upload.pieces)


def _check_offset(upload: Upload, offset: int) -> None:
    if offset != upload.received:
        raise Conflict(f"The upload ends at {upload.received}, not at {offset}.")


def _check_sum(checksum: Checksum, content: bytes) -> None:
    if not hmac.compare_digest(hashlib.new(checksum.algorithm, content).digest(), checksum.digest):
        raise ChecksumMismatch


async def _drop(storage: Storage, upload: Upload, pieces: Pieces) -> None:
    await storage.drop_parts(upload.key, pieces.name)
    await storage.delete(tail_of(upload.key))


class _Adding:
    """One request's adding: full parts go to the storage as they come, the rest beside them."""

    def __init__(self, services: Services, upload: Upload, token: UUID) -> None:
        if upload.pieces is None:
            raise Ended
        self._services = services
        self._upload = upload
        self._token = token
        self._pieces: Pieces = upload.pieces
        self._buffer = bytearray()

    async def run(self, piece: Piece) -> Upload:
        upload = self._upload
        if self._pieces.tail:
            self._buffer += await self._services.storage.get(tail_of(upload.key))
        if piece.checksum is None:
            received = upload.received + await self._take(piece.chunks)
        else:
            # Nothing is kept before the checksum holds, so all of it is held.
            content = await self._whole(piece.chunks)
            _check_sum(piece.checksum, content)
            self._buffer += content
            received = upload.received + len(content)
        await self._put_full_parts()
        return await (self._finish() if received == upload.size else self._rest(received))

    async def _take(self, chunks: AsyncIterator[bytes]) -> int:
        """Take what comes, as far as it comes; says how much it was."""
        taken = 0
        with contextlib.suppress(ClientDisconnect):
            async for chunk in chunks:
                taken += len(chunk)
                self._check_size(taken)
                self._buffer += chunk
                await self._put_full_parts()
        return taken

    async def _whole(self, chunks: AsyncIterator[bytes]) -> bytes:
        content = bytearray()
        try:
            async for chunk in chunks:
                content += chunk
                self._check_size(len(content))
                if len(content) > PART_BYTES:
                    raise TooLarge(f"With a checksum, at most {PART_BYTES} bytes at a time.")
        except ClientDisconnect as gone:
            raise ChecksumMismatch from gone
        return bytes(content)

    def _check_size(self, taken: int) -> None:
        if self._upload.received + taken > self._upload.size:
            raise TooLarge(f"The upload was announced with {self._upload.size} bytes.")

    async def _put_full_parts(self) -> None:
        while len(self._buffer) >= PART_BYTES:
            await self._put_part(bytes(self._buffer[:PART_BYTES]))
            del self._buffer[:PART_BYTES]
            await self._note(PART_BYTES * len(self._pieces.tags), self._pieces)

    async def _put_part(self, content: bytes) -> None:
        tags = self._pieces.tags
        tag = await self._services.storage.put_part(
            self._upload.key, self._pieces.name, len(tags) + 1, content
        )
        self._pieces = Pieces(self._pieces.name, [*tags, tag])

    async def _rest(self, received: int) -> Upload:
        """Keep what makes no part yet, so that nothing is sent twice."""
        tail = tail_of(self._upload.key)
        if self._buffer:
            await self._services.storage.put(tail, bytes(self._buffer), mime=mime_of(tail))
        self._pieces = replace(self._pieces, tail=len(self._buffer))
        await self._note(received, self._pieces)
        return replace(self._upload, received=received)

    async def _finish(self) -> Upload:
        upload, services = self._upload, self._services
        try:
            if self._buffer:
                await self._put_part(bytes(self._buffer))
            await services.storage.join_parts(upload.key, self._pieces.name, self._pieces.tags)
        except KeyError:
            # Joined by a request that was killed before it could say so.
            if not await services.storage.exists(upload.key):
                raise Ended from None
        async with services.write() as db:
            if not await store.add_pieces(
                db, upload.id, self._token, upload.size, None, changed_at=services.clock.now()
            ):
                raise Busy
            await store.put_down(db, upload.id, self._token)
            await arrived(db, upload.id, services.clock.now())
        await services.storage.delete(tail_of(upload.key))
        return replace(upload, received=upload.size, state="arrived")

    async def _note(self, received: int, pieces: Pieces) -> None:
        now = self._services.clock.now()
        async with self._services.database.begin() as db:
            times = {"changed_at": now, "expires_at": now + PATIENCE}
            noted = await store.add_pieces(
                db, self._upload.id, self._token, received, pieces, **times
            )
        if not noted:
            raise Busy
