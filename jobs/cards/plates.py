"""What lies between the picture and the words, so that they can be read on any picture."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.cards.canvas import HEIGHT, WIDTH, Canvas, Field, glow, inside
from jobs.cards.palette import Colour

Plate: TypeAlias = Image.Image


class Sheet:
    """A see-through layer as it is built up; all measures are pixels."""

    def __init__(self, colour: Colour) -> None:
        grid = Canvas()
        self._x, self._y = grid.x * WIDTH, grid.y * WIDTH
        self._rgb: Field = np.broadcast_to(colour, (HEIGHT, WIDTH, 3)).copy()
        self._alpha: Field = np.zeros((HEIGHT, WIDTH), np.float32)

    def shade_below(self, y: float, reach: float, strength: float) -> None:
        """Darken from a height downwards, softly over a reach above it."""
        share = np.clip((self._y - np.float32(y - reach)) / np.float32(reach), 0, 1)
        self._raise(_eased(share) * np.float32(strength))

    def shade_above(self, y: float, reach: float, strength: float) -> None:
        """Darken from a height upwards, softly over a reach below it."""
        share = np.clip((np.float32(y + reach) - self._y) / np.float32(reach), 0, 1)
        self._raise(_eased(share) * np.float32(strength))

    def slant(self, y: float, rise: float, colour: Colour, edge: Colour) -> None:
        """Cover what is below a slanting line, with a stripe of another colour along it."""
        depth = np.float32(y) + np.float32(rise) * (np.float32(0.5) - self._x / WIDTH) - self._y
        self._lay(edge, inside((depth - np.float32(10)) / WIDTH))
        self._lay(colour, inside(depth / WIDTH))

    def sheet(self, box: tuple[float, float, float, float], radius: float, colour: Colour) -> None:
        """Cover a box with round corners, which throws a shadow."""
        left, top, right, bottom = box
        away = self._outside(box, radius)
        under = self._outside((left, top + 16, right, bottom + 16), radius)
        self._raise(glow(np.maximum(under, 0), 40) * np.float32(0.5))
        self._lay(colour, inside(away / WIDTH))

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Cover a disc."""
        away = np.hypot(self._x - np.float32(x), self._y - np.float32(y)) - np.float32(radius)
        self._lay(colour, inside(away / WIDTH))

    def bar(self, box: tuple[float, float, float, float], colour: Colour) -> None:
        """Cover a box with ends that are round."""
        left, top, right, bottom = box
        away = self._outside(box, min(right - left, bottom - top) / 2)
        self._lay(colour, inside(away / WIDTH))

    def image(self) -> Plate:
        """Give the layer as it is now."""
        alpha = self._alpha[..., None]
        levels = np.concatenate([self._rgb, alpha], axis=2) * 255
        pixels: NDArray[np.uint8] = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
        return Image.fromarray(pixels, "RGBA")

    def _outside(self, box: tuple[float, float, float, float], radius: float) -> Field:
        left, top, right, bottom = box
        across = np.abs(self._x - np.float32((left + right) / 2)) - np.float32(
            (right - left) / 2 - radius
        )
        down = np.abs(self._y - np.float32((top + bottom) / 2)) - np.float32(
            (bottom - top) / 2 - radius
        )
        corner = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
        outside: Field = corner + np.minimum(np.maximum(across, down), 0) - np.float32(radius)
        return outside

    def _raise(self, cover: Field | np.floating[Any]) -> None:
        self._alpha[:] = np.maximum(self._alpha, cover)

    def _lay(self, colour: Colour, cover: Field) -> None:
        self._rgb += (colour - self._rgb) * cover[..., None]
        self._alpha += (1 - self._alpha) * cover


def _eased(share: Field) -> Field:
    return share * share * (3 - 2 * share)
