"""Pictures of the page as it is, to be looked at: widths, schemes and the main states."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Window, Windows, keep_picture

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SIZES = {"phone": (390, 844), "tablet": (820, 1180), "desktop": (1440, 900)}


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("name", SIZES)
def test_it_looks_like_a_product(windows: Windows, name: str, scheme: str) -> None:
    window = windows.open(size=SIZES[name], scheme=scheme, motion="reduce")
    page = window.page
    expect(page.get_by_role("article").first).to_be_visible()

    def keep(what: str) -> None:
        keep_picture(page, f"{name}-{scheme}-{what}")

    keep("news")
    page.keyboard.press("j")
    expect(page.locator("[aria-current='true'][data-seq='2']")).to_be_visible()
    keep("news-2")
    for key, what in [("o", "story"), ("l", "sign-in"), ("?", "keys")]:
        page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_be_visible()
        keep(what)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    signed_in(windows, window, keep)
    page.keyboard.press("2")
    expect(page.locator("#panel-foryou [aria-current='true'] .art")).to_be_visible()
    keep("for-you")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


def signed_in(windows: Windows, window: Window, keep: object) -> None:
    """Write and like as somebody, with a picture of each."""
    assert callable(keep)
    page = window.page
    windows.sign_up(window)
    page.keyboard.press("l")
    expect(page.locator("[aria-current='true'] .like[aria-pressed='true']")).to_be_visible()
    page.keyboard.press("c")
    page.get_by_label("Your comment").fill("I walked past it this morning. The light was on.")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".comment:not(.pending)", has_text="I walked past").first).to_be_visible()
    keep("comments")
    page.keyboard.press("Escape")
    page.get_by_role("button", name=re.compile("^Notifications")).click()
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    keep("notifications")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
