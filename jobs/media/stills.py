"""Still pictures of a film: a poster in two sizes, and a sheet of small ones for the time line."""

import math
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageStat

from jobs.media.captions import clock

POSTER, SMALL_POSTER = "poster.jpg", "poster-small.jpg"
SHEET, SHEET_INDEX = "storyboard.jpg", "storyboard.vtt"
_POSTER_SIDE, _SMALL_SIDE = 1280, 320
_LOOKED_AT = 12
_TILE_SIDE = 160
_MOST_TILES = 100
_COLUMNS = 10
_LEAST_SECONDS = 2.0


def draw(largest: Path, smallest: Path, folder: Path, seconds: float) -> None:
    """Make every still of a film from files that we encoded ourselves."""
    _poster(largest, folder, seconds)
    _storyboard(smallest, folder, seconds)


def cover(container: Any, folder: Path, most_pixels: int) -> bool:
    """Take the still picture of a sound as its poster; False when it cannot be read."""
    stream = container.streams.video[0]
    try:
        frame = next(container.decode(stream))
    except (StopIteration, av.error.FFmpegError):
        return False
    if frame.width * frame.height > most_pixels:
        return False
    _save_poster(frame.to_image(), folder)
    return True


def _poster(film: Path, folder: Path, seconds: float) -> None:
    """Keep the keyframe in which there is most to see: not the black one at the beginning."""
    best: tuple[float, Image.Image] | None = None
    for _, image in _keyframes(film, _steps(seconds, _LOOKED_AT)):
        contrast = ImageStat.Stat(image.convert("L")).stddev[0]
        if best is None or contrast > best[0]:
            best = (contrast, image)
    if best is not None:
        _save_poster(best[1], folder)


def _save_poster(image: Image.Image, folder: Path) -> None:
    for name, side in ((POSTER, _POSTER_SIDE), (SMALL_POSTER, _SMALL_SIDE)):
        sized = image.convert("RGB")
        sized.thumbnail((side, side))
        sized.save(folder / name, quality=82, optimize=True)


def _storyboard(film: Path, folder: Path, seconds: float) -> None:
    count = max(1, min(_MOST_TILES, math.ceil(seconds / _LEAST_SECONDS)))
    tiles = [
        (at, image.copy()) for at, image in _keyframes(film, _steps(seconds, count), _TILE_SIDE)
    ]
    if not tiles:
        return
    width, height = tiles[0][1].size
    rows = math.ceil(len(tiles) / _COLUMNS)
    sheet = Image.new("RGB", (width * min(len(tiles), _COLUMNS), height * rows))
    cues = ["WEBVTT\n"]
    for place, (at, image) in enumerate(tiles):
        x, y = place % _COLUMNS * width, place // _COLUMNS * height
        sheet.paste(image, (x, y))
        begin = 0.0 if place == 0 else at
        end = tiles[place + 1][0] if place + 1 < len(tiles) else seconds
        cues.append(f"{clock(begin)} --> {clock(end)}\n{SHEET}#xywh={x},{y},{width},{height}\n")
    sheet.save(folder / SHEET, quality=70, optimize=True)
    (folder / SHEET_INDEX).write_text("\n".join(cues), "utf-8")


def _steps(seconds: float, count: int) -> list[float]:
    return [seconds * place / count for place in range(count)]


def _keyframes(film: Path, times: list[float], side: int = 0) -> list[tuple[float, Image.Image]]:
    """Give the keyframes at or before these times, each once."""
    found: dict[float, Image.Image] = {}
    with av.open(str(film), format="mov") as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        for time in times:
            container.seek(int(time * av.time_base), backward=True)
            frame = next(container.decode(stream), None)
            if frame is None or frame.time is None or frame.time in found:
                continue
            image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
            if side:
                image.thumbnail((side, side))
            found[frame.time] = image
    return sorted(found.items())
