"""Pictures as phones and programs make them, and the way in for them."""

from io import BytesIO
from typing import Any

import httpx2
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()

ORIENTATION, EXIF, GPS = 274, 0x8769, 0x8825
MIMES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}


def picture(
    kind: str, *, size: tuple[int, int] = (64, 48), orientation: int = 1, frames: int = 1
) -> bytes:
    """Draw a picture, with a place and a time in it where its kind has a place for them."""
    drawn = [_drawn(size, at) for at in range(frames)]
    how: dict[str, Any] = {}
    if kind != "GIF":
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        exif.get_ifd(EXIF)[36867] = "2024:05:06 07:08:09"
        exif.get_ifd(EXIF)[36881] = "+02:00"
        exif.get_ifd(GPS)[1] = "N"
        exif.get_ifd(GPS)[2] = (48.0, 8.0, 14.0)
        how["exif"] = exif
    if frames > 1:
        how |= {"save_all": True, "append_images": drawn[1:], "duration": 50}
    file = BytesIO()
    drawn[0].save(file, kind, **how)
    return file.getvalue()


def _drawn(size: tuple[int, int], at: int) -> Image.Image:
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    # A corner that tells which way is up.
    image.paste((255, 40 + 20 * at, 0), (0, 0, size[0] // 3, size[1] // 3))
    return image


async def uploaded(
    client: httpx2.AsyncClient, content: bytes, mime: str, **more: str
) -> dict[str, Any]:
    """Have a link signed and put a file there."""
    asked = {"size": len(content), "mime": mime, **more}
    answer = await client.post("/uploads/sign", json=asked)
    assert answer.status_code == 201, answer.text
    signed: dict[str, Any] = answer.json()
    put = await client.put(signed["upload_url"], content=content, headers=signed["headers"])
    assert put.is_success, put.text
    return signed
