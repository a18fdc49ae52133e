"""The ladder: every frame is decoded once, made upright and plain, and encoded in every size."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from jobs.media.model import Bounds, Found, Plan, Refused, Rung
from jobs.media.plan import check_size
from jobs.media.probe import is_wide, turns_of

_TURNS = {1: ("clock",), 2: ("clock", "clock"), 3: ("cclock",)}
_UNSAID = 2
_HIGH_DEFINITION = 720
_THREADS = 2
_MOST_FORMS = 16


class Ladder:
    """Encodes frames into a file for each rung, evenly, with keyframes at the same places."""

    def __init__(self, plan: Plan, found: Found, folder: Path, bounds: Bounds) -> None:
        self._plan, self._bounds = plan, bounds
        self._zero, self._rate = found.zero, plan.rate
        self._most = int((bounds.seconds + bounds.gap_seconds) * plan.rate)
        self._gap = int(bounds.gap_seconds * plan.rate)
        self._encoders = [_Encoder(rung, plan, folder) for rung in plan.rungs]
        self._graph: _Sizes | None = None
        self._forms = 0
        self._held: Any = None
        self._at = 0

    @property
    def frames(self) -> int:
        """How many frames were written so far."""
        return self._at

    def take(self, frame: Any) -> None:
        """Take the next decoded frame; the one before it is shown until this one's time.

        Raises:
            Refused: time leaps, or never ends.

        """
        number = self._at + 1
        if frame.pts is not None and frame.time_base is not None:
            seconds = float(frame.pts * frame.time_base) - self._zero
            number = round(seconds * self._rate)
        if number - self._at > self._gap:
            raise Refused("The times in the picture leap.")
        if self._held is None:
            self._held = frame
            return
        if number > self._at:
            self._show_until(number)
            self._held = frame

    def close(self, frames: int) -> None:
        """Show the last frame to the end, and write what is left."""
        if self._held is not None:
            self._show_until(max(self._at + 1, min(frames, self._at + self._gap)))
        for encoder in self._encoders:
            encoder.close()

    def _show_until(self, number: int) -> None:
        if number > self._most:
            raise Refused("There are more frames than the file says.")
        sizes = self._sized(self._held)
        for at in range(self._at, number):
            for encoder, frame in zip(self._encoders, sizes, strict=True):
                encoder.write(frame, at)
        self._at = number

    def _sized(self, frame: Any) -> list[Any]:
        if self._graph is None or not self._graph.takes(frame):
            self._forms += 1
            if self._forms > _MOST_FORMS:
                raise Refused("The picture changes its form again and again.")
            check_size(frame.width, frame.height, self._bounds)
            self._graph = _Sizes(frame, self._plan.rungs)
        return self._graph.scaled(frame)


class _Sizes:
    """Scales a frame to every size: each from the next larger, which costs least."""

    def __init__(self, frame: Any, rungs: tuple[Rung, ...]) -> None:
        self._form = _form(frame)
        graph = self._graph = av.filter.Graph()
        matrix, wide = _matrix(frame), is_wide(frame)
        pixels = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
        at = graph.add("buffer", f"{pixels}:time_base=1/1000:pixel_aspect=1/1")
        for direction in _TURNS.get(turns_of(frame), ()):
            at = _linked(at, graph.add("transpose", f"dir={direction}"))
        self._sinks: list[Any] = []
        for place, rung in enumerate(reversed(rungs)):
            if place == 0:
                at = _linked(at, graph.add("scale", _scale(rung, matrix, wide=wide)))
                at = _linked(at, graph.add("format", "pix_fmts=yuv420p"))
            else:
                at = _linked(at, graph.add("scale", f"w={rung.width}:h={rung.height}"))
            if place < len(rungs) - 1:
                split = graph.add("split", "outputs=2")
                at.link_to(split)
                sink = graph.add("buffersink")
                split.link_to(sink, 1, 0)
                at = split
            else:
                sink = _linked(at, graph.add("buffersink"))
            self._sinks.insert(0, sink)
        graph.configure()

    def takes(self, frame: Any) -> bool:
        """Say whether a frame is of the form that this was made for."""
        return _form(frame) == self._form

    def scaled(self, frame: Any) -> list[Any]:
        """Give a frame in every size, in the order of the rungs."""
        frame.pts, frame.time_base = 0, Fraction(1, 1000)
        self._graph.push(frame)
        return [sink.pull() for sink in self._sinks]


class _Encoder:
    """Writes one rung, picture only."""

    def __init__(self, rung: Rung, plan: Plan, folder: Path) -> None:
        group = plan.group
        self._rate = plan.rate
        self._container = av.open(str(folder / f"{rung.name}.video.mp4"), "w", format="mp4")
        bits = f"{rung.bits_per_second}"
        options = {
            "preset": "veryfast",
            "crf": "23",
            "maxrate": bits,
            "bufsize": f"{2 * rung.bits_per_second}",
            "profile": "high",
            "x264-params": f"keyint={group}:min-keyint={group}:scenecut=0:open-gop=0",
        }
        stream = self._container.add_stream("libx264", rate=plan.rate, options=options)
        stream.width, stream.height, stream.pix_fmt = rung.width, rung.height, "yuv420p"
        context = stream.codec_context
        context.thread_count = _THREADS
        context.time_base = 1 / plan.rate
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        self._stream = stream

    def write(self, frame: Any, number: int) -> None:
        """Encode a frame as the one of this number."""
        frame.pts, frame.time_base = number, 1 / self._rate
        # Where the source had a keyframe is not where ours is.
        frame.pict_type = 0
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what the encoder held back, and the table of contents."""
        self._container.mux(self._stream.encode(None))
        self._container.close()


def _form(frame: Any) -> tuple[Any, ...]:
    colours = (int(frame.colorspace), int(frame.color_range), int(frame.color_trc))
    return (frame.width, frame.height, frame.format.name, frame.rotation, *colours)


def _matrix(frame: Any) -> str | None:
    """Name the matrix of a frame that does not say it: by its size, as players do."""
    if int(frame.colorspace) != _UNSAID or frame.format.is_rgb or "pal8" in frame.format.name:
        return None
    return "bt709" if min(frame.width, frame.height) >= _HIGH_DEFINITION else "bt601"


def _scale(rung: Rung, matrix: str | None, *, wide: bool) -> str:
    said = f"w={rung.width}:h={rung.height}:out_color_matrix=bt709:out_range=tv"
    if matrix is not None:
        said += f":in_color_matrix={matrix}"
    if wide:
        # Mapped to what a screen has, not cut off at it.
        said += ":out_primaries=bt709:out_transfer=bt709:intent=perceptual"
    return said


def _linked(before: Any, after: Any) -> Any:
    before.link_to(after)
    return after
