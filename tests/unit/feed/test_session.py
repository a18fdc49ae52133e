"""Any mix of frames and pages of one session is one sequence without gap or repeat."""

import asyncio
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from server.feed.cursor import Cursor, Cursors
from server.feed.model import Entry
from server.feed.session import ATTEMPTS, MOST_ENTRIES, Asked, Sessions
from server.kernel.problems import Unavailable
from server.kernel.viewer import VISITOR
from tests.unit.feed.ledgers import MemoryLedger


class Memory:
    """What the sessions saw, without a database."""

    def __init__(self):
        self.known = {}

    async def seen(self, session):
        await asyncio.sleep(0)
        return frozenset(self.known.get(session, ()))

    def note(self, place, seq, ids):
        assert seq > 0
        self.known.setdefault(place.session, set()).update(ids)


class Supply:
    """Gives items in order, as many as there are."""

    def __init__(self, count=0):
        self.count = count

    async def next(self, log, count):
        await asyncio.sleep(0)
        unseen = (UUID(int=n) for n in range(1, self.count + 1) if UUID(int=n) not in log.seen())
        return [Entry((each,)) for _, each in zip(range(count), unseen, strict=False)]


class House:
    """Sessions on a ledger in memory."""

    def __init__(self, count=0):
        self.ledger, self.memory, self.supply = MemoryLedger(), Memory(), Supply(count)
        self.sessions = Sessions(
            ledger=self.ledger, cursors=Cursors("a secret for tests"), memory=self.memory
        )

    async def page(self, cursor=None, limit=3, *, shown=False, held=(), feed="news"):
        asked = Asked(
            feed=feed,
            viewer=VISITOR,
            cursor=cursor,
            limit=limit,
            held=frozenset(held),
            seen_when_given=shown,
        )
        return await self.sessions.page(asked, self.supply.next)


def ids(given):
    return [entry.ids[0].int for _, entry in given.entries]


def story(coroutine):
    return asyncio.run(coroutine)


def test_pages_go_on_where_the_last_one_ended_until_there_is_no_more():
    async def read():
        house = House(7)
        cursor, found = None, []
        for more in (True, True, False):
            given = await house.page(cursor)
            assert given.has_more is more
            found += given.entries
            cursor = given.cursor
        assert [seq for seq, _ in found] == list(range(1, 8))
        assert [entry.ids[0].int for _, entry in found] == list(range(1, 8))
        end = await house.page(cursor)
        assert (end.entries, end.has_more, end.cursor) == ([], False, cursor)
        house.supply.count = 9
        assert ids(await house.page(cursor)) == [8, 9]

    story(read())


def test_what_is_asked_for_exactly_leaves_no_more():
    async def read():
        house = House(6)
        assert (await house.page(limit=6)).has_more is False
        assert (await house.page(limit=5)).has_more is True

    story(read())


def test_what_was_looked_at_to_tell_whether_there_is_more_is_not_given_yet():
    async def read():
        house = House(6)
        given = await house.page(limit=3)
        assert house.ledger.logs[given.place.session].tail == 3

    story(read())


def test_a_page_inside_the_ledger_has_more_without_looking():
    async def read():
        house = House(6)
        first = await house.page(limit=1)
        await house.page(first.cursor, limit=5)
        assert (await house.page(first.cursor, limit=2)).has_more is True
        assert (await house.page(first.cursor, limit=5)).has_more is False

    story(read())


@pytest.mark.parametrize("feed", ["news", "foryou"])
def test_a_full_ledger_ends_the_feed_and_keeps_what_was_given(feed):
    async def read():
        most = MOST_ENTRIES[feed]
        house = House(most + 10)
        first = await house.page(limit=most - 2, feed=feed)
        last = await house.page(first.cursor, limit=10, feed=feed)
        assert (len(last.entries), last.has_more) == (2, False)
        end = await house.page(last.cursor, limit=10, feed=feed)
        assert (end.entries, end.has_more, end.restarted) == ([], False, False)

    story(read())


def test_a_lost_ledger_goes_on_behind_the_place_without_what_was_seen():
    async def read():
        house = House(20)
        first = await house.page(limit=4, shown=True)
        house.ledger.logs.clear()
        held = {UUID(int=5)}
        second = await house.page(first.cursor, limit=2, held=held)
        assert second.restarted
        assert ids(second) == [6, 7]
        assert [seq for seq, _ in second.entries] == [5, 6]
        third = await house.page(second.cursor, limit=2)
        assert not third.restarted
        assert ids(third) == [8, 9]

    story(read())


def test_a_ledger_lost_when_nothing_is_left_is_said_once():
    async def read():
        house = House(2)
        first = await house.page(shown=True)
        house.ledger.logs.clear()
        second = await house.page(first.cursor)
        assert (second.restarted, second.entries, second.has_more) == (True, [], False)
        third = await house.page(second.cursor)
        assert (third.restarted, third.entries) == (False, [])

    story(read())


def test_a_cursor_from_before_the_loss_starts_where_the_others_did():
    async def read():
        house = House(20)
        first = await house.page(limit=2, shown=True)
        second = await house.page(first.cursor, limit=2, shown=True)
        house.ledger.logs.clear()
        one = await house.page(first.cursor, limit=3)
        other = await house.page(second.cursor, limit=3)
        assert one.restarted
        assert other.restarted
        assert one.entries == other.entries
        assert one.cursor == other.cursor

    story(read())


def test_a_place_past_the_end_is_not_believed():
    async def read():
        house = House(20)
        first = await house.page(limit=2)
        place = Cursor("news", first.place.session, first.place.epoch, 9)
        given = await house.page(house.sessions.cursor_at(place, 9))
        assert (given.restarted, ids(given)) == (True, [1, 2, 3])

    story(read())


def test_who_is_always_overtaken_is_told_so():
    class Overtaken(MemoryLedger):
        tries = 0

        async def append(self, log, entries):
            self.tries += len(log.entries) == 0 < len(entries)
            return False

    async def read():
        house = House(20)
        house.sessions._ledger = ledger = Overtaken()
        with pytest.raises(Unavailable):
            await house.page()
        assert ledger.tries == ATTEMPTS

    story(read())


class OneSession(RuleBasedStateMachine):
    """Pages and frames of one session, from any place, also at once, also after losses."""

    cursors = Bundle("cursors")

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.house = House(12)
        self.given = {}
        self.epoch = None
        first = self.run(self.house.page(limit=1, shown=True))
        self.first = first.cursor
        self.take(first, None)

    def run(self, coroutine):
        return self.runner.run(coroutine)

    def take(self, given, asked_limit):
        if given.place.epoch != self.epoch:
            self.epoch, self.given = given.place.epoch, {}
        seqs = [seq for seq, _ in given.entries]
        assert seqs == list(range(given.first_seq, given.first_seq + len(seqs)))
        if asked_limit is not None:
            assert len(seqs) == asked_limit or not given.has_more
        for seq, entry in given.entries:
            assert self.given.setdefault(seq, entry) == entry
        shown = [each for entry in self.given.values() for each in entry.ids]
        assert len(shown) == len(set(shown))
        return given.cursor

    @rule(target=cursors)
    def from_the_first(self):
        return self.first

    @rule(target=cursors, cursor=cursors, limit=st.integers(1, 6))
    def page(self, cursor, limit):
        return self.take(self.run(self.house.page(cursor, limit, shown=True)), limit)

    @rule(target=cursors, cursor=consumes(cursors), limit=st.integers(1, 3))
    def frames(self, cursor, limit):
        given = self.run(self.house.page(cursor, limit))
        self.take(given, limit)
        return given.cursor

    @rule(one=cursors, other=cursors, limits=st.lists(st.integers(1, 6), min_size=2, max_size=4))
    def at_once(self, one, other, limits):
        async def together():
            pages = [
                self.house.page(cursor, limit)
                for cursor, limit in zip((one, other, one, other), limits, strict=False)
            ]
            return await asyncio.gather(*pages)

        for given, limit in zip(self.run(together()), limits, strict=False):
            self.take(given, limit)

    @rule(count=st.integers(1, 10))
    def news_comes(self, count):
        self.house.supply.count += count

    @rule()
    def redis_forgets(self):
        self.house.ledger.logs.clear()

    @invariant()
    def what_was_seen_before_a_loss_did_not_come_again(self):
        for log in self.house.ledger.logs.values():
            assert not log.barred & {each for entry in log.entries for each in entry.ids}

    def teardown(self):
        self.runner.close()


TestOneSession = OneSession.TestCase
TestOneSession.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
