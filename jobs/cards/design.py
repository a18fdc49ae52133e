"""A card as it was decided: its picture, its layout, its captions and how long it lasts."""

import io

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from jobs.cards import art, layouts
from jobs.cards.captions import LEADING, LINES, SIZE, Caption, plan
from jobs.cards.layouts import MEASURE, Layout, Words
from jobs.cards.lettering import legible
from jobs.cards.model import CardText
from jobs.cards.palette import Palette, palette_for

# Above and below the lines of a strip: letters hang over, and captions rise as they appear.
MARGIN = 24
_POSTER_BYTES = 80_000
_QUALITIES = (84, 76, 66, 54, 40)
_PICTURE_SIZE = (540, 960)
_PICTURE_QUALITY = 76


class Design(Struct, frozen=True):
    """A card, ready to be drawn as a poster or as a film."""

    picture: NDArray[np.uint8]
    layout: Layout
    captions: list[Caption]
    frames: int
    palette: Palette

    @property
    def strip_at(self) -> tuple[int, int]:
        """Where the strips of captions lie on the card."""
        x, y = self.layout.caption_at
        return x, y - MARGIN

    def strip(self, caption: Caption) -> Image.Image:
        """Draw a caption on a see-through strip; the strips of a card are all of one size."""
        tallest = max(each.block.height for each in self.captions)
        # See-through in the letters' own colour: their soft edges must not turn dark.
        ground = (*self.layout.caption_colour, 0)
        strip = Image.new("RGBA", (MEASURE + MEASURE % 2, tallest + 2 * MARGIN), ground)
        caption.block.draw(ImageDraw.Draw(strip), (0, MARGIN), self.layout.caption_colour)
        return strip


def design(card: CardText) -> Design:
    """Decide everything about a card; the same card comes out the same."""
    dice = card.randomness()
    palette = palette_for(card.category, dice)
    style = list(art.STYLES)[int(dice.integers(len(art.STYLES)))]
    chosen = int(dice.integers(len(layouts.ARTICLE)))
    title, body = legible(card.title), legible(card.body)
    lays = layouts.ARTICLE[chosen]
    if not title:
        # A post is all title; what cannot be drawn at all leaves the picture to itself.
        title, body = body, ""
        lays = layouts.POST[chosen % len(layouts.POST)] if title else layouts.bare
    measure = MEASURE - 24 if lays is layouts.paper else MEASURE
    captions, frames = plan(body, title, measure)
    words = Words(
        source=legible(card.source),
        category=legible(card.category),
        author=legible(card.author),
        title=title,
        caption_height=round(SIZE * LEADING) * LINES if captions else 0,
    )
    layout = lays(words, palette, dice)
    return Design(art.draw(palette, dice, style), layout, captions, frames, palette)


class Drawn(Struct, frozen=True):
    """The still pictures of a card, as JPEG."""

    # The first frame of the film.
    poster: bytes
    # The same without words, smaller, for pages that set the words themselves.
    picture: bytes


def posters(card: CardText) -> Drawn:
    """Draw the still pictures of a card."""
    decided = design(card)
    return Drawn(_poster(decided), _picture(decided))


def _picture(decided: Design) -> bytes:
    whole = Image.fromarray(decided.picture)
    small = whole.resize(_PICTURE_SIZE, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _jpeg(small, _PICTURE_QUALITY)


def _poster(decided: Design) -> bytes:
    picture = Image.fromarray(decided.picture).convert("RGBA")
    picture.alpha_composite(decided.layout.plate)
    if decided.captions:
        picture.alpha_composite(decided.strip(decided.captions[0]), decided.strip_at)
    flat = picture.convert("RGB")
    jpeg = b""
    for quality in _QUALITIES:
        jpeg = _jpeg(flat, quality)
        if len(jpeg) <= _POSTER_BYTES:
            break
    return jpeg


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
    return file.getvalue()
