"""Signing up, in and out, over HTTP as a browser and as a program do it."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from http.cookies import SimpleCookie

import bcrypt
import httpx2
import jwt
import msgspec
import pytest
import structlog
from sqlalchemy import text
from starlette.applications import Starlette

from server import auth, users
from server.kernel.ids import new_id
from server.kernel.logs import configure
from server.kernel.problems import Malformed, NotAllowed, NotFound
from server.kernel.services import Policy, Services
from server.kernel.signing import key_for
from server.kernel.viewer import VISITOR, Viewer
from tests.integration.conftest import SECRET, client_of
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio

ADA = {"username": "Ada_L", "email": "ada@example.org", "password": "correct horse"}
POLICY = Policy(secret=SECRET)


@pytest.fixture
async def other(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody else's browser."""
    async with client_of(app) as opened:
        yield opened


def _cookies(response: httpx2.Response) -> SimpleCookie:
    jar: SimpleCookie = SimpleCookie()
    for header in response.headers.get_list("set-cookie"):
        jar.load(header)
    return jar


@pytest.mark.row("M-08")
@pytest.mark.row("M-11")
@pytest.mark.row("T-01")
async def test_registering_signs_in_and_the_answer_has_no_secret_but_the_token(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.post("/auth/register", json=ADA)
    assert response.status_code == 201, response.text
    body = response.json()
    assert set(body) == {"user", "access_token", "expires_in"}
    assert body["user"]["username"] == "Ada_L"
    assert body["user"]["role"] == "user"
    cookies = _cookies(response)
    assert set(cookies) == {"access", "refresh", "csrf"}
    for name, cookie in cookies.items():
        assert cookie["samesite"] == "Lax"
        assert bool(cookie["httponly"]) == (name != "csrf")
    assert cookies["refresh"]["path"] == "/auth"
    by_cookie = await client.get("/auth/me")
    bearer = {"authorization": f"Bearer {body['access_token']}"}
    by_bearer = await client.get("/auth/me", headers=bearer)
    assert by_cookie.json() == by_bearer.json() == body["user"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"username": "ADA_l", "email": "other@example.org"}, 409),
        ({"username": "another", "email": "ADA@example.org"}, 409),
        ({"username": "ab"}, 422),
        ({"username": "a" * 21}, 422),
        ({"username": "ada lovelace"}, 422),
        ({"username": "аda"}, 422),  # noqa: RUF001 - a Cyrillic letter that looks like a Latin one
        ({"username": "Admin"}, 422),
        ({"email": "no address"}, 422),
        ({"password": "2short"}, 422),
        ({"password": "x" * 129}, 422),
    ],
)
async def test_names_addresses_and_passwords_that_are_refused(
    client: httpx2.AsyncClient,
    other: httpx2.AsyncClient,
    change: dict[str, str],
    status: int,
) -> None:
    await client.post("/auth/register", json=ADA)
    fresh = {"username": "grace", "email": "grace@example.org", "password": "long enough"}
    refused = await other.post("/auth/register", json=fresh | change)
    assert refused.status_code == status, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert not refused.headers.get_list("set-cookie")


async def test_signing_in_by_name_or_address_however_capitalised(
    client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    await client.post("/auth/register", json=ADA)
    for login in ("ada_l", "ADA_L", "ADA@EXAMPLE.ORG", " ada_l "):
        given = {"login": login, "password": ADA["password"]}
        answer = await other.post("/auth/login", json=given)
        assert answer.status_code == 200, answer.text
        assert answer.json()["user"]["username"] == "Ada_L"


async def test_a_wrong_password_and_an_unknown_name_cannot_be_told_apart(
    client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    await client.post("/auth/register", json=ADA)
    wrong = await other.post("/auth/login", json={"login": "ada_l", "password": "wrong horse"})
    unknown = await other.post("/auth/login", json={"login": "nobody1", "password": "wrong horse"})
    assert wrong.status_code == unknown.status_code == 401
    one, two = wrong.json(), unknown.json()
    assert one["reason"] == "wrong_credentials"
    assert {**one, "request_id": ""} == {**two, "request_id": ""}


@pytest.mark.row("K13")
async def test_refresh_tokens_rotate_and_a_reused_one_ends_the_family(
    client: httpx2.AsyncClient, other: httpx2.AsyncClient
) -> None:
    await client.post("/auth/register", json=ADA)
    stolen = client.cookies.get("refresh", path="/auth")
    assert stolen is not None
    for _ in range(2):
        assert (await client.post("/auth/refresh")).status_code == 200
    assert client.cookies.get("refresh", path="/auth") != stolen
    # The thief comes late: nothing for either of them from now on.
    thief = await other.post("/auth/refresh", headers={"cookie": f"refresh={stolen}"})
    assert (thief.status_code, thief.json()["reason"]) == (401, "session_ended")
    owner = await client.post("/auth/refresh")
    assert (owner.status_code, owner.json()["reason"]) == (401, "session_ended")
    assert client.cookies.get("csrf") is None


async def test_signing_out_takes_the_cookies_back_and_ends_the_session(
    client: httpx2.AsyncClient,
) -> None:
    await client.post("/auth/register", json=ADA)
    kept = client.cookies.get("refresh", path="/auth")
    gone = await client.post("/auth/logout")
    assert gone.status_code == 204
    assert all(cookie["max-age"] == "0" for cookie in _cookies(gone).values())
    assert (await client.get("/auth/me")).status_code == 401
    again = await client.post("/auth/refresh", headers={"cookie": f"refresh={kept}"})
    assert again.status_code == 401


@pytest.mark.row("M-30")
async def test_a_write_signed_by_a_cookie_needs_the_csrf_header_and_a_bearer_none(
    client: httpx2.AsyncClient, other: httpx2.AsyncClient, services: Services
) -> None:
    async with services.write() as db:
        item_id = await an_item(db)
    token = (await client.post("/auth/register", json=ADA)).json()["access_token"]
    like = f"/items/{item_id}/like"
    assert (await client.put(like)).status_code == 403
    assert (await client.put(like, headers={"x-csrf-token": "guess"})).status_code == 403
    csrf = client.cookies.get("csrf")
    assert csrf is not None
    assert (await client.put(like, headers={"x-csrf-token": csrf})).status_code == 200
    # A value that another site managed to plant fits its own cookie, but not the session.
    planted = {
        "cookie": f"access={token}; csrf={'0' * 32}",
        "x-csrf-token": "0" * 32,
    }
    assert (await other.put(like, headers=planted)).status_code == 403
    bearer = {"authorization": f"Bearer {token}"}
    assert (await other.put(like, headers=bearer)).json()["liked_by_me"] is True
    assert (await other.put(like)).status_code == 401


async def test_another_site_cannot_sign_anybody_in_or_out(client: httpx2.AsyncClient) -> None:
    await client.post("/auth/register", json=ADA)
    for path in ("/auth/logout", "/auth/refresh", "/auth/login", "/auth/register"):
        for foreign in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            answer = await client.post(path, json={**ADA, "login": "ada_l"}, headers=foreign)
            assert answer.status_code == 403, path
    own = {"origin": "http://lumen.test", "sec-fetch-site": "same-origin"}
    assert (await client.post("/auth/refresh", headers=own)).status_code == 200


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        jwt.encode({"sub": str(new_id()), "exp": 9999999999}, "k" * 32, algorithm="HS256"),
        jwt.encode({"sub": str(new_id()), "role": "admin"}, key_for(SECRET, "access")),
        jwt.encode(
            {"sub": str(new_id()), "role": "admin", "sid": str(new_id()), "iat": 1, "exp": 2},
            key_for(SECRET, "access"),
        ),
        jwt.encode(
            {"sub": str(new_id()), "role": "admin", "sid": str(new_id()), "iat": 1, "exp": 9**11},
            None,
            algorithm="none",
        ),
        jwt.encode(
            {"sub": str(new_id()), "role": "admin", "sid": str(new_id()), "iat": 1, "exp": 9**11},
            key_for(SECRET, "csrf"),
        ),
    ],
)
async def test_a_bearer_token_that_is_not_ours_or_has_ended_is_refused(
    client: httpx2.AsyncClient, token: str
) -> None:
    answer = await client.get("/auth/me", headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["reason"]) == (401, "sign_in_first")


async def test_a_cookie_that_has_ended_makes_a_visitor(
    client: httpx2.AsyncClient, services: Services
) -> None:
    async with services.write() as db:
        item_id = await an_item(db)
    past = services.clock.now() - timedelta(hours=1)
    token = auth.access_token(POLICY, Viewer(new_id(), "user"), new_id(), past)
    stale = {"cookie": f"access={token}"}
    answer = await client.get(f"/items/{item_id}", headers=stale)
    assert answer.status_code == 200
    assert "liked_by_me" not in answer.json()


@pytest.mark.row("T-33")
async def test_an_imported_bcrypt_hash_is_verified_and_replaced(
    client: httpx2.AsyncClient, services: Services
) -> None:
    await client.post("/auth/register", json=ADA)
    old = bcrypt.hashpw(b"from elsewhere", bcrypt.gensalt(4)).decode()
    async with services.database.begin() as db:
        await db.execute(text("update content.users set password_hash = :old"), {"old": old})
    for _ in range(2):
        given = {"login": "ada_l", "password": "from elsewhere"}
        assert (await client.post("/auth/login", json=given)).status_code == 200
    assert (
        await client.post("/auth/login", json={"login": "ada_l", "password": "correct horse"})
    ).status_code == 401
    async with services.database.read() as db:
        stored = (await db.execute(text("select password_hash from content.users"))).scalar_one()
    assert stored.startswith("$argon2id$")


async def test_a_suspended_account_is_told_so_only_with_the_right_password(
    client: httpx2.AsyncClient, services: Services
) -> None:
    await client.post("/auth/register", json=ADA)
    async with services.database.begin() as db:
        await db.execute(text("update content.users set state = 'suspended'"))
    right = await client.post("/auth/login", json={"login": "ada_l", "password": ADA["password"]})
    wrong = await client.post("/auth/login", json={"login": "ada_l", "password": "wrong horse"})
    assert (right.status_code, wrong.status_code) == (403, 401)
    assert (await client.post("/auth/refresh")).status_code == 401


async def test_signing_up_and_in_is_limited_by_address(client: httpx2.AsyncClient) -> None:
    answers = []
    for n in range(3):
        body = {"username": f"user{n}", "email": f"u{n}@example.org", "password": "long enough"}
        answers.append(await client.post("/auth/register", json=body))
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 150
    assert answers[-1].json()["reason"] == "too_many"
    wrong = {"login": "user0", "password": "not the one"}
    statuses = [(await client.post("/auth/login", json=wrong)).status_code for _ in range(16)]
    assert statuses == [401] * 15 + [429]


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """What is logged as a server logs it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure("info", "json")
    [handler], lines = root.handlers, io.StringIO()
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(lines)
    yield lines.getvalue
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def test_no_password_token_or_address_reaches_the_log(
    logged: Callable[[], str], client: httpx2.AsyncClient, services: Services
) -> None:
    token = (await client.post("/auth/register", json=ADA)).json()["access_token"]
    kept = [client.cookies.get("refresh", path="/auth"), client.cookies.get("csrf"), token]
    await client.post("/auth/login", json={"login": ADA["email"], "password": "wrong horse"})
    await client.get("/auth/me", headers={"authorization": f"Bearer {token}x"})
    await client.post("/auth/refresh")
    # The database fails in the middle of a statement that carries both.
    async with services.database.begin() as db:
        await db.execute(text("alter table content.users add check (username <> 'grace')"))
    broken = {"username": "grace", "email": "grace@example.org", "password": "long enough"}
    assert (await client.post("/auth/register", json=broken)).status_code == 500
    lines = logged()
    assert "request_done" in lines
    assert "request_failed" in lines
    for secret in (
        *kept,
        ADA["password"],
        "wrong horse",
        "long enough",
        "@example.org",
        "argon2id$",
    ):
        assert secret is not None
        assert secret not in lines


async def _session(services: Services) -> auth.Session:
    async with services.write() as db:
        viewer = await a_user(db, "grace")
        assert viewer.id is not None
        user = (await users.by_ids(db, [viewer.id]))[viewer.id]
        return await auth.open_session(db, services.policy, user, services.clock.now())


async def _refresh(
    services: Services, token: str, *, after: timedelta = timedelta()
) -> auth.Session | None:
    async with services.write() as db:
        return await auth.refresh(db, services.policy, token, services.clock.now() + after)


async def test_of_one_token_used_at_once_one_line_goes_on_and_another_ends_it(
    services: Services,
) -> None:
    first = await _session(services)
    answers = await asyncio.gather(*(_refresh(services, first.refresh_token) for _ in range(4)))
    one, other, *_ = [answer.refresh_token for answer in answers if answer is not None]
    assert None not in answers
    goes_on = await _refresh(services, one)
    assert goes_on is not None
    # Two go on from the first token: one of them must be a thief.
    assert await _refresh(services, other) is None
    assert await _refresh(services, goes_on.refresh_token) is None


async def test_of_one_token_used_at_once_too_late_no_session_is_left(services: Services) -> None:
    first = await _session(services)
    second = await _refresh(services, first.refresh_token)
    late = auth.GRACE
    answers = await asyncio.gather(
        *(_refresh(services, first.refresh_token, after=late) for _ in range(4))
    )
    assert answers == [None] * 4
    assert second is not None
    assert await _refresh(services, second.refresh_token) is None


async def test_a_refresh_whose_answer_was_lost_can_be_repeated_for_a_while(
    services: Services,
) -> None:
    first, barely = await _session(services), auth.GRACE - timedelta(seconds=1)
    assert await _refresh(services, first.refresh_token) is not None
    again = await _refresh(services, first.refresh_token, after=barely)
    assert again is not None
    assert again.family == first.family
    # The lost answer's successor is as good as the last one's until one of them is used.
    assert await _refresh(services, again.refresh_token) is not None
    assert await _refresh(services, first.refresh_token, after=barely) is None


async def test_ending_a_family_ends_also_the_token_that_is_just_being_made(
    services: Services,
) -> None:
    first = await _session(services)
    second = await _refresh(services, first.refresh_token)
    assert second is not None
    async with services.write() as db:
        third = await auth.refresh(db, services.policy, second.refresh_token, services.clock.now())
        # A thief shows the first token while the third is not yet committed.
        theft = asyncio.create_task(_refresh(services, first.refresh_token))
        await _until_blocked(services)
    assert await theft is None
    assert third is not None
    assert await _refresh(services, third.refresh_token) is None


async def _until_blocked(services: Services) -> None:
    waiting = text("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
    async with asyncio.timeout(30), services.database.read() as db:
        while not (await db.execute(waiting)).scalar_one():
            pass


async def test_a_session_ends_with_its_time_and_its_tokens_are_forgotten(
    services: Services,
) -> None:
    session, now = await _session(services), services.clock.now()
    lifetime = timedelta(seconds=services.policy.refresh_token_seconds)
    async with services.write() as db:
        late = now + lifetime + timedelta(seconds=1)
        assert await auth.refresh(db, services.policy, session.refresh_token, late) is None
        assert await auth.forget_ended(db, late) == 0
        assert await auth.forget_ended(db, late + timedelta(days=1)) == 1


async def test_a_role_is_given_by_admins_only(services: Services) -> None:
    async with services.write() as db:
        ada, root = await a_user(db, "ada"), Viewer(None, "admin")
        assert ada.id is not None
        new = users.NewUser(username="root", email="r@lumen.invalid", password_hash=None)
        with pytest.raises(Malformed):
            await users.create(db, VISITOR, new)
        with pytest.raises(NotAllowed):
            await users.set_role(db, ada, ada.id, "admin", services.clock.now())
        with pytest.raises(NotAllowed):
            await users.create(db, VISITOR, msgspec.structs.replace(new, role="admin"))
        made = await users.create(db, root, msgspec.structs.replace(new, role="admin"))
        assert (made.username, made.role) == ("root", "admin")
        await users.set_role(db, root, ada.id, "creator", services.clock.now())
        assert (await users.by_username(db, "ADA")) is not None
        with pytest.raises(NotFound):
            await users.set_role(db, root, new_id(), "creator", services.clock.now())


async def test_without_google_there_is_only_the_password(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/auth/ways")).json() == {"password": True, "google": False}
