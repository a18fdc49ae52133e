"""A picture in numbers: what shapes cover, in units of the picture's width, and how to fill it."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jobs.cards.palette import Colour

Field: TypeAlias = NDArray[np.floating[Any]]

WIDTH = 720
HEIGHT = 1280
# The picture is one wide and so many high.
TALL = HEIGHT / WIDTH


class Canvas:
    """Pixels to paint on; `x` and `y` tell where each is."""

    def __init__(self) -> None:
        self.x: Field = ((np.arange(WIDTH, dtype=np.float32) + 0.5) / WIDTH)[None, :]
        self.y: Field = ((np.arange(HEIGHT, dtype=np.float32) + 0.5) / WIDTH)[:, None]
        self.rgb: Field = np.zeros((HEIGHT, WIDTH, 3), np.float32)

    def paint(self, colour: Field, cover: Field) -> None:
        """Lay a colour, or a picture of colours, on what is covered, from 0 to 1."""
        # Most shapes leave most rows alone, and a row that is left alone costs nothing.
        rows = np.flatnonzero(cover.any(axis=1))
        if not rows.size:
            return
        touched = slice(int(rows[0]), int(rows[-1]) + 1)
        part = self.rgb[touched]
        laid = colour[touched] if colour.ndim > 1 else colour
        part += (laid - part) * cover[touched][..., None]

    def wash(self, top: Colour, bottom: Colour, *, bend: float = 1.0) -> None:
        """Fill all with a gradient from the top to the bottom."""
        share = (self.y / np.float32(TALL)) ** np.float32(bend)
        self.rgb[:] = top + (bottom - top) * share[..., None]

    def dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Paint a small disc, touching only the pixels around it."""
        reach = radius + 2 / WIDTH
        rows = slice(max(0, int((y - reach) * WIDTH)), max(0, int((y + reach) * WIDTH) + 1))
        columns = slice(max(0, int((x - reach) * WIDTH)), max(0, int((x + reach) * WIDTH) + 1))
        away = np.hypot(self.x[:, columns] - np.float32(x), self.y[rows] - np.float32(y))
        part = self.rgb[rows, columns]
        part += (colour - part) * inside(away - np.float32(radius))[..., None]

    def distance(self, x: float, y: float) -> Field:
        """Tell how far each pixel is from a point."""
        away: Field = np.hypot(self.x - np.float32(x), self.y - np.float32(y))
        return away

    def finish(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Give the pixels as bytes, darker to the corners and with a little noise for banding."""
        away = self.distance(0.5, TALL / 2) / np.float32(TALL / 2)
        self.rgb *= (1 - np.float32(0.22) * away**3)[..., None]
        noise = rng.random((HEIGHT, WIDTH, 1), np.float32) - np.float32(0.5)
        levels = np.clip(self.rgb * 255 + noise, 0, 255)
        pixels: NDArray[np.uint8] = np.rint(levels).astype(np.uint8)
        return pixels


def inside(distance: Field) -> Field:
    """Cover where a signed distance is negative, with an edge one pixel soft."""
    cover: Field = np.clip(np.float32(0.5) - distance * np.float32(WIDTH), 0, 1)
    return cover


def line(distance: Field, width: float) -> Field:
    """Cover a line along where a distance is zero."""
    return inside(np.abs(distance) - np.float32(width / 2))


def glow(distance: Field, reach: float) -> Field:
    """Cover all at zero and less and less with the distance."""
    cover: Field = np.exp(-((distance / np.float32(reach)) ** 2))
    return cover


def waves(at: Field, rng: np.random.Generator, *, count: int, slowest: float) -> Field:
    """Sum sines of falling height along a coordinate, between about -1 and 1."""
    total = np.zeros_like(at)
    for octave in range(count):
        turns = np.float32(slowest * 1.9**octave * rng.uniform(0.8, 1.25))
        phase = np.float32(rng.uniform(0, 2 * np.pi))
        total += np.float32(0.55**octave) * np.sin(np.float32(2 * np.pi) * turns * at + phase)
    return total / np.float32(1.6)
