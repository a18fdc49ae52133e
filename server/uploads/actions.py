"""Uploads from the signed link to what shows them, and to their end."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from uuid import UUID

from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.problems import Malformed, NotFound, SignInFirst
from server.kernel.storage import Storage
from server.kernel.viewer import Viewer
from server.uploads import store
from server.uploads.events import UploadArrived, UploadChecked
from server.uploads.model import (
    HEAD_BYTES,
    LIFETIME,
    MEGABYTE,
    MOST_BYTES,
    PROFILE,
    UNUSED,
    NotYours,
    Pictured,
    QuotaExceeded,
    Signed,
    SignUpload,
    StillWorking,
    Upload,
    UploadShown,
    key_of,
    kind_of,
    looks_like,
    tail_of,
)

# A link that ended may still be in use by who began in time.
GRACE = timedelta(hours=1)
# What was signed so long ago is looked for in the storage, whoever did not say that it is there.
SILENT = timedelta(seconds=20)


async def sign(
    db: Db,
    storage: Storage,
    viewer: Viewer,
    asked: SignUpload,
    quotas: Mapping[str, int],
    now: datetime,
) -> Signed:
    """Give a link that takes exactly what was asked for.

    Raises:
        SignInFirst: the viewer is a visitor.
        Malformed: it is larger than files of its kind may be.
        QuotaExceeded: the viewer has no room for it.

    """
    upload = await begin(db, viewer, asked, quotas, now=now, until=now + LIFETIME)
    sha256 = upload.sha256
    link = storage.upload_url(
        upload.key, mime=upload.mime, size=upload.size, lifetime=LIFETIME, sha256=sha256
    )
    headers = storage.upload_headers(upload.mime, sha256)
    return Signed(upload.id, upload.key, link, headers, upload.expires_at)


async def begin(
    db: Db,
    viewer: Viewer,
    asked: SignUpload,
    quotas: Mapping[str, int],
    *,
    now: datetime,
    until: datetime,
) -> Upload:
    """Note an upload that is to come, and take the room for it. Refused as `sign` is."""
    if viewer.id is None:
        raise SignInFirst
    size, mime = asked.size, asked.mime
    most = MOST_BYTES[kind_of(mime)]
    if size > most:
        raise Malformed(f"A {kind_of(mime)} has at most {most // MEGABYTE} MB.")
    quota = quotas.get(viewer.role, 0) * MEGABYTE
    if not await store.reserve(db, viewer.id, size, quota):
        used = await store.used(db, viewer.id)
        raise QuotaExceeded(
            f"{used / MEGABYTE:.1f} of your {quota // MEGABYTE} MB are taken; this takes"
            f" {size / MEGABYTE:.1f} MB more.",
            used=used,
            quota=quota,
        )
    upload_id = new_id()
    upload = Upload(
        id=upload_id,
        owner_id=viewer.id,
        key=key_of(viewer.id, upload_id, mime),
        mime=mime,
        size=size,
        state="signed",
        sha256=bytes.fromhex(asked.sha256) if asked.sha256 else None,
        created_at=now,
        changed_at=now,
        expires_at=until,
    )
    await store.add(db, upload)
    return upload


async def arrived(db: Db, upload_id: UUID, now: datetime) -> bool:
    """Note that the bytes of an upload are there; False when that was known."""
    upload = await store.arrive(db, upload_id, now, now + UNUSED)
    if upload is None:
        return False
    event = UploadArrived(id=upload.id, owner_id=upload.owner_id, mime=upload.mime)
    await outbox.emit(db, event, key=upload.id)
    return True


async def one(db: Db, viewer: Viewer, upload_id: UUID) -> Upload:
    """Read one of the viewer's own uploads.

    Raises:
        NotFound: there is none of the viewer's.

    """
    upload = await store.find(db, upload_id)
    if upload is None or upload.owner_id != viewer.id:
        raise NotFound("There is no such upload of yours.")
    return upload


async def shown(db: Db, storage: Storage, upload: Upload) -> UploadShown:
    """Show an upload to its owner."""
    made = (await store.pictured(db, [upload.key], PROFILE)).get(upload.key)
    attached = upload.state == "checked" and upload.attached_at is not None
    return UploadShown(
        id=upload.id,
        key=upload.key,
        mime=upload.mime,
        size=upload.size,
        state="attached" if attached else upload.state,
        error=upload.error,
        width=made.width if made else None,
        height=made.height if made else None,
        taken_at=made.taken_at if made else None,
        placeholder=made.placeholder if made else None,
        preview_url=storage.url(made.plain.key) if made else None,
    )


async def accepted(db: Db, storage: Storage, viewer: Viewer, keys: Sequence[str]) -> list[Upload]:
    """Look that uploads are the viewer's own, are there, and begin as their type does.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotYours: one is not.

    """
    if viewer.id is None:
        raise SignInFirst
    known = await store.by_keys(db, keys)
    return [await _accepted(storage, viewer, known.get(key)) for key in dict.fromkeys(keys)]


async def _accepted(storage: Storage, viewer: Viewer, upload: Upload | None) -> Upload:
    if upload is None or upload.owner_id != viewer.id or upload.kind != "picture":
        raise NotYours("Upload the picture first, and name it by the key you were given.")
    if upload.state == "refused":
        raise NotYours(upload.error or "The picture was refused.")
    if upload.state == "purged":
        raise NotYours("The picture was not used for long, and is gone; upload it again.")
    if upload.state == "checked":
        return upload
    try:
        head = await storage.beginning(upload.key, HEAD_BYTES)
    except KeyError:
        raise NotYours("The picture has not been uploaded.") from None
    if not looks_like(PurePosixPath(upload.key).suffix, head):
        raise NotYours("What was uploaded is no picture of that type.")
    return upload


async def attach(db: Db, viewer: Viewer, uploads: Sequence[Upload], now: datetime) -> None:
    """Let uploads stay, for something shows them from now on.

    Raises:
        NotYours: one has ended meanwhile.

    """
    if viewer.id is None or not uploads:
        return
    for each in uploads:
        if each.state == "signed":
            await arrived(db, each.id, now)
    if await store.attach(db, viewer.id, [each.key for each in uploads], now) < len(uploads):
        raise NotYours("A picture has ended meanwhile; upload it again.")


async def picture_of(db: Db, viewer: Viewer, key: str, now: datetime) -> Pictured:
    """Give what was made of one's own picture, and let it stay.

    Raises:
        NotYours: it is another's, none, or was refused.
        StillWorking: it is still being looked at.

    """
    upload = (await store.by_keys(db, [key])).get(key)
    if upload is None or upload.owner_id != viewer.id or upload.state in {"refused", "purged"}:
        raise NotYours("That is no picture that you uploaded.")
    made = (await store.pictured(db, [key], PROFILE)).get(key)
    if made is None:
        raise StillWorking("The picture is still being looked at; try again in a moment.")
    await attach(db, viewer, [upload], now)
    return made


async def pictures(db: Db, keys: Collection[str]) -> dict[str, Pictured]:
    """Read what was made of uploads; what is not done yet, or was refused, is left out."""
    return await store.pictured(db, keys, PROFILE)


async def waiting(db: Db, now: datetime, limit: int) -> list[Upload]:
    """Read uploads that were signed or arrived some time ago, and are no further."""
    return await store.unsettled(db, now - SILENT, limit)


async def purge_ended(db: Db, storage: Storage, now: datetime, limit: int) -> int:
    """Remove uploads that nothing shows and whose time is over; says how many.

    The objects go while the rows are held, so that nobody who makes the same again loses it.
    """
    ended = await store.ended(db, now - GRACE, limit)
    given_back: dict[UUID, int] = {}
    for each in ended:
        await storage.delete(each.key)
        if each.pieces is not None:
            await storage.drop_parts(each.key, each.pieces.name)
            await storage.delete(tail_of(each.key))
        if each.state != "refused":
            given_back[each.owner_id] = given_back.get(each.owner_id, 0) + each.size
    await store.purge(db, [each.id for each in ended], now)
    await store.release(db, given_back)
    for digest in {each.digest for each in ended if each.digest is not None}:
        for made in await store.unmake(db, digest):
            for key in made.keys_kept():
                await storage.delete(key)
    return len(ended)


async def drop_originals(db: Db, storage: Storage, limit: int) -> int:
    """Remove the bytes as uploaded of what was looked at: they may say where somebody lives."""
    done = await store.settled(db, limit)
    for each in done:
        await storage.delete(each.key)
    await store.not_kept(db, [each.id for each in done])
    return len(done)


async def forget_person(db: Db, owner_id: UUID, now: datetime) -> None:
    """Let everything end that a person uploaded; a sweep removes it."""
    await store.let_end(db, owner_id, now - GRACE)


async def tell(db: Db, upload: Upload) -> None:
    """Tell that an upload was looked at."""
    event = UploadChecked(
        id=upload.id,
        owner_id=upload.owner_id,
        key=upload.key,
        state="checked" if upload.state == "checked" else "refused",
        error=upload.error,
    )
    await outbox.emit(db, event, key=upload.id)
