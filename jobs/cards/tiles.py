"""A picture of geometric tiles: circles, quarters, halves and triangles on a grid."""

from collections.abc import Callable

import numpy as np

from jobs.cards.canvas import TALL, Canvas, Field, inside
from jobs.cards.palette import Colour, Palette, mix

_ACROSS = 4
_SIDE = 1 / _ACROSS


def tiles(canvas: Canvas, palette: Palette, rng: np.random.Generator) -> None:
    """Fill the picture with tiles of two colours each."""
    colours = [palette.ink, palette.deep, palette.mid, palette.warm, palette.light, palette.accent]
    side = canvas.rgb.shape[1] // _ACROSS
    for row in range(int(np.ceil(TALL / _SIDE))):
        for column in range(_ACROSS):
            rows, columns = slice(row * side, (row + 1) * side), slice(column * side, None)
            part = canvas.rgb[rows, columns][:, :side]
            ground, figure = rng.choice(len(colours), 2, replace=False)
            # Fewer bright tiles towards the bottom, where the words are.
            dim = 0.55 * min(1.0, row / 6)
            part[:] = mix(colours[int(ground)], palette.ink, dim)
            x = canvas.x[:, columns][:, :side] / np.float32(_SIDE) - np.float32(column)
            y = canvas.y[rows] / np.float32(_SIDE) - np.float32(row)
            _figure(part, x, y, mix(colours[int(figure)], palette.ink, dim), rng)


def _figure(part: Field, x: Field, y: Field, colour: Colour, rng: np.random.Generator) -> None:
    """Paint one figure into a tile; `x` and `y` run from 0 to 1 over it."""
    right, down = rng.integers(2, size=2)
    x, y = (1 - x if right else x), (1 - y if down else y)
    distance = _FIGURES[int(rng.integers(len(_FIGURES)))](x, y)
    part += (colour - part) * inside(distance * np.float32(_SIDE))[..., None]


def _quarter(x: Field, y: Field) -> Field:
    return _from(x, y, 0, 0) - 1


def _disc(x: Field, y: Field) -> Field:
    return _from(x, y, 0.5, 0.5) - np.float32(0.36)


def _half(x: Field, y: Field) -> Field:
    return _from(x, y, 0.5, 0) - np.float32(0.5)


def _triangle(x: Field, y: Field) -> Field:
    return (x + y - 1) / np.float32(np.sqrt(2))


def _arch(x: Field, y: Field) -> Field:
    along: Field = np.abs(_from(x, y, 0, 0) - np.float32(0.66))
    return along - np.float32(0.17)


def _leaves(x: Field, y: Field) -> Field:
    nearest: Field = np.minimum(_from(x, y, 0, 0), _from(x, y, 1, 1))
    return nearest - np.float32(0.5)


def _stripes(x: Field, y: Field) -> Field:
    stripe = np.abs((y * 4) % 1 - np.float32(0.5)) - np.float32(0.25)
    return np.broadcast_to(stripe / 4, (y.shape[0], x.shape[1]))


def _from(x: Field, y: Field, across: float, down: float) -> Field:
    away: Field = np.hypot(x - np.float32(across), y - np.float32(down))
    return away


_FIGURES: tuple[Callable[[Field, Field], Field], ...] = (
    _quarter,
    _disc,
    _half,
    _triangle,
    _arch,
    _leaves,
    _stripes,
)
