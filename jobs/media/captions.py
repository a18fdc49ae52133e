"""Captions that a file brings, as WebVTT."""

import re
from typing import Any

import av

from jobs.media.model import Bounds, Captions, Cue
from jobs.media.opening import TEXTS

_TAGS = re.compile(r"\{[^}]*\}|<[^>]*>")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_MOST_CHARACTERS = 500
_MOST_STREAMS = 8
_SECONDS = 3.0


def of(container: Any) -> list[Any]:
    """Give the streams of a file that are text to be read."""
    known = set(TEXTS.split(","))
    found = [
        each
        for each in container.streams.subtitles
        if each.codec_context is not None and each.codec_context.name in known
    ]
    return found[:_MOST_STREAMS]


def language_of(stream: Any) -> str:
    """Give the language of a stream as its file has it, `und` where it says none."""
    language = str(stream.language or "").lower()
    return language if _LANGUAGE.fullmatch(language) else "und"


class Page:
    """Collects the cues of one stream."""

    def __init__(self, bounds: Bounds) -> None:
        self._most = bounds.cues
        self._cues: list[Cue] = []

    def read(self, packet: Any) -> None:
        """Take the cue of a packet; what cannot be read is left out."""
        if len(self._cues) >= self._most or packet.pts is None or packet.time_base is None:
            return
        try:
            lines = [_line(rect) for group in packet.decode() for rect in _rects(group)]
        except (av.error.FFmpegError, UnicodeDecodeError):
            return
        text = "\n".join(each for each in lines if each)[:_MOST_CHARACTERS]
        if not text:
            return
        begin = float(packet.pts * packet.time_base)
        lasts = float((packet.duration or 0) * packet.time_base) or _SECONDS
        self._cues.append(Cue(begin, begin + lasts, text))

    def cues(self, zero: float) -> tuple[Cue, ...]:
        """Give the cues in their order, counted from the beginning of the film."""
        moved = (Cue(max(0.0, c.begin - zero), c.end - zero, c.text) for c in self._cues)
        return tuple(sorted((c for c in moved if c.end > c.begin), key=lambda c: c.begin))


def webvtt(captions: Captions) -> str:
    """Write captions as WebVTT."""
    cues = (f"{clock(c.begin)} --> {clock(c.end)}\n{_escaped(c.text)}\n" for c in captions.cues)
    return "\n".join(["WEBVTT\n", *cues])


def clock(seconds: float) -> str:
    """Write a time as WebVTT has it."""
    whole = round(seconds * 1000)
    minutes, milliseconds = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"


def _rects(group: Any) -> list[Any]:
    return list(getattr(group, "rects", None) or [group])


def _line(rect: Any) -> str:
    said = getattr(rect, "dialogue", None) or getattr(rect, "text", None) or b""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    text = _TAGS.sub("", text.replace("\\N", "\n").replace("\\n", "\n").replace("\r", ""))
    # A blank line would end the cue.
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
