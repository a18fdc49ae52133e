"""Posts over HTTP: written, quoted, edited, voted in, deleted; counted and told."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text
from starlette.applications import Starlette

from jobs.pictures.job import look_at_picture
from server import catalog, engagement, posts
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.posts import PostDraft, Rules
from server.uploads import CheckUpload
from tests.integration.conftest import client_of
from tests.integration.test_people_http import _as
from tests.people import a_user, an_item
from tests.pictures import picture

pytestmark = pytest.mark.anyio
PNG = picture("PNG", size=(700, 350))


class Person(httpx2.AsyncClient):
    viewer: Viewer


async def _person(app: Starlette, services: Services, name: str) -> AsyncIterator[Person]:
    async with services.write() as db:
        viewer = await a_user(db, name, "admin" if name == "root_" else "user")
    async with client_of(app) as client:
        client.headers.update(_as(services, viewer))
        client.__class__ = Person
        client.viewer = viewer  # type: ignore[attr-defined]
        yield client  # type: ignore[misc]


@pytest.fixture
async def ada(app: Starlette, services: Services) -> AsyncIterator[Person]:
    async for person in _person(app, services, "ada"):
        yield person


@pytest.fixture
async def bob(app: Starlette, services: Services) -> AsyncIterator[Person]:
    async for person in _person(app, services, "bob"):
        yield person


@pytest.fixture
async def root(app: Starlette, services: Services) -> AsyncIterator[Person]:
    async for person in _person(app, services, "root_"):
        yield person


async def _settled(services: Services) -> None:
    relay = Relay(services, by_topic(catalog.REACTIONS))
    while await relay.deliver():
        pass
    async with services.database.begin() as db:
        await engagement.fold_once(db)


async def _events(services: Services, topic: str) -> list[dict[str, Any]]:
    async with services.database.read() as db:
        rows = await db.execute(
            text("select payload, key from ops.outbox where topic = :topic order by id"),
            {"topic": topic},
        )
        return [{**row.payload, "key": row.key} for row in rows]


async def _posted(client: httpx2.AsyncClient, body: str = "Words", **more: Any) -> dict[str, Any]:
    answer = await client.post("/posts", json={"body": body, **more})
    assert answer.status_code == 201, answer.text
    posted: dict[str, Any] = answer.json()
    return posted


@pytest.mark.row("T-02")
@pytest.mark.row("T-13")
@pytest.mark.row("D-15")
@pytest.mark.row("D-26")
@pytest.mark.row("V-50")
@pytest.mark.row("K24")
async def test_a_post_is_an_item_with_what_its_words_point_at(
    ada: Person, bob: Person, services: Services
) -> None:
    body = "Hello @bob, @nobody and @ada:\r\nsee https://example.org/a #Zürich #ZÜRICH"
    posted = await _posted(ada, body, tags=["#Fresh"])
    assert posted["type"] == "TWEET"
    assert posted["author"]["username"] == "ada"
    assert posted["body_text"] == body.replace("\r", "")
    assert posted["tags"] == ["zürich", "fresh"]
    assert [each["username"] for each in posted["mentions"]] == ["bob"]
    assert posted["liked_by_me"] is posted["reposted_by_me"] is False
    (told,) = await _events(services, "post.created")
    assert told["key"] == told["author_id"] == str(ada.viewer.id)
    assert (told["id"], told["mentions"]) == (posted["id"], [str(bob.viewer.id)])
    (published,) = await _events(services, "item.published")
    assert published["ids"] == [posted["id"]]
    for path in ("/posts/", "/items/"):
        read = (await bob.get(path + posted["id"])).json()
        assert read["body_text"] == posted["body_text"]
        assert read["tags"] == posted["tags"]
    async with services.write() as db:
        article = await an_item(db)
    assert (await bob.get(f"/posts/{article}")).status_code == 404


@pytest.mark.row("T-34")
@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        ({"body": " \n "}, "malformed"),
        ({"body": "👨‍👩‍👧‍👦" * 501}, "malformed"),
        ({"body": "a" + "\u0301" * 9000}, "malformed"),
        ({"body": "x", "tags": ["no tag"]}, "malformed"),
        ({"body": "x", "poll": {"options": ["one"]}}, "malformed"),
        ({"body": "x", "poll": {"options": ["one", "ONE"]}}, "malformed"),
        ({"body": "x", "poll": {"options": ["one", " "]}}, "malformed"),
        ({"body": "x", "poll": {"options": ["a", "b"], "seconds": 1}}, "malformed"),
        ({"body": "x", "media": [{"key": "cards/a.jpg"}]}, "not_yours"),
        ({"body": "x", "quote_of": str(new_id())}, "no_such_item"),
    ],
)
async def test_what_cannot_be_posted_is_refused(
    ada: Person, draft: dict[str, Any], reason: str
) -> None:
    answer = await ada.post("/posts", json=draft)
    assert answer.json()["reason"] == reason


async def test_five_hundred_characters_fit_of_which_each_is_no_text_of_its_own(
    ada: Person,
) -> None:
    # Four hundred characters, of 25 bytes each.
    assert (await ada.post("/posts", json={"body": "👨‍👩‍👧‍👦" * 400})).status_code == 422
    assert (await ada.post("/posts", json={"body": "é" * 500})).status_code == 201
    assert (await ada.post("/posts", json={"body": "🇨🇭" * 500})).status_code == 201


@pytest.mark.row("V-49")
async def test_a_quote_embeds_what_it_quotes_one_level_deep(
    ada: Person, bob: Person, services: Services
) -> None:
    first = await _posted(ada, "First")
    second = await _posted(bob, "Second", quote_of=first["id"])
    third = await _posted(ada, "Third", quote_of=second["id"])
    assert third["quoted"]["body_text"] == "Second"
    assert third["quoted"]["quote_of"] == first["id"]
    assert "quoted" not in third["quoted"]
    await _settled(services)
    assert (await ada.get(f"/items/{first['id']}")).json()["counts"]["quotes"] == 1
    assert (await bob.delete(f"/posts/{second['id']}")).status_code == 204
    await _settled(services)
    assert (await ada.get(f"/items/{first['id']}")).json()["counts"]["quotes"] == 0
    left = (await ada.get(f"/posts/{third['id']}")).json()
    assert left["quoted"] == {"id": second["id"], "retracted": True}


@pytest.mark.row("T-17")
@pytest.mark.row("T-34")
@pytest.mark.row("D-26")
async def test_a_post_is_deleted_by_its_author_or_an_admin_and_told_once(
    ada: Person, bob: Person, root: Person, services: Services
) -> None:
    mine, other = await _posted(ada), await _posted(ada, "Other words")
    assert (await bob.delete(f"/posts/{mine['id']}")).status_code == 403
    for _ in range(2):
        assert (await ada.delete(f"/posts/{mine['id']}")).status_code == 204
    assert (await ada.get(f"/posts/{mine['id']}")).status_code == 404
    assert (await root.delete(f"/posts/{other['id']}")).status_code == 204
    assert (await ada.delete(f"/posts/{new_id()}")).status_code == 404
    told = await _events(services, "post.deleted")
    assert [(each["id"], each["key"]) for each in told] == [
        (each["id"], str(ada.viewer.id)) for each in (mine, other)
    ]
    assert await _count(services, ada.viewer.id) == 0
    await _settled(services)
    assert await _count(services, ada.viewer.id) == 0


async def _count(services: Services, user_id: UUID | None) -> int:
    async with services.database.read() as db:
        counted = text("select post_count from content.users where id = :id")
        return int((await db.execute(counted, {"id": user_id})).scalar_one())


async def test_a_post_is_edited_for_a_while_and_says_what_it_said(
    ada: Person, bob: Person, services: Services
) -> None:
    posted = await _posted(ada, "First #one @bob", tags=["kept"])
    path = f"/posts/{posted['id']}"
    edited = await ada.patch(path, json={"body": "Second #two"})
    assert edited.status_code == 200
    assert edited.json()["body_text"] == "Second #two"
    assert edited.json()["tags"] == ["two", "kept"]
    assert "edited_at" in edited.json()
    assert "mentions" not in edited.json()
    # The same words again are no edit.
    await ada.patch(path, json={"body": "Second #two "})
    said = (await bob.get(f"{path}/edits")).json()["items"]
    assert [each["body_text"] for each in said] == ["First #one @bob"]
    assert (await bob.patch(path, json={"body": "Mine"})).status_code == 403
    assert (await ada.patch(path, json={"body": ""})).status_code == 422
    async with services.write() as db:
        await db.execute(text("update content.posts set created_at = now() - interval '16 min'"))
    late = await ada.patch(path, json={"body": "Third"})
    assert (late.status_code, late.json()["reason"]) == (409, "too_late_to_edit")


@pytest.mark.row("D-03")
async def test_a_poll_shows_its_votes_to_who_voted_and_to_all_at_its_end(
    ada: Person, bob: Person, services: Services
) -> None:
    posted = await _posted(ada, "Tea?", poll={"options": ["Yes", "No", "Maybe"]})
    path = f"/posts/{posted['id']}"
    assert [each.get("votes") for each in posted["poll"]["options"]] == [None] * 3
    voted = await bob.put(f"{path}/vote", json={"option": 1})
    assert voted.status_code == 200
    assert [each["votes"] for each in voted.json()["options"]] == [0, 1, 0]
    assert (voted.json()["my_vote"], voted.json()["total"]) == (1, 1)
    assert (await bob.put(f"{path}/vote", json={"option": 1})).status_code == 200
    other = await bob.put(f"{path}/vote", json={"option": 0})
    assert (other.status_code, other.json()["reason"]) == (409, "already_voted")
    assert (await bob.put(f"{path}/vote", json={"option": 3})).status_code == 422
    await _settled(services)
    blind = (await ada.get(path)).json()["poll"]
    assert (blind["total"], blind["options"][1].get("votes")) == (1, None)
    assert (await ada.patch(path, json={"body": "Coffee?"})).status_code == 409
    async with services.write() as db:
        await db.execute(text("update content.polls set ends_at = now()"))
    ended = (await ada.get(path)).json()["poll"]
    assert (ended["ended"], [each["votes"] for each in ended["options"]]) == (True, [0, 1, 0])
    late = await ada.put(f"{path}/vote", json={"option": 1})
    assert (late.status_code, late.json()["reason"]) == (409, "poll_ended")
    plain = await _posted(ada, "No poll")
    assert (await bob.put(f"/posts/{plain['id']}/vote", json={"option": 0})).status_code == 404


@pytest.mark.row("M-14")
@pytest.mark.row("T-17")
async def test_a_picture_is_uploaded_by_a_signed_link_and_posted(
    ada: Person, bob: Person, services: Services
) -> None:
    signed = (await ada.post("/uploads/sign", json={"size": len(PNG), "mime": "image/png"})).json()
    draft = {"body": "Look", "media": [{"key": signed["key"], "alt": "A square"}]}
    assert (await ada.post("/posts", json=draft)).json()["reason"] == "not_yours"
    put = await ada.put(signed["upload_url"], content=PNG, headers={"content-type": "image/png"})
    assert put.status_code == 204
    assert (await bob.post("/posts", json=draft)).json()["reason"] == "not_yours"
    posted = (await ada.post("/posts", json=draft)).json()
    assert posted["type"] == "PHOTO"
    # Nothing is shown of what nobody has looked at.
    assert "pictures" not in posted
    await look_at_picture(services, CheckUpload(UUID(signed["id"])))
    (shown,) = (await bob.get(f"/items/{posted['id']}")).json()["pictures"]
    assert (shown["alt"], shown["width"], shown["height"]) == ("A square", 700, 350)
    assert [each["width"] for each in shown["sizes"]] == [320, 640, 700]
    for url in (shown["url"], *(each["url"] for each in shown["sizes"])):
        assert (await bob.get(url)).status_code == 200
    assert not await services.storage.exists(signed["key"])
    # Bytes of another kind than they were said to be.
    signed = (await ada.post("/uploads/sign", json={"size": 4, "mime": "image/jpeg"})).json()
    await ada.put(signed["upload_url"], content=b"abcd", headers={"content-type": "image/jpeg"})
    wrong = await ada.post("/posts", json={"media": [{"key": signed["key"]}]})
    assert wrong.json()["reason"] == "not_yours"
    too_large = await ada.post("/uploads/sign", json={"size": 10**8, "mime": "image/png"})
    assert too_large.status_code == 422


@pytest.mark.row("D-16")
async def test_a_post_and_its_event_are_there_together_or_not_at_all(
    ada: Person, services: Services
) -> None:
    async def write() -> None:
        async with services.write() as db:
            now = services.clock.now()
            await posts.create(db, ada.viewer, PostDraft("Words"), (), Rules(500, 900.0), now)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await write()
    assert await _events(services, "post.created") == []
    assert await _count(services, ada.viewer.id) == 0
    await _posted(ada)
    assert len(await _events(services, "post.created")) == 1
    assert await _count(services, ada.viewer.id) == 1


async def test_visitors_post_nothing(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/posts", json={"body": "x"})).status_code == 401


@pytest.mark.row("K14")
async def test_a_post_with_a_key_is_posted_once(ada: Person, services: Services) -> None:
    headers = {"idempotency-key": "one"}
    first = await ada.post("/posts", json={"body": "Once"}, headers=headers)
    again = await ada.post("/posts", json={"body": "Once"}, headers=headers)
    assert first.content == again.content
    assert len(await _events(services, "post.created")) == 1
    toggled = [
        (await ada.post(f"/items/{first.json()['id']}/like/toggle", headers=headers)).json()
        for _ in range(2)
    ]
    assert [each["liked_by_me"] for each in toggled] == [True, True]
    assert (await ada.post(f"/items/{first.json()['id']}/like/toggle")).status_code == 422


@pytest.mark.row("T-37")
async def test_likes_are_listed_as_their_person_allows_and_bookmarks_for_nobody_else(
    ada: Person, bob: Person, services: Services
) -> None:
    posted = [await _posted(ada, f"Number {number}") for number in range(3)]
    for each in posted:
        await bob.put(f"/items/{each['id']}/like")
        await bob.put(f"/items/{each['id']}/bookmark")
    first = (await bob.get("/users/bob/likes?limit=2")).json()
    rest = (await bob.get(f"/users/bob/likes?limit=2&cursor={first['next_cursor']}")).json()
    listed = [each["id"] for each in (*first["items"], *rest["items"])]
    assert listed == [each["id"] for each in posted[::-1]]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert (await ada.get("/users/bob/likes")).json()["reason"] == "likes_private"
    async with services.write() as db:
        await db.execute(text("update content.users set settings = '{\"public_likes\": true}'"))
    assert len((await ada.get("/users/bob/likes")).json()["items"]) == 3
    forged = await ada.get(f"/users/ada/likes?cursor={first['next_cursor']}")
    assert (forged.status_code, forged.json()["reason"]) == (400, "cursor_invalid")
    assert len((await bob.get("/bookmarks")).json()["items"]) == 3
    assert (await ada.get("/bookmarks")).json()["items"] == []
    likers = (await ada.get(f"/items/{posted[0]['id']}/likes")).json()
    assert [each["username"] for each in likers["items"]] == ["bob"]
    assert (await ada.get("/users/nobody_/likes")).status_code == 404


async def test_between_the_blocked_nothing_is_quoted_voted_or_listed(
    ada: Person, bob: Person
) -> None:
    posted = await _posted(ada, "Tea?", poll={"options": ["Yes", "No"]})
    await bob.put(f"/items/{posted['id']}/like")
    assert (await ada.put("/users/bob/block")).status_code == 200
    quote = await bob.post("/posts", json={"body": "Ha", "quote_of": posted["id"]})
    assert quote.status_code == 404
    assert (await bob.put(f"/posts/{posted['id']}/vote", json={"option": 0})).status_code == 404
    assert (await bob.get(f"/posts/{posted['id']}/edits")).status_code == 404
    assert (await ada.get(f"/items/{posted['id']}/likes")).json()["items"] == []
    assert (await bob.get("/users/ada/likes")).status_code == 404


async def test_a_mention_of_who_does_not_allow_it_is_only_a_word(
    ada: Person, bob: Person, services: Services
) -> None:
    async def allow(audience: str) -> None:
        async with services.write() as db:
            change = text(
                "update content.users set settings = cast(:given as jsonb) where id = :id"
            )
            given = f'{{"who_may_mention": "{audience}"}}'
            await db.execute(change, {"given": given, "id": bob.viewer.id})

    async def mentioned() -> list[str]:
        posted = await _posted(ada, "What do you say, @bob?")
        assert "@bob" in posted["body_text"]
        told = (await _events(services, "post.created"))[-1]
        assert told["mentions"] == [str(bob.viewer.id)] * len(posted.get("mentions", []))
        return [each["username"] for each in posted.get("mentions", [])]

    for audience in ("nobody", "followed"):
        await allow(audience)
        assert await mentioned() == []
    assert (await bob.put("/users/ada/follow")).status_code == 200
    assert await mentioned() == ["bob"]
    async with services.write() as db:
        item = await an_item(db)
    await allow("nobody")
    said = await ada.post(f"/items/{item}/comments", json={"body": "And here, @bob?"})
    assert said.status_code == 201
    (told,) = await _events(services, "comment.created")
    assert told["mentions"] == []
