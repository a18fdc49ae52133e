"""The pictures behind the words: drawn from a seed, so that a card always gets the same one."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jobs.cards.canvas import TALL, Canvas, Field, glow, inside, line, waves
from jobs.cards.palette import Palette, mix
from jobs.cards.tiles import tiles

Style: TypeAlias = Callable[[Canvas, Palette, np.random.Generator], None]


def draw(palette: Palette, rng: np.random.Generator, style: str) -> NDArray[np.uint8]:
    """Draw a picture in a style, as rows of RGB bytes."""
    canvas = Canvas()
    STYLES[style](canvas, palette, rng)
    return canvas.finish(rng)


def hills(canvas: Canvas, palette: Palette, rng: np.random.Generator) -> None:
    """Draw ranges of hills under a low sun."""
    canvas.wash(palette.deep, palette.warm, bend=1.3)
    x, y = rng.uniform(0.25, 0.75), rng.uniform(0.42, 0.7)
    sun, radius = canvas.distance(x, y), rng.uniform(0.1, 0.17)
    canvas.paint(palette.light, glow(sun, radius * 3.2) * np.float32(0.55))
    canvas.paint(mix(palette.light, palette.accent, 0.2), inside(sun - np.float32(radius)))
    layers = 6
    for layer in range(layers):
        share = layer / (layers - 1)
        base, height = 0.74 + 0.78 * share**1.15, 0.035 + 0.045 * share
        top = int((base - 1.9 * height) * canvas.rgb.shape[1])
        ridge = np.float32(base) + np.float32(height) * waves(canvas.x, rng, count=5, slowest=0.8)
        depth = canvas.y[top:] - ridge
        near = mix(mix(palette.mid, palette.warm, 0.45), palette.ink, share**0.8)
        mist = mix(near, palette.warm, 0.62 - 0.4 * share)
        fall = np.exp(-np.maximum(depth, 0) / np.float32(0.2))[..., None]
        part = canvas.rgb[top:]
        # Dark at the ridge and misty below it, so that each range stands out from the next.
        part += (near + (mist - near) * (1 - fall) - part) * inside(-depth)[..., None]


def planet(canvas: Canvas, palette: Palette, rng: np.random.Generator) -> None:
    """Draw a lit sphere with bands, its rings, moons and far stars."""
    canvas.rgb[:] = palette.ink
    x, y, radius = rng.uniform(0.3, 0.7), rng.uniform(0.45, 0.72), rng.uniform(0.22, 0.34)
    away = canvas.distance(x, y)
    canvas.paint(palette.deep, glow(away, 0.85))
    for _ in range(70):
        at = rng.uniform(0, 1), rng.uniform(0, TALL)
        canvas.dot(*at, rng.uniform(6e-4, 2.2e-3), palette.light)
    canvas.paint(
        palette.mid, glow(np.maximum(away - np.float32(radius), 0), 0.09) * np.float32(0.8)
    )
    tilt = rng.uniform(-0.6, 0.6)
    across = (canvas.x - np.float32(x)) * np.float32(np.sin(tilt)) + (
        canvas.y - np.float32(y)
    ) * np.float32(np.cos(tilt))
    bands = waves(across / np.float32(radius), rng, count=4, slowest=0.8)[..., None]
    surface = palette.mid + (palette.warm - palette.mid) * np.clip(bands * 0.9 + 0.5, 0, 1)
    side = rng.uniform(-2.6, -0.5)
    lit = (canvas.x - np.float32(x)) * np.float32(np.cos(side)) + (
        canvas.y - np.float32(y)
    ) * np.float32(np.sin(side))
    shade = np.clip(np.float32(0.5) + lit / np.float32(radius) * np.float32(0.62), 0.04, 1)
    canvas.paint(
        palette.ink + (surface - palette.ink) * shade[..., None], inside(away - np.float32(radius))
    )
    for ring in range(4):
        far = away - np.float32(radius * (1.28 + 0.3 * ring + rng.uniform(0, 0.1)))
        canvas.paint(palette.light, line(far, 0.0022) * np.float32(0.5 - 0.1 * ring))
        angle = rng.uniform(0, 2 * np.pi)
        reach = radius * (1.33 + 0.3 * ring)
        at = x + reach * np.cos(angle), y + reach * np.sin(angle)
        canvas.dot(*at, rng.uniform(0.008, 0.022), palette.accent)


def folds(canvas: Canvas, palette: Palette, rng: np.random.Generator) -> None:
    """Draw sheets of paper that lie over one another, each with its shadow."""
    slope, count = rng.uniform(-0.9, 0.9), int(rng.integers(6, 10))
    bend = np.float32(rng.uniform(0.08, 0.2)) * waves(canvas.x, rng, count=2, slowest=0.6)
    along = (canvas.y + np.float32(slope) * canvas.x + bend) / np.float32(TALL)
    canvas.rgb[:] = palette.light
    first, last = float(along.min()), float(along.max())
    ramp = [palette.light, palette.accent, palette.warm, palette.mid, palette.deep, palette.ink]
    for sheet in range(count):
        share = sheet / (count - 1)
        at = first + (last - first) * (0.08 + 0.85 * share + rng.uniform(-0.03, 0.03))
        depth = (along - np.float32(at)) * np.float32(TALL)
        shadow = glow(np.minimum(depth + np.float32(0.004), 0), 0.07) * np.float32(0.42)
        # What is too faint to be seen is left out, and with it most rows.
        shadow[(depth >= 0) | (shadow < np.float32(0.004))] = 0
        canvas.paint(palette.ink, shadow)
        place = share * (len(ramp) - 1)
        step = min(int(place), len(ramp) - 2)
        colour = mix(ramp[step], ramp[step + 1], place - step)
        sheen = np.exp(-np.maximum(depth, 0) / np.float32(0.1))[..., None] * np.float32(0.16)
        canvas.paint(colour + (palette.light - colour) * sheen, inside(-depth))


def contours(canvas: Canvas, palette: Palette, rng: np.random.Generator) -> None:
    """Draw a land of hills as a map does, by lines of equal height."""
    land = _land(canvas, rng)
    low, high = float(land.min()), float(land.max())
    height = (land - np.float32(low)) / np.float32(high - low)
    levels = 13
    step = np.floor(height * levels) / np.float32(levels)
    share = np.clip(step * np.float32(1.1), 0, 1)[..., None]
    canvas.rgb[:] = palette.ink + (palette.mid - palette.ink) * share
    peak = np.clip((step - np.float32(0.72)) * np.float32(5), 0, 1)
    canvas.paint(palette.warm, peak)
    down, right = np.gradient(height * levels)
    slope = np.hypot(down, right) + np.float32(1e-4)
    off = np.abs(height * levels - np.rint(height * levels)) / slope
    strong = (np.rint(height * levels) % 4 == 0).astype(np.float32)
    width = np.float32(0.7) + strong * np.float32(0.8)
    cover = np.clip(width + np.float32(0.5) - off, 0, 1)
    canvas.paint(palette.light, cover * (np.float32(0.25) + strong * np.float32(0.35)))


def aurora(canvas: Canvas, palette: Palette, rng: np.random.Generator) -> None:
    """Draw soft curtains of light."""
    canvas.wash(palette.ink, palette.deep)
    for colour in (palette.mid, palette.warm, palette.accent, palette.mid):
        centre = np.float32(rng.uniform(0.35, 1.0)) + np.float32(0.2) * waves(
            canvas.x, rng, count=3, slowest=0.7
        )
        depth = canvas.y - centre
        reach = np.float32(rng.uniform(0.3, 0.6))
        above = np.exp(-np.maximum(-depth, 0) / reach)
        below = np.exp(-np.maximum(depth, 0) / np.float32(0.09))
        threads = np.float32(0.72) + np.float32(0.28) * waves(canvas.x, rng, count=5, slowest=5.0)
        veil = np.where(depth < 0, above, below) * threads
        canvas.paint(colour, np.clip(veil * np.float32(0.62), 0, 1))
    for _ in range(40):
        at = rng.uniform(0, 1), rng.uniform(0, 0.9)
        canvas.dot(*at, rng.uniform(6e-4, 1.8e-3), palette.light)


def caves(canvas: Canvas, palette: Palette, rng: np.random.Generator) -> None:
    """Draw openings cut into layers of paper, one behind the other, towards the light."""
    x, y = rng.uniform(0.35, 0.65), rng.uniform(0.5, 0.72)
    right, down = canvas.x - np.float32(x), canvas.y - np.float32(y)
    away, angle = np.hypot(right, down), np.arctan2(down, right)
    canvas.rgb[:] = palette.ink
    layers = 6
    ramp = [palette.deep, mix(palette.deep, palette.mid, 0.6), palette.mid, palette.warm]
    ramp += [mix(palette.warm, palette.light, 0.45), palette.light]
    for layer in range(layers):
        radius = np.float32(0.74 - 0.118 * layer)
        wobble = np.zeros_like(away)
        for lobes in (2, 3, 5):
            turn = np.float32(rng.uniform(0, 2 * np.pi))
            wobble += np.sin(np.float32(lobes) * angle + turn) / np.float32(lobes)
        edge = away - radius * (1 + np.float32(0.13) * wobble)
        shadow = np.exp(np.minimum(edge, 0) / np.float32(0.045))[..., None] * np.float32(0.5)
        colour = ramp[layer]
        canvas.paint(colour + (palette.ink - colour) * shadow, inside(edge))


def _land(canvas: Canvas, rng: np.random.Generator) -> Field:
    """Sum waves of many directions into a smooth field."""
    total = np.zeros(canvas.rgb.shape[:2], np.float32)
    for octave in range(9):
        angle, turns = rng.uniform(0, np.pi), 0.55 * 1.28**octave
        along = canvas.x * np.float32(np.cos(angle)) + canvas.y * np.float32(np.sin(angle))
        phase = np.float32(rng.uniform(0, 2 * np.pi))
        wave = np.sin(np.float32(2 * np.pi * turns) * along + phase)
        total += np.float32(0.8**octave) * wave
    return total


STYLES: dict[str, Style] = {
    "hills": hills,
    "planet": planet,
    "folds": folds,
    "contours": contours,
    "aurora": aurora,
    "caves": caves,
    "tiles": tiles,
}
