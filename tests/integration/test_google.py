"""Signing in by an OpenID issuer, end to end: over real HTTP, with signed tokens."""

import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import text
from starlette.applications import Starlette

from server import auth
from server.auth.oidc import KEYS_AGAIN
from server.kernel.clock import FixedClock
from server.settings import Settings
from tests.integration.conftest import client_of
from tests.issuer import CLIENT_ID, CLIENT_SECRET, Issuer, issuing

pytestmark = pytest.mark.anyio

GRACE = {"username": "grace_h", "email": "grace@example.org", "password": "correct horse"}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


@pytest.fixture
def settings(settings: Settings, issuer: Issuer) -> Settings:
    return msgspec.structs.replace(
        settings,
        google_client_id=CLIENT_ID,
        google_client_secret=CLIENT_SECRET,
        google_issuer=issuer.url,
        public_url="http://lumen.test",
    )


@pytest.fixture
async def other(app: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app) as opened:
        yield opened


async def _way_in(client: httpx2.AsyncClient) -> str:
    sent = await client.get("/auth/google")
    assert sent.status_code == 303, sent.text
    cookie = sent.headers["set-cookie"]
    assert cookie.startswith("oidc=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    return str(sent.headers["location"])


async def _come_back(client: httpx2.AsyncClient, issuer: Issuer) -> str:
    back = await client.get(issuer.let_in(await _way_in(client)))
    assert back.status_code == 303, back.text
    return str(back.headers["location"])


@pytest.mark.row("D-01")
@pytest.mark.row("T-31")
async def test_somebody_new_gets_an_account_and_finds_it_again(
    client: httpx2.AsyncClient, other: httpx2.AsyncClient, issuer: Issuer
) -> None:
    assert await _come_back(client, issuer) == "/"
    me = (await client.get("/auth/me")).json()
    assert me["email"] == "grace@example.org"
    assert me["email_verified"] is True
    assert (me["username"], me["display_name"]) == ("grace", "Grace Hopper")
    assert client.cookies.get("oidc") in {None, ""}
    # The same person at the issuer, whatever address they have there by now.
    issuer.person.email = "hopper@example.org"
    assert await _come_back(other, issuer) == "/"
    assert (await other.get("/auth/me")).json()["id"] == me["id"]


async def test_what_is_sent_to_the_issuer_holds_no_secret(
    client: httpx2.AsyncClient,
) -> None:
    first, second = [parse_qs(urlsplit(await _way_in(client)).query) for _ in range(2)]
    assert not {"client_secret", "code_verifier"} & set(first)
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) >= 43
        assert first[name] != second[name]


async def test_an_address_that_both_sides_have_seen_leads_to_the_account(
    app: Starlette, client: httpx2.AsyncClient, other: httpx2.AsyncClient, issuer: Issuer
) -> None:
    registered = (await client.post("/auth/register", json=GRACE)).json()["user"]
    # Not confirmed: whoever signed up may not be who the address belongs to.
    assert await _come_back(other, issuer) == "/#sign-in-failed=address_not_shown"
    async with app.state.node.services.write() as db:
        await db.execute(text("update content.users set email_verified_at = now()"))
    issuer.person.email_verified = False
    assert await _come_back(other, issuer) == "/#sign-in-failed=address_not_shown"
    assert (await other.get("/auth/me")).status_code == 401
    issuer.person.email_verified = True
    assert await _come_back(other, issuer) == "/"
    assert (await other.get("/auth/me")).json()["id"] == registered["id"]
    # The password is as good as before.
    given = {"login": GRACE["email"], "password": GRACE["password"]}
    assert (await client.post("/auth/login", json=given)).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another.client"},
        {"aud": [CLIENT_ID, "another.client"]},
        {"aud": None},
        {"azp": "another.client"},
        {"iss": "https://accounts.example"},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"nbf": int(time.time()) + 3600},
        {"email": ["grace@example.org"]},
    ],
)
async def test_a_token_that_says_anything_else_lets_nobody_in(
    client: httpx2.AsyncClient, issuer: Issuer, claims: dict[str, Any]
) -> None:
    issuer.word.claims = claims
    assert await _come_back(client, issuer) == "/#sign-in-failed=not_vouched_for"
    assert (await client.get("/auth/me")).status_code == 401


async def test_a_token_that_another_key_signed_lets_nobody_in(
    client: httpx2.AsyncClient, issuer: Issuer
) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": issuer.key.kid}, auto_kid=False)
    issuer.word.signs_with = stranger
    assert await _come_back(client, issuer) == "/#sign-in-failed=not_vouched_for"
    # Nor one by an algorithm that we do not take, from the right key.
    issuer.word.signs_with = None
    issuer.word.algorithm = "RS512"
    assert await _come_back(client, issuer) == "/#sign-in-failed=not_vouched_for"


async def test_a_key_that_has_changed_is_read_again_but_not_at_every_call(
    app: Starlette, client: httpx2.AsyncClient, issuer: Issuer
) -> None:
    clock = FixedClock(app.state.node.services.clock.now())
    app.state.node.services.part(auth.Issuer)._clock = clock
    assert await _come_back(client, issuer) == "/"
    issuer.rotate()
    # So soon after the keys were read, nobody makes us ask for them again.
    assert await _come_back(client, issuer) == "/#sign-in-failed=not_vouched_for"
    assert issuer.asked.count("/keys") == 1
    clock.advance(KEYS_AGAIN)
    assert await _come_back(client, issuer) == "/"
    assert issuer.asked.count("/keys") == 2
    assert await _come_back(client, issuer) == "/"
    assert issuer.asked.count("/keys") == 2
    assert issuer.asked.count("/.well-known/openid-configuration") == 1


async def test_only_the_browser_that_began_can_end_it(
    client: httpx2.AsyncClient, other: httpx2.AsyncClient, issuer: Issuer
) -> None:
    refused = "/#sign-in-failed=not_vouched_for"
    back = issuer.let_in(await _way_in(client))
    # Somebody is sent the way back of another: they would be signed in as that other.
    assert (await other.get(back)).headers["location"] == refused
    forged = back.replace("state=", "state=x")
    assert (await client.get(forged)).headers["location"] == refused
    # What was refused was used up: the cookie is gone.
    assert (await client.get(back)).headers["location"] == refused


async def test_a_code_works_once_and_only_with_its_verifier(
    client: httpx2.AsyncClient, other: httpx2.AsyncClient, issuer: Issuer
) -> None:
    begun = await client.get("/auth/google")
    cookie = {"cookie": begun.headers["set-cookie"].partition(";")[0]}
    back = issuer.let_in(begun.headers["location"])
    assert (await client.get(back)).headers["location"] == "/"
    again = await other.get(back, headers=cookie)
    assert again.headers["location"] == "/#sign-in-failed=not_vouched_for"
    # A stolen code, brought back by an attempt of the thief's own.
    stolen = parse_qs(urlsplit(issuer.let_in(await _way_in(client))).query)["code"][0]
    own = parse_qs(urlsplit(await _way_in(other)).query)["state"][0]
    taken = await other.get("/auth/google/callback", params={"code": stolen, "state": own})
    assert taken.headers["location"] == "/#sign-in-failed=not_vouched_for"


async def test_an_attempt_ends_and_a_no_is_a_no(
    app: Starlette, client: httpx2.AsyncClient, issuer: Issuer
) -> None:
    where = await _way_in(client)
    state = parse_qs(urlsplit(where).query)["state"][0]
    denied = {"error": "access_denied", "state": state}
    back = await client.get("/auth/google/callback", params=denied)
    assert back.headers["location"] == "/#sign-in-failed=not_vouched_for"
    late = issuer.let_in(await _way_in(client))
    node = app.state.node
    clock = FixedClock(node.services.clock.now() + timedelta(minutes=10))
    node._services = msgspec.structs.replace(node.services, clock=clock)
    assert (await client.get(late)).headers["location"] == "/#sign-in-failed=not_vouched_for"


async def test_a_suspended_person_stays_outside(
    app: Starlette, client: httpx2.AsyncClient, issuer: Issuer
) -> None:
    assert await _come_back(client, issuer) == "/"
    async with app.state.node.services.write() as db:
        await db.execute(text("update content.users set state = 'suspended'"))
    assert await _come_back(client, issuer) == "/#sign-in-failed=not_allowed"


async def test_an_issuer_that_is_away_or_not_itself_is_told_as_such(
    client: httpx2.AsyncClient, issuer: Issuer
) -> None:
    real, issuer.url = issuer.url, "https://accounts.example"
    assert (await client.get("/auth/google")).status_code == 503
    issuer.url = real
    assert (await client.get("/auth/google")).status_code == 303


async def test_names_that_are_taken_or_odd_get_another(
    client: httpx2.AsyncClient, other: httpx2.AsyncClient, issuer: Issuer
) -> None:
    await other.post("/auth/register", json={**GRACE, "username": "ad", "email": "a@b.example"})
    issuer.person.email, issuer.person.name = "admin@example.org", "\u202eadmin"
    assert await _come_back(client, issuer) == "/"
    name = (await client.get("/auth/me")).json()["username"]
    assert name.startswith("admin_")


async def test_the_page_is_told_that_there_is_this_way_in(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/auth/ways")
    assert answer.json() == {"password": True, "google": True}
    assert answer.headers["cache-control"].startswith("public")
