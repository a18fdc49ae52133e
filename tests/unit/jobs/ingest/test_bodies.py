"""Bodies are unpacked within bounds, whatever was made to come out of them."""

import gzip
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.ingest import bodies
from jobs.ingest.bodies import NotUnpacked, TooLarge, Unpacker

pytestmark = pytest.mark.anyio


async def pieces(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def read(content: bytes, encoding: str = "", *, declared: str = "0") -> bytes:
    return await bodies.read(pieces(content), encoding=encoding, declared=declared)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("", b"words" * 500),
        ("identity", b"words" * 500),
        ("gzip", gzip.compress(b"words" * 500, mtime=0)),
        ("X-GZIP", gzip.compress(b"words" * 500, mtime=0)),
        ("deflate", zlib.compress(b"words" * 500)),
        ("deflate", zlib.compress(b"words" * 500)[2:-4]),
    ],
)
async def test_a_body_comes_out_as_it_went_in(encoding: str, packed: bytes) -> None:
    assert await read(packed, encoding) == b"words" * 500


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "compress", "gzip,deflate"])
async def test_what_was_not_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(NotUnpacked, match="not asked for"):
        await read(b"x", encoding)


@pytest.mark.parametrize("content", [b"nonsense", gzip.compress(b"words" * 50, mtime=0)[:-9]])
async def test_what_is_broken_is_refused(content: bytes) -> None:
    with pytest.raises(NotUnpacked):
        await read(content, "gzip")


async def test_a_bomb_is_refused_long_before_it_is_all_there() -> None:
    bomb = gzip.compress(b"\0" * 300_000_000, 9)
    unpacker = Unpacker("gzip")

    def unpack() -> None:
        for start in range(0, len(bomb), 1000):
            unpacker.feed(bomb[start : start + 1000])

    with pytest.raises(TooLarge):
        unpack()

    assert len(unpacker.body) < 2 * bodies.RATIO_FROM_BYTES


async def test_a_body_is_refused_by_what_it_says_of_itself() -> None:
    with pytest.raises(TooLarge):
        await read(b"x", declared=str(bodies.MAX_BYTES + 1))


async def test_a_packed_file_is_opened_and_any_other_left_as_it_is() -> None:
    assert bodies.opened(gzip.compress(b"<rss/>")) == b"<rss/>"
    assert bodies.opened(b"<rss/>") == b"<rss/>"
    with pytest.raises(TooLarge):
        bodies.opened(gzip.compress(b"\0" * 40_000_000))


@given(st.binary(max_size=3000), st.sampled_from(["gzip", "deflate", "", "br"]))
def test_no_bytes_raise_anything_else(content: bytes, encoding: str) -> None:
    try:
        unpacker = Unpacker(encoding)
        unpacker.feed(content)
        unpacker.finish()
    except (NotUnpacked, TooLarge):
        return
