"""Encodes one file into everything that is played of it, in the folder of the confined process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import msgspec

from jobs.media import captions, packaging, stills
from jobs.media.ladder import Ladder
from jobs.media.model import Bounds, Encoded, Found, Plan, Refused, Spoken
from jobs.media.opening import guard, opened
from jobs.media.packaging import MASTER, SOUND
from jobs.media.plan import plan
from jobs.media.probe import chosen, frames_of, packets_of, probe
from jobs.media.sound import RATE, Run, frame_of

WAVEFORM = "waveform.json"
# How much of the whole the first look is, and where the finishing begins.
_LOOKED, _ENCODED = 0.08, 0.94
_SOUND_BITS = 128_000
_FRAME_SAMPLES = 1024

Says = Callable[[float], None]


def encode(source: Path, folder: Path, bounds: Bounds, says: Says) -> Encoded:
    """Look at a file, plan, encode, finish; everything that was made is in the folder.

    Raises:
        Refused: it is nothing that we encode, and why.

    """
    found = probe(source, bounds)
    planned = plan(found, bounds)
    says(_LOOKED)
    _Pass(source, folder, found, planned, bounds).run(says)
    says(_ENCODED)
    if planned.kind == "video":
        made = _film(folder, found, planned)
    else:
        if found.has_cover:
            with opened(source, bounds) as container:
                stills.cover(container, folder, bounds.pixels)
        made = _recording(folder, found, planned)
    says(1.0)
    return made


class _Pass:
    """The one pass through the file in which everything is encoded."""

    def __init__(
        self, source: Path, folder: Path, found: Found, planned: Plan, bounds: Bounds
    ) -> None:
        self._source, self._folder = source, folder
        self._found, self._plan, self._bounds = found, planned, bounds

    def run(self, says: Says) -> None:
        """Read, decode, encode."""
        with opened(self._source, self._bounds) as container:
            video, audio = chosen(container)
            if self._plan.kind == "audio":
                video = None
            if not self._plan.with_sound:
                audio = None
            for stream in (video, audio):
                if stream is not None:
                    guard(stream, self._bounds)
            if video is not None and not self._plan.keep_picture:
                # As many as there are cores, two of them for certain.
                video.codec_context.thread_type = "AUTO"
                video.codec_context.thread_count = 2
            self._read(container, video, audio, says)

    def _read(self, container: Any, video: Any, audio: Any, says: Says) -> None:
        picture = self._picture(video)
        sound = _SoundFile(self._plan, self._found, self._folder, self._bounds) if audio else None
        streams = [each for each in (video, audio) if each is not None]
        last = 0.0
        for packet in packets_of(container, streams, self._bounds):
            if packet.stream is video:
                picture.take(packet)
            elif sound is not None:
                sound.take(packet)
            done = _share(packet, self._found)
            if done > last + 0.005:
                last = done
                says(_LOOKED + (_ENCODED - _LOOKED) * done)
        if picture is not None:
            picture.close()
        if sound is not None:
            sound.close()

    def _picture(self, video: Any) -> Any:
        if video is None:
            return None
        if self._plan.keep_picture:
            return _Kept(video, self._plan, self._found, self._folder)
        return _Anew(self._plan, self._found, self._folder, self._bounds)


class _Anew:
    """The picture encoded in every size of the ladder."""

    def __init__(self, planned: Plan, found: Found, folder: Path, bounds: Bounds) -> None:
        self._ladder = Ladder(planned, found, folder, bounds)
        self._frames = max(1, round(found.seconds * planned.rate))
        self._any = False

    def take(self, packet: Any) -> None:
        for frame in frames_of(packet):
            self._any = True
            self._ladder.take(frame)

    def close(self) -> None:
        if not self._any:
            raise Refused("No frame of the picture can be decoded.")
        self._ladder.close(self._frames)


class _Kept:
    """The picture as it is: its packets are copied."""

    def __init__(self, video: Any, planned: Plan, found: Found, folder: Path) -> None:
        path = folder / f"{planned.rungs[0].name}.video.mp4"
        self._container = av.open(str(path), "w", format="mp4")
        self._stream = self._container.add_stream_from_template(video)
        self._any = False
        self._shift = round(found.zero / video.time_base)

    def take(self, packet: Any) -> None:
        if packet.dts is None or packet.pts is None:
            return
        packet.pts -= self._shift
        packet.dts -= self._shift
        packet.stream = self._stream
        self._container.mux(packet)
        self._any = True

    def close(self) -> None:
        if not self._any:
            raise Refused("No frame of the picture can be read.")
        self._container.close()


class _SoundFile:
    """The sound as AAC, as loud as every other."""

    def __init__(self, planned: Plan, found: Found, folder: Path, bounds: Bounds) -> None:
        self._run = Run(found.zero, bounds)
        self._factor = 10 ** (planned.gain / 20)
        self._container = av.open(
            str(folder / SOUND), "w", format="mp4", container_options={"movflags": "+faststart"}
        )
        stream = self._container.add_stream("aac", rate=RATE, layout="stereo")
        stream.bit_rate = _SOUND_BITS
        self._stream = stream
        self._at = 0

    def take(self, packet: Any) -> None:
        for frame in frames_of(packet):
            for samples in self._run.take(frame):
                self._write(samples)

    def close(self) -> None:
        for samples in self._run.rest():
            self._write(samples)
        if self._at == 0:
            raise Refused("Nothing of the sound can be decoded.")
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def _write(self, samples: Any) -> None:
        for begin in range(0, samples.shape[1], _FRAME_SAMPLES):
            part = samples[:, begin : begin + _FRAME_SAMPLES] * self._factor
            self._container.mux(self._stream.encode(frame_of(part, self._at)))
            self._at += part.shape[1]


def _film(folder: Path, found: Found, planned: Plan) -> Encoded:
    renditions = tuple(
        packaging.finish(rung, folder, with_sound=planned.with_sound) for rung in planned.rungs
    )
    (folder / SOUND).unlink(missing_ok=True)
    (folder / MASTER).write_text(packaging.master(list(renditions)), "utf-8")
    largest, smallest = renditions[-1], renditions[0]
    stills.draw(folder / largest.film, folder / smallest.film, folder, largest.seconds)
    return Encoded(
        kind="video",
        seconds=largest.seconds,
        width=largest.width,
        height=largest.height,
        renditions=renditions,
        master=MASTER,
        poster=_there(folder, stills.POSTER),
        small_poster=_there(folder, stills.SMALL_POSTER),
        storyboard=_there(folder, stills.SHEET),
        storyboard_index=_there(folder, stills.SHEET_INDEX),
        captions=tuple(_captions(folder, found)),
        kept_picture=planned.keep_picture,
        loudness=found.sound.loudness if found.sound else None,
        gain=planned.gain,
    )


def _recording(folder: Path, found: Found, planned: Plan) -> Encoded:
    drawn = {"version": 1, "seconds": round(found.seconds, 3), "peaks": found.peaks}
    (folder / WAVEFORM).write_bytes(msgspec.json.encode(drawn))
    return Encoded(
        kind="audio",
        seconds=round(found.seconds, 3),
        sound=SOUND,
        poster=_there(folder, stills.POSTER),
        small_poster=_there(folder, stills.SMALL_POSTER),
        waveform=_there(folder, WAVEFORM),
        captions=tuple(_captions(folder, found)),
        loudness=found.sound.loudness if found.sound else None,
        gain=planned.gain,
    )


def _captions(folder: Path, found: Found) -> Iterator[Spoken]:
    for place, each in enumerate(found.captions):
        name = f"captions-{place}-{each.language}.vtt"
        (folder / name).write_text(captions.webvtt(each), "utf-8")
        yield Spoken(each.language, name)


def _there(folder: Path, name: str) -> str | None:
    return name if (folder / name).is_file() else None


def _share(packet: Any, found: Found) -> float:
    if packet.pts is None or packet.time_base is None:
        return 0.0
    at = float(packet.pts * packet.time_base) - found.zero
    return min(1.0, max(0.0, at / max(found.seconds, 0.001)))
