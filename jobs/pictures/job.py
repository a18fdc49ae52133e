"""The job that looks at a picture that was uploaded, and makes what is shown of it."""

import asyncio
import hashlib
from pathlib import Path, PurePosixPath

from jobs.pictures.darkroom import NotShown, TookTooLong, developed
from jobs.pictures.order import Developed, Print
from jobs.runtime import job
from server import uploads
from server.kernel.services import Services
from server.kernel.storage import MIMES
from server.uploads import Attempt, CheckUpload, Pictured, Size

# A word to the owner, and that the attempt lives, at most so often.
_WORD_SECONDS = 0.25


class TakenOver(Exception):
    """Another attempt has the right to the result now."""


@job(uploads.PICTURE)
async def look_at_picture(services: Services, args: CheckUpload) -> None:
    """Look at an upload, make its sizes unless the same bytes were made before, and say so."""
    now = services.clock.now
    async with services.write() as db:
        attempt = await uploads.begin(db, args.id, now=now())
    if attempt is None:
        return
    try:
        await _look(services, attempt)
    except TakenOver:
        return
    except NotShown as refusal:
        async with services.write() as db:
            await uploads.refuse(db, attempt, str(refusal), now=now())
    except TookTooLong as error:
        async with services.write() as db:
            await uploads.let_go(db, attempt, str(error), now())
        raise
    await services.storage.delete(attempt.upload.key)


async def _look(services: Services, attempt: Attempt) -> None:
    upload = attempt.upload
    try:
        content = await services.storage.get(upload.key)
    except KeyError:
        raise NotShown("The file is not there; upload it again.") from None
    digest = hashlib.sha256(content).digest()
    if len(content) != upload.size or upload.sha256 not in {None, digest}:
        raise NotShown("Other bytes arrived than were announced; upload it again.")
    async with services.write() as db:
        if await uploads.made(db, digest) is not None:
            await uploads.check(db, attempt, digest, now=services.clock.now())
            return
    word = _Word(services, attempt)
    async with developed(content, PurePosixPath(upload.key).suffix, word.say) as (folder, told):
        sized = {each.name: await _sized(folder, each) for each in _prints(told)}
        result = _result(told, sized)
        async with services.write() as db:
            # Before the objects: whoever removes what is made of these bytes waits for us.
            await uploads.keep(db, digest, result)
            for name, size in sized.items():
                await _put(services, folder / name, size)
            await uploads.check(db, attempt, digest, now=services.clock.now())


class _Word:
    """Tells the owner now and then how far it is, and hears whether the attempt still counts."""

    def __init__(self, services: Services, attempt: Attempt) -> None:
        self._services = services
        self._attempt = attempt
        self._said_at = 0.0

    async def say(self, done: float) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said_at < _WORD_SECONDS:
            return
        self._said_at = now
        services = self._services
        async with services.database.begin() as db:
            if not await uploads.alive(db, self._attempt, services.clock.now()):
                raise TakenOver
        await uploads.say(services.publisher, self._attempt.upload, done)


def _prints(told: Developed) -> list[Print]:
    return [told.plain, *told.sizes, *([told.film] if told.film else [])]


async def _sized(folder: Path, made: Print) -> Size:
    """Name a file by what is in it: what a name once showed, it always shows."""
    content = await asyncio.to_thread((folder / made.name).read_bytes)
    digest = hashlib.sha256(content).hexdigest()
    key = f"pictures/{digest[:2]}/{digest}{Path(made.name).suffix}"
    return Size(key, made.width, made.height, len(content))


async def _put(services: Services, path: Path, size: Size) -> None:
    if not await services.storage.exists(size.key):
        await services.storage.put_file(size.key, path, mime=MIMES[path.suffix])


def _result(told: Developed, sized: dict[str, Size]) -> Pictured:
    return Pictured(
        width=told.width,
        height=told.height,
        plain=sized[told.plain.name],
        sizes=[sized[each.name] for each in told.sizes],
        placeholder=told.placeholder,
        taken_at=told.taken_at,
        film=sized[told.film.name] if told.film else None,
        duration_sec=told.duration_sec,
    )
