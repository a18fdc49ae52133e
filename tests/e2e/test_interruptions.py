"""What a window does when the network is slow, and when whoever reads is signed out."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import Windows
from tests.e2e.test_golden_path import here, scroll

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def fresh_session(page: Page) -> None:
    """See that slides are shown, and none is missing."""
    expect(here(page)).to_have_attribute("data-seq", "1")
    expect(page.get_by_role("heading", name=re.compile("did not come"))).to_have_count(0)


def test_a_page_had_by_rest_and_a_late_join_are_one_session(windows: Windows) -> None:
    window = windows.blank()
    window.wire.hold("feed:news")
    window.page.goto("/")
    # The socket is open and nothing is said on it, so the first page comes without it.
    expect(here(window.page)).to_have_attribute("data-seq", "1")
    first = scroll(window.page, 1, 2)

    window.wire.let_go()
    window.page.keyboard.press("j")
    seen = first + scroll(window.page, 3, 8)

    assert len(set(seen)) == len(seen) == 32
    numbers = window.page.locator("#panel-news article").evaluate_all(
        "(all) => all.map((it) => Number(it.dataset.seq))"
    )
    assert numbers == sorted(set(numbers)), "each seq stands once, in its order"
    joins = window.wire.joins("feed:news")
    assert joins[0] == {}
    assert joins[-1]["cursor"], "the session of the page is joined"


def test_signing_out_begins_a_session_of_nobody(windows: Windows) -> None:
    window = windows.open()
    windows.sign_up(window)
    page = window.page
    # Now the place is the reader's own: the socket was opened by them.
    page.wait_for_function("() => document.querySelector('#link-state').dataset.state === 'open'")
    page.keyboard.press("j")
    expect(here(page)).to_have_attribute("data-seq", "2")
    page.reload()
    expect(here(page)).to_have_attribute("data-seq", "1")
    scroll(page, 1, 3)

    page.get_by_role("button", name=re.compile("^Account of")).click()
    page.get_by_role("button", name="Sign out", exact=True).click()

    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    fresh_session(page)
    scroll(page, 1, 6)
    assert not [frame for frame in window.wire.received if "cursor_invalid" in frame]
    assert window.wire.joins("feed:news")[-1] == {}


def test_a_session_that_ended_elsewhere_is_seen_at_the_first_refusal(windows: Windows) -> None:
    window = windows.open()
    windows.sign_up(window)
    page = window.page
    page.route(re.compile("/comments$"), refuse)
    page.route(re.compile("/auth/refresh$"), refuse)
    page.keyboard.press("c")
    page.get_by_label("Your comment").fill("Kept until I am back")

    page.get_by_role("button", name="Send", exact=True).click()

    expect(page.locator(".pending")).to_contain_text("Sign in again.")
    expect(page.locator("#me")).to_have_attribute("aria-label", "Sign in")
    page.get_by_role("button", name="Try again", exact=True).click()
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()
    windows.forgive(window)


def refuse(route: Route) -> None:
    """Answer as to somebody whose session is over."""
    route.fulfill(
        status=401,
        content_type="application/problem+json",
        body='{"title": "Unauthorized", "detail": "Sign in again.", "reason": "unauthorized"}',
    )
