"""What one connection has joined, decided without I/O.

A session turns messages from the client, and the answers and ends of its channels, into
commands for the connection to carry out. It has no clock, no loop and no socket, so that
every rule of the protocol (Phoenix, socket.ex) is a plain function call in a test.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import Struct

from realtime.message import Message, Ref, Reply, same_ref

_NAME_LENGTH = 255
_NOT_FOR_CHANNELS = frozenset({"phx_join", "phx_leave"})


class Send(Struct, frozen=True):
    """Write this to the client."""

    message: Message | Reply


class Start(Struct, frozen=True):
    """Start the channel that is called `key` from now on, and hand it this join."""

    key: int
    join_ref: Ref
    join: Message


class Deliver(Struct, frozen=True):
    """Put this in the inbox of a channel."""

    key: int
    message: Message


class Leave(Struct, frozen=True):
    """Let a channel come to its end once it has done what was asked before."""

    key: int


class End(Struct, frozen=True):
    """End a channel at once: nothing of it may reach the client any more."""

    key: int
    reason: Literal["left", "duplicate_join"]


Command: TypeAlias = Send | Start | Deliver | Leave | End


class _Joined(Struct):
    """One topic of the session, from the join to the last word about it."""

    key: int
    join: Message  # without its payload, which nobody asks for again
    join_ref: Ref  # what the channel signs with
    replaced: tuple[Ref, ...] = ()  # whose phx_close waits for the answer to this join
    answered: bool = False
    leave: Message | None = None


class Session:
    """The channels of one connection, at most one a topic."""

    def __init__(self, routes: Callable[[str], bool], *, limit: int = 100) -> None:
        self._routes = routes
        self._limit = limit
        self._topics: dict[str, _Joined] = {}
        self._keys: dict[int, _Joined] = {}
        self._last_key = 0

    def __len__(self) -> int:
        return len(self._topics)

    def topics(self) -> list[str]:
        """Return what is joined, or about to be."""
        return list(self._topics)

    def addressee(self, message: Message) -> int:
        """Return the key of the channel that an ordinary message is for; 0 leaves it to `receive`.

        It says in one step what `receive` says in a list, for the messages that are most.
        """
        joined = self._topics.get(message.topic)
        if joined is None or joined.leave is not None or message.event in _NOT_FOR_CHANNELS:
            return 0
        ref, own = message.join_ref, joined.join.join_ref
        return joined.key if ref is None or (type(ref) is type(own) and ref == own) else 0

    def receive(self, message: Message) -> list[Command]:
        """Decide what a message from the client asks for."""
        joined = self._topics.get(message.topic)
        if joined is None:
            return self._to_nobody(message)
        if message.event == "phx_join":
            return self._join(message, joined)
        join_ref = message.join_ref
        if join_ref is not None and not same_ref(join_ref, joined.join.join_ref):
            return []  # meant for a channel that this client has since joined again
        if message.event == "phx_leave":
            return self._leave(message, joined)
        return [] if joined.leave else [Deliver(joined.key, message)]

    def answered(self, key: int, status: Literal["ok", "error"], response: object) -> list[Command]:
        """Tell the client how its join went, and only then of the channels it replaced."""
        joined = self._keys.get(key)
        if joined is None:
            return []
        replaced, joined.replaced, joined.answered = joined.replaced, (), True
        if status == "error":
            self._forget(joined)
        join = joined.join
        reply = Reply(join.join_ref, join.ref, join.topic, status, response)
        return [Send(reply), *(_over(join.topic, ref, "phx_close") for ref in replaced)]

    def left(self, key: int) -> list[Command]:
        """Tell the client that the channel it left has come to its end."""
        joined = self._keys.get(key)
        if joined is None or joined.leave is None:
            return []
        self._forget(joined)
        return [_ok(joined.leave), _over(joined.join.topic, joined.join_ref, "phx_close")]

    def ended(self, key: int, *, crashed: bool) -> list[Command]:
        """Tell the client that a channel is over, unless a newer join has replaced it."""
        joined = self._keys.get(key)
        if joined is None:
            return []
        self._forget(joined)
        topic, join_ref = joined.join.topic, joined.join_ref
        return [_over(topic, join_ref, "phx_error" if crashed else "phx_close")]

    def _to_nobody(self, message: Message) -> list[Command]:
        match message:
            case Message(topic="phoenix", event="heartbeat"):
                return [Send(Reply(None, message.ref, "phoenix", "ok", {}))]
            case Message(event="phx_join"):
                return self._join(message, None)
            case Message(event="phx_leave"):
                return [_ok(message)]
            case _:
                return [_refused(message, None, "unmatched topic")]

    def _join(self, join: Message, old: _Joined | None) -> list[Command]:
        if join.topic == "phoenix" or not self._routes(join.topic):
            return [_refused(join, None, "unmatched topic")]
        if old is None and len(self._topics) >= self._limit:
            return [_refused(join, join.join_ref, "too many channels joined")]
        if not (_short(join.topic) and _short(join.join_ref) and _short(join.ref)):
            return [_refused(join, join.join_ref, "too long a name")]
        self._last_key += 1
        join_ref = join.ref if join.join_ref is None else join.join_ref
        kept = Message(join.join_ref, join.ref, join.topic, join.event, None)
        new = _Joined(self._last_key, kept, join_ref)
        commands: list[Command] = []
        if old is not None:
            self._forget(old)
            new.replaced = (*old.replaced, old.join_ref)
            commands = [End(old.key, "duplicate_join"), *([_ok(old.leave)] if old.leave else [])]
        self._topics[join.topic] = self._keys[new.key] = new
        return [*commands, Start(new.key, new.join_ref, join)]

    def _leave(self, leave: Message, joined: _Joined) -> list[Command]:
        if joined.leave is not None:
            return [_ok(leave)]
        joined.leave = leave
        if joined.answered:
            return [Leave(joined.key)]
        # The client has given up on its join: an answer now would make phoenix.js join again.
        closes = [_over(leave.topic, ref, "phx_close") for ref in joined.replaced]
        return [End(joined.key, "left"), *self.left(joined.key), *closes]

    def _forget(self, joined: _Joined) -> None:
        del self._topics[joined.join.topic]
        del self._keys[joined.key]


def _short(name: Ref) -> bool:
    """Say whether a name may be kept for as long as the channel is there."""
    return len(name) <= _NAME_LENGTH if isinstance(name, str) else not isinstance(name, list | dict)


def _ok(message: Message) -> Send:
    return Send(Reply(message.join_ref, message.ref, message.topic, "ok", {}))


def _refused(message: Message, join_ref: Ref, reason: str) -> Send:
    return Send(Reply(join_ref, message.ref, message.topic, "error", {"reason": reason}))


def _over(topic: str, join_ref: Ref, event: Literal["phx_close", "phx_error"]) -> Send:
    payload = {"reason": "channel_crash"} if event == "phx_error" else {}
    return Send(Message(join_ref, join_ref, topic, event, payload))
