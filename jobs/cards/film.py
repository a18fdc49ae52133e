"""A card as a short film: the picture comes slowly nearer, the captions come and go.

Frames are put together plane by plane in the encoder's own colours. Pillow resamples a box whose
corners lie between pixels, so that the slow approach does not tremble as libavfilter's zoompan
does, and no text ever comes near a filter description.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image

from jobs.cards.captions import Caption
from jobs.cards.design import Design, design
from jobs.cards.model import FPS, HEIGHT, WIDTH, CardText

# How much nearer the picture is at the end, and how many frames a caption takes to appear.
NEARER = 0.08
APPEARING = 9
RISE = 14
ENDING = 12
_PROGRESS_FRAMES = 15
_X264 = {
    "preset": "veryfast",
    "crf": "23",
    "maxrate": "1400k",
    "bufsize": "2800k",
    "profile": "high",
    "x264-params": f"keyint={2 * FPS}:scenecut=0:open-gop=0",
}

Bytes = NDArray[np.uint8]


class Film(Struct, frozen=True):
    """What was made."""

    frames: int
    width: int
    height: int
    duration_sec: float
    bytes: int


class _Planes:
    """One picture in the encoder's colours: brightness whole, two colours at half the size."""

    def __init__(self, rgb: Bytes) -> None:
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        stacked = frame.reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        ).to_ndarray()
        height, width = rgb.shape[:2]
        quarter = height // 4
        parts = (
            stacked[:height],
            stacked[height : height + quarter].reshape(height // 2, width // 2),
            stacked[height + quarter :].reshape(height // 2, width // 2),
        )
        self.images = [Image.fromarray(np.ascontiguousarray(part)) for part in parts]


class _Mask:
    """How much of something is seen, for each of the three planes."""

    def __init__(self, alpha: Image.Image) -> None:
        width, height = alpha.size
        half = alpha.resize((width // 2, height // 2), Image.Resampling.BOX)
        self.images = [alpha, half, half]

    def faded(self, share: float) -> list[Image.Image]:
        """Give the masks with only a share of their strength."""
        if share >= 1:
            return self.images
        table = [round(level * share) for level in range(256)]
        return [image.point(table) for image in self.images]


class _Scene:
    """Makes the frames of a film, one after the other."""

    def __init__(self, decided: Design, *, towards: tuple[float, float], away: bool) -> None:
        self._decided = decided
        self._towards = towards
        self._away = away
        self._picture = _Planes(decided.picture)
        plate = decided.layout.plate
        self._plate = _Planes(np.asarray(plate.convert("RGB")))
        self._plate_mask = _Mask(plate.getchannel("A"))
        ink = np.round(decided.palette.ink * 255).astype(np.uint8)
        self._ink = _solid(ink)
        self._letters = _solid(np.array(decided.layout.caption_colour, np.uint8))
        self._masks: dict[int, _Mask] = {}

    def frames(self) -> Iterator[Bytes]:
        """Give every frame as the rows of its three planes, one under the other."""
        total = self._decided.frames
        for number in range(total):
            planes = self._approached(number / (total - 1))
            for plane, ground, mask in zip(
                planes, self._plate.images, self._plate_mask.images, strict=True
            ):
                plane.paste(ground, (0, 0), mask)
            for caption in self._decided.captions:
                if caption.first <= number < caption.end:
                    self._write(planes, caption, number)
            yield _stacked(self._ended(planes, total - number))

    def _approached(self, share: float) -> list[Image.Image]:
        near = NEARER * ((1 - share) if self._away else share)
        x, y = self._towards
        box = (near * x, near * y, 1 - near * (1 - x), 1 - near * (1 - y))
        return [
            plane.resize(
                plane.size,
                Image.Resampling.BICUBIC,
                (
                    box[0] * plane.width,
                    box[1] * plane.height,
                    box[2] * plane.width,
                    box[3] * plane.height,
                ),
            )
            for plane in self._picture.images
        ]

    def _write(self, planes: list[Image.Image], caption: Caption, number: int) -> None:
        mask = self._masks.get(caption.first)
        if mask is None:
            # Only the caption that is on the screen is kept.
            mask = _Mask(self._decided.strip(caption).getchannel("A"))
            self._masks = {caption.first: mask}
        # The first is there from the start, as on the poster; the last stays to the end.
        come = 1.0 if caption.first == 0 else _eased((number - caption.first + 1) / APPEARING)
        last = caption.end == self._decided.frames
        gone = 1.0 if last else _eased((caption.end - number) / APPEARING)
        left, top = self._decided.strip_at
        top += round(RISE * (1 - come)) // 2 * 2
        for plane, level, part, shrink in zip(
            planes, self._letters, mask.faded(min(come, gone)), (1, 2, 2), strict=True
        ):
            plane.paste(level, (left // shrink, top // shrink), part)

    def _ended(self, planes: list[Image.Image], left: int) -> list[Image.Image]:
        if left > ENDING:
            return planes
        dark = _eased(1 - (left - 1) / ENDING)
        grounds = (
            Image.new("L", plane.size, level)
            for plane, level in zip(planes, self._ink, strict=True)
        )
        return [
            Image.blend(plane, ground, dark) for plane, ground in zip(planes, grounds, strict=True)
        ]


def render(card: CardText, path: Path, progress: Callable[[float], None]) -> Film:
    """Render the film of a card to a file that can be played before it is all there."""
    decided = design(card)
    dice = card.randomness()
    towards = (float(dice.uniform(0.3, 0.7)), float(dice.uniform(0.2, 0.5)))
    scene = _Scene(decided, towards=towards, away=bool(dice.random() < 0.5))  # noqa: PLR2004
    with av.open(
        str(path), "w", format="mp4", container_options={"movflags": "+faststart"}
    ) as container:
        stream = _stream(container)
        for number, rows in enumerate(scene.frames()):
            frame = av.VideoFrame.from_ndarray(rows, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
            container.mux(stream.encode(frame))
            if number % _PROGRESS_FRAMES == 0:
                progress(number / decided.frames)
        container.mux(stream.encode(None))
    return probe(path)


def probe(path: Path) -> Film:
    """Read a film as a player would, frame by frame.

    Raises:
        ValueError: it has no picture that can be played.

    """
    options = {"protocol_whitelist": "file", "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2"}
    with av.open(str(path), format="mov", container_options=options) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        if stream.duration is None or stream.time_base is None or not frames:
            raise ValueError("The film has no frames.")
        seconds = float(stream.duration * stream.time_base)
        size = path.stat().st_size
        return Film(frames, stream.width, stream.height, round(seconds, 3), size)


def _stream(container: Any) -> Any:
    stream = container.add_stream("libx264", rate=FPS, options=_X264)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context = stream.codec_context
    # One thread: another reader's poster matters more, and the result is the same every time.
    context.thread_count = 1
    context.time_base = Fraction(1, FPS)
    # Said aloud, for players guess differently, and the film would differ from its poster.
    context.colorspace = Colorspace.ITU709
    context.color_range = ColorRange.MPEG
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    return stream


def _solid(colour: Bytes) -> tuple[int, int, int]:
    planes = _Planes(np.broadcast_to(colour, (4, 4, 3)).copy()).images
    levels = [int(np.asarray(plane)[0, 0]) for plane in planes]
    return levels[0], levels[1], levels[2]


def _stacked(planes: list[Image.Image]) -> Bytes:
    rows = np.empty((HEIGHT * 3 // 2, WIDTH), np.uint8)
    rows[:HEIGHT] = np.asarray(planes[0])
    quarter = HEIGHT // 4
    rows[HEIGHT : HEIGHT + quarter] = np.asarray(planes[1]).reshape(quarter, WIDTH)
    rows[HEIGHT + quarter :] = np.asarray(planes[2]).reshape(quarter, WIDTH)
    return rows


def _eased(share: float) -> float:
    bounded = min(1.0, max(0.0, share))
    return bounded * bounded * (3 - 2 * bounded)
