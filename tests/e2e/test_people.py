"""Two people of Lumen in two windows: they find, follow, answer and leave each other alone."""

import re
import uuid
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import PASSWORD, SETTLE, Stack, Window, Windows, keep_picture
from tests.e2e.test_states import AXE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SERIOUS = """async () => (await axe.run()).violations
  .filter(({impact}) => impact === 'serious' || impact === 'critical')
  .map(({id, nodes}) => [id, nodes.map(({html}) => html)])"""


def two(windows: Windows) -> tuple[Window, str, Window, str]:
    """Open two windows, each of somebody who has just made an account."""
    ada, grace = windows.open(), windows.open(size=(1280, 850), scheme="light")
    return ada, windows.sign_up(ada), grace, windows.sign_up(grace)


def follow(page: Page, username: str) -> None:
    """Go to somebody's profile by its link, and follow them."""
    page.evaluate("(name) => { location.hash = `#user=${name}`; }", username)
    page.get_by_role("button", name="Follow", exact=True).click()
    expect(page.get_by_role("button", name="Following", exact=True)).to_be_visible()
    page.get_by_role("button", name="Close").last.click()
    expect(page.locator("dialog")).to_have_count(0)


def write(page: Page, words: str, *options: str) -> None:
    """Post something, with a poll or without."""
    page.keyboard.press("p")
    page.get_by_label("Your post").press_sequentially(words)
    if options:
        page.get_by_role("button", name="Poll", exact=True).click()
        for at, option in enumerate(options):
            page.get_by_label("An option").nth(at).fill(option)
    page.get_by_role("button", name="Post", exact=True).click()
    expect(page.get_by_text("It is posted.")).to_be_visible()


def show_posted(page: Page) -> None:
    """Open what was just posted."""
    page.locator(".toast").filter(has_text="It is posted.").get_by_role(
        "button", name="Show"
    ).click()


def post_of(page: Page, words: str) -> Locator:
    return page.get_by_role("article").filter(has_text=words).first


def following(page: Page) -> None:
    page.get_by_role("tab", name="Following").click()


def test_what_one_posts_the_other_reads_and_votes_in(windows: Windows) -> None:
    ada, ada_name, grace, _ = two(windows)
    following(grace.page)
    expect(grace.page.get_by_role("heading", name="You follow nobody yet")).to_be_visible()
    follow(grace.page, ada_name)
    # The one who is followed hears of it, on the screen that is open.
    expect(ada.page.locator(".toast").filter(has_text="follows you")).to_be_visible()
    following(grace.page)

    words = f"Which lamp for the pier, number {uuid.uuid4().hex[:6]}?"
    write(ada.page, words, "The red one", "The green one")

    # It waits behind the pill: nothing is pushed under the thumb.
    pill = grace.page.get_by_role("button", name=re.compile("new stor"))
    expect(pill).to_be_visible()
    pill.click()
    post = post_of(grace.page, words)
    post.get_by_role("button", name="The red one").click()
    expect(post.get_by_text("100 %")).to_be_visible()
    keep_picture(grace.page, "desktop-light-following")

    # Votes move on the author's screen, who may not see how they fell before voting.
    show_posted(ada.page)
    expect(ada.page.locator("dialog").get_by_text("1 vote")).to_be_visible()
    keep_picture(ada.page, "phone-dark-post")


def test_a_repost_and_a_quote_reach_the_author(windows: Windows) -> None:
    ada, ada_name, grace, grace_name = two(windows)
    words = f"The tide is {uuid.uuid4().hex[:8]} high"
    write(ada.page, words)
    follow(grace.page, ada_name)
    following(grace.page)
    post = post_of(grace.page, words)
    post.get_by_role("button", name=re.compile("^Repost")).click()
    expect(post.get_by_role("button", name="Repost, 1 repost")).to_be_visible()
    post.get_by_role("button", name="More").click()
    grace.page.get_by_role("button", name="Quote", exact=True).click()
    grace.page.get_by_label("Your post").fill("See for yourselves.")
    grace.page.get_by_role("button", name="Post", exact=True).click()
    expect(grace.page.get_by_text("It is posted.")).to_be_visible()

    ada.page.get_by_role("button", name=re.compile("^Notifications")).click()
    rows = ada.page.locator(".inbox-row")
    for sentence in ("quoted your post", "passed your post on", "follows you"):
        expect(rows.filter(has_text=sentence).filter(has_text=grace_name)).to_have_count(1)
    keep_picture(ada.page, "phone-dark-inbox")


def test_a_post_is_edited_and_deleted_on_the_screens_of_others(windows: Windows) -> None:
    ada, ada_name, grace, _ = two(windows)
    mark = uuid.uuid4().hex[:8]
    write(ada.page, f"A lamp called {mark} burns")
    follow(grace.page, ada_name)
    following(grace.page)
    post_of(grace.page, mark).locator(".age").click()
    opened = grace.page.locator("dialog").get_by_role("article")
    expect(opened).to_contain_text("burns")

    show_posted(ada.page)
    mine = ada.page.locator("dialog").get_by_role("article")
    mine.get_by_role("button", name="More").click()
    ada.page.get_by_role("button", name="Edit", exact=True).click()
    ada.page.get_by_label("Your post").fill(f"A lamp called {mark} is out")
    ada.page.get_by_role("button", name="Save", exact=True).click()
    expect(opened).to_contain_text("is out")

    mine.get_by_role("button", name="More").click()
    ada.page.get_by_role("button", name="Delete", exact=True).click()
    ada.page.locator("dialog").last.get_by_role("button", name="Delete", exact=True).click()
    expect(opened).to_contain_text("This post is gone")


def test_who_is_blocked_sees_nothing_any_more(windows: Windows) -> None:
    ada, ada_name, grace, grace_name = two(windows)
    mark = uuid.uuid4().hex[:8]
    write(ada.page, f"Not for everybody: {mark}")
    follow(grace.page, ada_name)

    ada.page.evaluate("(name) => { location.hash = `#user=${name}`; }", grace_name)
    ada.page.get_by_role("button", name="More").first.click()
    ada.page.get_by_role("button", name="Block", exact=True).click()
    ada.page.locator("dialog").last.get_by_role("button", name="Block", exact=True).click()
    expect(ada.page.get_by_role("button", name="Blocked", exact=True)).to_be_visible()

    following(grace.page)
    expect(grace.page.get_by_role("heading", name="You follow nobody yet")).to_be_visible()
    expect(grace.page.get_by_text(mark)).to_have_count(0)


def test_a_picture_is_shown_with_its_words_and_upright(windows: Windows, tmp_path: Path) -> None:
    window = windows.open()
    windows.sign_up(window)
    page = window.page
    photo = tmp_path / "pier.jpg"
    # On its side, as telephones write them: six is "turn it to the right".
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (640, 320), (180, 90, 30)).save(photo, exif=exif)

    page.keyboard.press("p")
    page.get_by_label("Your post").fill("The pier at noon")
    page.locator("input[type=file]").set_input_files(photo)
    page.get_by_label("What the picture shows").fill("A pier in the sun")
    expect(page.locator("dialog").get_by_text("Ready", exact=True)).to_be_visible()
    page.get_by_role("button", name="Post", exact=True).click()
    show_posted(page)

    shown = page.locator("dialog").get_by_role("img", name="A pier in the sun")
    expect(shown).to_be_visible()
    shown.evaluate("(image) => image.decode()")
    width, height = shown.evaluate("(image) => [image.naturalWidth, image.naturalHeight]")
    assert height == 2 * width
    keep_picture(page, "phone-dark-picture")


def test_people_change_how_they_are_shown_and_what_they_hear(windows: Windows) -> None:
    window = windows.open()
    name = windows.sign_up(window)
    page = window.page

    def room(title: str) -> None:
        page.get_by_role("button", name=f"Account of {name}").click()
        page.get_by_role("button", name=title, exact=True).click()

    room("Edit profile")
    page.get_by_label("About you").fill("Keeper of a lighthouse.")
    page.get_by_label("Links, one on each line").fill("https://lamp.example/about")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("It is saved.")).to_be_visible()
    room("Your posts")
    expect(page.get_by_text("Keeper of a lighthouse.")).to_be_visible()
    expect(page.get_by_role("link", name="lamp.example")).to_be_visible()
    page.get_by_role("button", name="Close").last.click()

    room("Privacy")
    page.get_by_label("Only you see who follows you").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("dialog")).to_have_count(0)
    room("Privacy")
    expect(page.get_by_label("Only you see who follows you")).to_be_checked()
    page.get_by_role("button", name="Close").last.click()

    room("What you hear of")
    page.get_by_label("Likes, on the page").uncheck()
    page.get_by_role("button", name="Close").last.click()
    room("What you hear of")
    expect(page.get_by_label("Likes, on the page")).not_to_be_checked()
    page.get_by_role("button", name="Close").last.click()

    room("Where you are signed in")
    expect(page.get_by_text("This one")).to_be_visible()


def test_who_forgot_their_password_is_told_the_same_whoever_they_are(windows: Windows) -> None:
    page = windows.open().page
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="I forgot my password").click()
    page.get_by_label("E-mail").last.fill("nobody@lumen.example")
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("heading", name="Look into your letters")).to_be_visible()


def test_what_is_reported_is_taken_down_from_the_open_screen(
    windows: Windows, stack: Stack
) -> None:
    ada, ada_name, grace, _ = two(windows)
    mark = uuid.uuid4().hex[:8]
    write(ada.page, f"Buy these lamps now: {mark}")
    follow(grace.page, ada_name)
    following(grace.page)
    post_of(grace.page, mark).get_by_role("button", name="More").click()
    grace.page.get_by_role("button", name="Report", exact=True).click()
    grace.page.get_by_label("Reason").select_option("spam")
    grace.page.locator("dialog").get_by_role("button", name="Report", exact=True).click()
    expect(grace.page.get_by_text("A moderator looks at it")).to_be_visible()

    admin = windows.blank()
    name = f"mod{uuid.uuid4().hex[:6]}"
    stack.lumen("user", "add", name, "--role", "admin", "--password-stdin", given=PASSWORD)
    taken_down(admin.page, name, mark)

    expect(grace.page.get_by_text(mark)).to_have_count(0)


def taken_down(page: Page, name: str, mark: str) -> None:
    """Decide, on the moderators' page, that a post goes."""
    page.goto("/admin")
    page.get_by_label("Name or address").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    case = page.get_by_role("article").filter(has_text=mark)
    case.get_by_role("button", name="Claim").click()
    expect(case.get_by_text("Held by")).to_be_visible()
    case.get_by_label("Verdict").select_option("takedown")
    case.get_by_label("Reason").select_option("spam")
    case.get_by_role("button", name="Decide").click()
    expect(page.get_by_text("Decided.")).to_be_visible()


def test_the_rooms_of_people_are_for_everybody(windows: Windows) -> None:
    window = windows.open()
    name = windows.sign_up(window)
    page = window.page
    write(page, f"A lamp for all, {uuid.uuid4().hex[:6]}", "Yes", "No")
    page.evaluate(AXE.read_text("utf-8"))
    found = {}
    for room in ("Your posts", "Edit profile", "Privacy", "What you hear of", "Write a post"):
        page.get_by_role("button", name=f"Account of {name}").click()
        page.get_by_role("button", name=room, exact=True).click()
        expect(page.locator("dialog .bone-rows")).to_have_count(0)
        page.evaluate(SETTLE)
        found[room] = page.evaluate(SERIOUS)
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
    following(page)
    expect(page.locator("#panel-following .bone-rows")).to_have_count(0)
    found["Following"] = page.evaluate(SERIOUS)

    assert {room: what for room, what in found.items() if what} == {}
