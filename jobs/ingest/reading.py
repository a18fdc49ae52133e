"""What the reading process is asked, what it answers, and how it comes to that."""

from datetime import datetime
from io import BytesIO
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from jobs.ingest.feed import NotAFeed
from jobs.ingest.parse import Feed, Given, read

# Of the pictures that are kept: as large as any screen shows them, and no larger.
LONGEST_SIDE = 1600
MOST_PIXELS = 40_000_000
LEAST_SIDE = 16
QUALITY = 84
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")


class ReadDocument(Struct, frozen=True, tag="document"):
    """Read what an address answered."""

    content: bytes
    given: Given
    now: datetime


class ReadPicture(Struct, frozen=True, tag="picture"):
    """Make a picture of ours of one of somebody's."""

    content: bytes


class Read(Struct, frozen=True, tag="read"):
    """The document, read."""

    feed: Feed


class Drawn(Struct, frozen=True, tag="drawn"):
    """The picture as a JPEG, upright and without what its file said besides."""

    content: bytes
    width: int
    height: int


class Refused(Struct, frozen=True, tag="refused"):
    """It is not what it was to be; the reason is a sentence."""

    reason: str


Order: TypeAlias = ReadDocument | ReadPicture
Result: TypeAlias = Read | Drawn | Refused

_orders = msgspec.msgpack.Decoder(Order)
_results = msgspec.msgpack.Decoder(Result)


def written(order: Order) -> bytes:
    """Write an order."""
    return msgspec.msgpack.encode(order)


def result_of(content: bytes) -> Result:
    """Read a result; `msgspec.DecodeError` when it is none."""
    found: Result = _results.decode(content)
    return found


def carried_out(content: bytes) -> bytes:
    """Carry out an order, in the process for it."""
    order = _orders.decode(content)
    try:
        result: Result = _document(order) if isinstance(order, ReadDocument) else _picture(order)
    except NotAFeed as refusal:
        result = Refused(str(refusal))
    except MemoryError:
        result = Refused("Reading it takes more memory than a document may.")
    return msgspec.msgpack.encode(result)


def _document(order: ReadDocument) -> Read:
    return Read(read(order.content, order.given, order.now))


def _picture(order: ReadPicture) -> Drawn | Refused:
    from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415 - few orders need it

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        with Image.open(BytesIO(order.content), formats=FORMATS) as opened:
            if min(opened.size) < LEAST_SIDE:
                return Refused(f"It is {opened.width} by {opened.height}: too small to be seen.")
            if opened.width * opened.height > MOST_PIXELS:
                return Refused(f"It has more than {MOST_PIXELS} pixels.")
            # A JPEG can be read smaller than it is, which spares most of the work.
            opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            upright = ImageOps.exif_transpose(opened)
            upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            return _as_jpeg(upright)
    except (
        Image.DecompressionBombError,
        UnidentifiedImageError,
        EOFError,
        IndexError,
        OSError,
        SyntaxError,
        TypeError,
        ValueError,
        ZeroDivisionError,
    ) as error:
        return Refused(f"It is no picture that can be read: {type(error).__name__}.")


def _as_jpeg(image: Any) -> Drawn:
    from PIL import Image  # noqa: PLC0415 - as above

    whole = image.convert("RGBA")
    ground = Image.new("RGB", whole.size, "white")
    ground.paste(whole, mask=whole.getchannel("A"))
    out = BytesIO()
    ground.save(out, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return Drawn(out.getvalue(), *ground.size)
