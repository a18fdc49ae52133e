"""Letters with what somebody has not read: as often as they chose, and ended by one click."""

import re
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from starlette.applications import Starlette

from jobs import schedule
from jobs.notify.digest_job import send
from server import notifications
from server.kernel.clock import FixedClock
from server.kernel.ids import new_id
from server.kernel.mail import Letter, message_of
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.notifications import Notice, PreferencesChange, SendDigest, digest
from server.notifications.model import ChoiceChange
from tests.integration.conftest import client_of
from tests.people import a_user

pytestmark = pytest.mark.anyio


class Letters:
    """A mailer that keeps what it was given."""

    def __init__(self) -> None:
        self.sent: list[Letter] = []

    async def send(self, letter: Letter) -> None:
        self.sent.append(letter)


async def tell(services: Services, owner: Viewer, actor: Viewer, kind: Any) -> None:
    assert owner.id
    async with services.write() as db:
        notice = Notice(
            user_id=owner.id, kind=kind, actor_id=actor.id, target_id=new_id(), excerpt="Hi"
        )
        await notifications.notify(db, [notice], services.clock.now())


async def test_a_letter_tells_what_was_missed_as_often_as_was_chosen(services: Services) -> None:
    letters, clock = Letters(), FixedClock(services.clock.now())
    here = replace(services, mailer=letters, clock=clock)
    async with here.write() as db:
        ada, bob = await a_user(db, "ada"), await a_user(db, "bob")
        change = PreferencesChange({"like": ChoiceChange(mail=False)}, "daily")
        await notifications.prefer(db, ada, change, clock.now())
    assert ada.id
    clock.advance(timedelta(hours=1))
    await tell(here, ada, bob, "mention")
    await tell(here, ada, bob, "like")
    await schedule.send_digests(here)
    assert (await here.queue.depths())["mail"].waiting == 0

    clock.advance(timedelta(days=1))
    await schedule.send_digests(here)
    await schedule.send_digests(here)
    assert (await here.queue.depths())["mail"].waiting == 1
    await send(here, SendDigest(ada.id))
    await send(here, SendDigest(ada.id))
    (letter,) = letters.sent
    assert (letter.to, letter.subject) == ("ada@example.org", "1 notification on Lumen")
    assert "- Bob mentioned you: Hi\n" in letter.text
    message = message_of(letter, "Lumen <lumen@example.org>", clock)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Unsubscribe"].startswith("<http")


async def test_one_click_ends_the_letters_and_a_look_at_the_link_does_not(
    services: Services, app: Starlette
) -> None:
    async with services.write() as db:
        ada = await a_user(db, "ada")
        change = PreferencesChange(digest="weekly")
        await notifications.prefer(db, ada, change, services.clock.now())
    assert ada.id
    link = f"/notifications/unsubscribe?token={digest.token_of(services.policy.secret, ada.id)}"

    async def chosen() -> str:
        async with services.database.read() as db:
            return (await notifications.preferences(db, ada)).digest

    async with client_of(app) as client:
        looked = await client.get(link)
        assert looked.status_code == 200
        assert re.search(r'<form method="post">', looked.text)
        assert "sandbox" in looked.headers["content-security-policy"]
        assert await chosen() == "weekly"
        assert (await client.get(link[:-3] + "abc")).status_code == 404
        clicked = await client.post(
            link,
            content="List-Unsubscribe=One-Click",
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        assert clicked.status_code == 200
        assert await chosen() == "off"


async def test_what_is_chosen_is_kept_kind_by_kind(app: Starlette) -> None:
    async with client_of(app) as client:
        person = {"username": "ada", "email": "a@example.org", "password": "a long pass phrase"}
        answer = await client.post("/auth/register", json=person)
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        client.cookies.clear()
        path = "/notifications/preferences"
        before = (await client.get(path)).json()
        assert before["digest"] == "off"
        assert before["kinds"]["like"] == {"in_app": True, "push": False, "mail": True}
        body = {"kinds": {"like": {"in_app": False}, "reply": {"push": False}}, "digest": "daily"}
        after = (await client.patch(path, json=body)).json()
        assert after["kinds"]["like"] == {"in_app": False, "push": False, "mail": True}
        assert after["kinds"]["reply"] == {"in_app": True, "push": False, "mail": True}
        assert (await client.get(path)).json() == after
        refused = await client.patch(path, json={"kinds": {"nonsense": {}}})
        assert refused.status_code in {400, 422}
