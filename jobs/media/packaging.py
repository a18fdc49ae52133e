"""Finished files: MP4s that play before they are all there, and beside them HLS in pieces."""

import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from jobs.media.model import Rendition, Rung

SEGMENT_SECONDS = 4
SOUND = "sound.m4a"
MASTER = "master.m3u8"
_AAC = "mp4a.40.2"


def finish(rung: Rung, folder: Path, *, with_sound: bool) -> Rendition:
    """Put a rung's picture and the sound together, as an MP4 and as HLS."""
    film = folder / f"{rung.name}.mp4"
    picture = folder / f"{rung.name}.video.mp4"
    sound = folder / SOUND if with_sound else None
    _copy([picture, *([sound] if sound else [])], film)
    picture.unlink()
    playlist, parts = folder / f"{rung.name}.m3u8", folder / f"{rung.name}-parts.mp4"
    _segment(film, playlist, parts)
    return _seen(rung, film, playlist, parts)


def master(renditions: list[Rendition]) -> str:
    """Write the playlist that names every rendition, the smallest first."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for each in renditions:
        average = round(each.bytes * 8 / max(each.seconds, 0.001))
        told = {
            "BANDWIDTH": max(each.peak_bits_per_second, average),
            "AVERAGE-BANDWIDTH": average,
            "RESOLUTION": f"{each.width}x{each.height}",
            "FRAME-RATE": f"{each.rate:.3f}",
            "CODECS": f'"{each.codecs}"',
        }
        said = ",".join(f"{name}={value}" for name, value in told.items())
        lines += [f"#EXT-X-STREAM-INF:{said}", each.playlist]
    return "\n".join([*lines, ""])


def _copy(sources: list[Path], target: Path) -> None:
    """Write the streams of files into one, packet by packet in the order of time."""
    _remux(sources, target, "mp4", {"movflags": "+faststart"})


def _segment(film: Path, playlist: Path, parts: Path) -> None:
    options = {
        "hls_segment_type": "fmp4",
        "hls_time": str(SEGMENT_SECONDS),
        "hls_playlist_type": "vod",
        "hls_flags": "single_file+independent_segments",
        "hls_segment_filename": str(parts),
        "hls_list_size": "0",
    }
    _remux([film], playlist, "hls", options)


def _remux(sources: list[Path], target: Path, form: str, options: dict[str, str]) -> None:
    opened = [av.open(str(each), format="mov") for each in sources]
    try:
        with av.open(str(target), "w", format=form, container_options=options) as out:
            readings = []
            for source in opened:
                streams = {each: out.add_stream_from_template(each) for each in source.streams}
                readings.append(_packets(source, streams))
            for _, _, packet in heapq.merge(*readings, key=lambda each: each[:2]):
                out.mux(packet)
    finally:
        for source in opened:
            source.close()


def _packets(source: Any, streams: dict[Any, Any]) -> Iterator[tuple[Fraction, int, Any]]:
    for packet in source.demux():
        if packet.dts is None:
            continue
        place = packet.stream.index
        at = packet.dts * packet.time_base
        packet.stream = streams[packet.stream]
        yield at, place, packet


def _seen(rung: Rung, film: Path, playlist: Path, parts: Path) -> Rendition:
    """Say of a finished film what is in it."""
    with av.open(str(film), format="mov") as container:
        stream = container.streams.video[0]
        extra = stream.codec_context.extradata or b"\0\0\0\0"
        codecs = f"avc1.{extra[1]:02x}{extra[2]:02x}{extra[3]:02x}"
        if container.streams.audio:
            codecs += f",{_AAC}"
        return Rendition(
            name=rung.name,
            width=rung.width,
            height=rung.height,
            bytes=film.stat().st_size,
            seconds=round((container.duration or 0) / av.time_base, 3),
            frames=stream.frames,
            rate=round(float(stream.average_rate or 0), 3),
            codecs=codecs,
            peak_bits_per_second=_peak(playlist.read_text("utf-8")),
            film=film.name,
            playlist=playlist.name,
            parts=parts.name,
        )


def _peak(playlist: str) -> int:
    """Find the most bits a second that any segment of a playlist takes."""
    peak, seconds = 0, 0.0
    for line in playlist.splitlines():
        if line.startswith("#EXTINF:"):
            seconds = float(line.removeprefix("#EXTINF:").rstrip(","))
        elif line.startswith("#EXT-X-BYTERANGE:"):
            size = int(line.removeprefix("#EXT-X-BYTERANGE:").partition("@")[0])
            peak = max(peak, round(size * 8 / max(seconds, 0.001)))
    return peak
