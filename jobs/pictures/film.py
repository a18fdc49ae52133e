"""A picture that moves as a film: an MP4 is a tenth of the GIF, and plays everywhere."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from jobs.pictures.order import Print

MOST_FRAMES = 1500
MOST_SECONDS = 60.0
# So short a frame is what old programs wrote for "as fast as you can": browsers show it longer.
_SHORTEST_MS, _USUAL_MS = 20, 100
_MILLISECOND = Fraction(1, 1000)
_OPTIONS = {"crf": "24", "preset": "veryfast", "profile": "high", "g": "120"}


class NotAFilm(Exception):
    """It has more frames, or is longer, than a picture that moves may."""


def shoot(
    image: Image.Image, folder: Path, widest: int, hears: Callable[[float], None]
) -> tuple[Print, float]:
    """Write the frames of a picture as an MP4 that starts at once.

    Raises:
        NotAFilm: it is too long.

    """
    frames = getattr(image, "n_frames", 1)
    if frames > MOST_FRAMES:
        raise NotAFilm(f"It has {frames} frames; at most {MOST_FRAMES} are taken.")
    size = _even(image.size, widest)
    path = folder / "film.mp4"
    at = 0
    with av.open(str(path), "w", format="mp4", container_options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=1000, options=_OPTIONS)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = _MILLISECOND
        for number in range(frames):
            image.seek(number)
            frame = _frame(image, size)
            frame.pts, frame.time_base = at, _MILLISECOND
            at += _milliseconds(image)
            if at > MOST_SECONDS * 1000:
                raise NotAFilm(f"It is longer than {MOST_SECONDS:.0f} s.")
            out.mux(stream.encode(frame))
            if number % 10 == 0:
                hears(number / frames)
        # The last frame is shown for its time as well.
        last = _frame(image, size)
        last.pts, last.time_base = at, _MILLISECOND
        out.mux(stream.encode(last))
        out.mux(stream.encode(None))
    image.seek(0)
    return Print(path.name, *size), at / 1000


def _frame(image: Image.Image, size: tuple[int, int]) -> av.VideoFrame:
    whole = image.convert("RGBA")
    ground = Image.new("RGB", whole.size, "white")
    ground.paste(whole, mask=whole.getchannel("A"))
    fitted = ground if ground.size == size else ground.resize(size, Image.Resampling.BILINEAR)
    return av.VideoFrame.from_ndarray(np.asarray(fitted), format="rgb24")


def _milliseconds(image: Image.Image) -> int:
    told = image.info.get("duration", 0)
    given = int(told) if isinstance(told, int | float) and 0 < told < MOST_SECONDS * 2000 else 0
    return given if given >= _SHORTEST_MS else _USUAL_MS


def _even(size: tuple[int, int], widest: int) -> tuple[int, int]:
    """Give the size at which it is filmed: never larger, and of even sides, as H.264 wants."""
    scale = min(1.0, widest / max(size))
    width, height = (max(2, int(side * scale) // 2 * 2) for side in size)
    return width, height
