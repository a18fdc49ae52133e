"""The main job of Lumen (product.md), step by step, in real windows on a real stack."""

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Stack, Window, Windows

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def here(page: Page, feed: str = "news") -> Locator:
    """Find the slide that is on the screen."""
    return page.locator(f"#panel-{feed} article[aria-current='true']")


def count_of(page: Page, name: str) -> Locator:
    return here(page).get_by_role("button", name=re.compile(rf"^{name}\b"))


@pytest.fixture
def newspaper(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server with a folder to put a feed into."""
    handler = partial(_Quiet, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", tmp_path
    server.shutdown()
    server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


def feed_of(title: str, link: str) -> str:
    moment = format_datetime(datetime.now(UTC))
    return f"""<?xml version="1.0"?><rss version="2.0"><channel>
<title>The Paper of This Test</title><link>{link}</link><description>One story</description>
<item><title>{title}</title><link>{link}/story</link><guid>{uuid.uuid4()}</guid>
<pubDate>{moment}</pubDate><category>Culture</category>
<description>A lamp was lit in the window of the old library, and people looked up.</description>
</item></channel></rss>"""


def test_a_source_is_added_and_its_story_shows_on_the_open_screen(
    windows: Windows, stack: Stack, newspaper: tuple[str, Path]
) -> None:
    url, folder = newspaper
    title = f"The library lamp is lit again, for the {uuid.uuid4().hex[:6]}th time"
    (folder / "feed.xml").write_text(feed_of(title, url), "utf-8")
    page = windows.open().page
    # What the demo brings is in the feed before the newspaper is.
    until(page, SETTLED)
    page.reload()
    expect(here(page)).to_be_visible()

    stack.lumen("source", "add", f"{url}/feed.xml")

    # Somebody who comes now is given it; whoever is here is told.
    until(page, GIVEN, title)
    pill = page.get_by_role("button", name=re.compile("new stor"))
    expect(pill).to_be_visible()
    before = here(page).get_attribute("data-seq")
    assert before == "1", "the pill must not move what is being read"
    pill.click()
    assert find(page, title), "what the pill told of does not lead"


def until(page: Page, answer: str, argument: str = "") -> None:
    """Ask the server again and again, as the page would, until it says yes."""
    page.evaluate(
        f"""async (argument) => {{
          while (!(await ({answer})(argument))) await new Promise((on) => setTimeout(on, 300));
        }}""",
        argument,
    )


SETTLED = """async () => {
  const page = await (await fetch("/feed/news?limit=20")).json();
  return page.slides.length === 20 && page.has_more;
}"""
GIVEN = """async (title) => {
  const page = await (await fetch("/feed/news?limit=20")).text();
  return page.includes(title);
}"""


def find(page: Page, title: str) -> bool:
    """Scroll until a story is on the screen."""
    for seq in range(1, 11):
        slide = page.locator(f"#panel-news article[aria-current='true'][data-seq='{seq}']")
        expect(slide).to_be_visible()
        if slide.get_by_text(title).count():
            return True
        page.keyboard.press("j")
    return False


def test_the_join_reply_is_the_first_page(windows: Windows) -> None:
    window = windows.open()

    slide = here(window.page)
    expect(slide.get_by_role("heading", level=2)).to_be_visible()
    expect(slide.get_by_role("listitem")).to_have_count(3)
    assert [url for url in window.requests if "/feed/" in url] == []


def test_scrolling_goes_on_without_gap_or_repeat_and_with_few_slides_in_the_document(
    windows: Windows,
) -> None:
    window = windows.open()
    seen = scroll(window.page, 1, 12)

    assert len(set(seen)) == len(seen) == 48
    acknowledged = [json.loads(frame)[4]["seq"] for frame in window.wire.sent if '"ack"' in frame]
    assert acknowledged == list(range(1, 13))
    assert window.page.locator("#panel-news .slide").count() <= 7


def scroll(page: Page, first: int, last: int) -> list[str]:
    """Read the slides from one seq to another; the ids of what they show."""
    seen = []
    for seq in range(first, last + 1):
        slide = page.locator(f"#panel-news article[aria-current='true'][data-seq='{seq}']")
        expect(slide).to_be_visible(timeout=15_000)
        shown = slide.evaluate(
            "(it) => [it.entry.data.featured, ...it.entry.data.related].map((item) => item.id)"
        )
        assert isinstance(shown, list)
        seen += shown
        if seq < last:
            page.keyboard.press("j")
    return seen


def test_a_like_in_one_window_moves_the_count_in_the_other(windows: Windows) -> None:
    reader, other = windows.open(), windows.open()
    item = here(reader.page).evaluate("(it) => it.entry.data.featured.id")
    like = count_of(reader.page, "Like")
    before = likes_on(like)
    windows.sign_up(other)
    other.page.goto(f"/#item={item}")
    other.page.reload()

    sheet = other.page.get_by_role("dialog")
    sheet.get_by_role("button", name=re.compile("^Like")).click()

    expect(like).to_have_accessible_name(re.compile(rf"^Like, {before + 1} "))
    expect(like).to_have_attribute("aria-pressed", "false")
    sheet.get_by_role("button", name=re.compile("^Like")).click()
    expect(like).to_have_accessible_name(re.compile(rf"^Like, {before} "))


def likes_on(button: Locator) -> int:
    name = re.match(r"Like, (\d+)", button.get_attribute("aria-label") or "")
    assert name
    return int(name[1])


def test_what_was_asked_before_signing_in_happens_after_it(windows: Windows) -> None:
    page = windows.open().page
    like = count_of(page, "Like")
    before = likes_on(like)

    like.click()
    page.get_by_role("button", name="I am new here").click()
    name = f"late{uuid.uuid4().hex[:8]}"
    page.get_by_label("Username").fill(name)
    page.get_by_label("E-mail").fill(f"{name}@lumen.example")
    page.get_by_label("Password").fill("a long enough phrase")
    page.get_by_role("button", name="Make the account").click()

    expect(like).to_have_attribute("aria-pressed", "true")
    expect(like).to_have_accessible_name(re.compile(rf"^Like, {before + 1} "))
    page.reload()
    expect(page.get_by_role("button", name=f"Account of {name}")).to_be_visible()


def test_an_answer_to_a_comment_is_told_in_the_other_window(windows: Windows) -> None:
    author, other = windows.open(), windows.open()
    windows.sign_up(author)
    name = windows.sign_up(other)
    item = here(author.page).evaluate("(it) => it.entry.data.featured.id")
    words = f"First word {uuid.uuid4().hex[:8]}"

    author.page.keyboard.press("c")
    comment(author.page, words)
    author.page.keyboard.press("Escape")
    other.page.goto(f"/#item={item}")
    other.page.reload()
    other.page.get_by_role("dialog").get_by_role("button", name=re.compile("^Comments")).click()
    said = other.page.get_by_role("listitem").filter(has_text=words)
    said.get_by_role("button", name="Reply", exact=True).click()
    comment(other.page, "And a second one")

    toast = author.page.locator(".toast")
    expect(toast).to_contain_text(name)
    expect(toast).to_contain_text("answered your comment")
    expect(toast).to_contain_text("And a second one")
    expect(author.page).to_have_title("(1) Lumen")
    author.page.get_by_role("button", name="Notifications, 1 unread").click()
    author.page.get_by_role("dialog").get_by_role("button", name=re.compile(name)).click()
    thread = author.page.get_by_role("dialog")
    expect(thread.locator(".answers").get_by_text("And a second one")).to_be_visible()
    expect(author.page).to_have_title("Lumen")


def comment(page: Page, words: str) -> None:
    """Write into the open conversation, and see it there."""
    page.get_by_label("Your comment").fill(words)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("dialog").locator(".words", has_text=words)).to_be_visible()
    expect(page.get_by_text("Sending…")).to_have_count(0)


def test_a_cut_costs_nothing(windows: Windows) -> None:
    window = windows.open()
    seen = scroll(window.page, 1, 2)

    window.wire.cut()
    expect(window.page.locator("#link-state[data-state='reconnecting']")).to_be_attached()
    window.page.keyboard.press("j")
    seen += scroll(window.page, 3, 4)
    window.wire.mend()
    expect(window.page.locator("#link-state[data-state='open']")).to_be_attached(timeout=15_000)
    window.page.keyboard.press("j")
    seen += scroll(window.page, 5, 10)

    assert len(set(seen)) == len(seen) == 40
    joins = [json.loads(frame) for frame in window.wire.sent if '"phx_join"' in frame]
    assert joins[0][4] == {}
    assert joins[-1][4]["cursor"], "the rejoin carries the last position"


def test_without_a_socket_pages_go_on_at_the_same_cursor(windows: Windows) -> None:
    window = windows.blank()
    window.wire.cut()
    window.wire.without_long_poll()
    window.page.goto("/")
    seen = scroll(window.page, 1, 5)
    expect(window.page.get_by_text("You are offline")).to_be_visible()

    window.wire.mend()
    expect(window.page.locator("#link-state[data-state='open']")).to_be_attached(timeout=15_000)
    window.page.keyboard.press("j")
    seen += scroll(window.page, 6, 9)

    assert len(set(seen)) == len(seen) == 36
    assert any("cursor=" in url for url in window.requests)
    windows.forgive(window)


def test_where_websockets_are_blocked_long_poll_does_it_all(windows: Windows) -> None:
    window, other = windows.blank(), windows.open()
    window.wire.cut()
    window.page.goto("/")
    expect(window.page.locator("#link-state[data-state='open']")).to_be_attached()
    scroll(window.page, 1, 5)
    item = here(window.page).evaluate("(it) => it.entry.data.featured.id")
    like = count_of(window.page, "Like")
    before = likes_on(like)
    windows.sign_up(other)
    other.page.goto(f"/#item={item}")
    other.page.reload()

    other.page.get_by_role("dialog").get_by_role("button", name=re.compile("^Like")).click()

    expect(like).to_have_accessible_name(re.compile(rf"^Like, {before + 1} "))


PLAYABLE = """async () => {
  const page = await (await fetch("/feed/foryou?media=video&limit=1")).json();
  return page.items.length > 0;
}"""
PLAYING = "(it) => it.currentTime > 0.2 && !it.paused && it.muted"


def test_for_you_plays_a_card_while_it_is_seen(windows: Windows) -> None:
    page = windows.open().page
    until(page, PLAYABLE)
    page.get_by_role("tab", name="For You").click()
    expect(here(page, "foryou").locator(".art")).to_be_visible()

    video = to_a_film(page).element_handle()
    page.wait_for_function(PLAYING, arg=video)
    page.keyboard.press("m")
    page.wait_for_function("(it) => !it.muted", arg=video)
    page.keyboard.press("j")
    page.wait_for_function("(it) => it.paused", arg=video)


def to_a_film(page: Page) -> Locator:
    """Scroll to the first card that is rendered: the others show their posters until they are."""
    for seq in range(1, 200):
        card = page.locator(f"#panel-foryou article[aria-current='true'][data-seq='{seq}']")
        expect(card).to_be_visible()
        if card.locator("video").count():
            return card.locator("video")
        page.keyboard.press("j")
    raise AssertionError("no card of For You has a film")


def test_a_retracted_item_is_replaced_in_place(windows: Windows) -> None:
    window = windows.open()
    expect(here(window.page)).to_be_visible()
    item = here(window.page).evaluate("(it) => it.entry.data.featured.id")
    retract(window, [item])

    expect(here(window.page).get_by_role("heading", name="Taken down")).to_be_visible()
    assert here(window.page).get_attribute("data-seq") == "1"


def retract(window: Window, ids: list[str]) -> None:
    """Tell a window what the server tells it when a moderator takes items down."""
    window.wire.tell("feed:news", "retract", {"ids": ids})
