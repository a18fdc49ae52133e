from datetime import timedelta
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from server.ranking import Past, Slide, Wanting, assemble
from server.ranking.slides import ATTEMPTS, WANTED_AT_ONCE
from tests.unit.ranking.test_featured import STEADY
from tests.unit.ranking.worlds import (
    NOW,
    candidate,
    candidates,
    near,
    neighbourhoods,
    numbered,
    whole_pool,
)


def article(number, **told):
    return candidate(number, kind="ARTICLE", sort_at=NOW - timedelta(hours=number), **told)


SHORTS = [
    candidate(50),
    candidate(51),
    candidate(52, kind="VIDEO", sort_at=NOW - timedelta(days=9)),
]
AROUND = near(*((each, 0.5) for each in SHORTS))


def test_a_slide_is_the_best_featured_item_and_three_beside_it():
    pool = whole_pool([article(1), article(2), *SHORTS])
    slide = assemble(pool, {numbered(1): AROUND}, Past(), seed=STEADY)
    assert isinstance(slide, Slide)
    assert slide.featured.id.int == 1
    assert {each.id.int for each in slide.related} == {50, 51, 52}
    assert (slide.topic, slide.reason) == ("science", "vector_topk+diversity")
    assert not slide.explored


def test_a_slide_without_a_category_has_a_topic():
    pool = whole_pool([article(1, category=None), *SHORTS])
    assert assemble(pool, {numbered(1): AROUND}, Past(), seed=STEADY).topic == "general"


def test_neighbours_that_are_not_known_are_asked_for_the_best_one_first():
    pool = whole_pool([article(number) for number in range(1, 20)])
    wanting = assemble(pool, {}, Past(), seed=STEADY)
    assert isinstance(wanting, Wanting)
    assert [each.int for each in wanting.ids] == list(range(1, WANTED_AT_ONCE + 1))


def test_a_lesser_item_waits_for_the_neighbours_of_a_better_one():
    pool = whole_pool([article(1), article(2), *SHORTS])
    assert assemble(pool, {numbered(2): AROUND}, Past(), seed=STEADY) == Wanting(
        (numbered(1), numbered(52))
    )


def test_when_the_best_has_no_three_the_next_one_is_tried_and_it_is_said():
    # Beside 1 its own maker may stand once and its story not at all: that leaves two.
    pool = whole_pool(
        [
            article(1, maker="gazette", story=numbered(60)),
            article(2),
            candidate(60),
            candidate(61, maker="gazette"),
            candidate(62, maker="gazette", kind="COMMENT", thread=numbered(5)),
        ]
    )
    slide = assemble(pool, {numbered(1): near(), numbered(2): near()}, Past(), seed=STEADY)
    assert isinstance(slide, Slide)
    assert slide.featured.id.int == 2
    assert slide.relaxations[0] == "next_featured"


def test_an_empty_pool_makes_no_slide():
    assert assemble(whole_pool([]), {}, Past(), seed=b"") is None


def test_only_so_many_featured_items_are_tried():
    lonely = [article(number, story=numbered(900 + number), maker="one") for number in range(1, 80)]
    known = {each.id: near() for each in lonely[:ATTEMPTS]}
    assert assemble(whole_pool(lonely), known, Past(), seed=STEADY) is None


def test_the_past_keeps_three_slides_and_everything_seen():
    past = Past()
    for number in range(1, 6):
        related = tuple(candidate(number * 10 + place) for place in range(3))
        past = past.after(Slide(candidate(number, maker=str(number)), related))
    assert [shown.maker for shown in past.recent] == ["5", "4", "3"]
    assert len(past.seen) == 20


def test_what_the_reader_asks_for_leads_in_its_order_and_the_rest_follows():
    pool = whole_pool(
        [*(article(number) for number in range(1, 9)), *map(candidate, range(60, 90))]
    )
    around = {numbered(number): near() for number in range(1, 9)}
    # Two that no slide can feature, and one twice.
    lead = [numbered(60), numbered(4), numbered(999), numbered(3), numbered(4)]
    slides = scroll(pool, around, STEADY, lead)
    assert [slide.featured.id.int for slide in slides[:2]] == [4, 3]
    assert [slide.reason.split("+")[0] for slide in slides[:2]] == ["fresh", "fresh"]
    assert len(slides) > 2
    assert not any(slide.led for slide in slides[2:])


@given(st.data())
def test_a_session_is_whole_slides_without_a_repeat_and_the_same_when_replayed(data):
    everything = data.draw(candidates(most=30))
    pool = whole_pool(everything)
    around = data.draw(neighbourhoods(everything))
    key = data.draw(st.binary(min_size=1, max_size=4))
    lead = data.draw(st.lists(st.integers(1, 32).map(numbered), max_size=10))
    slides = scroll(pool, around, key, lead)
    assert slides == scroll(pool, around, key, lead)
    shown = [each.id for slide in slides for each in (slide.featured, *slide.related)]
    assert len(shown) == len(set(shown)) == 4 * len(slides)
    for slide in slides:
        items = (slide.featured, *slide.related)
        makers = [each.maker for each in items]
        assert len({each.story for each in items}) == 4
        assert max(map(makers.count, makers)) <= 2
        assert slide.featured.kind in {"ARTICLE", "VIDEO"}
        assert 0 < slide.propensity <= 1


def scroll(pool, around, key, lead=()):
    past, slides = Past(), []
    for seq in count(1):
        slide = assemble(pool, around, past, seed=key + seq.to_bytes(4), lead=lead)
        if slide is None:
            return slides
        assert isinstance(slide, Slide)
        slides.append(slide)
        past = past.after(slide)
    raise AssertionError
