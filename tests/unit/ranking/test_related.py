from datetime import timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ranking import Past
from server.ranking.related import RELATED_KINDS, choose
from tests.unit.ranking.worlds import (
    NOW,
    candidate,
    candidates,
    near,
    neighbourhoods,
    numbered,
    whole_pool,
)

FEATURED = candidate(1, kind="ARTICLE", maker="gazette")


def chosen(neighbourhood, *, fill=(), featured=FEATURED, past=Past()):  # noqa: B008
    found = choose(featured, neighbourhood, whole_pool([featured, *fill]), past)
    return found and ([each.id.int for each in found.items], found.relaxations)


def test_the_nearest_three_of_two_kinds_are_chosen_nearest_first():
    around = near(
        (candidate(2), 0.8),
        (candidate(3), 0.7),
        (candidate(4), 0.6),
        (candidate(5, kind="ARTICLE"), 0.5),
    )
    assert chosen(around) == ([2, 3, 5], ())


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"maker": "gazette"}, "a second item of the featured one's maker still stands"),
        ({"kind": "COMMENT", "thread": numbered(77)}, "one comment of a thread still stands"),
    ],
)
def test_one_of_a_kind_is_allowed(told, why):
    around = near(
        (candidate(2, **told), 0.8), (candidate(3), 0.7), (candidate(4, kind="VIDEO"), 0.6)
    )
    assert chosen(around) == ([2, 3, 4], ()), why


def test_no_more_than_two_of_a_maker_stand_on_a_slide_the_featured_counted():
    around = near(
        (candidate(2, maker="gazette"), 0.9),
        (candidate(3, maker="gazette", kind="VIDEO"), 0.8),
        (candidate(4), 0.5),
        (candidate(5), 0.4),
    )
    assert chosen(around) == ([3, 4, 5], ())


def test_no_more_than_two_of_another_maker_stand_beside_it():
    around = near(
        (candidate(2, maker="post"), 0.9),
        (candidate(3, maker="post", kind="VIDEO"), 0.8),
        (candidate(4, maker="post"), 0.7),
        (candidate(5), 0.4),
    )
    assert chosen(around) == ([2, 3, 5], ())


def test_a_thread_gives_one_comment():
    around = near(
        (candidate(2, kind="COMMENT", thread=numbered(77)), 0.9),
        (candidate(3, kind="COMMENT", thread=numbered(77)), 0.8),
        (candidate(4), 0.5),
        (candidate(5), 0.4),
    )
    assert chosen(around) == ([2, 4, 5], ())


def test_a_story_is_told_once():
    around = near(
        (candidate(2, story=FEATURED.story), 0.9),
        (candidate(3, story=numbered(9)), 0.8),
        (candidate(4, story=numbered(9), kind="VIDEO"), 0.7),
        (candidate(5, kind="VIDEO"), 0.5),
        (candidate(6), 0.4),
    )
    assert chosen(around) == ([3, 5, 6], ())


def test_what_was_seen_never_comes_back():
    around = near(
        *(
            (candidate(number, kind="VIDEO" if number % 2 else "TWEET"), 0.5)
            for number in range(2, 8)
        )
    )
    assert chosen(around, past=Past(frozenset({numbered(2), numbered(4)}))) == ([3, 5, 6], ())


def test_of_two_alike_only_one_is_worth_its_place():
    around = near(
        (candidate(2), 0.80),
        (candidate(3), 0.79),
        (candidate(4, kind="VIDEO"), 0.6),
        (candidate(5), 0.5),
        alike={(0, 1): 0.95},
    )
    assert chosen(around) == ([2, 4, 5], ())


def test_of_equals_the_least_ids_win():
    around = near(
        *(
            (candidate(number, kind="VIDEO" if number % 2 else "TWEET"), 0.5)
            for number in (9, 5, 7, 3, 4)
        )
    )
    assert chosen(around) == ([3, 4, 5], ())


@pytest.mark.parametrize(
    ("cosine", "taken"), [(0.24, False), (0.25, True), (0.91, True), (0.92, False)]
)
def test_what_is_too_far_or_a_duplicate_is_no_neighbour(cosine, taken):
    around = near((candidate(2), cosine), (candidate(3), 0.5), (candidate(4, kind="VIDEO"), 0.5))
    assert (chosen(around) is not None) is taken


def test_the_window_widens_first():
    old = NOW - timedelta(days=20)
    around = near(
        (candidate(2), 0.8), (candidate(3), 0.7), (candidate(4, kind="VIDEO", sort_at=old), 0.6)
    )
    assert chosen(around) == ([2, 3, 4], ("window_30d",))


def test_nothing_older_than_the_wide_window_is_near():
    old = NOW - timedelta(days=31)
    around = near(
        (candidate(2), 0.8), (candidate(3), 0.7), (candidate(4, kind="VIDEO", sort_at=old), 0.6)
    )
    assert chosen(around) is None


def test_then_recent_items_of_the_category_fill_up():
    around = near((candidate(2), 0.8), (candidate(3), 0.7))
    fill = [candidate(4, kind="VIDEO"), candidate(5, kind="VIDEO", category="sport")]
    assert chosen(around, fill=fill) == ([2, 3, 4], ("window_30d", "category_recent"))


def test_then_recent_items_of_any_category():
    around = near((candidate(2), 0.8), (candidate(3), 0.7))
    fill = [candidate(5, kind="VIDEO", category="sport")]
    assert chosen(around, fill=fill) == ([2, 3, 5], ("window_30d", "category_recent", "pool"))


def test_then_the_rule_of_two_kinds_gives_way_for_the_nearest():
    around = near((candidate(2), 0.8), (candidate(3), 0.7), (candidate(4), 0.6))
    assert chosen(around, fill=[candidate(5)]) == ([2, 3, 4], ("kinds",))


def test_without_three_there_is_no_slide():
    assert chosen(near((candidate(2), 0.8)), fill=[candidate(3, kind="VIDEO")]) is None


def test_a_crowd_of_one_maker_does_not_hide_the_others():
    around = near(*((candidate(number, maker="post"), 0.5) for number in range(10, 50)))
    fill = [candidate(60, kind="VIDEO", category=None)] + [
        candidate(number, maker="daily") for number in range(70, 170)
    ]
    found, relaxations = chosen(around, fill=fill)
    assert 60 in found
    assert relaxations == ("window_30d", "category_recent", "pool")


@given(st.data())
def test_every_choice_keeps_the_hard_rules_and_is_found_when_there_is_one(data):
    everything = data.draw(candidates(most=12))
    around = data.draw(neighbourhoods(everything))
    seen = frozenset(
        data.draw(st.lists(st.sampled_from([each.id for each in everything]))) if everything else ()
    )
    pool = whole_pool(everything)
    for featured in pool.featured:
        if featured.id in seen:
            continue
        found = choose(featured, around[featured.id], pool, Past(seen))
        triples = [
            triple
            for triple in combinations(
                [each for each in everything if each.id not in seen and each != featured], 3
            )
            if keeps_the_rules(featured, triple)
        ]
        assert (found is not None) == bool(triples)
        if found is None:
            continue
        assert set(found.items) in [set(triple) for triple in triples]
        if any(len({each.kind for each in triple}) > 1 for triple in triples):
            assert len({each.kind for each in found.items}) > 1
            assert "kinds" not in found.relaxations


def keeps_the_rules(featured, triple):
    makers = [featured.maker, *(each.maker for each in triple)]
    threads = [each.thread for each in triple if each.thread]
    return (
        len({featured.story, *(each.story for each in triple)}) == 4
        and max(map(makers.count, makers)) <= 2
        and len(set(threads)) == len(threads)
        and all(each.kind in RELATED_KINDS for each in triple)
    )
