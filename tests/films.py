"""Tiny films and sounds for tests, written with PyAV: each says what is odd about it."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

av.logging.set_level(av.logging.PANIC)
RATE = 48_000


def film(
    path: Path,
    *,
    size: tuple[int, int] = (160, 120),
    seconds: float = 1.0,
    rate: int = 10,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    form: str = "mp4",
    sound: str | None = "aac",
    times: list[int] | None = None,
    options: dict[str, str] | None = None,
    loud: float = 0.25,
    colours: tuple[int, int, int] | None = None,
) -> Path:
    """Write a film: a light square in the upper left corner of a slowly changing ground."""
    with av.open(str(path), "w", format=form) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        base = Fraction(1, rate)
        stream.codec_context.time_base = base
        if colours:
            context = stream.codec_context
            context.colorspace, context.color_primaries, context.color_trc = colours
        track = out.add_stream(sound, rate=RATE, layout="stereo") if sound else None
        for at, number in enumerate(times or range(round(seconds * rate))):
            frame = _frame(size, at).reformat(format=pixels)
            frame.pts, frame.time_base = number, base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if track is not None:
            for frame in tone(seconds, loud):
                out.mux(track.encode(frame))
            out.mux(track.encode(None))
    return path


def recording(
    path: Path, *, seconds: float = 1.0, codec: str = "aac", form: str = "mp4", loud: float = 0.25
) -> Path:
    """Write a sound and nothing else."""
    with av.open(str(path), "w", format=form) as out:
        track = out.add_stream(codec, rate=RATE, layout="stereo")
        for frame in tone(seconds, loud):
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    return path


def tone(seconds: float, loud: float) -> list[Any]:
    """Frames of a steady note of 997 Hz."""
    frames = []
    total = round(seconds * RATE)
    for begin in range(0, total, 1024):
        at = np.arange(begin, min(begin + 1024, total)) / RATE
        wave = (loud * np.sin(2 * np.pi * 997 * at)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
        frames.append(frame)
    return frames


def turned(path: Path) -> Path:
    """Say in a film's header that it is to be turned a quarter clockwise, as telephones do."""
    whole = bytearray(path.read_bytes())
    at = whole.index(b"tkhd") + 44
    quarter = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    whole[at : at + 36] = quarter
    path.write_bytes(bytes(whole))
    return path


def _frame(size: tuple[int, int], at: int) -> Any:
    width, height = size
    ground = np.zeros((height, width, 3), np.uint8)
    ground[:, :, 0] = np.linspace(0, 120, width, dtype=np.uint8)
    ground[:, :, 2] = (at * 7) % 120
    ground[: height // 4, : width // 4] = 235
    return av.VideoFrame.from_ndarray(ground, format="rgb24")


def captioned(path: Path, source: Path, words: str) -> Path:
    """Write a film's packets into a Matroska file, with a subtitle stream beside them."""
    spoken = path.with_suffix(".srt")
    spoken.write_text(words, "utf-8")
    with (
        av.open(str(source)) as film,
        av.open(str(spoken), format="srt") as text,
        av.open(str(path), "w", format="matroska") as out,
    ):
        both = (film, text)
        streams = [{s: out.add_stream_from_template(s) for s in each.streams} for each in both]
        for container, known in zip(both, streams, strict=True):
            for packet in container.demux():
                if packet.dts is not None:
                    packet.stream = known[packet.stream]
                    out.mux(packet)
    return path
