"""Every operation, join and event, asked for in every role: the page of who may do what is true."""

import re
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec import Struct
from starlette.applications import Starlette

from realtime.testing import Client, connect
from server import auth
from server.app import ALL_OPERATIONS
from server.catalog import CHANNELS
from server.kernel.endpoint import Access, Operation
from server.kernel.ids import new_id
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Role, Viewer
from server.settings import Settings
from tests.architecture.access_table import JOINS, ROLES, Word, words
from tests.integration.conftest import client_of
from tests.people import a_user, an_item

pytestmark = pytest.mark.anyio

_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
_REFUSALS: dict[str, Word] = {"sign_in_first": "sign in", "not_allowed": "no"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, rate_limits=False)


class Crowd(Struct, frozen=True):
    """One person of each role, what each shows to be let in, and something to look at."""

    people: dict[Role, Viewer]
    tokens: dict[Role, str | None]
    item_id: UUID


@pytest.fixture
async def crowd(app: Starlette) -> Crowd:
    services: Services = app.state.node.services
    people: dict[Role, Viewer] = {"visitor": VISITOR}
    tokens: dict[Role, str | None] = {"visitor": None}
    async with services.write() as db:
        for role in ROLES[1:]:
            people[role] = viewer = await a_user(db, f"some_{role}", role)
            now = services.clock.now()
            tokens[role] = auth.access_token(services.policy, viewer, new_id(), now)
        item_id = await an_item(db)
    return Crowd(people, tokens, item_id)


def _path(operation: Operation) -> str:
    """An address of the operation that leads to nothing of anybody's."""

    def value(match: re.Match[str]) -> str:
        return str(new_id()) if match[1].endswith("id") else "nobody_there"

    return _PARAMETER.sub(value, operation.path)


def _word(status: int, body: dict[str, Any]) -> Word:
    """What a role was told: refusals for other reasons than the role count as let in."""
    refused = status in {401, 403}
    return _REFUSALS.get(str(body.get("reason")), "yes") if refused else "yes"


@pytest.mark.row("M-09")
@pytest.mark.row("M-33")
@pytest.mark.parametrize("role", ROLES)
async def test_every_operation_in_every_role(app: Starlette, crowd: Crowd, role: Role) -> None:
    services: Services = app.state.node.services
    wrong = {}
    for operation in ALL_OPERATIONS:
        # Of a sign-in of its own, for some end the one that asks.
        token = auth.access_token(
            services.policy, crowd.people[role], new_id(), services.clock.now()
        )
        headers = {"authorization": f"Bearer {token}"} if crowd.tokens[role] else {}
        async with client_of(app) as client:
            answer = await client.request(
                operation.method,
                _path(operation),
                headers=headers,
                content=b"{}" if operation.body is not None else None,
            )
        kind = answer.headers.get("content-type", "")
        body = answer.json() if kind == "application/problem+json" and answer.content else {}
        if operation.method == "HEAD" and answer.status_code == 401:
            # The answer to a HEAD has no body to say so.
            body = {"reason": "sign_in_first"}
        told = _word(answer.status_code, body)
        if told != _expected(operation.access, role) or answer.status_code == 500:
            wrong[operation.name] = (answer.status_code, body)
    assert wrong == {}


@pytest.mark.row("M-33")
@pytest.mark.parametrize("topic", CHANNELS)
async def test_every_join_and_event_in_every_role(app: Starlette, crowd: Crowd, topic: str) -> None:
    wrong = {}
    for role in ROLES:
        screen = await connect(app.state.node.endpoint, auth_token=crowd.tokens[role])
        for own in (True, False):
            told = await _join(screen, _topic(crowd, topic, role, own=own))
            if told != _expected_join(topic, role, own=own):
                wrong[f"{role} join {'own' if own else 'other'}"] = told
        joined = _topic(crowd, topic, role, own=True)
        if _expected_join(topic, role, own=True) != "yes":
            continue
        for event, on in CHANNELS[topic].handles.items():
            reply = await screen.request(joined, event, {})
            told = "yes" if reply.ok else _REFUSALS.get(str(reply.response["reason"]), "yes")
            if told != _expected(on.access, role) and (event, told) not in _OWN_WORD:
                wrong[f"{role} {event}"] = (told, reply.response)
        unknown = await screen.request(joined, "no such event", {})
        assert unknown.response["reason"] == "unknown_event"
        await screen.close()
    assert wrong == {}


# Refused for what they say, not for who says it: an empty token is nobody's.
_OWN_WORD = {("token", "sign in"), ("token", "no")}


def _expected(access: Access, role: Role) -> Word:
    return words(access)[ROLES.index(role)]


def _expected_join(topic: str, role: Role, *, own: bool) -> Word:
    joins = JOINS[topic]
    if joins != "owner":
        return _expected(joins, role)
    if role == "visitor":
        return "sign in"
    return "yes" if own else "no"


def _topic(crowd: Crowd, pattern: str, role: Role, *, own: bool) -> str:
    """A topic of the pattern: for people one's own or another's, for items one that is there."""
    if pattern == "user:*":
        mine = crowd.people[role].id if own else None
        return f"user:{mine or new_id()}"
    return pattern.replace("*", str(crowd.item_id))


async def _join(screen: Client, topic: str) -> Word:
    reply = await screen.join(topic)
    return "yes" if reply.ok else _REFUSALS.get(str(reply.response["reason"]), "yes")
