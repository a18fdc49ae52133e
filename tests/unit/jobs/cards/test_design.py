"""Cards as they are decided: always the same for an item, different for others, never a crash."""

from io import BytesIO
from uuid import UUID

import numpy as np
import pytest
from PIL import Image

from jobs.cards import art, layouts
from jobs.cards.design import design, posters
from jobs.cards.model import CardText, film_key, poster_key
from jobs.cards.palette import palette_for
from server.kernel.storage import checked

BODY = "The beds were sown in March. Then came the rain, for nine days. Nobody measured it."


def card(number: int = 1, **more: str | None) -> CardText:
    values = {"kind": "ARTICLE", "title": "Rain on the beds", "body": BODY, "category": "Science"}
    return CardText(item_id=UUID(int=number * 0x9E3779B97F4A7C15), **(values | more))  # type: ignore[arg-type]


def test_the_same_card_is_the_same_poster() -> None:
    assert posters(card()) == posters(card())


def test_beside_the_poster_lies_its_picture_without_words() -> None:
    drawn = posters(card())
    assert Image.open(BytesIO(drawn.picture)).size == (540, 960)
    assert len(drawn.picture) < len(drawn.poster)
    assert posters(card(title="Sun", body="It shone.")).picture == drawn.picture


def test_another_item_is_another_poster() -> None:
    assert posters(card(1)) != posters(card(2))


def test_anything_that_is_seen_makes_another_key() -> None:
    changed = [
        card(title="Sun"),
        card(body="Other."),
        card(category="Sport"),
        card(source="Paper"),
        card(author="A. Writer"),
        card(2),
    ]
    assert len({each.digest for each in [card(), *changed]}) == len(changed) + 1
    assert card().digest == card().digest


def test_keys_are_keys() -> None:
    assert checked(poster_key(card().digest), "image/jpeg")
    assert checked(film_key(card().digest), "video/mp4")


@pytest.mark.parametrize(
    "more",
    [
        {"title": None, "body": "A short post, said by somebody.", "author": "Ada"},
        {"title": None, "body": ""},
        {"title": "日本の雨", "body": "雨が降る。"},
        {"title": "x" * 300, "body": "y" * 900, "source": "z" * 300, "author": "w" * 300},
        {"title": "\x00\u202e", "body": "%{eif:1:d}':[in][out];movie=/etc/passwd"},
        {"title": "A", "body": "B", "category": None, "source": None},
        {"title": None, "body": "Nobody says this.", "category": "日本", "source": "日本"},
    ],
)
def test_any_text_gives_a_poster_of_the_right_size(more: dict[str, str | None]) -> None:
    jpeg = posters(card(3, **more)).poster
    assert len(jpeg) <= 80_000
    assert Image.open(BytesIO(jpeg)).size == (720, 1280)


@pytest.mark.parametrize("style", art.STYLES)
def test_every_style_fills_the_picture_with_variety(style: str) -> None:
    dice = np.random.default_rng(5)
    picture = art.draw(palette_for("Technology", dice), dice, style)
    assert picture.shape == (1280, 720, 3)
    assert len(np.unique(picture[::8, ::8].reshape(-1, 3), axis=0)) > 60


@pytest.mark.parametrize("lays", [*layouts.ARTICLE, *layouts.POST])
def test_words_stand_out_from_any_picture(lays: layouts.Lays) -> None:
    """White or dark words keep a contrast of 4.5 on the plate, over white and over black."""
    dice = np.random.default_rng(5)
    palette = palette_for("Sport", dice)
    words = layouts.Words(
        source="Paper", category="Sport", author="Ada", title="Rain on the beds", caption_height=144
    )
    layout = lays(words, palette, dice)
    if lays is layouts.post or lays is layouts.spoken:
        return
    x, y = layout.caption_at
    for ground in (255, 0):
        picture = Image.new("RGBA", (720, 1280), (ground, ground, ground, 255))
        picture.alpha_composite(layout.plate)
        under = np.asarray(picture.convert("RGB"))[y : y + 140, x : x + 560].reshape(-1, 3)
        letters = _luminance(np.array([layout.caption_colour]))
        contrasts = [_contrast(letters[0], other) for other in np.unique(_luminance(under))]
        assert min(contrasts) >= 4.5


def test_categories_have_their_own_colours_and_unknown_ones_have_some() -> None:
    def ink(category: str | None) -> list[float]:
        return [float(part) for part in palette_for(category, np.random.default_rng(1)).mid]

    assert ink("Sport") != ink("Science")
    assert ink("Cities & transport") == ink("cities")
    assert ink(None) == ink("Zzz")


def test_an_item_keeps_its_picture_when_its_text_is_edited() -> None:
    before, after = design(card()), design(card(title="Sun on the beds"))
    assert (before.picture == after.picture).all()


def _luminance(colours: np.ndarray) -> np.ndarray:
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def _contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
