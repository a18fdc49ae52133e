"""What the page shows when there is nothing, when something is wrong, and to whom."""

import itertools
import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.e2e.conftest import ROOT, SOCKET, Windows, keep_picture

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

STATIC = ROOT / "server" / "static"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
BUDGET_BYTES = 40_000


def answer_joins(page: Page, reply: dict[str, Any]) -> None:
    """Stand in for the server: every join and every push gets this reply."""

    def answer(frame: str | bytes, page_side: WebSocketRoute) -> None:
        join_ref, ref, topic, _, _ = json.loads(frame)
        told = {"status": "ok", "response": reply}
        page_side.send(json.dumps([join_ref, ref, topic, "phx_reply", told]))

    page.route_web_socket(SOCKET, lambda side: side.on_message(lambda frame: answer(frame, side)))


def fail(route: Route) -> None:
    """Let a request not get through."""
    route.abort()


def test_an_empty_house_says_how_stories_come(windows: Windows) -> None:
    page = windows.blank().page
    answer_joins(page, {"slides": [], "items": [], "cursor": "c", "has_more": False})
    page.goto("/")

    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    expect(page.get_by_text("lumen source add")).to_be_visible()
    expect(page.get_by_role("button", name="Look again", exact=True)).to_be_visible()
    keep_picture(page, "phone-dark-empty")


def test_when_nothing_can_be_reached_the_page_says_so_and_tries_again(windows: Windows) -> None:
    window = windows.blank()
    window.wire.cut()
    window.wire.without_long_poll()
    page = window.page
    page.route(re.compile("/feed/news"), fail)
    page.goto("/")

    expect(page.get_by_role("heading", name=re.compile("did not come"))).to_be_visible()
    keep_picture(page, "phone-dark-error")
    page.unroute(re.compile("/feed/news"))
    page.get_by_role("button", name="Try again", exact=True).click()
    expect(page.get_by_role("article").first).to_be_visible()
    windows.forgive(window)


def test_going_offline_is_said_calmly_and_forgotten_afterwards(windows: Windows) -> None:
    window = windows.open()
    expect(window.page.get_by_role("article").first).to_be_visible()

    window.context.set_offline(True)
    expect(window.page.get_by_text("You are offline")).to_be_visible()
    keep_picture(window.page, "phone-dark-offline")
    window.context.set_offline(False)
    expect(window.page.get_by_text("You are offline")).to_be_hidden()
    windows.forgive(window)


def test_a_refused_action_is_taken_back_with_a_sentence(windows: Windows) -> None:
    window = windows.open()
    windows.sign_up(window)
    page = window.page
    like = page.locator("[aria-current='true']").get_by_role("button", name=re.compile("^Like"))
    before = like.get_attribute("aria-label")
    page.route(re.compile("/like$"), fail)

    like.click()

    expect(page.locator(".toast")).to_contain_text("cannot be reached")
    expect(like).to_have_attribute("aria-pressed", "false")
    assert like.get_attribute("aria-label") == before
    page.unroute(re.compile("/like$"))
    page.locator(".toast").get_by_role("button", name="Try again", exact=True).click()
    expect(like).to_have_attribute("aria-pressed", "true")
    windows.forgive(window)


def test_a_failed_comment_is_kept_and_sent_again(windows: Windows) -> None:
    window = windows.open()
    windows.sign_up(window)
    page = window.page
    page.route(re.compile("/comments$"), fail)
    page.keyboard.press("c")
    page.get_by_label("Your comment").fill("Not lost")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("cannot be reached")).to_be_visible()

    keep_picture(page, "phone-dark-unsent")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("c")
    expect(page.get_by_role("dialog").get_by_text("Not lost")).to_be_visible()
    page.unroute(re.compile("/comments$"))
    page.get_by_role("button", name="Try again", exact=True).click()

    comment = page.get_by_role("dialog").locator(".comment:not(.pending)", has_text="Not lost")
    expect(comment).to_be_visible()
    expect(page.locator(".pending")).to_have_count(0)
    windows.forgive(window)


def test_the_wheel_moves_one_slide_at_a_time(windows: Windows) -> None:
    page = windows.open().page
    current = page.locator("#panel-news [aria-current='true']")
    expect(current).to_have_attribute("data-seq", "1")
    page.mouse.move(200, 300)
    page.mouse.wheel(0, 700)
    expect(current).to_have_attribute("data-seq", "2")
    page.mouse.wheel(0, -700)
    expect(current).to_have_attribute("data-seq", "1")


def test_a_finger_moves_the_slides(windows: Windows) -> None:
    window = windows.blank(touch=True)
    window.page.goto("/")
    current = window.page.locator("#panel-news [aria-current='true']")
    expect(current).to_have_attribute("data-seq", "1")
    finger = window.context.new_cdp_session(window.page)
    moves = [("Move", height) for height in range(580, 80, -20)]
    for kind, height in [("Start", 600), *moves, ("End", None)]:
        points = [] if height is None else [{"x": 200, "y": height}]
        finger.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    expect(current).to_have_attribute("data-seq", "2")


def test_everything_is_done_with_keys(windows: Windows) -> None:
    page = windows.open().page
    current = page.locator("#panel-news [aria-current='true']")
    expect(current).to_have_attribute("data-seq", "1")
    for key, seq in [("j", 2), ("ArrowDown", 3), ("k", 2), ("ArrowUp", 1)]:
        page.keyboard.press(key)
        expect(current).to_have_attribute("data-seq", str(seq))
    for key, dialog in [("c", "Comments"), ("o", "Story"), ("?", "Keys"), ("l", "Sign in")]:
        page.keyboard.press(key)
        expect(page.get_by_role("dialog", name=dialog)).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("2")
    expect(page.get_by_role("tab", name="For You")).to_have_attribute("aria-selected", "true")


def test_a_related_item_opens_and_its_address_opens_it_elsewhere(windows: Windows) -> None:
    page = windows.open().page
    related = page.locator("[aria-current='true'] .related button").first
    title = related.locator(".related-title").inner_text()
    related.click()
    expect(page.get_by_role("dialog", name="Story")).to_contain_text(title[:40])
    address = page.url
    assert "#item=" in address
    page.keyboard.press("Escape")
    expect(page).to_have_url(windows.url + "/")

    elsewhere = windows.open(address).page
    expect(elsewhere.get_by_role("dialog", name="Story")).to_contain_text(title[:40])


def test_with_pictures_blocked_the_page_still_works(windows: Windows) -> None:
    window = windows.blank()
    window.page.route(re.compile("/media/"), fail)
    window.page.goto("/")
    window.page.keyboard.press("2")
    card = window.page.locator("#panel-foryou [aria-current='true']")

    expect(card.get_by_role("heading", level=2)).to_be_attached()
    expect(card.locator(".art")).to_be_visible()
    windows.forgive(window)


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("key", ["", "c", "o", "l", "?", "2"])
def test_axe_finds_nothing_serious(windows: Windows, scheme: str, key: str) -> None:
    page = windows.open(scheme=scheme, motion="reduce").page
    expect(page.get_by_role("article").first).to_be_visible()
    if key:
        page.keyboard.press(key)
        shown = "#panel-foryou [aria-current='true']" if key == "2" else "dialog[open]"
        expect(page.locator(shown)).to_be_visible()

    # A script of the test's own: the page's policy would refuse it as an element.
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("async () => (await axe.run()).violations")
    serious = [
        (each["id"], [node["html"][:160] for node in each["nodes"]])
        for each in found
        if each["impact"] in {"serious", "critical"}
    ]
    assert serious == []


def test_the_script_stays_within_its_budget(windows: Windows) -> None:
    # The moderators' page is another one.
    ours = [path for path in STATIC.glob("*.mjs") if path.name != "admin.mjs"]
    sizes = {path.name: path.stat().st_size for path in ours}

    assert sum(sizes.values()) < BUDGET_BYTES, sizes
    # What lies in rooms/ is fetched by who goes there: reading the feeds needs none of it.
    window = windows.open()
    expect(window.page.get_by_role("article").first).to_be_visible()
    window.page.keyboard.press("j")
    expect(window.page.locator("[aria-current='true'][data-seq='2']")).to_be_visible()
    assert [url for url in window.requests if "/static/rooms/" in url] == []


def test_the_page_moves_nothing_after_it_is_drawn(windows: Windows) -> None:
    window = windows.blank()
    window.page.add_init_script(SHIFTS)
    window.page.goto("/")
    expect(window.page.get_by_role("article").first).to_be_visible()
    for seq in range(2, 6):
        window.page.keyboard.press("j")
        expect(window.page.locator(f"[aria-current='true'][data-seq='{seq}']")).to_be_visible()

    assert window.page.evaluate("window.shifted") < 0.02


SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


def test_signing_out_is_at_once_and_for_good(windows: Windows) -> None:
    window = windows.open()
    windows.sign_up(window)
    page = window.page
    page.get_by_role("button", name=re.compile("^Account of")).click()
    with page.expect_response(re.compile("/auth/logout")):
        page.get_by_role("button", name="Sign out", exact=True).click()

    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("article").first).to_be_visible()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_a_wrong_password_is_said_in_the_form(windows: Windows) -> None:
    window = windows.open()
    page = window.page
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Username or e-mail").fill("nobody")
    page.get_by_label("Password").fill("not the right one")
    page.get_by_role("dialog").get_by_role("button", name="Sign in", exact=True).click()

    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(page.get_by_role("dialog")).to_be_visible()
    windows.forgive(window)


def test_memory_stays_flat_however_far_one_scrolls(windows: Windows) -> None:
    window = windows.blank()
    slides = itertools.count(1)
    page = window.page

    def more(frame: str | bytes, side: WebSocketRoute) -> None:
        join_ref, ref, topic, event, _ = json.loads(frame)
        made = [made_up(next(slides)) for _ in range(20)] if event in {"phx_join", "more"} else []
        reply = {"slides": made, "items": [], "cursor": "c", "has_more": True}
        told = {"status": "ok", "response": reply}
        side.send(json.dumps([join_ref, ref, topic, "phx_reply", told]))

    page.route_web_socket(SOCKET, lambda side: side.on_message(lambda frame: more(frame, side)))
    page.goto("/")
    current = page.locator("#panel-news [aria-current='true']")
    expect(current).to_have_attribute("data-seq", "1")
    panel = page.locator("#panel-news")
    for seq in range(2, 301):
        panel.evaluate("(it) => it.scrollBy({ top: it.clientHeight, behavior: 'instant' })")
        expect(current).to_have_attribute("data-seq", str(seq))
        assert page.locator("#panel-news .slide").count() <= 7

    assert page.locator("*").count() < 1200


def made_up(seq: int) -> dict[str, Any]:
    def item(number: int) -> dict[str, Any]:
        return {
            "id": f"00000000-0000-7000-8000-{number:012d}",
            "type": "ARTICLE",
            "title": f"Story {number}",
            "body_text": "Something happened.",
            "published_at": "2026-01-01T00:00:00Z",
            "counts": {"likes": number % 7, "comments": 0, "bookmarks": 0, "version": 1},
        }

    related = [item(4 * seq + each) for each in (1, 2, 3)]
    return {"slide_id": f"slide-{seq}", "seq": seq, "featured": item(4 * seq), "related": related}
