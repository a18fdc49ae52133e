"""The job that encodes a film or a sound that somebody brought."""

import asyncio
import hashlib
from pathlib import Path

from jobs.media.studio import NotEncoded, NotOurs, Result, encoded
from jobs.runtime import job
from server import media
from server.kernel.services import Services
from server.kernel.storage import MIMES
from server.media import MadeOf, Size, Spoken, Try

# An attempt says that it lives at least so often, far within what is taken for death.
_WORD_SECONDS = 1.0
# Before this much is done nobody knows how long the rest takes.
_ENOUGH = 0.1
_LEAST_WALL_SECONDS = 600.0
_MOST_WALL_SECONDS = 13 * 3600.0
_WALL_EACH_SECOND = 60.0
# How many long films this process is at: one, so that a lane is left for what is short.
_MOST_LONG = 1
_long: set[object] = set()


@job(media.ENCODE)
async def encode_upload(services: Services, _args: media.Encode) -> None:
    """Encode what is next in line, which may be another than this job was queued for.

    As there is a job for each, each gets its turn.
    """
    async with services.write() as db:
        most = media.LONG_SECONDS if len(_long) >= _MOST_LONG else None
        attempt = await media.encoding.take(db, now=services.clock.now(), at_most_sec=most)
    if attempt is None:
        return
    if attempt.cost_sec > media.LONG_SECONDS:
        _long.add(attempt)
    try:
        await _attempt(services, attempt)
    finally:
        _long.discard(attempt)


async def _attempt(services: Services, attempt: Try) -> None:
    """Encode, as long as the attempt counts, and write what came of it."""
    word = _Word(services, attempt)
    work = asyncio.create_task(_encode(services, attempt, word))
    keeping = asyncio.create_task(word.keep())
    try:
        await asyncio.wait((work, keeping), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            # Cancelled by its owner, or taken over.
            return
        work.result()
    except NotOurs as refusal:
        async with services.write() as db:
            await media.encoding.refused(db, attempt, str(refusal), now=services.clock.now())
    except NotEncoded as error:
        async with services.write() as db:
            await media.encoding.failed(db, attempt, str(error), now=services.clock.now())
        raise
    finally:
        for each in (work, keeping):
            each.cancel()
        await asyncio.gather(work, keeping, return_exceptions=True)


async def _encode(services: Services, attempt: Try, word: "_Word") -> None:
    wall = min(_MOST_WALL_SECONDS, _LEAST_WALL_SECONDS + _WALL_EACH_SECOND * attempt.cost_sec)
    digests: list[bytes] = []

    async def fetch(path: Path) -> None:
        try:
            await services.storage.fetch(attempt.key, path)
        except KeyError:
            raise NotOurs("The file is not there; upload it again.") from None
        digests.append(await asyncio.to_thread(_digest, path))
        async with services.database.read() as db:
            made = await media.encoding.made_before(db, digests[0])
        if made is not None:
            raise _MadeBefore(made)

    try:
        async with encoded(fetch, word.hear, within=wall) as result:
            made = await _stored(services, digests[0], result)
            await _finish(services, attempt, digests[0], made)
    except _MadeBefore as known:
        await _finish(services, attempt, digests[0], known.made)


async def _finish(services: Services, attempt: Try, digest: bytes, made: MadeOf) -> None:
    async with services.write() as db:
        await media.encoding.finished(db, attempt, digest, made, now=services.clock.now())


class _MadeBefore(Exception):
    """The same bytes were encoded before."""

    def __init__(self, made: MadeOf) -> None:
        self.made = made


class _Word:
    """Says every second that an attempt lives and how far it is, until it no longer counts."""

    def __init__(self, services: Services, attempt: Try) -> None:
        self._services, self._attempt = services, attempt
        self._begun = asyncio.get_running_loop().time()
        self._done = 0.0
        self._told = -1.0

    async def hear(self, done: float) -> None:
        """Hear how far it is."""
        self._done = done

    async def keep(self) -> None:
        """Go on until another has the right to the result, or nobody has."""
        while await self._note():  # noqa: ASYNC110 - a row is asked, for there is no event
            await asyncio.sleep(_WORD_SECONDS)

    async def _note(self) -> bool:
        done, eta = self._done, self._eta()
        services = self._services
        async with services.database.begin() as db:
            counts = await media.encoding.note(
                db, self._attempt, done, eta, now=services.clock.now()
            )
        if counts and done != self._told:
            self._told = done
            await media.encoding.say(services.publisher, self._attempt, done, eta)
        return counts

    def _eta(self) -> float | None:
        if self._done < _ENOUGH:
            return None
        elapsed = asyncio.get_running_loop().time() - self._begun
        return elapsed / self._done * (1 - self._done)


async def _stored(services: Services, digest: bytes, result: Result) -> MadeOf:
    """Put what was made into the storage, by what it was made from."""
    name = digest.hex()
    top = f"films/{name[:2]}/{name}-{media.RECIPE}"
    made = result.encoded
    playlists = {each for each in result.files if each.endswith(".m3u8")}

    def key(of: str | None) -> str | None:
        return None if of is None else f"{top}/{of}"

    for each in result.files:
        path = result.folder / each
        if each not in playlists:
            await services.storage.put_file(f"{top}/{each}", path, mime=MIMES[path.suffix])
    return MadeOf(
        kind=made.kind,
        seconds=made.seconds,
        width=made.width,
        height=made.height,
        sizes=[
            Size(
                each.name,
                each.width,
                each.height,
                each.bytes,
                each.codecs,
                f"{top}/{each.film}",
                f"{top}/{each.parts}",
                each.playlist,
            )
            for each in made.renditions
        ],
        playlists={each: (result.folder / each).read_text("utf-8") for each in playlists},
        sound_key=key(made.sound),
        poster_key=key(made.poster),
        small_poster_key=key(made.small_poster),
        storyboard_key=key(made.storyboard),
        storyboard_index_key=key(made.storyboard_index),
        waveform_key=key(made.waveform),
        captions=[Spoken(each.language, f"{top}/{each.name}") for each in made.captions],
    )


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
