"""Refresh tokens, whoever uses which of them when: one line goes on, a stolen one ends all."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from server import auth, users
from server.kernel.clock import FixedClock
from server.kernel.database import Database
from server.kernel.ids import new_id
from server.kernel.services import Policy
from tests.people import a_user

T = TypeVar("T")
POLICY = Policy(secret="a secret of the tests, long enough to be taken", refresh_token_seconds=600)
# What lies about the border of the grace, and of a token's life.
PAUSES = (1, 29, 30, 31, 300, 600)


@dataclass
class Token:
    """A token as its holders know it, in the order in which its family gave them out."""

    secret: str
    expires_at: datetime
    used_at: datetime | None = None
    void: bool = False


@dataclass
class Family:
    """All tokens that came from one sign-in."""

    id: UUID
    tokens: list[Token] = field(default_factory=list)
    ended: bool = False

    def goes_on(self, index: int, now: datetime) -> bool:
        """Whether this token, used now, gives another; if it may not be used, the family ends."""
        token = self.tokens[index]
        if now >= token.expires_at:
            return False
        later = self.tokens[index + 1 :]
        followed = any(other.void or other.used_at is not None for other in later)
        in_grace = token.used_at is not None and now - token.used_at < auth.GRACE
        fresh = token.used_at is None and not token.void
        if self.ended or not (fresh or (in_grace and not followed and not token.void)):
            self.ended = True
            return False
        if fresh:
            token.used_at = now
            for other in self.tokens:
                other.void = other.void or other.used_at is None
        return True


class RefreshTokens(RuleBasedStateMachine):
    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._database = Database(self.url, pool=2)
        self._clock = FixedClock(datetime(2026, 11, 20, tzinfo=UTC))
        self._person = self._run(self._make_person())
        self._families: list[Family] = []

    @precondition(lambda self: len(self._families) < 3)
    @rule()
    def signs_in(self) -> None:
        session = self._run(self._sign_in())
        self._families.append(Family(session.family))
        self._note(self._families[-1], session)

    @precondition(lambda self: self._families)
    @rule(data=st.data())
    def uses_one_of_all_that_there_ever_were(self, data: st.DataObject) -> None:
        family = data.draw(st.sampled_from(self._families))
        # Mostly the newest two, which is what a client and whoever copied its token hold.
        index = data.draw(
            st.one_of(
                st.integers(max(0, len(family.tokens) - 2), len(family.tokens) - 1),
                st.integers(0, len(family.tokens) - 1),
            )
        )
        expected = family.goes_on(index, self._clock.now())
        session = self._run(self._use(family.tokens[index].secret))
        assert (session is not None) == expected
        if session is not None:
            assert session.family == family.id
            self._note(family, session)

    @precondition(lambda self: self._families)
    @rule(data=st.data())
    def signs_out(self, data: st.DataObject) -> None:
        family = data.draw(st.sampled_from(self._families))
        self._run(self._sign_out(family.id))
        family.ended = True

    @rule()
    def ends_all(self) -> None:
        self._run(self._end_all())
        for family in self._families:
            family.ended = True

    @rule(seconds=st.sampled_from(PAUSES))
    def waits(self, seconds: int) -> None:
        self._clock.advance(timedelta(seconds=seconds))

    @rule()
    def guesses(self) -> None:
        assert self._run(self._use("a guess")) is None

    @invariant()
    def what_has_ended_has_ended_once(self) -> None:
        ended, told = self._run(self._read())
        assert ended == {family.id for family in self._families if family.ended}
        assert sorted(told) == sorted(str(each) for each in ended)

    def teardown(self) -> None:
        self._run(self._forget())
        self._run(self._database.close())
        self._runner.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def _note(self, family: Family, session: auth.Session) -> None:
        lives = timedelta(seconds=POLICY.refresh_token_seconds)
        family.tokens.append(Token(session.refresh_token, self._clock.now() + lives))

    async def _make_person(self) -> users.User:
        async with self._database.begin() as db:
            viewer = await a_user(db, f"p{new_id().hex[-12:]}")
            assert viewer.id is not None
            return (await users.by_ids(db, [viewer.id]))[viewer.id]

    async def _sign_in(self) -> auth.Session:
        async with self._database.begin() as db:
            return await auth.open_session(db, POLICY, self._person, self._clock.now())

    async def _use(self, secret: str) -> auth.Session | None:
        async with self._database.begin() as db:
            return await auth.refresh(db, POLICY, secret, self._clock.now())

    async def _sign_out(self, family: UUID) -> None:
        async with self._database.begin() as db:
            await auth.sign_out(db, self._clock.now(), family=family)

    async def _end_all(self) -> None:
        async with self._database.begin() as db:
            await auth.end_all(db, self._person.id, self._clock.now())

    async def _read(self) -> tuple[set[UUID], list[str]]:
        async with self._database.read() as db:
            ended = {f.id for f in self._families if await auth.has_ended(db, f.id)}
            rows = await db.execute(
                text("select key from ops.outbox where topic = 'sign_in.ended'")
            )
            ours = {str(f.id) for f in self._families}
            return ended, [row.key for row in rows if row.key in ours]

    async def _forget(self) -> None:
        async with self._database.begin() as db:
            await auth.forget_person(db, self._person.id)


def test_one_line_goes_on_and_a_stolen_token_ends_the_family(database_url: str) -> None:
    RefreshTokens.url = database_url
    run_state_machine_as_test(
        RefreshTokens, settings=settings(max_examples=40, stateful_step_count=25, deadline=None)
    )
