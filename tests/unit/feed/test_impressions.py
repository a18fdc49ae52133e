from uuid import UUID

from server.feed.cursor import Cursor
from server.feed.impressions import BATCH, MOST_WAITING, Impressions, dropped

READER = UUID(int=5)


def place(session: int = 1) -> Cursor:
    return Cursor("news", UUID(int=session), 1, 4, READER)


def impressions() -> Impressions:
    return Impressions(None)  # type: ignore[arg-type]


def ids(start: int, count: int) -> list[UUID]:
    return [UUID(int=number) for number in range(start, start + count)]


def test_what_was_seen_is_noted_with_its_place_and_once():
    noted = impressions()
    noted.note(place(), 4, ids(1, 2))
    noted.note(place(), 5, ids(2, 2))
    waiting = list(noted._waiting.values())
    assert [(each.item.int, each.seq) for each in waiting] == [(1, 4), (2, 4), (3, 5)]
    assert {(each.session, each.user, each.feed) for each in waiting} == {
        (UUID(int=1), READER, "news")
    }


def test_a_full_batch_is_written_sooner():
    noted = impressions()
    noted.note(place(), 1, ids(1, BATCH - 1))
    assert not noted._full.is_set()
    noted.note(place(), 2, ids(BATCH, 1))
    assert noted._full.is_set()


def test_past_the_bound_the_oldest_are_given_up_and_counted():
    noted = impressions()
    before = dropped._value.get()
    noted.note(place(), 1, ids(1, MOST_WAITING + 7))
    assert len(noted._waiting) == MOST_WAITING
    assert next(iter(noted._waiting))[1].int == 8
    assert dropped._value.get() - before == 7
