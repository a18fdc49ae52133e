"""`realtime.session`: the joins of one connection, against a model of what the client sees."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from realtime.message import Message, Reply
from realtime.session import Command, Deliver, End, Leave, Send, Session, Start

TOPICS = st.sampled_from(["room:1", "room:2", "room:3", "nowhere"])
LIMIT = 2


class SessionMachine(RuleBasedStateMachine):
    """Plays the connection: runs what is started, and ends what is to be ended."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(lambda topic: topic.startswith("room:"), limit=LIMIT)
        self.refs = 0
        self.running: dict[int, tuple[str, str]] = {}  # key -> topic, join_ref
        self.joining: set[int] = set()
        self.leaving: set[int] = set()
        self.asked: dict[str, str] = {}  # ref -> event, not answered yet
        self.owed: list[str] = []  # join_refs of channels of which the client will hear the end

    def key_of(self, topic: str) -> int | None:
        return next((key for key, (name, _) in self.running.items() if name == topic), None)

    def say(self, topic: str, event: str, join_ref: str | None) -> list[Command]:
        self.refs += 1
        ref = str(self.refs)
        self.asked[ref] = event
        join_ref = ref if event == "phx_join" else join_ref
        return self.obey(self.session.receive(Message(join_ref, ref, topic, event, {})))

    def obey(self, commands: list[Command]) -> list[Command]:
        for command in commands:
            match command:
                case Start(key, join_ref, join):
                    assert key not in self.running
                    assert self.key_of(join.topic) is None
                    self.running[key] = join.topic, join_ref
                    self.joining.add(key)
                    self.owed.append(join_ref)
                case End(key):
                    self.forget(key)
                case Deliver(key, message):
                    assert self.running[key][0] == message.topic
                    assert key not in self.leaving
                    del self.asked[message.ref]
                case Leave(key):
                    assert key not in self.joining
                    self.leaving.add(key)
                case Send(Reply(ref=ref)):
                    assert self.asked.pop(ref)
                case Send(Message(event=event, join_ref=join_ref)):
                    assert event in ("phx_close", "phx_error")
                    self.owed.remove(join_ref)
        return commands

    def forget(self, key: int) -> None:
        del self.running[key]
        self.joining.discard(key)
        self.leaving.discard(key)

    @rule(topic=TOPICS)
    def join(self, topic: str) -> None:
        old = self.key_of(topic)
        full = old is None and len(self.running) >= LIMIT
        commands = self.say(topic, "phx_join", None)
        started = any(isinstance(command, Start) for command in commands)
        assert started == (topic != "nowhere" and not full)

    @rule(topic=TOPICS, known=st.booleans())
    def speak(self, topic: str, known: bool) -> None:
        key = self.key_of(topic)
        join_ref = self.running[key][1] if known and key is not None else None
        commands = self.say(topic, "say", join_ref)
        delivered = [command for command in commands if isinstance(command, Deliver)]
        assert bool(delivered) == (key is not None and key not in self.leaving)

    @rule(topic=TOPICS, event=st.sampled_from(["say", "phx_leave"]))
    def speak_to_the_past(self, topic: str, event: str) -> None:
        joined = self.key_of(topic) is not None
        assert bool(self.say(topic, event, "long ago")) == (not joined)

    @rule(topic=TOPICS)
    def leave(self, topic: str) -> None:
        key = self.key_of(topic)
        self.say(topic, "phx_leave", None if key is None else self.running[key][1])
        assert self.key_of(topic) is None or key in self.leaving

    @precondition(lambda self: self.joining)
    @rule(data=st.data(), ok=st.booleans())
    def join_is_answered(self, data: st.DataObject, ok: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.joining)))
        join_ref = self.running[key][1]
        commands = self.session.answered(key, "ok" if ok else "error", {})
        self.joining.discard(key)
        if not ok:
            self.forget(key)
            self.owed.remove(join_ref)
        first, *others = commands
        assert isinstance(first, Send)
        assert isinstance(first.message, Reply)
        assert all(isinstance(other, Send) and other.message.event == "phx_close"  # type: ignore[union-attr]
                   for other in others)  # fmt: skip
        self.obey(commands)

    @precondition(lambda self: self.leaving)
    @rule(data=st.data())
    def leave_is_done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.leaving)))
        self.forget(key)
        assert len(self.obey(self.session.left(key))) == 2

    @rule(data=st.data(), crashed=st.booleans())
    def channel_ends(self, data: st.DataObject, crashed: bool) -> None:
        open_keys = sorted(self.running.keys() - self.joining)
        key = data.draw(st.sampled_from([*open_keys, -1]))
        commands = self.obey(self.session.ended(key, crashed=crashed))
        assert bool(commands) == (key in self.running)
        if key in self.running:
            self.forget(key)

    @rule()
    def heartbeat(self) -> None:
        (command,) = self.say("phoenix", "heartbeat", None)
        assert isinstance(command, Send)

    @invariant()
    def one_channel_a_topic_within_the_limit(self) -> None:
        topics = [topic for topic, _ in self.running.values()]
        assert len(topics) == len(set(topics)) <= LIMIT
        assert len(self.session) == len(topics)

    @invariant()
    def the_client_will_hear_of_every_channel_that_is_there(self) -> None:
        for _, join_ref in self.running.values():
            assert join_ref in self.owed


TestSession = SessionMachine.TestCase
