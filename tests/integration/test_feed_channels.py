"""The channels of feeds on the whole app: windows, rejoins, losses, counters, what is told."""

import random
from typing import Any
from uuid import UUID

import anyio
import httpx2
import pytest
from sqlalchemy import text
from starlette.applications import Starlette

from realtime.testing import Client, connect
from server import engagement, items
from server.feed.node import FeedNode
from server.feed.reactions import tell_card, tell_fresh, tell_gone
from server.items.events import ItemsEmbedded, ItemsRetracted
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.media.events import CardChanged
from tests import newsroom

pytestmark = pytest.mark.anyio

NEWS, FORYOU = "feed:news", "feed:foryou"


@pytest.fixture
def services(app: Starlette) -> Services:
    """The services of the app itself, whose publisher is its endpoint."""
    served: Services = app.state.node.services
    return served


@pytest.fixture
async def stock(services: Services) -> list[UUID]:
    """A hundred and twenty items, the first sixty of them with a card."""
    ids = await newsroom.fill(services.database)
    async with services.write() as db:
        await newsroom.add_cards(db, ids[:60], "ready")
    return ids


@pytest.fixture
async def visitor(app: Starlette) -> Client:
    return await connect(app.state.node.endpoint)


@pytest.fixture
async def token(client: httpx2.AsyncClient) -> str:
    answer = await client.post(
        "/auth/register",
        json={"username": "ada", "email": "ada@example.org", "password": "a long pass phrase"},
    )
    client.cookies.clear()
    made: str = answer.json()["access_token"]
    return made


def shown(slides):
    return [each["id"] for slide in slides for each in (slide["featured"], *slide["related"])]


def seqs(slides):
    return [slide["seq"] for slide in slides]


async def joined(client: Client, topic: str = NEWS, **params):
    reply = await client.join(topic, params)
    assert reply.ok, reply.response
    return reply.response


async def frames(client: Client, count: int, event: str = "slide"):
    return [(await client.receive(event)).payload for _ in range(count)]


@pytest.mark.usefixtures("stock")
async def test_a_join_gives_the_first_slides_and_a_cursor(visitor):
    page = await joined(visitor)
    assert seqs(page["slides"]) == [1, 2, 3]
    assert page["cursor"] == page["next_cursor"]
    assert page["has_more"] is True
    assert len((await joined(visitor, limit=8))["slides"]) == 8


@pytest.mark.usefixtures("stock")
async def test_acks_move_the_window_and_without_an_ack_nothing_is_pushed(visitor):
    page = await joined(visitor, limit=4)
    assert (await visitor.request(NEWS, "ack", {"seq": 1})).ok
    assert visitor.received == []
    assert (await visitor.request(NEWS, "ack", {"seq": 3})).ok
    pushed = await frames(visitor, 2)
    assert [frame["seq"] for frame in pushed] == [5, 6]
    assert [frame["slide"]["seq"] for frame in pushed] == [5, 6]
    # An older ack, a repeated one and one of what was never given move nothing backwards.
    for seq in (1, 3, 3):
        assert (await visitor.request(NEWS, "ack", {"seq": seq})).ok
    assert visitor.received == []
    assert (await visitor.request(NEWS, "ack", {"seq": 99})).ok
    pushed += await frames(visitor, 3)
    assert [frame["seq"] for frame in pushed] == [5, 6, 7, 8, 9]
    everything = shown(page["slides"]) + shown(frame["slide"] for frame in pushed)
    assert len(set(everything)) == len(everything) == 36


@pytest.mark.usefixtures("stock")
async def test_a_frames_cursor_is_the_place_after_it(app, visitor):
    await joined(visitor, limit=1)
    await visitor.request(NEWS, "ack", {"seq": 1})
    first, second, third = await frames(visitor, 3)
    again = await connect(app.state.node.endpoint)
    page = await joined(again, cursor=first["cursor"], limit=3)
    assert seqs(page["slides"]) == [3, 4, 5]
    assert page["slides"][:2] == [second["slide"], third["slide"]]


@pytest.mark.usefixtures("stock")
async def test_a_rejoin_goes_on_without_gap_or_repeat_and_rest_goes_on_from_there(
    app, visitor, client
):
    page = await joined(visitor, limit=3)
    await visitor.request(NEWS, "ack", {"seq": 2})
    (frame, _) = await frames(visitor, 2)
    await visitor.close()
    again = await connect(app.state.node.endpoint)
    back = await joined(again, cursor=frame["cursor"], limit=4)
    assert seqs(back["slides"]) == [5, 6, 7, 8]
    query = {"cursor": back["cursor"], "limit": 2}
    rest = (await client.get("/feed/news", params=query)).json()
    assert seqs(rest["slides"]) == [9, 10]
    more = (await again.request(NEWS, "more", {"limit": 3})).response
    assert more["slides"][:2] == rest["slides"]
    assert seqs(more["slides"]) == [9, 10, 11]
    everything = [*page["slides"], frame["slide"], *back["slides"], *more["slides"]]
    assert len(set(shown(everything))) == 44


@pytest.mark.usefixtures("stock")
@pytest.mark.parametrize("seed", range(6))
async def test_any_mix_of_frames_and_pages_is_one_sequence(app, client, seed):
    chance = random.Random(seed)  # noqa: S311 - a test's own chance
    reader = Scroller(app, client)
    await reader.join(None)
    for _ in range(25):
        await getattr(reader, chance.choice(("rest", "ack", "more", "rejoin")))(chance)
    slides = [reader.given[seq] for seq in sorted(reader.given)]
    assert sorted(reader.given) == list(range(1, len(slides) + 1))
    assert len(set(shown(slides))) == 4 * len(slides) > 40


class Scroller:
    """One reader of one session, by socket and by REST at once."""

    def __init__(self, app, client):
        self.app, self.http = app, client
        self.given, self.cursors = {}, []

    def take(self, slides, cursor):
        for slide in slides:
            assert self.given.setdefault(slide["seq"], slide) == slide
        self.cursors.append(cursor)

    async def join(self, cursor):
        self.socket = await connect(self.app.state.node.endpoint)
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await joined(self.socket, **params)
        self.take(page["slides"], page["cursor"])
        self.place = seqs(page["slides"])[-1] if page["slides"] else 0

    async def rejoin(self, chance):
        await self.socket.close()
        await self.join(chance.choice(self.cursors))

    async def rest(self, chance):
        query = {"cursor": chance.choice(self.cursors), "limit": chance.randint(1, 5)}
        page = (await self.http.get("/feed/news", params=query)).json()
        self.take(page["slides"], page["cursor"])

    async def more(self, chance):
        answer = await self.socket.request(NEWS, "more", {"limit": chance.randint(1, 4)})
        self.take(answer.response["slides"], answer.response["cursor"])
        self.place += len(answer.response["slides"])

    async def ack(self, _chance):
        assert (await self.socket.request(NEWS, "ack", {"seq": self.place})).ok
        while self.socket.received:
            frame = self.socket.received.pop(0).payload
            self.place += 1
            assert frame["seq"] == self.place
            self.take([frame["slide"]], frame["cursor"])


@pytest.mark.usefixtures("stock")
async def test_a_ledger_lost_in_the_middle_resets_and_repeats_nothing(visitor, services):
    page = await joined(visitor, limit=5)
    await visitor.request(NEWS, "ack", {"seq": 1})
    await services.redis.flushall()
    await visitor.request(NEWS, "ack", {"seq": 4})
    reset = await visitor.receive()
    assert (reset.event, reset.payload["reason"]) == ("reset", "ledger_lost")
    pushed = await frames(visitor, 2)
    assert [frame["seq"] for frame in pushed] == [6, 7]
    assert not set(shown(frame["slide"] for frame in pushed)) & set(shown(page["slides"]))
    # What the reset names is the place before the slides that follow it.
    again = await joined(visitor, cursor=reset.payload["cursor"], limit=2)
    assert again["slides"] == [frame["slide"] for frame in pushed]


@pytest.mark.usefixtures("stock")
async def test_a_rejoin_after_a_loss_says_so_and_leaves_out_what_was_seen(app, visitor, services):
    page = await joined(visitor, limit=5)
    await visitor.request(NEWS, "ack", {"seq": 5})
    await visitor.close()
    await services.part(FeedNode).impressions.flush()
    await services.redis.flushall()
    again = await connect(app.state.node.endpoint)
    back = await joined(again, cursor=page["cursor"], limit=5)
    assert back["restarted"] is True
    assert seqs(back["slides"]) == [6, 7, 8, 9, 10]
    assert not set(shown(back["slides"])) & set(shown(page["slides"]))
    reset = (await again.receive("reset")).payload
    assert reset["cursor"] == back["cursor"]


@pytest.mark.usefixtures("stock")
async def test_acks_are_written_down_as_seen(visitor, services):
    page = await joined(visitor, limit=5)
    await visitor.request(NEWS, "ack", {"seq": 2})
    await services.part(FeedNode).impressions.flush()
    async with services.database.read() as db:
        rows = (await db.execute(text("select item_id, feed, seq from engage.impressions"))).all()
    assert {str(row.item_id) for row in rows} == set(shown(page["slides"][:2]))
    assert {(row.feed, row.seq) for row in rows} == {("news", 1), ("news", 2)}


async def test_for_you_comes_as_items(visitor, stock):
    page = await joined(visitor, FORYOU, limit=2)
    assert [item["id"] for item in page["items"]] == [str(each) for each in stock[59:57:-1]]
    assert page["first_seq"] == 1
    await visitor.request(FORYOU, "ack", {"seq": 2})
    pushed = await frames(visitor, 3, "item")
    assert [(frame["seq"], frame["item"]["id"]) for frame in pushed] == [
        (seq, str(stock[60 - seq])) for seq in (3, 4, 5)
    ]
    more = (await visitor.request(FORYOU, "more", {"limit": 50})).response
    assert (more["first_seq"], len(more["items"])) == (6, 50)


@pytest.mark.usefixtures("stock")
@pytest.mark.parametrize(
    ("topic", "params", "reason"),
    [
        (NEWS, {"limit": 21}, "malformed"),
        (NEWS, {"cursor": "nonsense"}, "cursor_invalid"),
        (FORYOU, {"limit": 51}, "malformed"),
        (FORYOU, {"media": "sound"}, "malformed"),
        ("feed:nothing", {}, "unmatched topic"),
        ("feed:following", {}, "sign_in_first"),
    ],
)
async def test_a_join_that_cannot_be_is_refused_with_a_reason(visitor, topic, params, reason):
    reply = await visitor.join(topic, params)
    assert (reply.status, reply.response["reason"]) == ("error", reason)


@pytest.mark.usefixtures("stock")
async def test_a_message_that_does_not_fit_is_refused_and_the_channel_lives(visitor):
    await joined(visitor)
    for event, payload in (
        ("ack", {"seq": -1}),
        ("ack", {}),
        ("more", {"limit": 0}),
        ("watch", {"ids": [str(UUID(int=n)) for n in range(51)]}),
        ("watch", {"ids": ["one"]}),
    ):
        reply = await visitor.request(NEWS, event, payload)
        assert (reply.status, reply.response["reason"]) == ("error", "malformed")
    assert (await visitor.request(NEWS, "more")).ok


async def test_visitors_read_and_do_not_act(visitor, stock):
    await joined(visitor)
    for event in ("like", "unlike", "bookmark", "unbookmark"):
        reply = await visitor.request(NEWS, event, {"id": str(stock[0])})
        assert reply.response["reason"] == "sign_in_first"
    reply = await visitor.request(NEWS, "comment", {"id": str(stock[0]), "body": "Hello"})
    assert reply.response["reason"] == "sign_in_first"


async def test_what_is_watched_comes_as_a_snapshot_and_then_as_it_moves(
    app, visitor, stock, services, token
):
    liked, other = str(stock[0]), str(stock[1])
    reader = await connect(app.state.node.endpoint, auth_token=token)
    for each in (visitor, reader):
        await joined(each)
    reply = await visitor.request(NEWS, "watch", {"ids": [liked]})
    assert [(each["id"], each["likes"]) for each in reply.response["items"]] == [(liked, 0)]
    for item in (liked, other):
        standing = (await reader.request(NEWS, "like", {"id": item})).response
        assert (standing["counts"]["likes"], standing["liked_by_me"]) == (1, True)
    await fold(services)
    told = (await visitor.receive("counters")).payload["items"]
    assert [(each["id"], each["likes"], each["version"]) for each in told] == [(liked, 1, 1)]
    assert (await visitor.request(NEWS, "unwatch", {"ids": [liked]})).ok
    await reader.request(NEWS, "unlike", {"id": liked})
    await fold(services)
    await visitor.request(NEWS, "ack", {"seq": 0})
    assert [message.event for message in visitor.received] == []
    again = await visitor.request(NEWS, "watch", {"ids": [liked, other]})
    assert {each["id"]: each["likes"] for each in again.response["items"]} == {liked: 0, other: 1}


async def fold(services: Services) -> None:
    """Fold, and wait until this node has heard of it."""
    heard = anyio.Event()
    endpoint: Any = services.publisher
    stop = endpoint.subscribe(engagement.COUNTERS_TOPIC, lambda _: heard.set())
    async with services.database.begin() as db:
        moved = await engagement.fold_once(db)
    await endpoint.broadcast(engagement.COUNTERS_TOPIC, engagement.COUNTERS_EVENT, {"items": moved})
    with anyio.fail_after(10):
        await heard.wait()
    stop()


async def test_counters_missed_in_a_gap_are_read_and_told(app, visitor, stock, services, token):
    await joined(visitor)
    await visitor.request(NEWS, "watch", {"ids": [str(stock[0])]})
    reader = await connect(app.state.node.endpoint, auth_token=token)
    await joined(reader)
    await reader.request(NEWS, "like", {"id": str(stock[0])})
    async with services.database.begin() as db:
        await engagement.fold_once(db)
    services.part(FeedNode).on_gap()
    told = (await visitor.receive("counters")).payload["items"]
    assert [(each["id"], each["likes"]) for each in told] == [(str(stock[0]), 1)]


async def test_a_reader_bookmarks_and_comments_from_the_feed(app, stock, token):
    reader = await connect(app.state.node.endpoint, auth_token=token)
    await joined(reader)
    kept = (await reader.request(NEWS, "bookmark", {"id": str(stock[0])})).response
    assert kept["bookmarked_by_me"] is True
    left = (await reader.request(NEWS, "unbookmark", {"id": str(stock[0])})).response
    assert left["bookmarked_by_me"] is False
    said = await reader.request(NEWS, "comment", {"id": str(stock[0]), "body": "Well said."})
    assert said.ok, said.response
    answer = await reader.request(
        NEWS,
        "comment",
        {"id": str(stock[0]), "body": "Is it?", "parent_id": said.response["id"]},
    )
    assert answer.ok, answer.response


@pytest.mark.usefixtures("stock")
async def test_new_items_are_told_and_change_nothing_that_was_given(visitor, services):
    page = await joined(visitor, limit=2)
    async with services.write() as db:
        source = await newsroom.add_source(db, 99)
        new = await newsroom.add_item(
            db, kind="ARTICLE", source=source, topic=0, at=services.clock.now(), number=999
        )
        await tell_fresh(services, db, ItemsEmbedded([new]))
    fresh = (await visitor.receive("fresh")).payload
    assert fresh == {"count": 1, "ids": [str(new)]}
    more = (await visitor.request(NEWS, "more", {"limit": 10})).response
    assert str(new) in shown(more["slides"])
    assert seqs(more["slides"])[0] == 3
    again = await joined(visitor, cursor=page["cursor"], limit=10)
    assert again["slides"] == more["slides"]


async def test_what_was_told_of_leads_a_new_session_that_asks_for_it(app, visitor, stock):
    page = await joined(visitor, limit=20)
    last = [slide["featured"]["id"] for slide in page["slides"][:-6:-1]]
    another = await connect(app.state.node.endpoint)
    begun = await joined(another, fresh=[str(UUID(int=1)), *last], limit=2)
    assert [slide["featured"]["id"] for slide in begun["slides"]] == last[:2]
    assert seqs(begun["slides"]) == [1, 2]
    rest = (await another.request(NEWS, "more", {"limit": 4})).response
    assert [slide["featured"]["id"] for slide in rest["slides"][:3]] == last[2:]
    ids = shown([*begun["slides"], *rest["slides"]])
    assert len(set(ids)) == len(ids) == 24

    # A place that was had before stays as it is.
    on = await joined(await connect(app.state.node.endpoint), fresh=last, cursor=page["cursor"])
    assert seqs(on["slides"])[0] == 21
    refused = await visitor.join(NEWS, {"fresh": [str(each) for each in stock[:11]]})
    assert refused.status == "error"


@pytest.mark.usefixtures("stock")
async def test_what_no_slide_features_and_what_was_only_edited_is_no_news(visitor, services):
    await joined(visitor, limit=1)
    async with services.write() as db:
        source = await newsroom.add_source(db, 98)
        add = {"source": source, "topic": 0, "at": services.clock.now()}
        said = await newsroom.add_item(db, kind="COMMENT", number=990, **add)
        post = await newsroom.add_item(db, kind="TWEET", number=991, **add)
        edited = await newsroom.add_item(db, kind="ARTICLE", number=992, **add)
        edit = text("update content.items set edited_at = now() where id = :id")
        await db.execute(edit, {"id": edited})
        new = await newsroom.add_item(db, kind="ARTICLE", number=993, **add)
        for each in (said, post, edited):
            await tell_fresh(services, db, ItemsEmbedded([each]))
        await tell_fresh(services, db, ItemsEmbedded([said, new]))

    # What was told of the others would have come before this.
    assert (await visitor.receive("fresh")).payload == {"count": 1, "ids": [str(new)]}


async def test_cards_are_told_when_they_have_a_poster_and_when_they_play(visitor, stock, services):
    await joined(visitor, FORYOU, limit=1)
    new = stock[100]
    async with services.write() as db:
        await newsroom.add_cards(db, [new], "poster")
        await tell_card(services, db, CardChanged(new, "poster"))
    assert (await visitor.receive("fresh")).payload == {"count": 1, "ids": [str(new)]}
    more = (await visitor.request(FORYOU, "more", {"limit": 1})).response
    assert more["items"][0]["id"] == str(new)
    assert "media_url" not in more["items"][0]
    async with services.write() as db:
        await newsroom.add_cards(db, [new], "ready")
        await tell_card(services, db, CardChanged(new, "ready"))
    media = (await visitor.receive("media")).payload
    assert media["id"] == str(new)
    assert media["media_url"]
    assert media["poster_url"]
    assert media["duration_sec"] == 7.0
    async with services.write() as db:
        await tell_card(services, db, CardChanged(new, "failed"))
    await visitor.request(FORYOU, "unwatch", {"ids": []})
    assert visitor.received == []


async def test_the_card_of_what_is_gone_is_not_told(visitor, stock, services):
    await joined(visitor, FORYOU, limit=1)
    async with services.write() as db:
        await items.retract(db, Viewer(UUID(int=1), "admin"), [stock[0]])
        await tell_card(services, db, CardChanged(stock[0], "ready"))
    await visitor.request(FORYOU, "unwatch", {"ids": []})
    assert visitor.received == []


async def test_what_is_retracted_leaves_every_screen_and_every_pool(visitor, services, stock):
    for topic in (NEWS, FORYOU, f"item:{stock[0]}"):
        await joined(visitor, topic)
    gone = stock[0:60:2]
    async with services.write() as db:
        await items.retract(db, Viewer(UUID(int=1), "admin"), gone)
        await tell_gone(services, db, ItemsRetracted(gone))
    for topic in (NEWS, FORYOU, f"item:{stock[0]}"):
        retract = await visitor.receive("retract", topic)
        assert retract.payload == {"ids": [str(each) for each in gone]}
    more = (await visitor.request(NEWS, "more", {"limit": 8})).response
    assert not set(shown(more["slides"])) & {str(each) for each in gone}
