"""What is said and shown of texts: in sheets, in other languages, and in those who run over."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Windows, keep_picture
from tests.e2e.test_states import answer_joins, fail, made_up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

OVERRIDE = "\u202e"


def test_what_happens_in_a_sheet_is_said_in_it(windows: Windows) -> None:
    window = windows.open()
    windows.sign_up(window)
    page = window.page
    page.keyboard.press("c")
    page.get_by_label("Your comment").fill("Is this heard?")
    expect(page.locator("dialog[open] #announcer")).to_be_attached()
    page.keyboard.press("Escape")

    expect(page.locator("body > #announcer")).to_be_attached()
    expect(page.locator("body > #toasts")).to_be_attached()


def test_a_toast_with_something_to_do_waits_for_it(windows: Windows) -> None:
    window = windows.blank()
    page = window.page
    page.clock.install()
    page.goto("/")
    windows.sign_up(window)
    page.route(re.compile("/like$"), fail)
    page.keyboard.press("l")
    toast = page.locator(".toast")
    expect(toast).to_be_visible()
    page.clock.fast_forward(10_000)
    expect(toast).to_be_visible()
    page.clock.fast_forward(10_000)
    expect(toast).to_be_hidden()
    windows.forgive(window)


def test_the_socket_says_nothing_of_its_reader_in_its_address(windows: Windows) -> None:
    window = windows.blank()
    opened: list[str] = []
    window.page.on("websocket", lambda socket: opened.append(socket.url))
    window.page.goto("/")
    with window.page.expect_websocket(lambda _: len(opened) > 1):
        windows.sign_up(window)

    assert {urlsplit(url).query for url in opened} == {"vsn=2.0.0"}


def test_a_text_has_its_own_language_and_direction(windows: Windows) -> None:
    page = windows.blank().page
    slide = made_up(1)
    slide["featured"] |= {"language": "ar", "title": "\u0645\u0631\u062d\u0628\u0627 Lumen"}
    slide["related"][0] |= {"language": "de", "title": f"Wort {OVERRIDE}und mehr"}
    slide["related"][0] |= {"source": {"title": f"{OVERRIDE}Blatt"}}
    slide["related"][1] |= {"language": "en"}
    answer_joins(page, {"slides": [slide], "items": [], "cursor": "c", "has_more": False})
    page.goto("/")

    story = page.locator(".story .opener")
    expect(story).to_have_attribute("lang", "ar")
    expect(story).to_have_css("direction", "rtl")
    first, second, third = page.locator(".related-title").all()
    expect(first).to_have_attribute("lang", "de")
    for other in (second, third):
        assert other.get_attribute("lang") is None
    expect(page.locator(".from").first).to_have_css("unicode-bidi", "isolate")
    keep_picture(page, "phone-dark-languages")
