"""Hours of a day in minutes: clients of every kind come and go, and memory stays flat.

    python -m tests.bench.soak --minutes 30 [--clients 200] [--tier lane|asgi]

Every second it notes the server's memory. At the end everybody leaves: every registry must be as
it was, and the last quarter of the run must need no more memory than the second.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
from pathlib import Path

import httpx2
from msgspec import Struct

from tests.conformance.serving import Server, serving
from tests.crowd import PATIENCE_S, Crowd, Gone, Member

GROWTH = 1.05  # what is left of a run's ups and downs
_ROOMS = 20
# The last is a join that nobody names: it must not take the place of one that somebody waits for.
_NOISE = ('["', "{}", '["1","2","room:1"]', "null", '[null,null,"room:noise","phx_join",7]')


class Report(Struct):
    """What a run came to."""

    seconds: float
    visits: int
    messages: int
    early_mib: float  # the median of the second quarter
    late_mib: float  # of the last
    empty: bool  # every registry is as it was before

    @property
    def flat(self) -> bool:
        return self.late_mib <= self.early_mib * GROWTH


class Soak:
    """One run against one server."""

    def __init__(self, server: Server, clients: int, seconds: float) -> None:
        self._server = server
        self._clients = clients
        self._seconds = seconds
        self._dice = random.Random(1)  # noqa: S311 - the same day each time
        self._visits = self._messages = 0
        self._until = 0.0

    async def run(self) -> Report:
        """Let everybody come and go for a while."""
        loop = asyncio.get_running_loop()
        self._until = loop.time() + self._seconds
        before = await self._measured()
        memory: list[float] = []
        async with Crowd(self._server.port) as crowd, asyncio.TaskGroup() as group:
            for _ in range(self._clients):
                group.create_task(self._live(crowd))
            while loop.time() < self._until:
                memory.append(self._resident_mib())
                await asyncio.sleep(min(1.0, self._seconds / 20))
        quarter = max(1, len(memory) // 4)
        return Report(
            seconds=self._seconds,
            visits=self._visits,
            messages=self._messages,
            early_mib=statistics.median(memory[quarter : 2 * quarter] or memory),
            late_mib=statistics.median(memory[-quarter:]),
            empty=await self._is_again(before),
        )

    async def _live(self, crowd: Crowd) -> None:
        """Visit again and again until the day is over."""
        while asyncio.get_running_loop().time() < self._until:
            (member,) = await crowd.come()
            self._visits += 1
            try:
                await self._visit(member)
            except Gone:
                pass  # it had sent too much nonsense, or read too little
            finally:
                crowd.members.remove(member)
                leave = self._dice.choice((member.transport.abort, member.transport.close))
                leave()

    async def _visit(self, member: Member) -> None:
        topic = f"room:{self._dice.randrange(_ROOMS)}"
        name = str(self._dice.randrange(10_000))
        await self._join(member, topic)
        member.send("l", "l", "lobby:1", "phx_join", {"name": name})
        for _ in range(self._dice.randrange(1, 40)):
            self._say(member, topic)
            if not await self._asked(member, "j", topic, "echo"):
                await self._join(member, topic)  # it has crashed in between
            await asyncio.sleep(self._dice.random() * 0.2)

    async def _join(self, member: Member, topic: str) -> None:
        while not await self._asked(member, "j", topic, "phx_join"):
            pass

    async def _asked(self, member: Member, join_ref: str, topic: str, event: str) -> bool:
        """Ask, and return whether the answer was yes; a crash is none."""
        self._messages += 1
        ref = str(self._messages)
        member.send(join_ref, ref, topic, event, {})
        while True:
            frame = await member.receive()
            if frame[1] == ref:
                return bool(frame[4]["status"] == "ok")
            if frame[2:4] == [topic, "phx_error"] and event != "phx_join":
                return False

    def _say(self, member: Member, topic: str) -> None:
        match self._dice.randrange(12):
            case 0:
                member.send("j", None, topic, "crash", {})
            case 1:
                member.send("1", "1", "attic", "phx_join", {})
            case 2:
                member.send_text(self._dice.choice(_NOISE))
            case 3:
                member.send("l", "x", "lobby:1", "phx_leave", {})
            case 4 | 5:
                member.send("j", None, topic, "shout", {"words": "x" * self._dice.randrange(4_000)})
            case 6:
                member.send("s", "s", "room:slow", "phx_join", {"slow": 0.5})
            case _:
                member.send(None, "b", "phoenix", "heartbeat", {})

    def _resident_mib(self) -> float:
        status = Path(f"/proc/{self._server.process.pid}/status").read_text("ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    async def _measured(self) -> dict[str, int]:
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_S) as http:
            counts: dict[str, int] = (await http.get(f"{self._server.http}/measure")).json()
            return counts

    async def _is_again(self, before: dict[str, int]) -> bool:
        for _ in range(100):
            if await self._measured() == before:
                return True
            await asyncio.sleep(0.1)
        return False


def soak(*, seconds: float, clients: int, tier: str = "lane") -> Report:
    """Run it against a server of its own."""
    with serving("--tier", tier) as server:
        return asyncio.run(Soak(server, clients, seconds).run())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--tier", choices=("lane", "asgi"), default="lane")
    given = parser.parse_args()
    report = soak(seconds=given.minutes * 60, clients=given.clients, tier=given.tier)
    told = {name: getattr(report, name) for name in report.__struct_fields__}
    print(json.dumps({"what": "soak", **told, "flat": report.flat}))
    sys.exit(not (report.empty and report.flat))


if __name__ == "__main__":
    main()
