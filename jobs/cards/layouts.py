"""Where the words stand on a card: five layouts, each a plate, its words and a place below."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from msgspec import Struct
from PIL import ImageDraw

from jobs.cards.lettering import Block, Hand, Rgb, draw_spaced, font, set_in, spaced_width
from jobs.cards.palette import Colour, Palette, as_bytes, mix
from jobs.cards.plates import Plate, Sheet

LEFT = 56
RIGHT = 664
MEASURE = RIGHT - LEFT
# The page lays its tabs over the top of a card and its buttons over the bottom.
_TOP, _BOTTOM = 168, 1144
_KICKER = 22
_SIZES = (84, 76, 70, 64, 58, 53, 48, 44, 40)
_TITLE = Hand("Black", _SIZES, leading=1.08)
_PAPER_TITLE = Hand("Black", _SIZES[2:])
_POST = Hand("Medium", (58, 54, 50, 46, 42, 38), leading=1.28, even=False)
_SPOKEN = Hand("Bold", (68, 62, 56, 51, 46, 42))
_WHITE: Rgb = (255, 255, 255)


class Words(Struct, frozen=True, kw_only=True):
    """What is written on a card, all of it drawable."""

    source: str
    category: str
    author: str
    title: str
    # How high the place for captions must be; none, and the card has no place for them.
    caption_height: int


class Layout(Struct, frozen=True):
    """A card without its picture and its captions, and where these come."""

    plate: Plate
    caption_at: tuple[int, int]
    caption_colour: Rgb


Lays: TypeAlias = Callable[[Words, Palette, np.random.Generator], Layout]


def cover(words: Words, palette: Palette, _rng: np.random.Generator) -> Layout:
    """Set the title large at the foot of the picture, the captions under it."""
    title = _title(words, 372)
    caption_y = _BOTTOM - words.caption_height
    title_y = caption_y - title.height - (30 if words.caption_height else 0)
    kicker_y = title_y - 58
    sheet = Sheet(palette.ink)
    sheet.shade_below(kicker_y + 60, 380, 0.9)
    sheet.bar((LEFT, kicker_y + 2, LEFT + 8, kicker_y + 30), palette.accent)
    plate = sheet.image()
    draw = ImageDraw.Draw(plate)
    _kicker(draw, words, (LEFT + 24, kicker_y), as_bytes(palette.accent), _WHITE)
    title.draw(draw, (LEFT, title_y), _WHITE)
    return Layout(plate, (LEFT, caption_y), _soft(palette))


def slant(words: Words, palette: Palette, rng: np.random.Generator) -> Layout:
    """Set all on a dark ground that cuts the picture aslant."""
    title = _title(words, 372)
    caption_y = _BOTTOM - words.caption_height
    title_y = caption_y - title.height - (30 if words.caption_height else 0)
    kicker_y = title_y - 62
    rise = float(rng.choice([-1, 1])) * 84
    sheet = Sheet(palette.ink)
    sheet.slant(kicker_y - 92, rise, mix(palette.ink, palette.deep, 0.3), palette.accent)
    plate = sheet.image()
    draw = ImageDraw.Draw(plate)
    _kicker(draw, words, (LEFT, kicker_y), as_bytes(palette.accent), _soft(palette))
    title.draw(draw, (LEFT, title_y), _WHITE)
    return Layout(plate, (LEFT, caption_y), _soft(palette))


def paper(words: Words, palette: Palette, _rng: np.random.Generator) -> Layout:
    """Set all on a sheet of paper that lies on the picture."""
    ink, ground = as_bytes(palette.ink), mix(palette.light, np.ones(3, np.float32), 0.55)
    inner = MEASURE - 24
    title = set_in(words.title, _PAPER_TITLE, width=inner, height=350)
    below = words.caption_height + 26 if words.caption_height else 0
    height = 52 + 54 + title.height + below + 48
    top = _BOTTOM + 8 - height
    sheet = Sheet(palette.ink)
    sheet.shade_below(top, 300, 0.35)
    sheet.sheet((32, top, 688, _BOTTOM + 8), 34, ground)
    sheet.bar((LEFT + 12, top + 52, LEFT + 20, top + 80), mix(palette.mid, palette.deep, 0.3))
    plate = sheet.image()
    draw = ImageDraw.Draw(plate)
    strong = as_bytes(mix(palette.mid, palette.ink, 0.35))
    _kicker(draw, words, (LEFT + 36, top + 50), strong, as_bytes(mix(palette.ink, ground, 0.35)))
    title.draw(draw, (LEFT + 12, top + 106), ink)
    quiet = as_bytes(mix(palette.ink, ground, 0.2))
    return Layout(plate, (LEFT + 12, top + 106 + title.height + 26), quiet)


def headline(words: Words, palette: Palette, _rng: np.random.Generator) -> Layout:
    """Set the title at the head of the picture and the captions at its foot."""
    title = _title(words, 400)
    sheet = Sheet(palette.ink)
    sheet.shade_above(_TOP + 20 + title.height, 300, 0.76)
    caption_y = _BOTTOM - words.caption_height
    if words.caption_height:
        sheet.shade_below(caption_y + 20, 260, 0.88)
    sheet.bar((LEFT, _TOP, LEFT + 64, _TOP + 8), palette.accent)
    plate = sheet.image()
    draw = ImageDraw.Draw(plate)
    _kicker(draw, words, (LEFT, _TOP + 32), as_bytes(palette.accent), _WHITE)
    title.draw(draw, (LEFT, _TOP + 84), _WHITE)
    return Layout(plate, (LEFT, caption_y), _soft(palette))


def post(words: Words, palette: Palette, _rng: np.random.Generator) -> Layout:
    """Set a short post as its own words: who says it, and what."""
    ground = mix(palette.light, np.ones(3, np.float32), 0.6)
    inner = MEASURE - 32
    text = set_in(words.title, _POST, width=inner, height=560)
    height = 44 + 88 + 36 + text.height + 52
    top = _BOTTOM - 24 - height
    sheet = Sheet(palette.ink)
    sheet.shade_below(top, 300, 0.3)
    sheet.sheet((32, top, 688, top + height), 40, ground)
    sheet.disc(LEFT + 16 + 44, top + 44 + 44, 44, mix(palette.mid, palette.deep, 0.25))
    plate = sheet.image()
    draw = ImageDraw.Draw(plate)
    name = words.author or words.source or words.category or "Lumen"
    middle = (LEFT + 60, top + 88)
    draw.text(middle, name[0].upper(), font=font("Bold", 44), fill=_WHITE, anchor="mm")
    by = set_in(name, Hand("Bold", (32,)), width=inner - 116, height=40)
    about = words.source if words.author else words.category
    by.draw(draw, (LEFT + 126, top + (50 if about else 70)), as_bytes(palette.ink))
    if about:
        quiet = as_bytes(mix(palette.ink, ground, 0.4))
        set_in(about, Hand("Regular", (26,)), width=inner - 116, height=34).draw(
            draw, (LEFT + 126, top + 92), quiet
        )
    text.draw(draw, (LEFT + 16, top + 168), as_bytes(palette.ink))
    return Layout(plate, (LEFT, top + height), as_bytes(palette.ink))


def spoken(words: Words, palette: Palette, _rng: np.random.Generator) -> Layout:
    """Set a short post in large letters over the picture, as one sets a quotation."""
    text = set_in(words.title, _SPOKEN, width=MEASURE, height=560)
    name = words.author or words.source
    by_y = _BOTTOM - 44
    text_y = by_y - 40 - text.height
    sheet = Sheet(palette.ink)
    sheet.shade_below(text_y, 400, 0.84)
    sheet.bar((LEFT, by_y + 18, LEFT + 44, by_y + 23), palette.accent)
    plate = sheet.image()
    draw = ImageDraw.Draw(plate)
    draw.text((LEFT - 8, text_y - 168), "“", font=font("Black", 240), fill=as_bytes(palette.accent))
    text.draw(draw, (LEFT, text_y), _WHITE)
    set_in(name, Hand("Medium", (30,)), width=MEASURE - 64, height=40).draw(
        draw, (LEFT + 64, by_y), _soft(palette)
    )
    return Layout(plate, (LEFT, _BOTTOM), _soft(palette))


def bare(words: Words, palette: Palette, _rng: np.random.Generator) -> Layout:
    """Let the picture speak where there are no words that could be drawn."""
    sheet = Sheet(palette.ink)
    sheet.shade_below(_BOTTOM, 300, 0.8)
    plate = sheet.image()
    _kicker(ImageDraw.Draw(plate), words, (LEFT, _BOTTOM - 40), as_bytes(palette.accent), _WHITE)
    return Layout(plate, (LEFT, _BOTTOM), _soft(palette))


# For items with a title; short posts and unreadable texts have a layout of their own.
ARTICLE: tuple[Lays, ...] = (cover, slant, paper, headline)
POST: tuple[Lays, ...] = (post, spoken)


def _title(words: Words, height: int) -> Block:
    return set_in(words.title, _TITLE, width=MEASURE, height=height)


def _kicker(
    draw: ImageDraw.ImageDraw, words: Words, at: tuple[int, int], strong: Rgb, quiet: Rgb
) -> None:
    """Draw where it comes from and what it is about, in small capitals, as far as there is room."""
    letters, x = font("Bold", _KICKER), float(at[0])
    for text, fill in ((words.source, strong), (words.category, quiet)):
        told = text.upper()
        if told and x + spaced_width(told, letters) <= RIGHT:
            x = draw_spaced(draw, (x, at[1]), told, letters, fill) + 26


def _soft(palette: Palette) -> Rgb:
    colour: Colour = mix(palette.light, np.ones(3, np.float32), 0.5)
    return as_bytes(colour)
