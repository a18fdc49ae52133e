"""`realtime.presence.tracker`: a network that loses, repeats and reorders ends in one picture."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.presence.diffs import Diff, shaped
from realtime.presence.messages import Ask, Goodbye, Heartbeat, Said, Transfer, from_bytes, to_bytes
from realtime.presence.state import Change, Entry
from realtime.presence.tracker import Pace, Tracker

PACE = Pace(kept=5)
NAMES = ("a", "b", "c")


def entry(key: str, ref: str) -> Entry:
    return Entry("room", key, ref, {"phx_ref": ref})


def refs(tracker: Tracker) -> set[str]:
    return {each.ref for each in tracker.state.on("room")}


def pair() -> tuple[Tracker, Tracker]:
    return Tracker("a", PACE), Tracker("b", PACE)


def test_a_hello_is_answered_and_what_is_missing_is_asked_for() -> None:
    a, b = pair()
    b.state.add(entry("bob", "1"))
    says, _ = b.hear(a.hello(), 0.0)
    assert says == [Heartbeat("b", 1)]
    says, _ = a.hear(says[0], 0.0)
    assert says == [Ask("b", "a", 0)]
    (transfer,), _ = b.hear(says[0], 0.0)
    assert a.hear(transfer, 0.0) == ([], [Change([entry("bob", "1")], [])])


def test_the_same_is_not_asked_for_twice_within_a_period() -> None:
    a, b = pair()
    b.state.add(entry("bob", "1"))
    beat = Heartbeat("b", 1)
    assert a.hear(beat, 10.0)[0] == [Ask("b", "a", 0)]
    assert a.hear(beat, 11.4)[0] == []
    assert a.hear(beat, 11.5)[0] == [Ask("b", "a", 0)]


def test_after_an_answer_the_next_gap_is_asked_for_at_once() -> None:
    a, b = pair()
    b.state.add(entry("bob", "1"))
    a.hear(Heartbeat("b", 1), 0.0)
    a.hear(Transfer("a", b.state.since(0)), 0.1)
    assert a.hear(Heartbeat("b", 2), 0.2)[0] == [Ask("b", "a", 1)]


def test_what_is_not_for_us_or_from_us_is_nothing() -> None:
    a, b = pair()
    b.state.add(entry("bob", "1"))
    delta = b.state.since(0)
    for said in (
        a.hello(),
        Goodbye("a"),
        Ask("b", "c", 0),
        Transfer("c", delta),
        Transfer("a", delta),  # of somebody who was forgotten meanwhile
    ):
        assert a.hear(said, 0.0) == ([], [])


def test_a_beat_that_did_not_get_out_is_said_again() -> None:
    a, _ = pair()
    a.state.add(entry("ada", "1"))
    first = a.beat()
    a.state.add(entry("ada", "2"))
    second = a.beat()
    assert first is not None
    assert second is not None
    assert second.delta is not None
    assert [each.ref for _, each in second.delta.added] == ["1", "2"]
    a.told(second)
    a.told(first)  # late: it takes nothing back
    assert a.beat() is None


def test_quiet_periods_end_in_a_heartbeat() -> None:
    a, _ = pair()
    assert [a.beat() is not None for _ in range(10)] == [False] * 9 + [True]
    beat = Heartbeat("a", 0)
    assert a.beat() == beat  # until one got out
    a.told(beat)
    assert [a.beat() is not None for _ in range(10)] == [False] * 9 + [True]


def test_silence_hides_and_long_silence_forgets() -> None:
    a, b = pair()
    b.state.add(entry("bob", "1"))
    a.hear(Heartbeat("b", 1, b.state.since(0)), 0.0)
    assert a.look(29.9, deaf=False) == []
    assert [change.leaves for change in a.look(30.0, deaf=False)] == [[entry("bob", "1")]]
    assert a.replicas() == {"b": 0.0}
    a.look(1_199.9, deaf=False)
    assert a.replicas() == {"b": 0.0}
    a.look(1_200.0, deaf=False)
    assert a.replicas() == {}


def test_what_a_beat_brings_is_told() -> None:
    a, b = pair()
    b.state.add(entry("bob", "1"))
    nothing, bob = Change([], []), Change([entry("bob", "1")], [])
    assert a.hear(Heartbeat("b", 1, b.state.since(0)), 0.0) == ([], [nothing, bob])


def test_a_beat_that_does_not_connect_is_asked_about_and_changes_nothing() -> None:
    a, b = pair()
    for ref in ("1", "2"):
        b.state.add(entry("bob", ref))
    said = a.hear(Heartbeat("b", 2, b.state.since(1)), 0.0)
    assert said == ([Ask("b", "a", 0)], [Change([], [])])


def test_a_goodbye_takes_everything_along() -> None:
    a, b = pair()
    b.state.add(entry("bob", "1"))
    a.hear(Heartbeat("b", 1, b.state.since(0)), 0.0)
    assert a.hear(Goodbye("b"), 1.0) == ([], [Change([], [entry("bob", "1")])])
    assert a.replicas() == {}
    # Asked and gone, and back within a period: it is asked again.
    assert a.hear(Heartbeat("b", 1), 2.0)[0] == [Ask("b", "a", 0)]
    a.hear(Goodbye("b"), 2.1)
    assert a.hear(Heartbeat("b", 1), 2.2)[0] == [Ask("b", "a", 0)]


def test_who_is_silent_for_good_is_let_go_of_with_what_was_seen_of_it() -> None:
    a, b = pair()
    b.state.add(entry("bob", "1"))
    a.hear(Heartbeat("b", 1, b.state.since(0)), 0.0)
    assert a.look(1_200.0, deaf=False) == [Change([], [entry("bob", "1")])]


def test_a_hello_that_got_out_tells_nothing_of_what_was_done() -> None:
    a, _ = pair()
    a.state.add(entry("ada", "1"))
    a.told(a.hello())
    beat = a.beat()
    assert beat is not None
    assert beat.delta is not None


def test_the_times_are_those_of_phoenix() -> None:
    pace = Pace()
    assert (pace.broadcast_period_s, pace.max_silent_periods, pace.kept) == (1.5, 10, 1_000)
    assert (pace.down_period_s, pace.permdown_period_s) == (30.0, 1_200.0)


def test_who_hears_nothing_takes_silence_for_no_sign() -> None:
    a, b = pair()
    b.state.add(entry("bob", "1"))
    a.hear(Heartbeat("b", 1, b.state.since(0)), 0.0)
    assert a.look(1_000.0, deaf=True) == []
    assert a.look(1_029.9, deaf=False) == []
    assert refs(a) == {"1"}


class _Network:
    """Three trackers, and what is under way between them."""

    def __init__(self, chance: random.Random) -> None:
        self.trackers = {name: Tracker(name, PACE) for name in NAMES}
        self.live: dict[str, dict[int, str]] = {name: {} for name in NAMES}
        self.wire: list[tuple[str, bytes]] = []  # to whom, what
        self.now = 0.0
        self._chance = chance
        self._last = 0

    def say(self, said: Said) -> None:
        self.wire += [(name, to_bytes(said)) for name in NAMES]

    def deliver(self, place: int, *, keep: bool = False) -> None:
        to, data = self.wire[place]
        if not keep:
            del self.wire[place]
        for answer in self.trackers[to].hear(from_bytes(data), self.now)[0]:
            self.say(answer)

    def tick(self, seconds: float) -> None:
        self.now += seconds
        for tracker in self.trackers.values():
            if (beat := tracker.beat()) is not None:
                self.say(beat)
                tracker.told(beat)
            tracker.look(self.now, deaf=False)

    def join(self, name: str) -> None:
        self._last += 1
        ref = f"{name}{self._last}"
        self.live[name][self.trackers[name].state.add(entry("x", ref))] = ref

    def leave(self, name: str) -> None:
        if self.live[name]:
            dot = self._chance.choice(list(self.live[name]))
            del self.live[name][dot]
            self.trackers[name].state.remove(dot)

    def disturb(self) -> None:
        if self.wire:
            place = self._chance.randrange(len(self.wire))
            if self._chance.random() < 0.2:
                del self.wire[place]  # lost
            else:
                self.deliver(place, keep=self._chance.random() < 0.2)


@given(st.randoms(use_true_random=False), st.integers(5, 60))
@settings(max_examples=150, deadline=None)
def test_trackers_converge(chance: random.Random, steps: int) -> None:
    network = _Network(chance)
    for tracker in network.trackers.values():
        network.say(tracker.hello())
    for _ in range(steps):
        what = chance.choice((network.join, network.leave, None, None, network.tick))
        if what == network.tick:
            network.tick(chance.choice((1.5, 1.5, 10.0, 40.0)))
        elif what is None:
            network.disturb()
        else:
            what(chance.choice(NAMES))
    # The network is whole again: within twenty periods all pictures are one.
    for _ in range(20):
        network.tick(1.5)
        while network.wire:
            network.deliver(0)
    everyone = {ref for live in network.live.values() for ref in live.values()}
    assert [refs(tracker) for tracker in network.trackers.values()] == [everyone] * 3


class _Screen:
    """A client that applies diffs by the rules of the official one."""

    def __init__(self) -> None:
        self.refs: set[str] = set()

    def apply(self, diff: Diff) -> None:
        for sign, side in ((1, diff.joins()), (-1, diff.leaves())):
            for presence in side.values():
                told = {meta["phx_ref"] for meta in presence["metas"]}
                self.refs = self.refs | told if sign > 0 else self.refs - told


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.booleans()), max_size=30))
def test_diffs_joined_say_the_same_as_one_by_one(steps: list[tuple[bool, int, bool]]) -> None:
    here: set[str] = set()
    screen, diff = _Screen(), Diff()
    for joins, number, flush in steps:
        ref = str(number)
        if joins == (ref in here):
            continue
        here ^= {ref}
        diff.add(Change([entry("k", ref)], []) if joins else Change([], [entry("k", ref)]))
        if flush:
            screen.apply(diff)
            diff = Diff()
            assert screen.refs == here
    screen.apply(diff)
    assert screen.refs == here


def test_two_metas_of_a_key_stand_together() -> None:
    assert shaped([entry("a", "1"), entry("b", "2"), entry("a", "3")]) == {
        "a": {"metas": [{"phx_ref": "1"}, {"phx_ref": "3"}]},
        "b": {"metas": [{"phx_ref": "2"}]},
    }
