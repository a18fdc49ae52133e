"""What is wanted of what a camera writes into a picture: when it was taken, and nothing else."""

import contextlib
import re
from datetime import datetime

from PIL import Image

_EXIF_IFD = 0x8769
_TAKEN, _TAKEN_OFFSET, _CHANGED = 36867, 36881, 306
_BROKEN = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
)
_OFFSET = re.compile(r"[+-]\d\d:\d\d")


def taken_at(image: Image.Image) -> str | None:
    """Give when a picture was taken, with the camera's offset where it tells one."""
    # A broken block of remarks is no reason to refuse a picture.
    with contextlib.suppress(*_BROKEN):
        exif = image.getexif()
        details = exif.get_ifd(_EXIF_IFD)
        told = str(details.get(_TAKEN) or exif.get(_CHANGED) or "").strip("\0 ")
        offset = str(details.get(_TAKEN_OFFSET) or "").strip("\0 ")
        moment = datetime.strptime(told, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - clocks of cameras
        return moment.isoformat() + (offset if _OFFSET.fullmatch(offset) else "")
    return None
