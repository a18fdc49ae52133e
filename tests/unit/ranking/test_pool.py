from datetime import timedelta

from hypothesis import given

from server.ranking import pool_of
from server.ranking.pool import FILL_SIZE
from tests.unit.ranking.worlds import NOW, candidate, candidates, numbered, whole_pool


def ids(candidates):
    return [each.id.int for each in candidates]


def test_a_story_is_in_the_pool_once_by_the_version_that_people_engage_with():
    twins = [candidate(1, story=numbered(9)), candidate(2, story=numbered(9), engagement=3.0)]
    assert ids(pool_of(twins, [], at=NOW).featured) == [2]


def test_the_pool_holds_fresh_ones_trending_ones_and_a_sample():
    plain = [
        candidate(number, sort_at=NOW - timedelta(hours=number), engagement=0.0)
        for number in range(1, 101)
    ]
    loved = [
        candidate(number, sort_at=NOW - timedelta(hours=200 + number), engagement=50.0)
        for number in range(101, 111)
    ]
    chosen = set(ids(pool_of([*plain, *loved], [], at=NOW, size=20).featured))
    assert chosen >= set(range(1, 9))
    assert len(chosen & set(range(101, 111))) >= 8
    assert len(chosen) == 20
    assert chosen & set(range(9, 101))


def test_the_sample_changes_with_the_hour_and_only_then():
    many = [candidate(number, sort_at=NOW - timedelta(days=1)) for number in range(1, 400)]
    sample = [
        set(ids(pool_of(many, [], at=NOW + timedelta(minutes=at), size=50).featured))
        for at in (0, 30, 60)
    ]
    assert sample[0] == sample[1] != sample[2]


def test_what_slides_fall_back_on_is_newest_first_and_bounded():
    fill = [
        candidate(number, sort_at=NOW + timedelta(seconds=number))
        for number in range(1, FILL_SIZE + 10)
    ]
    pool = pool_of([], fill, at=NOW)
    assert ids(pool.fill) == list(range(FILL_SIZE + 9, 9, -1))


def test_an_empty_pool_is_a_pool():
    assert pool_of([], [], at=NOW).featured == ()


@given(candidates())
def test_scores_fall_and_stories_differ(everything):
    pool = whole_pool(everything)
    assert list(pool.scores) == sorted(pool.scores, reverse=True)
    stories = [each.story for each in pool.featured]
    assert len(set(stories)) == len(stories)
    assert all(0 <= score <= 1 for score in pool.scores)
