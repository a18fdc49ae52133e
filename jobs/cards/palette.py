"""The colours of a card: a theme by category, a variation by item."""

import colorsys
from typing import Any, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

# What is computed stays in float32, which the type checker cannot follow.
Colour: TypeAlias = NDArray[np.floating[Any]]


class Palette(Struct, frozen=True):
    """Five colours from dark to light, and the accent; each as red, green, blue from 0 to 1."""

    ink: Colour
    deep: Colour
    mid: Colour
    warm: Colour
    light: Colour
    accent: Colour


def _of(*colours: str) -> Palette:
    return Palette(*(np.array(list(bytes.fromhex(c)), np.float32) / 255 for c in colours))


_DUSK = _of("12112b", "2b2a63", "6a4c93", "f28f5b", "ffe3c2", "ffb347")
_FOREST = _of("08201d", "0f4c45", "2f8f6f", "e3b65b", "f3f0d7", "ffd166")
_NEBULA = _of("120b2e", "33187a", "6b3fd1", "3fd0d6", "e6f7ff", "7cf0e8")
_CIRCUIT = _of("061423", "0b3558", "137a9c", "ff5d8f", "e4fbff", "4be1ff")
_STADIUM = _of("240a12", "731a2b", "d1442f", "ffb13d", "fff1d6", "ffcf4a")
_VELVET = _of("220a2b", "5c1a55", "b53a6b", "f7a072", "ffeadb", "ff9ec7")
_LEDGER = _of("0b1a1f", "17414a", "3a7d7c", "d8a44a", "f6efdd", "f4c95d")
_CLINIC = _of("081f2d", "0f4a63", "2a94a0", "ff8a73", "effaf5", "8df0cf")
_BROADSHEET = _of("141821", "2c3a55", "56719c", "e05a47", "f2ede3", "ff8266")
_HARVEST = _of("231208", "6a2f12", "b5642b", "8fae4b", "fff3da", "ffd27a")

# A word of the category decides; the first that is found.
_THEMES: tuple[tuple[tuple[str, ...], Palette], ...] = (
    (("cit", "transport", "travel", "urban", "local"), _DUSK),
    (("environment", "climate", "nature", "weather", "green"), _FOREST),
    (("science", "space", "physics", "research"), _NEBULA),
    (("tech", "computer", "software", "internet", "digital"), _CIRCUIT),
    (("sport", "football", "athletic", "race", "game"), _STADIUM),
    (("culture", "art", "film", "music", "book", "theatre"), _VELVET),
    (("business", "econom", "money", "market", "financ"), _LEDGER),
    (("health", "medic", "well"), _CLINIC),
    (("world", "politic", "news", "opinion", "law"), _BROADSHEET),
    (("food", "cook", "garden", "farm"), _HARVEST),
)
_TURN = 0.045


def palette_for(category: str | None, rng: np.random.Generator) -> Palette:
    """Choose the theme of a category and turn its hues a little, so that no two are the same."""
    word = (category or "").casefold()
    found = next((p for words, p in _THEMES if any(w in word for w in words)), None)
    theme = found or _THEMES[int(rng.integers(len(_THEMES)))][1]
    turn = float(rng.uniform(-_TURN, _TURN))
    return Palette(*(_turned(getattr(theme, name), turn) for name in Palette.__struct_fields__))


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Give a colour between two."""
    return one + (other - one) * np.float32(share)


def as_bytes(colour: Colour) -> tuple[int, int, int]:
    """Give a colour as Pillow takes it."""
    red, green, blue = (round(float(part) * 255) for part in colour)
    return red, green, blue


def _turned(colour: Colour, by: float) -> Colour:
    hue, lightness, saturation = colorsys.rgb_to_hls(*(float(part) for part in colour))
    return np.array(colorsys.hls_to_rgb((hue + by) % 1.0, lightness, saturation), np.float32)
