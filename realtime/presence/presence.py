"""What an app uses: track a channel under a key, list who is on a topic."""

import asyncio
import contextlib
import itertools
import time
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeAlias

import msgspec
from msgspec import Struct

from realtime.channel import Channel, Refused
from realtime.endpoint import Endpoint
from realtime.guard import Raised, guarded
from realtime.message import Broadcast
from realtime.presence.diffs import Diff, Pending, Presences, shaped
from realtime.presence.messages import Goodbye, Heartbeat, Said, from_bytes, to_bytes
from realtime.presence.state import Change, Entry
from realtime.presence.tracker import Pace, Tracker
from realtime.telemetry import ChannelCrashed, MalformedReceived

Meta: TypeAlias = Mapping[str, Any]
_CALLBACK_S = 5.0


class _Tracked(Struct):
    """One presence of a channel of this node."""

    dot: int
    entry: Entry


class Presence:
    """Who is where, on all nodes. Start it beside the endpoint; subclass it to fetch or observe.

    A channel's presences leave by themselves when it ends, and those of a node that died when
    it has been silent for `Pace.down_period_s`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        name: str = "presence",
        pace: Pace = Pace(),  # noqa: B008 - frozen
        leave_on_stop: bool = False,
    ) -> None:
        """`leave_on_stop`: presences leave at once; else the others wait for clients to return."""
        self.tracker = Tracker(endpoint.name, pace)
        self._endpoint = endpoint
        self._topic = f"phx:presence:{name}"
        self._pace = pace
        self._leave_on_stop = leave_on_stop
        self._tracked: dict[Channel, dict[tuple[str, str], _Tracked]] = {}
        self._pending = Pending()
        self._telling: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._open = contextlib.ExitStack()
        self._numbers = itertools.count()

    async def start(self) -> None:
        """Begin to tell the other nodes, and to hear them."""
        self._open.callback(self._endpoint.subscribe(self._topic, self._heard))
        self._open.callback(self._endpoint.on_gap(self._greet))
        self._beating = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        """Tell and hear nothing more."""
        if self._beating is not None:
            self._beating.cancel()
        if self._leave_on_stop:
            await self._say(Goodbye(self.tracker.replica))
        self._open.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    # What a channel does.

    def track(
        self, channel: Channel, key: object, meta: Meta | None = None, *, topic: str | None = None
    ) -> str:
        """Make a channel present under a key, and return the phx_ref.

        Refused if it is already, or if its client's rate of `presence` is used up.
        """
        place = (topic or channel.topic, str(key))
        if place in self._tracked.get(channel, {}):
            raise Refused("already_tracked")
        channel.engine.be_present()
        first = channel not in self._tracked
        entry = self._put(channel, place, meta or {})
        self._tell(Change([entry], []))
        if first:
            channel.engine.on_end(lambda: self.untrack(channel))
        return entry.ref

    def update(
        self,
        channel: Channel,
        key: object,
        meta: Meta | Callable[[dict[str, Any]], Meta],
        *,
        topic: str | None = None,
    ) -> str:
        """Say something else of a presence, and return its new phx_ref.

        Refused without one, or if its client's rate of `presence` is used up.
        """
        place = (topic or channel.topic, str(key))
        tracked = self._tracked.get(channel, {}).get(place)
        if tracked is None:
            raise Refused("nopresence")
        channel.engine.be_present()
        old = tracked.entry
        said = meta(dict(old.meta)) if callable(meta) else meta
        self.tracker.state.remove(tracked.dot)
        entry = self._put(channel, place, {**said, "phx_ref_prev": old.ref})
        self._tell(Change([entry], [old]))
        return entry.ref

    def untrack(self, channel: Channel, key: object = None, *, topic: str | None = None) -> None:
        """Take away one presence of a channel, or all where no key is named."""
        own = self._tracked.get(channel, {})
        places = tuple(own) if key is None else ((topic or channel.topic, str(key)),)
        for place in places:
            tracked = own.pop(place, None)
            if tracked is not None and self.tracker.state.remove(tracked.dot) is not None:
                self._tell(Change([], [tracked.entry]))
        if not own:
            self._tracked.pop(channel, None)

    # What anybody asks.

    async def get_by_key(self, of: Channel | str, key: object) -> dict[str, Any] | None:
        """Return the presence of one key on a topic."""
        here = shaped(entry for entry in self._on(of) if entry.key == str(key))
        return (await self._fetched(_topic_of(of), here)).get(str(key))

    async def list(self, of: Channel | str) -> Presences:
        """Return who is on a topic: what a channel pushes as `presence_state` after a join."""
        return await self._fetched(_topic_of(of), shaped(self._on(of)))

    # What an app may override.

    async def fetch(self, topic: str, presences: Presences) -> Presences:  # noqa: ARG002
        """Add to each key, keeping `metas`. Called once for a list, or a side of a diff."""
        return presences

    async def handle_metas(
        self, topic: str, joins: Presences, leaves: Presences, presences: Presences
    ) -> None:
        """Observe what changed on a topic, on every node; `presences` is who is there now."""

    # Inside.

    def _on(self, of: Channel | str) -> Any:
        return self.tracker.state.on(_topic_of(of))

    def _put(self, channel: Channel, place: tuple[str, str], meta: Meta) -> Entry:
        said = {**msgspec.to_builtins(meta, str_keys=True), "phx_ref": self._ref()}
        entry = Entry(*place, said["phx_ref"], said)
        dot = self.tracker.state.add(entry)
        self._tracked.setdefault(channel, {})[place] = _Tracked(dot, entry)
        return entry

    def _ref(self) -> str:
        """Sixteen characters: when, which node, and a number."""
        node = zlib.crc32(self.tracker.replica.encode()) & 0xFFFF
        number = next(self._numbers) & 0xFFFF
        parts = (time.time_ns().to_bytes(8, "big"), node.to_bytes(2, "big"))
        return urlsafe_b64encode(b"".join((*parts, number.to_bytes(2, "big")))).decode()

    def _tell(self, change: Change) -> None:
        self._pending.add(change)
        if self._pending and self._telling is None:
            self._telling = self._endpoint.node.spawn(self._tell_pending())

    async def _tell_pending(self) -> None:
        """Send the diffs of a tick; those that come while one is fetched are joined meanwhile."""
        try:
            while self._pending:
                for topic, diff in self._pending.take().items():
                    await self._tell_one(topic, diff)
        finally:
            self._telling = None

    async def _tell_one(self, topic: str, diff: Diff) -> None:
        joins = await self._fetched(topic, diff.joins())
        leaves = await self._fetched(topic, diff.leaves())
        payload = {"joins": joins, "leaves": leaves}
        self._endpoint.local_broadcast(topic, "presence_diff", payload)
        if type(self).handle_metas is not Presence.handle_metas:
            here = shaped(self._on(topic))
            await self._guarded("handle_metas", self.handle_metas(topic, joins, leaves, here))

    async def _fetched(self, topic: str, presences: Presences) -> Presences:
        """Let the app add what it knows; without that word what is known is told all the same."""
        if type(self).fetch is Presence.fetch or not presences:
            return presences
        fetched = await self._guarded("fetch", self.fetch(topic, presences))
        return presences if fetched is None else fetched

    async def _guarded(self, callback: str, work: Any) -> Any:
        result = await guarded(asyncio.wait_for(work, _CALLBACK_S))
        if isinstance(result, Raised):
            self._endpoint.telemetry.emit(ChannelCrashed(self._topic, callback, result.error))
            return None
        return result

    # Between nodes.

    async def _beat(self) -> None:
        await self._say(self.tracker.hello())
        while True:
            await asyncio.sleep(self._pace.broadcast_period_s)
            beat = self.tracker.beat()
            if beat is not None and await self._say(beat):
                self.tracker.told(beat)
            deaf = not self._endpoint.pubsub.connected
            for change in self.tracker.look(_now(), deaf=deaf):
                self._tell(change)

    def _heard(self, broadcast: Broadcast) -> None:
        try:
            said = from_bytes(bytes(broadcast.payload))
        except msgspec.DecodeError:
            self._endpoint.telemetry.emit(MalformedReceived("no word of a tracker, between nodes"))
            return
        says, changes = self.tracker.hear(said, _now())
        for answer in says:
            self._endpoint.node.spawn(self._answer(answer))
        for change in changes:
            self._tell(change)

    def _greet(self) -> None:
        self._endpoint.node.spawn(self._answer(self.tracker.hello()))

    async def _answer(self, said: Said) -> None:
        await self._say(said)

    async def _say(self, said: Said) -> bool:
        kind = "beat" if isinstance(said, Heartbeat) else "word"
        try:
            await self._endpoint.broadcast(self._topic, kind, to_bytes(said))
        except Refused:  # nothing gets out: the next heartbeat says it all
            return False
        return True


def _topic_of(of: Channel | str) -> str:
    return of if isinstance(of, str) else of.topic


def _now() -> float:
    return asyncio.get_running_loop().time()
