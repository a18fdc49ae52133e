from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ranking import Past, Shown, plan
from server.ranking.featured import EXPLORATION, choices
from tests.unit.ranking.worlds import NOW, candidate, candidates, whole_pool


def seeds(lucky):
    """Seeds that do or do not explore, found by trying."""
    pool = whole_pool([candidate(1, kind="ARTICLE")])
    for number in range(10_000):
        seed = number.to_bytes(4)
        if next(choices(pool, Past(), seed)).explored is lucky:
            yield seed


STEADY = next(seeds(lucky=False))
LUCKY = next(seeds(lucky=True))


def article(number, hours=1.0, **told):
    return candidate(number, kind="ARTICLE", sort_at=NOW - timedelta(hours=hours), **told)


def order(*articles, past=Past(), seed=STEADY):  # noqa: B008
    return [choice.candidate.id.int for choice in choices(whole_pool(list(articles)), past, seed)]


def test_the_freshest_leads_when_nobody_did_anything():
    assert order(article(1, 5), article(2, 1), article(3, 3)) == [2, 3, 1]


def test_what_people_engage_with_leads():
    assert order(article(1, 5, engagement=40.0), article(2, 1)) == [1, 2]


def test_a_forged_future_date_ranks_as_now():
    assert order(article(1, -999), article(2, 0)) == [1, 2]
    assert order(article(2, -999), article(1, 0)) == [1, 2]


def test_the_maker_of_the_last_three_slides_steps_back():
    articles = (article(1, 1, maker="gazette"), article(2, 9))
    recent = tuple(Shown(maker, None) for maker in ("a", "b", "gazette"))
    assert order(*articles, past=Past(recent=recent)) == [2, 1]
    later = (Shown("c", None), *recent)
    assert order(*articles, past=Past(recent=later)) == [1, 2]


def test_the_category_of_the_last_two_slides_steps_back():
    articles = (article(1, 1, category="sport"), article(2, 9))
    recent = (Shown("a", "arts"), Shown("b", "sport"))
    assert order(*articles, past=Past(recent=recent)) == [2, 1]
    assert order(*articles, past=Past(recent=(Shown("c", None), *recent))) == [1, 2]


def test_items_without_a_category_are_not_of_one_category():
    articles = (article(1, 1, category=None), article(2, 2))
    assert order(*articles, past=Past(recent=(Shown("a", None),))) == [1, 2]


def test_the_propensity_tells_how_likely_each_was():
    pool = whole_pool([article(1, 1), article(2, 2)])
    best, other = choices(pool, Past(), STEADY)
    assert best.propensity == pytest.approx(1 - EXPLORATION / 2)
    assert other.propensity == pytest.approx(EXPLORATION / 2)


def test_a_lucky_seed_explores_and_the_rest_follow_in_order():
    articles = [article(number, number) for number in range(1, 30)]
    firsts = set()
    for _, seed in zip(range(20), seeds(lucky=True), strict=False):
        found = list(choices(whole_pool(articles), Past(), seed))
        assert found[0].explored
        assert not any(choice.explored for choice in found[1:])
        assert [choice.candidate.id.int for choice in found[1:]] == [
            number for number in range(1, 30) if number != found[0].candidate.id.int
        ]
        firsts.add(found[0].candidate.id.int)
    assert len(firsts) > 5


def test_about_one_slide_in_twenty_explores():
    assert 350 < sum(1 for _ in seeds(lucky=True)) < 650


def test_nothing_unseen_gives_nothing():
    one = article(1)
    assert not order(one, past=Past(frozenset({one.id})))
    assert not order()


@given(candidates(), st.lists(st.binary(min_size=1, max_size=8), max_size=6))
def test_a_plan_names_different_unseen_items_and_starts_as_the_choice_would(everything, drawn):
    pool = whole_pool(everything)
    foreseen = plan(pool, Past(), drawn)
    assert len(set(foreseen)) == len(foreseen) == min(len(drawn), len(pool.featured))
    if foreseen:
        assert foreseen[0] == next(choices(pool, Past(), drawn[0])).candidate.id
