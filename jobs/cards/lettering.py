"""Words as they are set: fonts, which characters they have, lines that fit a box."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import font_roboto
from msgspec import Struct
from PIL import ImageDraw, ImageFont

_FOLDER = Path(font_roboto.font_directory)
# A text is set only if the font has most of its letters; else the picture stands for itself.
_MOST = 0.8
_ELLIPSIS = "…"

Rgb = tuple[int, int, int]


@lru_cache(maxsize=64)
def font(face: str, size: int) -> ImageFont.FreeTypeFont:
    """Load a face of the family at a size in pixels."""
    # The basic layout does without the library for complex scripts, which the font lacks anyway.
    path = str(_FOLDER / f"Roboto-{face}.ttf")
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


def legible(text: str | None) -> str:
    """Give a text without what the font cannot draw; nothing if that would be most of it."""
    plain = unicodedata.normalize("NFC", text or "")
    plain = re.sub(r"\s+", " ", plain).strip()
    kept = "".join(character for character in plain if _has(character))
    letters = sum(character.isalnum() for character in plain)
    if sum(character.isalnum() for character in kept) < _MOST * letters:
        return ""
    return re.sub(r" +", " ", kept).strip()


class Hand(Struct, frozen=True):
    """How something is set: in which face, at which sizes from the largest, how far apart."""

    face: str
    sizes: tuple[int, ...]
    leading: float = 1.14
    # Lines of about one length, as a headline wants them and a running text does not.
    even: bool = True


class Block(Struct, frozen=True):
    """Lines of one font, ready to be drawn."""

    lines: tuple[str, ...]
    font: ImageFont.FreeTypeFont
    leading: int

    @property
    def height(self) -> int:
        """How high the lines are together."""
        return self.leading * len(self.lines)

    def draw(self, draw: ImageDraw.ImageDraw, at: tuple[float, float], fill: Rgb) -> None:
        """Draw the lines, the first one's top left corner at a place."""
        ascent, descent = self.font.getmetrics()
        x, y = at
        y += (self.leading - ascent - descent) / 2
        for line in self.lines:
            draw.text((x, y), line, font=self.font, fill=fill)
            y += self.leading


def set_in(
    text: str,
    hand: Hand,
    *,
    width: int,
    height: int,
) -> Block:
    """Set a text as large as it fits a box; cut it if even the smallest size does not."""
    for size in hand.sizes:
        block = _set(text, hand, size, width)
        whole = all(block.font.getlength(word) <= width for word in text.split())
        if block.height <= height and whole:
            return block
    block = _set(text, hand, hand.sizes[-1], width)
    return cut(block, max(1, height // block.leading), width)


def cut(block: Block, most: int, width: int) -> Block:
    """Keep the first lines of a block and say by an ellipsis that there was more."""
    if len(block.lines) <= most:
        return block
    last = block.lines[most - 1]
    while last and block.font.getlength(last.rstrip(" ,.;:") + _ELLIPSIS) > width:
        last = last.rpartition(" ")[0]
    ended = last.rstrip(" ,.;:") + _ELLIPSIS
    return Block((*block.lines[: most - 1], ended), block.font, block.leading)


def wrapped(text: str, length: Callable[[str], float], width: float) -> list[str]:
    """Break a text into lines no longer than a width; a word that is longer is broken itself."""
    lines: list[str] = []
    line = ""
    for word in _pieces(text.split(), length, width):
        longer = f"{line} {word}" if line else word
        if length(longer) <= width:
            line = longer
            continue
        lines.append(line)
        line = word
    return [*lines, line] if line else lines


def draw_spaced(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    letters: ImageFont.FreeTypeFont,
    fill: Rgb,
) -> float:
    """Draw small capitals with air between them; gives where they end."""
    x, y = at
    spacing = letters.size * 0.1
    for character in text:
        draw.text((x, y), character, font=letters, fill=fill)
        x += letters.getlength(character) + spacing
    return x - spacing


def spaced_width(text: str, letters: ImageFont.FreeTypeFont) -> float:
    """Tell how wide `draw_spaced` draws a text."""
    return sum(letters.getlength(c) for c in text) + letters.size * 0.1 * max(0, len(text) - 1)


def _set(text: str, hand: Hand, size: int, width: int) -> Block:
    letters = font(hand.face, size)
    lines = wrapped(text, letters.getlength, width)
    # The narrowest width that needs no more lines: they come out even, without a lone last word.
    narrow, wide = width // 2, width
    while hand.even and wide - narrow > size // 4:
        middle = (narrow + wide) // 2
        if len(wrapped(text, letters.getlength, middle)) > len(lines):
            narrow = middle
        else:
            wide = middle
    return Block(tuple(wrapped(text, letters.getlength, wide)), letters, round(size * hand.leading))


def _pieces(words: Iterable[str], length: Callable[[str], float], width: float) -> Iterable[str]:
    for word in words:
        rest = word
        while len(rest) > 1 and length(rest) > width:
            fits = _fitting(rest, length, width)
            yield rest[:fits]
            rest = rest[fits:]
        yield rest


def _fitting(word: str, length: Callable[[str], float], width: float) -> int:
    """Count the characters of a word that fit, by halves; one is taken as it is."""
    fits, too_many = 1, len(word)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if length(word[:middle]) <= width:
            fits = middle
        else:
            too_many = middle
    return fits


@lru_cache(maxsize=4096)
def _has(character: str) -> bool:
    if character == " ":
        return True
    if not character.isprintable():
        return False
    letters = font("Regular", 24)
    drawn, missing = letters.getmask(character), letters.getmask("\uffff")
    return drawn.size != missing.size or bytes(drawn) != bytes(missing)
