"""`realtime.presence.state`: whatever the network does, replicas end in the same set."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from realtime.presence.state import Change, Delta, Entry, Gap, State

NAMES = ("ada", "bob", "cleo")


def entry(key: str, ref: str, topic: str = "room") -> Entry:
    return Entry(topic, key, ref, {"phx_ref": ref})


def refs(state: State, topic: str = "room") -> set[str]:
    return {each.ref for each in state.on(topic)}


def pair() -> tuple[State, State]:
    return State("a"), State("b")


def test_a_delta_tells_of_joins_and_leaves_once() -> None:
    a, b = pair()
    first = a.add(entry("ada", "1"))
    assert b.merge(a.since(0)) == Change([entry("ada", "1")], [])
    assert b.merge(a.since(0)) == Change([], [])
    known = a.clock
    a.remove(first)
    a.add(entry("ada", "2"))
    delta = a.since(known)
    assert b.merge(delta) == Change([entry("ada", "2")], [entry("ada", "1")])
    assert b.merge(delta) == Change([], [])
    assert refs(b) == {"2"}
    assert b.clocks() == {"b": 0, "a": 3}


def test_what_came_and_went_between_two_deltas_is_not_told() -> None:
    a, b = pair()
    a.remove(a.add(entry("ada", "1")))
    assert a.since(0).added == []
    assert b.merge(a.since(0)) == Change([], [])
    assert b.clocks()["a"] == 2


def test_a_delta_that_does_not_connect_is_a_gap() -> None:
    a, b = pair()
    a.add(entry("ada", "1"))
    a.add(entry("bob", "2"))
    assert b.merge(a.since(1)) == Gap("a", 0)
    assert refs(b) == set()
    b.merge(a.since(0))
    assert refs(b) == {"1", "2"}


def test_an_old_full_state_brings_nobody_back() -> None:
    a, b = pair()
    dot = a.add(entry("ada", "1"))
    old = a.since(0)
    a.remove(dot)
    b.merge(a.since(0))
    assert b.merge(old) == Change([], [])
    assert refs(b) == set()


def test_a_full_state_takes_away_what_is_not_in_it() -> None:
    a, b = State("a", kept=2), State("b")
    dot = a.add(entry("ada", "1"))
    b.merge(a.since(0))
    a.remove(dot)
    for n in range(3):
        a.add(entry("bob", f"b{n}"))
    delta = a.since(1)  # longer ago than is kept
    assert delta.since == 0
    assert b.merge(delta).leaves == [entry("ada", "1")]
    assert refs(b) == {"b0", "b1", "b2"}


def test_a_delta_holds_what_is_new_and_no_more_as_long_as_it_is_kept() -> None:
    a = State("a", kept=3)
    dots = [a.add(entry("ada", f"{n}")) for n in range(3)]
    a.remove(dots[0])  # the fourth number; the second to the fourth are kept
    assert a.since(1) == Delta("a", 1, 4, [(2, entry("ada", "1")), (3, entry("ada", "2"))], [1])
    assert a.since(3) == Delta("a", 3, 4, [], [1])
    assert a.since(4) == Delta("a", 4, 4, [], [])
    a.add(entry("ada", "3"))
    assert a.since(1).since == 0


def test_the_presences_of_a_silent_replica_are_hidden_and_come_back() -> None:
    a, b = pair()
    dot = a.add(entry("ada", "1"))
    b.merge(a.since(0))
    assert b.down("a") == Change([], [entry("ada", "1")])
    assert b.down("a") == Change([], [])
    assert refs(b) == set()
    a.add(entry("ada", "2"))
    assert b.merge(a.since(1)) == Change([], [])  # heard of, but not up yet
    a.remove(dot)
    b.merge(a.since(2))
    assert b.up("a") == Change([entry("ada", "2")], [])
    assert b.up("a") == Change([], [])
    assert refs(b) == {"2"}


def test_a_replica_that_was_forgotten_tells_everything_again() -> None:
    a, b = pair()
    a.add(entry("ada", "1"))
    b.merge(a.since(0))
    assert b.forget("a").leaves == [entry("ada", "1")]
    assert b.clocks() == {"b": 0}
    a.add(entry("bob", "2"))
    assert b.merge(a.since(1)) == Gap("a", 0)
    assert b.forget("nobody") == Change([], [])


def test_nobody_takes_away_or_hides_what_is_its_own() -> None:
    a, _ = pair()
    a.add(entry("ada", "1"))
    assert a.merge(Delta("a", 0, 99, [], [1])) == Change([], [])
    assert a.down("a") == a.forget("a") == Change([], [])
    assert a.remove(99) is None
    assert refs(a) == {"1"}
    assert a.clocks() == {"a": 1}
    assert list(a.topics()) == ["room"]


def test_a_full_state_tells_of_nobody_twice() -> None:
    a, b = State("a", kept=0), State("b")
    a.add(entry("ada", "1"))
    b.merge(a.since(0))
    a.add(entry("bob", "2"))
    assert b.merge(a.since(0)) == Change([entry("bob", "2")], [])


def test_what_is_kept_is_counted_by_what_was_done_and_not_by_who_it_was_done_to() -> None:
    a = State("a", kept=2)
    for dot in [a.add(entry("ada", "1")), a.add(entry("bob", "2"))]:
        a.remove(dot)
    assert a.since(1) == Delta("a", 0, 4, [], [])
    assert a.since(2) == Delta("a", 2, 4, [], [1, 2])


def test_who_keeps_nothing_tells_everything_but_to_those_who_know_it() -> None:
    a = State("a", kept=0)
    for n in range(3):
        a.add(entry("ada", f"{n}"))
    assert a.since(2).since == 0
    assert a.since(3) == Delta("a", 3, 3, [], [])


def test_the_last_thousand_are_kept_unless_told_otherwise() -> None:
    a = State("a")
    for n in range(1_001):
        a.add(entry("ada", f"{n}"))
    assert a.since(1).since == 1
    a.add(entry("ada", "one more"))
    assert a.since(1).since == 0


def test_nothing_is_left_of_a_topic_that_everybody_left() -> None:
    a, b = pair()
    dots = [a.add(entry("ada", "1")), a.add(entry("bob", "2"))]
    b.merge(a.since(0))
    for dot, left in zip(dots, (["room"], []), strict=True):
        a.remove(dot)
        b.merge(a.since(2))
        assert list(a.topics()) == list(b.topics()) == left


class Cluster(RuleBasedStateMachine):
    """Three replicas on a network that loses, repeats and reorders."""

    deltas: Bundle[Any] = Bundle("deltas")

    def __init__(self) -> None:
        super().__init__()
        self.states = {name: State(name, kept=4) for name in NAMES}
        self.dots: dict[str, list[int]] = {name: [] for name in NAMES}
        # What each replica had at each of its numbers: what others know of it must be one of these.
        self.history: dict[str, dict[int, set[str]]] = {name: {0: set()} for name in NAMES}
        self.seen: dict[str, set[str]] = {name: set() for name in NAMES}  # as clients were told
        self.last = 0

    def note(self, name: str) -> None:
        state = self.states[name]
        own = {e.ref for _, e in state.since(0).added}
        self.history[name][state.clock] = own

    def tell(self, name: str, change: Change) -> None:
        joins, leaves = {e.ref for e in change.joins}, {e.ref for e in change.leaves}
        assert not joins & self.seen[name]
        assert leaves <= self.seen[name]
        self.seen[name] = (self.seen[name] | joins) - leaves

    @rule(name=st.sampled_from(NAMES), key=st.sampled_from("xyz"))
    def track(self, name: str, key: str) -> None:
        self.last += 1
        ref = f"{name}{self.last}"
        self.dots[name].append(self.states[name].add(entry(key, ref)))
        self.seen[name].add(ref)
        self.note(name)

    @rule(name=st.sampled_from(NAMES), which=st.integers(0, 9))
    def untrack(self, name: str, which: int) -> None:
        if self.dots[name]:
            dot = self.dots[name].pop(which % len(self.dots[name]))
            gone = self.states[name].remove(dot)
            assert gone is not None
            self.seen[name].discard(gone.ref)
            self.note(name)

    @rule(target=deltas, name=st.sampled_from(NAMES), back=st.integers(0, 6))
    def send(self, name: str, back: int) -> Delta:
        return self.states[name].since(max(0, self.states[name].clock - back))

    @rule(to=st.sampled_from(NAMES), delta=deltas)
    def deliver(self, to: str, delta: Delta) -> None:
        result = self.states[to].merge(delta)
        if isinstance(result, Change):
            self.tell(to, result)

    @rule(to=st.sampled_from(NAMES), delta=deltas)
    def deliver_and_transfer(self, to: str, delta: Delta) -> None:
        result = self.states[to].merge(delta)
        if isinstance(result, Gap):
            result = self.states[to].merge(self.states[result.replica].since(result.known))
            assert isinstance(result, Change)
        self.tell(to, result)

    @rule(at=st.sampled_from(NAMES), name=st.sampled_from(NAMES))
    def down(self, at: str, name: str) -> None:
        self.tell(at, self.states[at].down(name))

    @rule(at=st.sampled_from(NAMES), name=st.sampled_from(NAMES))
    def up(self, at: str, name: str) -> None:
        self.tell(at, self.states[at].up(name))

    @rule(at=st.sampled_from(NAMES), name=st.sampled_from(NAMES))
    def forget(self, at: str, name: str) -> None:
        self.tell(at, self.states[at].forget(name))

    @invariant()
    def what_is_shown_is_what_was_told(self) -> None:
        for name, state in self.states.items():
            assert refs(state) == self.seen[name]

    @invariant()
    def what_is_known_of_a_replica_is_what_it_once_had(self) -> None:
        for state in self.states.values():
            for name, replica in state._replicas.items():
                had = self.history[name][replica.clock]
                assert {e.ref for e in replica.entries.values()} == had

    def teardown(self) -> None:
        """When the network is whole again one exchange makes all of them equal."""
        for one in self.states.values():
            for other in self.states.values():
                if one is not other:
                    one.up(other.replica)
                    result = one.merge(other.since(one.clocks().get(other.replica, 0)))
                    assert isinstance(result, Change)
        everyone = {ref for name in NAMES for ref in self.history[name][self.states[name].clock]}
        assert all(refs(state) == everyone for state in self.states.values())


Cluster.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestCluster = Cluster.TestCase
