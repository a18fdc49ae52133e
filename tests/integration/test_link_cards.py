"""The card of a post's first link: what its page says of itself, and a picture of ours."""

from collections.abc import Iterator
from io import BytesIO
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import text

from jobs.ingest import desk
from jobs.ingest.link_card import card_link
from jobs.ingest.turns import Pace
from jobs.schedule import card_links
from server import display, posts
from server.display import Item
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer
from server.posts import CardLink, PostDraft, PostEdit, Rules
from tests.pages import Answer, Pages, serving
from tests.people import a_user

pytestmark = [pytest.mark.anyio, pytest.mark.row("T-02")]
RULES = Rules(500, 900.0)
HTML = {"content-type": "text/html; charset=utf-8"}


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "PACE", Pace(spacing_seconds=0.001, burst=100))


@pytest.fixture
def pages() -> Iterator[Pages]:
    with serving() as opened:
        yield opened


def _picture() -> bytes:
    drawn = BytesIO()
    Image.new("RGB", (640, 320), "navy").save(drawn, "PNG")
    return drawn.getvalue()


async def _posted(services: Services, body: str) -> tuple[Viewer, UUID]:
    async with services.write() as db:
        now = services.clock.now()
        author = await a_user(db, "ada")
        return author, await posts.create(db, author, PostDraft(body), (), RULES, now)


async def _shown(services: Services, post_id: UUID) -> Item:
    async with services.database.read() as db:
        return await display.one(db, VISITOR, post_id, services.storage)


async def test_a_link_becomes_a_card_with_a_picture_that_is_ours(
    services: Services, pages: Pages
) -> None:
    picture = pages.put("/a.png", Answer(_picture(), headers={"content-type": "image/png"}))
    head = (
        '<html><head><meta charset="utf-8"><title>Not this</title>'
        '<meta property="og:title" content="A &amp; B &lt;i&gt;é"><meta name="description" '
        'content="What it is about."><meta property="og:type" content="video.other">'
        '<meta property="og:image" content="/a.png"><meta property="og:site_name" content="Paper">'
        '</head><body><meta property="og:title" content="Nor this"></body></html>'
    )
    url = pages.put("/page", Answer(head.encode(), headers=HTML))
    _, post_id = await _posted(services, f"Look: {url}.")
    assert (await _shown(services, post_id)).link is None
    await card_link(services, CardLink(post_id))
    link = (await _shown(services, post_id)).link
    assert link is not None
    assert (link.url, link.kind, link.site) == (url, "video", "Paper")
    assert (link.title, link.description) == ("A & B é", "What it is about.")
    assert link.image_url is not None
    assert picture not in link.image_url
    assert link.image_key is None
    asked = len(pages.asked)
    await card_link(services, CardLink(post_id))
    assert len(pages.asked) == asked
    async with services.database.read() as db:
        told = text("select count(*) from ops.outbox where topic = 'post.link_carded'")
        assert (await db.execute(told)).scalar_one() == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=404),
        Answer(b"no page at all", headers=HTML),
        Answer(b"\xff\xfe\x00<title>", headers={"content-type": "text/html; charset=nonsense"}),
        Answer(b"<title> </title>", headers=HTML),
        Answer(b"GIF89a", headers={"content-type": "image/gif"}),
    ],
)
async def test_where_there_is_nothing_to_show_no_card_is_made_and_nobody_asks_again(
    services: Services, pages: Pages, answer: Answer
) -> None:
    _, post_id = await _posted(services, pages.put("/page", answer))
    await card_link(services, CardLink(post_id))
    assert (await _shown(services, post_id)).link is None
    async with services.database.read() as db:
        assert await posts.to_card(db, post_id) is None


async def test_a_picture_is_a_card_of_its_own(services: Services, pages: Pages) -> None:
    url = pages.put("/a.png", Answer(_picture(), headers={"content-type": "image/png"}))
    _, post_id = await _posted(services, url)
    await card_link(services, CardLink(post_id))
    link = (await _shown(services, post_id)).link
    assert link is not None
    assert link.kind == "image"
    assert link.image_url is not None


async def test_the_card_of_a_link_that_was_edited_away_is_not_shown(
    services: Services, pages: Pages
) -> None:
    url = pages.put("/page", Answer(b"<title>Old</title>", headers=HTML))
    author, post_id = await _posted(services, url)
    await card_link(services, CardLink(post_id))
    async with services.write() as db:
        now = services.clock.now()
        await posts.edit(db, author, post_id, PostEdit("No link any more"), RULES, now)
    assert (await _shown(services, post_id)).link is None


async def test_the_sweep_finds_what_was_left_behind(services: Services, pages: Pages) -> None:
    _, post_id = await _posted(services, pages.put("/page", Answer(b"<title>A</title>")))
    await card_links(services)
    assert (await services.queue.depths())["ingest"].waiting == 0
    async with services.database.read() as db:
        later = services.clock.now() + 2 * posts.SWEEP_AGE
        assert await posts.uncarded(db, later, 10) == [post_id]
