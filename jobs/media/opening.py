"""Opens files of strangers: by what their first bytes are, with the parts that are allowed only."""

from pathlib import Path
from typing import Any

import av

from jobs.media.model import Bounds, Refused

# What the demuxers are called together, and what each may turn out to be.
_FORMATS = {
    "mov": "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska": "matroska,webm",
    "avi": "avi",
    "wav": "wav",
    "ogg": "ogg",
    "flac": "flac",
    "mp3": "mp3",
    "aac": "aac",
    "mpegts": "mpegts",
    "aiff": "aiff",
    "caf": "caf",
    "amr": "amr",
    "gif": "gif",
}
_MOV_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_PICTURES = "h264,hevc,libdav1d,av1,vp8,vp9,libvpx,libvpx-vp9,mpeg4,h263,theora,mjpeg,prores,gif"
_SOUNDS = (
    "aac,mp3float,mp3,opus,libopus,vorbis,flac,alac,ac3,eac3,amrnb,amrwb,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_u8,pcm_s8,"
    "pcm_mulaw,pcm_alaw,adpcm_ima_wav,adpcm_ima_qt,adpcm_ms"
)
TEXTS = "mov_text,subrip,srt,webvtt,ass,ssa,text"
DECODERS = f"{_PICTURES},{_SOUNDS},{TEXTS}"
_HEAD_BYTES = 1024
_TS_PACKET = 188
_TS_SYNC = 0x47
_TIMEOUT_SECONDS = (10.0, 30.0)


def opened(path: Path, bounds: Bounds) -> Any:
    """Open a file for reading.

    Raises:
        Refused: it is nothing that we read, whatever its name says.

    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    name = sniffed(head)
    if name is None:
        raise Refused("This is no film and no sound of a kind that we know." if head else "Empty.")
    try:
        container = av.open(
            str(path),
            format=name,
            timeout=_TIMEOUT_SECONDS,
            options={"max_pixels": str(bounds.pixels), "codec_whitelist": DECODERS},
            container_options={
                "protocol_whitelist": "file",
                "format_whitelist": _FORMATS[name],
                "codec_whitelist": DECODERS,
                # One more than is taken, so that too many can be told from just enough.
                "max_streams": str(bounds.streams + 1),
                "probesize": "10000000",
                # Old QuickTime files may say that their pictures lie in other files.
                **({"enable_drefs": "0", "use_absolute_path": "0"} if name == "mov" else {}),
            },
        )
    except (av.error.FFmpegError, ValueError) as error:
        raise Refused(f"The file cannot be read: {_reason(error)}.") from error
    if len(container.streams) > bounds.streams:
        container.close()
        raise Refused(f"It has more than {bounds.streams} streams.")
    return container


def guard(stream: Any, bounds: Bounds) -> None:
    """Bind a stream's decoder before it decodes anything."""
    stream.codec_context.options = {
        "codec_whitelist": DECODERS,
        "max_pixels": str(bounds.pixels),
    }


def sniffed(head: bytes) -> str | None:  # noqa: C901 - a list of signatures
    """Name the demuxer for a file that begins so."""
    if head[4:8] in _MOV_BOXES:
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF"):
        return {b"AVI ": "avi", b"WAVE": "wav"}.get(head[8:12])
    if head.startswith(b"FORM"):
        return "aiff" if head[8:12] in {b"AIFF", b"AIFC"} else None
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    # MPEG audio by its sync word: layer 0 is ADTS, another is one to three.
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF0 == 0xF0:  # noqa: PLR2004
        return "aac" if head[1] & 0x06 == 0 else "mp3"
    if len(head) > _TS_PACKET and head[0] == head[_TS_PACKET] == _TS_SYNC:
        return "mpegts"
    return None


_SIGNATURES = (
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
    (b"caff", "caf"),
    (b"#!AMR", "amr"),
    (b"GIF8", "gif"),
)


def _reason(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error)
    return str(said)[:120].rstrip(".")
