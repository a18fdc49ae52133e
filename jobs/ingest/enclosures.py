"""What entries bring besides words: pictures, films and recordings, in all places for them."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from jobs.ingest.feed import RawChapter

MOST_CHAPTERS = 200
_LONGEST_SECONDS = 30 * 24 * 3600.0
_ENDINGS = {
    "video": (".mp4", ".m4v", ".mov", ".webm"),
    "audio": (".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".wav", ".flac"),
}
# Normal play time: hours, minutes and seconds, or fewer of them.
_TIME = re.compile(r"(?:(\d{1,4}):)?(?:(\d{1,6}):)?(\d{1,9}(?:\.\d{1,9})?)")


def file(entry: Any, kind: str) -> str | None:
    """Find the address of a film or a recording."""
    for each in _listed(entry):
        address = _text(each.get("href")) or _text(each.get("url"))
        if address and _is(each, kind, address):
            return address
    return None


def picture(entry: Any) -> str | None:
    """Find the address of a picture."""
    for each in _listed(entry):
        address = _text(each.get("href")) or _text(each.get("url"))
        if address and _said(each).startswith("image"):
            return address
    thumbnails = entry.get("media_thumbnail") or ()
    found = next((address for each in thumbnails if (address := _text(each.get("url")))), None)
    return found or _text((entry.get("image") or {}).get("href"))


def seconds(entry: Any) -> float | None:
    """Find how long the film or the recording is."""
    told = [entry.get("itunes_duration")]
    told += [each.get("duration") for each in entry.get("media_content") or ()]
    found = (time for each in told if (time := duration(each)))
    return next((each for each in found if 0 < each <= _LONGEST_SECONDS), None)


def chapters(entry: Any) -> tuple[RawChapter, ...]:
    """Find where in the recording what begins (Podlove Simple Chapters)."""
    told = (entry.get("psc_chapters") or {}).get("chapters") or ()
    found = []
    for each in told[:MOST_CHAPTERS]:
        start, title = duration(each.get("start")), _text(each.get("title"))
        if start is not None and start <= _LONGEST_SECONDS and title:
            found.append(RawChapter(start, title, _text(each.get("href"))))
    return tuple(sorted(found, key=lambda chapter: chapter.start_sec))


def duration(given: Any) -> float | None:
    """Read a duration as feeds write them: `1:02:03`, `62:03` or `3723`."""
    found = _TIME.fullmatch(given.strip()) if isinstance(given, str) else None
    if found is None:
        return None
    first, second, last = found.groups()
    # With one colon only, what stands before it are minutes.
    hours, minutes = (first, second) if second else ("0", first or "0")
    return int(hours) * 3600 + int(minutes) * 60 + float(last)


def _listed(entry: Any) -> Iterator[Any]:
    yield from entry.get("enclosures") or ()
    yield from entry.get("media_content") or ()


def _is(each: Any, kind: str, address: str) -> bool:
    said = _said(each)
    if said and not said.startswith("application/octet-stream"):
        return said.startswith(kind)
    try:
        return urlsplit(address).path.lower().endswith(_ENDINGS[kind])
    except ValueError:
        return False


def _said(each: Any) -> str:
    return f"{each.get('type') or ''} {each.get('medium') or ''}".strip().lower()


def _text(given: Any) -> str | None:
    return given if isinstance(given, str) and given.strip() else None
