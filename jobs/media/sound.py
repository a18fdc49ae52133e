"""Sound as one even run of samples: stereo, 48 kHz, with no gap and no overlap; and how loud."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from jobs.media.model import Bounds, Refused, Sound

RATE = 48_000
Samples = NDArray[np.float32]

# What timestamps may be off before they are believed: decoders are never exact.
_SLACK = RATE // 10
# Peaks are kept for so many samples, and of a whole file so many at the end.
_PEAK_SAMPLES = RATE // 20
_MOST_PEAKS = 800
_CHUNK = RATE // 10


class Run:
    """Turns decoded frames into samples that follow one another without a gap."""

    def __init__(self, zero: float, bounds: Bounds) -> None:
        self._zero = zero
        self._bounds = bounds
        self._resampler: Any = None
        self._form: tuple[str, str, int] | None = None
        self.done = 0

    def take(self, frame: Any) -> Iterator[Samples]:
        """Give the samples of a frame, after silence where there was none before it.

        Raises:
            Refused: time leaps, or there is more sound than a file may hold.

        """
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:
            yield from self._emptied()
            self._form = form
            self._resampler = av.AudioResampler("fltp", "stereo", RATE)
        skip = 0
        if frame.pts is not None and frame.time_base is not None:
            lead = round((float(frame.pts * frame.time_base) - self._zero) * RATE) - self.done
            if lead > self._bounds.gap_seconds * RATE:
                raise Refused("The times in the sound leap.")
            # The beginning is exact; what comes later may be off a little.
            slack = _SLACK if self.done else 0
            if lead > slack:
                yield from self._emptied()
                yield self._counted(np.zeros((2, lead), np.float32))
                self._resampler = av.AudioResampler("fltp", "stereo", RATE)
            elif lead < -slack:
                skip = -lead
        frame.pts = None
        for each in self._resampler.resample(frame):
            samples = each.to_ndarray()[:, skip:]
            skip = max(0, skip - each.samples)
            if samples.shape[1]:
                yield self._counted(samples)

    def rest(self) -> Iterator[Samples]:
        """Give what was held back."""
        yield from self._emptied()

    def _emptied(self) -> Iterator[Samples]:
        if self._resampler is None:
            return
        for each in self._resampler.resample(None):
            if each.samples:
                yield self._counted(each.to_ndarray())
        self._resampler = None

    def _counted(self, samples: Samples) -> Samples:
        self.done += samples.shape[1]
        if self.done > (self._bounds.seconds + self._bounds.gap_seconds) * RATE:
            raise Refused("There is more sound than the file says.")
        return samples


class Ear:
    """Listens to all of a sound: its loudness by EBU R128, its true peak, its waveform."""

    def __init__(self) -> None:
        self._graph = av.filter.Graph()
        source = self._graph.add(
            "abuffer",
            f"sample_rate={RATE}:sample_fmt=fltp:channel_layout=stereo:time_base=1/{RATE}",
        )
        meter = self._graph.add("ebur128", "metadata=1:peak=true")
        sink = self._graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        self._graph.configure()
        self._at = 0
        self._told: dict[str, str] = {}
        self._peaks: list[float] = []
        self._left: Samples = np.zeros(0, np.float32)

    def hear(self, samples: Samples) -> None:
        """Listen to the next samples."""
        for begin in range(0, samples.shape[1], _CHUNK):
            self._measure(samples[:, begin : begin + _CHUNK])
        loud = np.concatenate([self._left, np.abs(samples).max(axis=0)])
        whole = len(loud) // _PEAK_SAMPLES * _PEAK_SAMPLES
        self._peaks += loud[:whole].reshape(-1, _PEAK_SAMPLES).max(axis=1).tolist()
        self._left = loud[whole:]

    def heard(self, codec: str, channels: int, sample_rate: int) -> Sound:
        """Say what the sound was like."""
        self._graph.push(None)
        self._pull()
        return Sound(
            codec,
            channels,
            sample_rate,
            _number(self._told.get("lavfi.r128.I"), -70.0),
            _number(self._told.get("lavfi.r128.true_peak"), 0.0),
        )

    def peaks(self) -> tuple[int, ...]:
        """Give the waveform: the loudest of each part, from 0 to 255."""
        peaks = np.array(self._peaks + ([float(self._left.max())] if len(self._left) else []))
        if not len(peaks):
            return ()
        parts = np.array_split(peaks, min(len(peaks), _MOST_PEAKS))
        return tuple(int(min(1.0, float(part.max())) * 255) for part in parts)

    def _measure(self, samples: Samples) -> None:
        self._graph.push(frame_of(samples, self._at))
        self._at += samples.shape[1]
        self._pull()

    def _pull(self) -> None:
        try:
            while True:
                # The last frame of all tells only a part.
                self._told.update(self._graph.pull().metadata)
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def frame_of(samples: Samples, at: int) -> Any:
    """Make a frame of samples that begin at this one."""
    contiguous = np.ascontiguousarray(np.nan_to_num(samples, posinf=1.0, neginf=-1.0))
    frame = av.AudioFrame.from_ndarray(contiguous, format="fltp", layout="stereo")
    frame.sample_rate = RATE
    frame.pts, frame.time_base = at, Fraction(1, RATE)
    return frame


def _number(told: str | None, otherwise: float) -> float:
    try:
        value = float(told) if told is not None else otherwise
    except ValueError:
        return otherwise
    return value if np.isfinite(value) else otherwise
