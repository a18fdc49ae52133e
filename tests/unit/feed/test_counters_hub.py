import asyncio
from itertools import pairwise
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from realtime import Frame
from realtime.message import pack
from realtime.testing import run
from server.engagement import ItemCounts
from server.feed.counters_hub import CountersHub, Watcher
from server.feed.model import WATCHED_MOST


class Screen:
    """A channel that remembers when it was sent what."""

    def __init__(self, topic="feed:news"):
        self.topic = topic
        self.frames = []

    def push_frame(self, frame):
        self.frames.append((asyncio.get_running_loop().time(), frame))

    @property
    def told(self):
        """Every frame as (time in ms, {item: likes})."""
        return [(round(at * 1000), likes_of(frame)) for at, frame in self.frames]


def likes_of(frame):
    items = msgspec.json.decode(frame.payload)["items"]
    return {UUID(item["id"]).int: item["likes"] for item in items}


class Node:
    """A hub on the loop's virtual clock, and the counters in its database."""

    def __init__(self):
        self.made = 0
        self.database = {}
        self.asked = []
        self.fails = 0
        self.hub = CountersHub(
            make_frame=self.frame, read=self.read, timer=asyncio.get_running_loop()
        )

    def frame(self, topic, event, payload):
        self.made += 1
        return Frame(topic, event, pack(payload))

    async def read(self, ids):
        self.asked.append(len(ids))
        await asyncio.sleep(0.02)
        if self.fails:
            self.fails -= 1
            raise ConnectionError
        return [self.database[each] for each in ids if each in self.database]

    def screen(self, *items, topic="feed:news"):
        watcher = Watcher(Screen(topic))
        self.hub.watch(watcher, map(item, items))
        return watcher

    def likes(self, **counts):
        """`likes(i1=5)`: item 1 has 5 likes now, which is its fifth version."""
        self.hub.changed([counted(int(name[1:]), number) for name, number in counts.items()])


def item(number):
    return UUID(int=number)


def counted(number, likes):
    return ItemCounts(id=item(number), version=likes, likes=likes)


def test_the_first_change_goes_out_at_once():
    async def story():
        node = Node()
        watcher = node.screen(1)
        node.likes(i1=1)
        assert watcher.screen.told == [(0, {1: 1})]

    run(story())


def test_what_moves_while_a_screen_rests_goes_out_as_one_frame_after_100_ms():
    async def story():
        node = Node()
        watcher = node.screen(1, 2, 3)
        for likes in range(1, 9):
            node.likes(i1=likes, i2=likes)
            await asyncio.sleep(0.03)
        node.likes(i3=7)
        await asyncio.sleep(1)
        assert watcher.screen.told == [
            (0, {1: 1, 2: 1}),
            (100, {1: 4, 2: 4}),
            (200, {1: 7, 2: 7}),
            (300, {1: 8, 2: 8, 3: 7}),
        ]

    run(story())


def test_a_rested_screen_is_told_at_once_again():
    async def story():
        node = Node()
        watcher = node.screen(1)
        node.likes(i1=1)
        await asyncio.sleep(0.5)
        node.likes(i1=2)
        assert watcher.screen.told == [(0, {1: 1}), (500, {1: 2})]

    run(story())


def test_screens_that_are_owed_the_same_share_one_frame():
    async def story():
        node = Node()
        alike = [node.screen(1, number) for number in range(100, 150)]
        other = node.screen(1, 2)
        node.likes(i1=1, i2=1)
        assert node.made == 2
        assert len({id(watcher.screen.frames[0][1]) for watcher in alike}) == 1
        node.likes(i1=2, i2=2)
        await asyncio.sleep(0.1)
        assert node.made == 4
        assert other.screen.told[1] == (100, {1: 2, 2: 2})

    run(story())


def test_topics_do_not_share_frames():
    async def story():
        node = Node()
        screens = [node.screen(1, topic=topic) for topic in ("feed:news", "feed:foryou")]
        node.likes(i1=1)
        assert [w.screen.frames[0][1].topic for w in screens] == ["feed:news", "feed:foryou"]

    run(story())


def test_an_older_version_that_comes_late_is_passed_over():
    async def story():
        node = Node()
        watcher = node.screen(1)
        for likes in (3, 2, 3, 4):
            node.likes(i1=likes)
        await asyncio.sleep(1)
        assert watcher.screen.told == [(0, {1: 3}), (100, {1: 4})]

    run(story())


def test_what_is_not_watched_any_more_is_not_told_even_if_it_was_owed():
    async def story():
        node = Node()
        watcher = node.screen(1, 2)
        node.likes(i1=1)
        node.likes(i1=2, i2=2)
        node.hub.unwatch(watcher, [item(1), item(9)])
        await asyncio.sleep(0.1)
        node.likes(i1=3)
        await asyncio.sleep(1)
        assert watcher.screen.told == [(0, {1: 1}), (100, {2: 2})]

    run(story())


def test_who_left_is_told_nothing_and_leaves_nothing_behind():
    async def story():
        node = Node()
        watcher = node.screen(1, 2)
        node.likes(i1=1)
        node.likes(i1=2)
        node.hub.leave(watcher)
        await asyncio.sleep(1)
        assert watcher.screen.told == [(0, {1: 1})]
        assert not node.hub._items
        assert not node.hub._resting

    run(story())


def test_watching_again_changes_nothing():
    async def story():
        node = Node()
        watcher = node.screen(1)
        node.hub.watch(watcher, [item(1)])
        node.likes(i1=1)
        assert len(watcher.screen.told) == 1

    run(story())


def test_a_screen_watches_so_many_and_lets_the_longest_watched_go():
    async def story():
        node = Node()
        watcher = node.screen(*range(WATCHED_MOST))
        node.hub.watch(watcher, [item(0), item(900)])
        node.likes(i0=1, i1=1, i900=1)
        assert watcher.screen.told == [(0, {0: 1, 900: 1})]

    run(story())


def test_after_a_gap_what_is_watched_is_read_again_and_only_news_is_told():
    async def story():
        node = Node()
        watchers = [node.screen(1, 2), node.screen(1)]
        node.likes(i1=1, i2=1)
        node.database = {item(1): counted(1, 1), item(2): counted(2, 5)}
        node.hub.reread()
        await asyncio.sleep(1)
        assert watchers[0].screen.told == [(0, {1: 1, 2: 1}), (100, {2: 5})]
        assert watchers[1].screen.told == [(0, {1: 1})]

    run(story())


def test_many_are_read_in_batches_one_reading_at_a_time():
    async def story():
        node = Node()
        for start in range(0, 1200, 50):
            node.screen(*range(start, start + 50))
        node.hub.reread()
        node.hub.reread()
        await asyncio.sleep(0.03)
        node.hub.reread()
        await asyncio.sleep(10)
        assert node.asked == [500, 500, 200] * 2

    run(story())


def test_a_database_that_does_not_answer_is_asked_again():
    async def story():
        node = Node()
        watcher = node.screen(1)
        node.database = {item(1): counted(1, 2)}
        node.fails = 3
        node.hub.reread()
        await asyncio.sleep(10)
        assert [likes for _, likes in watcher.screen.told] == [{1: 2}]
        await node.hub.close()

    run(story())


def test_closing_stops_a_reading():
    async def story():
        node = Node()
        node.screen(1)
        node.hub.reread()
        await asyncio.sleep(0)
        await node.hub.close()
        assert node.hub._rereading is None

    run(story())


class Storm(Node):
    """Three screens and four items, on which anything happens."""

    def __init__(self):
        super().__init__()
        self.screens = [self.screen(1, 2) for _ in range(3)]
        self.now = dict.fromkeys(range(1, 5), 0)

    def like(self, number):
        self.now[number] += 1
        self.hub.changed([counted(number, self.now[number])])

    async def step(self, what, which, number, wait):
        match what:
            case "like":
                self.like(number)
            case "wait":
                await asyncio.sleep(wait / 1000)
            case "watch":
                self.hub.watch(self.screens[which], [item(number)])
            case _:
                self.hub.unwatch(self.screens[which], [item(number)])

    async def settle(self):
        """What moves once everything is watched must be on every screen in the end."""
        for watcher in self.screens:
            self.hub.watch(watcher, map(item, self.now))
        for number in self.now:
            self.like(number)
        await asyncio.sleep(1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("like", "wait", "watch", "unwatch")),
            st.integers(0, 2),
            st.integers(1, 4),
            st.integers(1, 150),
        ),
        max_size=40,
    )
)
def test_no_screen_is_told_oftener_than_ten_times_a_second_nor_left_behind(steps):
    async def story():
        storm = Storm()
        for step in steps:
            await storm.step(*step)
        await storm.settle()
        for watcher in storm.screens:
            times = [at for at, _ in watcher.screen.frames]
            assert all(after - before >= 0.1 - 1e-9 for before, after in pairwise(times))
            last = {}
            for _, told in watcher.screen.told:
                assert all(last.get(each, 0) < count for each, count in told.items())
                last |= told
            assert last.items() >= storm.now.items()

    run(story())
