"""What people do with their accounts: addresses, passwords, sign-ins, leaving; by real letters."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import msgspec
import pytest
from sqlalchemy import text
from starlette.applications import Starlette

from jobs import schedule
from jobs.accounts import letters as letter_job
from realtime.testing import connect
from server import auth, users
from server.auth.letters import LIFETIMES, MOST_LETTERS
from server.catalog import REACTIONS
from server.kernel.clock import FixedClock
from server.kernel.mail import Letter, MailRefused, MailUnavailable
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.users import COME_BACK_WITHIN
from tests.integration.conftest import client_of

pytestmark = pytest.mark.anyio

ADA = {"username": "Ada_L", "email": "ada@example.org", "password": "correct horse"}
LINK = re.compile(r"http://lumen\.test/#(verify-email|reset-password)=([\w-]+)")


class Postbox:
    """A mailer that keeps what it was given."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.raises: Exception | None = None

    async def send(self, letter: Letter) -> None:
        if self.raises is not None:
            raise self.raises
        self.letters.append(letter)

    def token(self) -> str:
        """The token of the last letter's link."""
        found = LINK.search(self.letters[-1].text)
        assert found is not None
        return found[2]


class House:
    """The app's services with a postbox and a clock that a test turns, and what works for them."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.node = app.state.node
        self.post = Postbox()
        self.clock = FixedClock(self.node.services.clock.now())
        given: Services = self.node.services
        policy = msgspec.structs.replace(
            given.policy, page_url="http://lumen.test", rate_limits=False
        )
        self.node._services = msgspec.structs.replace(
            given, mailer=self.post, clock=self.clock, policy=policy
        )

    @property
    def services(self) -> Services:
        services: Services = self.node.services
        return services

    async def work(self) -> None:
        """Tell what there is to tell, and send what there is to send."""
        relay = Relay(self.services, by_topic(REACTIONS))
        while await relay.deliver():
            pass
        async with self.services.database.read() as db:
            waiting = await auth.unsent_letters(db, self.clock.now(), 100)
        for token_id in waiting:
            await letter_job.send(self.services, auth.SendLetter(token_id))


@pytest.fixture
def house(app: Starlette) -> House:
    return House(app)


@pytest.fixture
async def other(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app) as opened:
        yield opened


async def _registered(client: httpx2.AsyncClient, **change: str) -> str:
    answer = await client.post("/auth/register", json=ADA | change)
    assert answer.status_code == 201, answer.text
    token = str(answer.json()["access_token"])
    client.headers["authorization"] = f"Bearer {token}"
    return token


async def _sign_in(client: httpx2.AsyncClient, password: str, **more: Any) -> httpx2.Response:
    client.headers.pop("authorization", None)
    given = {"login": ADA["email"], "password": password, **more}
    answer = await client.post("/auth/login", json=given)
    if answer.status_code == 200:
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
    return answer


async def test_an_address_is_confirmed_by_a_link_that_works_once(
    house: House, client: httpx2.AsyncClient
) -> None:
    await _registered(client)
    assert (await client.get("/auth/me")).json()["email_verified"] is False
    await house.work()
    (letter,) = house.post.letters
    assert letter.to == ADA["email"]
    assert (await client.post("/auth/email/verify", json={"token": "x" * 43})).status_code == 410
    link = {"token": house.post.token()}
    assert (await client.post("/auth/email/verify", json=link)).status_code == 204
    assert (await client.get("/auth/me")).json()["email_verified"] is True
    again = await client.post("/auth/email/verify", json=link)
    assert (again.status_code, again.json()["reason"]) == (410, "link_invalid")
    # Nothing is left to confirm, so nothing is sent.
    assert (await client.post("/auth/email/resend")).status_code == 204
    await house.work()
    assert len(house.post.letters) == 1


@pytest.mark.row("M-12")
async def test_a_forgotten_password_is_replaced_and_every_sign_in_ends(
    house: House, client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    token = await _registered(client)
    screen = await connect(house.node.endpoint, auth_token=token)
    asked = await other.post("/auth/password/forgot", json={"email": "ADA@example.org"})
    assert asked.status_code == 204
    await house.work()
    assert "Choose a new password" in house.post.letters[-1].subject
    given = {"token": house.post.token(), "password": "battery staple"}
    assert (
        await other.post("/auth/email/verify", json={"token": given["token"]})
    ).status_code == 410
    assert (await other.post("/auth/password/reset", json=given)).status_code == 204
    assert (await other.post("/auth/password/reset", json=given)).status_code == 410
    assert (await _sign_in(other, ADA["password"])).status_code == 401
    assert (await _sign_in(other, "battery staple")).status_code == 200
    assert (await client.post("/auth/refresh")).status_code == 401
    await house.work()
    assert (await screen.wait_closed()).code == 1001
    # Whoever reads the letter has shown that the address is theirs.
    assert (await other.get("/auth/me")).json()["email_verified"] is True


async def test_nobody_learns_whose_addresses_are_known(
    house: House, client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    await _registered(client)
    await house.work()
    house.post.letters.clear()
    answers = []
    for email in (ADA["email"], "nobody@example.org"):
        answer = await other.post("/auth/password/forgot", json={"email": email})
        kept = {n: v for n, v in answer.headers.items() if n != "x-request-id"}
        answers.append((answer.status_code, answer.content, kept))
        # The same is written for both, and only later looked at: it takes as long.
        async with house.services.database.read() as db:
            rows = await db.execute(text("select topic from ops.outbox where topic like 'pass%'"))
            assert len(rows.all()) == len(answers)
    assert answers[0] == answers[1]
    await house.work()
    assert [letter.to for letter in house.post.letters] == [ADA["email"]]


async def test_links_end_and_are_few(house: House, client: httpx2.AsyncClient) -> None:
    await _registered(client)
    for _ in range(MOST_LETTERS + 2):
        await client.post("/auth/password/forgot", json={"email": ADA["email"]})
    await house.work()
    # The one of the registration is counted too.
    assert len(house.post.letters) == MOST_LETTERS
    given = {"token": house.post.token(), "password": "battery staple"}
    house.clock.advance(LIFETIMES["reset_password"])
    assert (await client.post("/auth/password/reset", json=given)).status_code == 410


async def test_the_table_holds_no_token_and_a_second_sending_says_the_same(
    house: House, client: httpx2.AsyncClient
) -> None:
    await _registered(client)
    house.post.raises = MailUnavailable("away")
    with pytest.raises(MailUnavailable):
        await house.work()
    house.post.raises = None
    # The queue was lost; the sweep finds what has not left.
    await house.services.redis.flushall()
    await schedule.send_letters(house.services)
    assert (await house.services.queue.depths())["mail"].waiting == 1
    await house.work()
    await house.work()
    assert len(house.post.letters) == 1
    async with house.services.database.read() as db:
        row = (await db.execute(text("select * from ops.one_time_tokens"))).one()
        queued = [row async for row in _everything(house)]
    assert house.post.token().encode() not in bytes(row.digest)
    assert house.post.token() not in str(tuple(row))
    assert not any(house.post.token().encode() in value for value in queued)


async def _everything(house: House) -> AsyncIterator[bytes]:
    redis = house.services.redis
    async for key in redis.scan_iter("*"):
        dumped = await redis.dump(key)
        yield dumped or b""


async def test_a_letter_that_is_refused_for_good_is_not_tried_again(
    house: House, client: httpx2.AsyncClient
) -> None:
    await _registered(client)
    house.post.raises = MailRefused("The mail server said 550.")
    await house.work()
    async with house.services.database.read() as db:
        assert await auth.unsent_letters(db, house.clock.now(), 10) == []


async def test_another_address_becomes_ones_own_with_the_link_that_came_to_it(
    house: House, client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    await _registered(client)
    await other.post("/auth/password/forgot", json={"email": ADA["email"]})
    await house.work()
    to_the_old = house.post.token()
    change = {"email": "lovelace@example.org", "password": "wrong"}
    assert (await client.put("/auth/email", json=change)).status_code == 401
    change["password"] = ADA["password"]
    assert (await client.put("/auth/email", json=change)).status_code == 204
    await house.work()
    assert house.post.letters[-1].to == "lovelace@example.org"
    assert (await client.get("/auth/me")).json()["email"] == ADA["email"]
    link = {"token": house.post.token()}
    assert (await other.post("/auth/email/verify", json=link)).status_code == 204
    me = (await client.get("/auth/me")).json()
    assert (me["email"], me["email_verified"]) == ("lovelace@example.org", True)
    # What went to the old address opens nothing any more.
    given = {"token": to_the_old, "password": "battery staple"}
    assert (await other.post("/auth/password/reset", json=given)).status_code == 410
    # And whoever reads there is told.
    await house.work()
    told = house.post.letters[-1]
    assert (told.to, told.subject) == (ADA["email"], "Your address was changed")
    assert "=" not in told.text


async def test_another_password_is_told_of_even_if_the_account_is_left_at_once(
    house: House, client: httpx2.AsyncClient
) -> None:
    await _registered(client)
    await house.work()
    house.post.letters.clear()
    change = {"password": ADA["password"], "new_password": "battery staple"}
    assert (await client.put("/auth/password", json=change)).status_code == 204
    gone = await client.request("DELETE", "/auth/me", json={"password": "battery staple"})
    assert gone.status_code == 204
    # The queue is lost; the sweep finds the letter.
    await house.services.redis.flushall()
    await house.work()
    await house.work()
    assert [(each.to, each.subject) for each in house.post.letters] == [
        (ADA["email"], "Your password was changed")
    ]


async def test_a_link_that_was_used_to_reset_is_told_of(
    house: House, client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    await _registered(client)
    for _ in range(2):
        await other.post("/auth/password/forgot", json={"email": ADA["email"]})
        await house.work()
        given = {"token": house.post.token(), "password": "battery staple"}
        assert (await other.post("/auth/password/reset", json=given)).status_code == 204
        await house.work()
        assert house.post.letters[-1].subject == "Your password was changed"


async def test_an_address_of_somebody_else_is_neither_given_nor_told_of(
    house: House, client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    await _registered(client)
    await _registered(other, username="bob", email="bob@example.org")
    await house.work()
    house.post.letters.clear()
    change = {"email": "bob@example.org", "password": ADA["password"]}
    assert (await client.put("/auth/email", json=change)).status_code == 204
    await house.work()
    assert house.post.letters == []
    # Two want the same address; whoever shows first that it is theirs has it.
    tokens = []
    for who in (client, other):
        change = {"email": "new@example.org", "password": ADA["password"]}
        assert (await who.put("/auth/email", json=change)).status_code == 204
        await house.work()
        tokens.append(house.post.token())
    for token, status in zip(tokens, (204, 410), strict=True):
        answer = await client.post("/auth/email/verify", json={"token": token})
        assert answer.status_code == status


@pytest.mark.usefixtures("house")
async def test_a_password_is_changed_and_only_this_sign_in_goes_on(
    client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    await _registered(client)
    assert (await _sign_in(other, ADA["password"])).status_code == 200
    change = {"password": "wrong", "new_password": "battery staple"}
    assert (await client.put("/auth/password", json=change)).status_code == 401
    change["password"] = ADA["password"]
    assert (await client.put("/auth/password", json=change)).status_code == 204
    assert (await client.post("/auth/refresh")).status_code == 200
    assert (await other.post("/auth/refresh")).status_code == 401
    assert (await _sign_in(other, "battery staple")).status_code == 200


async def test_who_has_no_password_shows_a_fresh_sign_in_instead(
    house: House, client: httpx2.AsyncClient
) -> None:
    await _registered(client)
    async with house.services.write() as db:
        await db.execute(text("update content.users set password_hash = null"))
    house.clock.advance(timedelta(minutes=10))
    change = {"new_password": "battery staple"}
    late = await client.put("/auth/password", json=change)
    assert (late.status_code, late.json()["reason"]) == (403, "sign_in_again")
    async with house.services.write() as db:
        user = await users.by_username(db, "ada_l")
        assert user is not None
        now = house.clock.now()
        session = await auth.open_session(db, house.services.policy, user, now)
        viewer = auth.access_token(
            house.services.policy, Viewer(user.id, user.role), session.family, now
        )
    client.headers["authorization"] = f"Bearer {viewer}"
    assert (await client.put("/auth/password", json=change)).status_code == 204


async def test_people_see_where_they_are_signed_in_and_end_it(
    house: House, client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    client.headers["user-agent"] = "Laptop"
    other.headers["user-agent"] = "Phone\x07 " + "x" * 300
    await _registered(client)
    house.clock.advance(timedelta(minutes=1))
    phone = (await _sign_in(other, ADA["password"])).json()["access_token"]
    screen = await connect(house.node.endpoint, auth_token=phone)
    house.clock.advance(timedelta(minutes=1))
    assert (await client.post("/auth/refresh")).status_code == 200
    seen = (await client.get("/auth/sessions")).json()["items"]
    assert [(each["user_agent"][:6], each["current"]) for each in seen] == [
        ("Laptop", True),
        ("Phone ", False),
    ]
    assert len(seen[1]["user_agent"]) == 256
    assert seen[0]["last_used_at"] > seen[0]["created_at"]
    assert (await client.delete(f"/auth/sessions/{seen[1]['id']}")).status_code == 204
    assert (await client.delete(f"/auth/sessions/{seen[1]['id']}")).status_code == 404
    assert (await other.post("/auth/refresh")).status_code == 401
    await house.work()
    assert (await screen.wait_closed()).code == 1001
    async with client_of(house.app) as third:
        await _registered(third, username="bob", email="bob@example.org")
        mine = (await client.get("/auth/sessions")).json()["items"][0]["id"]
        assert (await third.delete(f"/auth/sessions/{mine}")).status_code == 404


@pytest.mark.usefixtures("house")
async def test_all_sign_ins_end_but_perhaps_this_one(
    client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    await _registered(client)
    await _sign_in(other, ADA["password"])
    keep = await client.delete("/auth/sessions", params={"keep_current": "true"})
    assert keep.status_code == 204
    assert (await other.post("/auth/refresh")).status_code == 401
    assert (await client.post("/auth/refresh")).status_code == 200
    assert (await client.delete("/auth/sessions")).status_code == 204
    assert (await client.post("/auth/refresh")).status_code == 401


async def test_who_leaves_is_gone_and_may_come_back_for_a_while(
    house: House, client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    await _registered(client)
    wrong = await client.request("DELETE", "/auth/me", json={"password": "wrong"})
    assert wrong.status_code == 401
    left = await client.request("DELETE", "/auth/me", json={"password": ADA["password"]})
    assert left.status_code == 204
    assert (await client.post("/auth/refresh")).status_code == 401
    assert (await other.get("/users/ada_l")).status_code == 404
    assert (await _sign_in(other, "wrong")).json()["reason"] == "wrong_credentials"
    assert (await _sign_in(other, ADA["password"])).json()["reason"] == "account_leaving"
    assert (await _sign_in(other, ADA["password"], restore=True)).status_code == 200
    assert (await other.get("/users/ada_l")).status_code == 200
    async with house.services.database.read() as db:
        rows = await db.execute(
            text("select topic from ops.outbox where topic like 'user.%' order by seq")
        )
        # Both times, older access tokens are refused.
        changed = "user.authority_changed"
        told = [row.topic for row in rows]
        assert told == ["user.deleted", changed, "user.restored", changed]


async def test_leaving_does_not_wash_off_a_shadow_ban(
    house: House, client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    await _registered(client)
    async with house.services.write() as db:
        await db.execute(text("update content.users set state = 'shadowbanned'"))
    await client.request("DELETE", "/auth/me", json={"password": ADA["password"]})
    assert (await _sign_in(other, ADA["password"], restore=True)).status_code == 200
    async with house.services.database.read() as db:
        user = await users.by_username(db, "ada_l")
    assert user is not None
    assert user.state == "shadowbanned"


async def test_when_the_time_is_over_nothing_personal_is_left_and_the_name_stays_taken(
    house: House, client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    token = await _registered(client)
    me = UUID((await client.get("/auth/me")).json()["id"])
    await client.patch("/users/me", json={"bio": "Notes", "links": ["https://example.org/"]})
    assert token
    await client.request("DELETE", "/auth/me", json={"password": ADA["password"]})
    await schedule.erase_people(house.services)
    async with house.services.database.read() as db:
        assert await users.by_username(db, "ada_l") is not None
    house.clock.advance(COME_BACK_WITHIN + timedelta(seconds=1))
    for _ in range(2):
        await schedule.erase_people(house.services)
    assert (await _sign_in(other, ADA["password"], restore=True)).status_code == 401
    taken = await other.post("/auth/register", json=ADA | {"email": "new@example.org"})
    assert taken.status_code == 409
    # The address is free: whoever has it may begin anew.
    fresh = await other.post("/auth/register", json=ADA | {"username": "ada_again"})
    assert fresh.status_code == 201
    async with house.services.database.read() as db:
        row = (
            await db.execute(text("select * from content.users where id = :id"), {"id": me})
        ).one()
        rows = await db.execute(text("select topic from ops.outbox where topic = 'user.erased'"))
        assert len(rows.all()) == 1
        for table in ("sign_ins", "refresh_tokens", "one_time_tokens"):
            left = await db.execute(
                text(f"select count(*) from ops.{table} where user_id = :id"),  # noqa: S608 - ours
                {"id": me},
            )
            assert left.scalar_one() == 0
    told = str(tuple(row)).lower()
    assert not any(word in told for word in ("ada", "notes", "example.org"))


async def test_a_sign_in_that_was_compared_with_an_old_password_is_not_opened(
    house: House, client: httpx2.AsyncClient
) -> None:
    await _registered(client)
    async with house.services.database.read() as db:
        found = await users.credentials(db, "ada_l")
    assert found is not None
    change = {"password": ADA["password"], "new_password": "battery staple"}
    assert (await client.put("/auth/password", json=change)).status_code == 204
    with pytest.raises(auth.WrongCredentials):
        async with house.services.write() as db:
            await auth.admit(db, house.services.policy, found, house.clock.now(), auth.Admission())
