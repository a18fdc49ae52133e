"""A picture from any phone to what is shown: upright, in sRGB, in a few sizes, and nothing besides.

Runs in the confined process only. What is saved is drawn on fresh canvases, so that nothing which
the file said (its place, its comments, its profiles) gets into what readers are given.
"""

import base64
import struct
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import pillow_heif
import thumbhash
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from jobs.pictures.exif import taken_at
from jobs.pictures.film import NotAFilm, shoot
from jobs.pictures.order import Developed, Print

WIDTHS = (320, 640, 1280)
# A phone's 108 million fit, for a JPEG is read smaller than it is; others are read whole.
MOST_PIXELS = {".jpg": 128_000_000}
MOST_PIXELS_READ_WHOLE = 64_000_000
LONGEST_SIDE = 32_768
# Side by side: a panorama has 10 at most.
MOST_RATIO = 20
_FORMATS = {
    ".jpg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".gif": "GIF",
    ".avif": "AVIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
}
_MOVING = frozenset({"GIF", "PNG", "WEBP", "AVIF"})
_JPEG_QUALITY, _WEBP_QUALITY = 84, 80
_PLACEHOLDER_SIDE = 64

Hears: TypeAlias = Callable[[float], None]
# What decoders raise at broken files, besides their own.
_BROKEN = (
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    UnidentifiedImageError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)


class NotAPicture(Exception):
    """It cannot be shown; the message says why, to whoever uploaded it."""


def develop(path: Path, suffix: str, hears: Hears) -> Developed:
    """Make the sizes of a picture beside its file.

    Raises:
        NotAPicture: it is broken, of another type, or too large.

    """
    pillow_heif.register_heif_opener(thumbnails=False)
    # Ours are stricter, and say more.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(path, suffix) as opened:
                _check_size(opened.size, suffix)
                return _developed(opened, suffix, path.parent, hears)
    except NotAFilm as refusal:
        raise NotAPicture(str(refusal)) from refusal
    except _BROKEN as error:
        name = _FORMATS[suffix]
        raise NotAPicture(
            f"It is broken, or no {name} picture ({type(error).__name__})."
        ) from error


def _opened(path: Path, suffix: str) -> Image.Image:
    name = _FORMATS[suffix]
    try:
        return Image.open(path, formats=(name,))
    except UnidentifiedImageError as error:
        raise NotAPicture(f"It says that it is a {name} picture, and is none.") from error


def _check_size(size: tuple[int, int], suffix: str) -> None:
    width, height = size
    most = MOST_PIXELS.get(suffix, MOST_PIXELS_READ_WHOLE)
    if width * height > most:
        raise NotAPicture(
            f"It is {width} by {height}: more than the {most // 1_000_000} million pixels that are"
            " taken."
        )
    if max(width, height) > LONGEST_SIDE:
        raise NotAPicture(f"It is {width} by {height}: no side may have more than {LONGEST_SIDE}.")
    if max(width, height) > MOST_RATIO * min(width, height):
        raise NotAPicture(f"It is {width} by {height}: too narrow to be shown.")


def _developed(opened: Image.Image, suffix: str, folder: Path, hears: Hears) -> Developed:
    when = taken_at(opened)
    moving = bool(getattr(opened, "is_animated", False)) and opened.format in _MOVING
    full = opened.size
    widest = WIDTHS[-1]
    if suffix == ".jpg":
        # Read smaller than it is, which spares most of the work; never smaller than the widest.
        opened.draft("RGB", (widest, widest))
    hears(0.1)
    upright = ImageOps.exif_transpose(opened)
    # What was turned has its sides the other way round.
    turned = (upright.width > upright.height) != (full[0] > full[1])
    width, height = full[::-1] if turned else full
    clean = _clean(upright)
    hears(0.4)
    film, seconds = (None, None)
    if moving:
        film, seconds = shoot(opened, folder, widest, lambda done: hears(0.4 + done * 0.3))
    return Developed(
        width=width,
        height=height,
        plain=_saved(_flat(_fitted(clean, widest)), folder / "plain.jpg"),
        sizes=_sizes(clean, folder, hears),
        placeholder=_placeholder(clean),
        taken_at=when,
        film=film,
        duration_sec=seconds,
    )


def _clean(image: Image.Image) -> Image.Image:
    """Draw a picture on a fresh canvas, in sRGB, with what it lets through if anything."""
    profile = image.info.get("icc_profile")
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    if image.mode.startswith("I"):
        # Sixteen bits of grey, of which screens show eight.
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    mode = "RGBA" if has_alpha else "RGB"
    drawn = _in_srgb(image, profile, mode) if profile else None
    drawn = drawn or image.convert(mode)
    canvas = Image.new(mode, drawn.size)
    canvas.paste(drawn)
    return canvas


def _in_srgb(image: Image.Image, profile: bytes, mode: str) -> Image.Image | None:
    """Turn the colours of a phone's wide screen into those of any; None where that is not told."""
    if image.mode not in {"RGB", "RGBA", "CMYK", "L"}:
        return None
    try:
        given = ImageCms.ImageCmsProfile(BytesIO(profile))
        ours = ImageCms.createProfile("sRGB")
        if image.mode == "RGBA":
            colours = ImageCms.profileToProfile(image.convert("RGB"), given, ours)
            assert colours is not None  # noqa: S101 - only in place gives nothing
            colours.putalpha(image.getchannel("A"))
            return colours
        turned = ImageCms.profileToProfile(image, given, ours, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return None if turned is None else turned.convert(mode)


def _sizes(image: Image.Image, folder: Path, hears: Hears) -> list[Print]:
    widths = [width for width in WIDTHS if width < image.width]
    widths.append(min(image.width, WIDTHS[-1]))
    made = []
    for at, width in enumerate(dict.fromkeys(widths)):
        made.append(_saved(_fitted(image, width), folder / f"{width}.webp"))
        hears(0.7 + 0.3 * (at + 1) / len(widths))
    return made


def _fitted(image: Image.Image, width: int) -> Image.Image:
    if image.width <= width:
        return image
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _flat(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _saved(image: Image.Image, path: Path) -> Print:
    how: dict[str, Any] = {"quality": _WEBP_QUALITY, "method": 4}
    if path.suffix == ".jpg":
        how = {"quality": _JPEG_QUALITY, "optimize": True, "progressive": True}
    image.save(path, **how)
    return Print(path.name, *image.size)


def _placeholder(image: Image.Image) -> str:
    small = image.convert("RGBA")
    small.thumbnail((_PLACEHOLDER_SIDE, _PLACEHOLDER_SIDE))
    hashed = thumbhash.rgba_to_thumb_hash(*small.size, list(small.tobytes()))
    return base64.b64encode(bytes(hashed)).decode()
