"""The body of an item as two to four captions, and when each is on the screen."""

import re

from msgspec import Struct

from jobs.cards.lettering import Block, cut, font, wrapped
from jobs.cards.model import FPS

LEAST, MOST = 2, 4
LINES = 3
SIZE = 35
LEADING = 1.36
# More than this nobody reads in the time, unless two captions need it.
_LETTERS = 220
SHORTEST_SECONDS, LONGEST_SECONDS = 6.0, 8.0
# A person reads about so many characters in a second of the time above what looking takes.
_LOOKING_SECONDS = 2.5
_READING = 45.0
_LEAST_SECONDS = 1.4
# What may stand after the full stop of a sentence: brackets, and quotation marks (” and the other).
_CLOSING = "\u201d\u2019\"')]"
_ENDS = (".", "!", "?", "…")
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[.!?…][" + re.escape(_CLOSING) + r"])\s+")


class Caption(Struct, frozen=True):
    """Lines that are shown from a frame until another."""

    block: Block
    first: int
    end: int


def plan(body: str, title: str, width: int) -> tuple[list[Caption], int]:
    """Part a body into captions; gives them and the number of frames of the film."""
    blocks = part(body, width)
    letters = [sum(len(line) for line in block.lines) for block in blocks]
    wanted = _LOOKING_SECONDS + (len(title) + sum(letters)) / _READING
    seconds = min(LONGEST_SECONDS, max(SHORTEST_SECONDS, wanted))
    frames = round(seconds * FPS)
    least = round(_LEAST_SECONDS * FPS)
    shared = frames - least * len(blocks)
    captions, first, told = [], 0, 0
    for at, block in enumerate(blocks):
        told += letters[at]
        end = least * (at + 1) + round(shared * told / sum(letters))
        captions.append(Caption(block, first, end))
        first = end
    return captions, frames


def part(body: str, width: int) -> list[Block]:
    """Part a text where sentences end, as far as they fit; what is too much is left out."""
    letters = font("Medium", SIZE)
    parts: list[list[str]] = []
    sentences = _sentences(body)
    if len(sentences) > 1 and len(wrapped(body, letters.getlength, width)) <= LINES:
        # One caption would hold it all, and nothing would move.
        return [_block(wrapped(half, letters.getlength, width)) for half in _halves(sentences)]
    for sentence in sentences:
        joined = wrapped(
            " ".join([*(parts[-1] if parts else []), sentence]), letters.getlength, width
        )
        if parts and len(joined) <= LINES:
            parts[-1] = joined
            continue
        lines = wrapped(sentence, letters.getlength, width)
        parts += [lines[at : at + LINES] for at in range(0, len(lines), LINES)]
        if len(parts) > MOST:
            break
    blocks = [_block(lines) for lines in parts]
    most = _readable(blocks)
    if len(blocks) <= most:
        return blocks
    last = blocks[most - 1]
    if last.lines[-1].rstrip(_CLOSING).endswith(_ENDS):
        return blocks[:most]
    more = Block((*last.lines, ""), last.font, last.leading)
    return [*blocks[: most - 1], cut(more, len(last.lines), width)]


def _block(lines: list[str]) -> Block:
    return Block(tuple(lines), font("Medium", SIZE), round(SIZE * LEADING))


def _halves(sentences: list[str]) -> list[str]:
    """Part sentences in two where the halves are most alike in length."""
    ways = [[" ".join(sentences[:at]), " ".join(sentences[at:])] for at in range(1, len(sentences))]
    return min(ways, key=_unevenness)


def _unevenness(halves: list[str]) -> int:
    return abs(len(halves[0]) - len(halves[1]))


def _readable(blocks: list[Block]) -> int:
    """Tell how many of the captions a person can read while the film lasts."""
    told = 0
    for count, block in enumerate(blocks[:MOST], 1):
        told += sum(len(line) for line in block.lines)
        if told > _LETTERS:
            return max(LEAST, count - 1)
    return MOST


def _sentences(body: str) -> list[str]:
    return [sentence for sentence in _SENTENCE.split(body) if sentence]
