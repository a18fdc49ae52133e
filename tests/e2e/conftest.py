"""A whole Lumen, started as its readers start it, and real browser windows on it."""

import itertools
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    WebSocketRoute,
    expect,
    sync_playwright,
)

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A first start makes a database, a graph of the model and the demo content.
START_SECONDS = 90
PASSWORD = "a long enough phrase"
LIVE = re.compile(r"Lumen is live at (http://\S+)")
SOCKET = re.compile(r"/socket/websocket")
LONGPOLL = re.compile(r"/socket/longpoll")


class Stack:
    """A running `lumen dev` with data of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.endswith("_URL")},
            "LUMEN_HOME": str(home),
            "PORT": str(_free_port()),
            "PYTHONUNBUFFERED": "1",
            # Every window of this run has the same address.
            "RATE_LIMITS": "false",
            "FETCH_PRIVATE_ADDRESSES": "true",
            # So long that no window renews it in the middle of a test.
            "ACCESS_TOKEN_SECONDS": "600",
        }
        self.said: list[str] = []
        self.url = ""
        self._live = threading.Event()
        self._loaded = threading.Event()
        self._process = subprocess.Popen(
            [*_LUMEN, "dev"],
            cwd=ROOT,
            env=self.environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    def wait(self) -> None:
        """Wait until there is something to read."""
        there = self._live.wait(START_SECONDS) and self._loaded.wait(START_SECONDS)
        assert there, "\n".join(self.said[-40:])
        assert self.url, "\n".join(self.said[-40:])

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.rstrip())
            if found := LIVE.search(line):
                self.url = found[1]
                self._live.set()
            if "demo content is loaded" in line:
                self._loaded.set()
        # It ended: nobody waits for what cannot come.
        self._live.set()
        self._loaded.set()

    def lumen(self, *arguments: str, given: str = "") -> str:
        """Give a command to it, as an operator does in another terminal."""
        done = subprocess.run(
            [*_LUMEN, *arguments],
            cwd=ROOT,
            env=self.environ,
            text=True,
            input=given,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C does."""
        self._process.terminate()
        self._process.wait(30)
        self._ear.join(30)
        assert self._process.stdout is not None
        self._process.stdout.close()


_LUMEN = (sys.executable, "-m", "server.cli")


def _free_port() -> int:
    """Find a port below those that the system gives to clients."""
    for port in random.sample(range(20000, 32000), 50):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no free port")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running Lumen with the demo content, for the whole run."""
    running = Stack(tmp_path_factory.mktemp("lumen"))
    try:
        running.wait()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    # Two cores may be rendering films, embedding and serving while they draw the page.
    expect.set_options(timeout=45_000)
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("Chromium is needed: .ci/run installs it")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


class Wire:
    """The websocket of a window, which can be cut and mended."""

    def __init__(self, context: BrowserContext) -> None:
        self.up = True
        self._context = context
        self.sent: list[str] = []
        self.received: list[str] = []
        self._open: list[WebSocketRoute] = []
        # What the server says of this topic waits until it is let through.
        self._held_topic: str | None = None
        self._held: list[tuple[WebSocketRoute, str | bytes]] = []
        context.route_web_socket(SOCKET, self._route)

    def _route(self, page_side: WebSocketRoute) -> None:
        if not self.up:
            page_side.close(code=1011)
            return
        server_side = page_side.connect_to_server()
        self._open.append(page_side)

        def to_server(message: str | bytes) -> None:
            self.sent.append(str(message))
            server_side.send(message)

        def to_page(message: str | bytes) -> None:
            self.received.append(str(message))
            if self._held_topic is not None and self._held_topic in str(message):
                self._held.append((page_side, message))
            else:
                page_side.send(message)

        page_side.on_message(to_server)
        server_side.on_message(to_page)

    def hold(self, topic: str) -> None:
        """Keep back what the server says of a topic, as a slow network does."""
        self._held_topic = topic

    def let_go(self) -> None:
        """Let through what was kept back, and what follows."""
        self._held_topic = None
        for page_side, message in self._held:
            page_side.send(message)
        self._held.clear()

    def joins(self, topic: str) -> list[dict[str, Any]]:
        """Give what the window said at each of its joins of a topic."""
        frames = [json.loads(frame) for frame in self.sent if '"phx_join"' in frame]
        return [frame[4] for frame in frames if frame[2] == topic]

    def tell(self, topic: str, event: str, payload: object) -> None:
        """Broadcast to the window as the server would."""
        for page_side in self._open:
            page_side.send(json.dumps([None, None, topic, event, payload]))

    def cut(self) -> None:
        """Lose the connection, and every attempt to have another."""
        self.up = False
        self.blink()

    def blink(self) -> None:
        """Lose the connection once."""
        for page_side in self._open:
            page_side.close(code=1011)
        self._open.clear()

    def without_long_poll(self) -> None:
        """Leave nothing but plain requests."""
        self._context.route(LONGPOLL, lambda route: route.abort())

    def mend(self) -> None:
        """Let the next attempt through."""
        self.up = True
        self._context.unroute(LONGPOLL)


class Window(NamedTuple):
    """One browser window, with what went wrong in it."""

    page: Page
    context: BrowserContext
    wire: Wire
    complaints: list[str]
    requests: list[str]


def keep_picture(page: Page, name: str) -> None:
    """Keep a picture of the page as it is when nothing moves, to be looked at."""
    page.evaluate(SETTLE)
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


PICTURES = Path(__file__).parent / "screenshots"
SETTLE = """async () => {
  await Promise.allSettled([...document.images].map((image) => image.decode()));
  const moving = document.getAnimations()
    .filter((each) => each.effect.getTiming().iterations !== Infinity);
  await Promise.allSettled(moving.map((each) => each.finished));
}"""


class Windows:
    """Opens windows, each of a reader of its own."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._names = (f"{name}{uuid.uuid4().hex[:6]}" for name in itertools.cycle(_NAMES))
        self.url = url
        self.all: list[Window] = []
        self._forgiven: list[Window] = []

    def open(self, path: str = "/", **looks: Any) -> Window:
        """Open a window of somebody who was never here."""
        window = self.blank(**looks)
        window.page.goto(path)
        return window

    def blank(
        self,
        *,
        size: tuple[int, int] = (390, 844),
        scheme: Any = "dark",
        motion: Any = "no-preference",
        touch: bool = False,
    ) -> Window:
        """Open a window on nothing yet."""
        context = self._browser.new_context(
            base_url=self.url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion=motion,
            has_touch=touch,
        )
        window = Window(context.new_page(), context, Wire(context), [], [])
        page = window.page
        page.on("pageerror", lambda error: window.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: said.type == "error" and window.complaints.append(said.text),
        )
        page.on("request", lambda request: window.requests.append(request.url))
        self.all.append(window)
        return window

    def forgive(self, window: Window) -> None:
        """Let a window complain: the browser notes every request that a test lets fail."""
        self._forgiven.append(window)

    def complaints(self) -> list[list[str]]:
        """What the other windows complained of."""
        others = [each for each in self.all if not any(each is one for one in self._forgiven)]
        return [each.complaints for each in others if each.complaints]

    def sign_up(self, window: Window) -> str:
        """Make an account through the page, and say its name."""
        name = next(self._names)
        page = window.page
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("button", name="I am new here").click()
        fill_registration(page, name)
        page.get_by_role("button", name=f"Account of {name}").wait_for()
        # Keys go to the page again once the sheet is gone.
        expect(page.locator("dialog")).to_have_count(0)
        return name


_NAMES = ("ada", "grace", "edsger", "barbara")


def fill_registration(page: Page, name: str) -> None:
    """Fill in the form of somebody new, and send it."""
    page.get_by_label("Username", exact=True).fill(name)
    page.get_by_label("E-mail").fill(f"{name}@lumen.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()


@pytest.fixture
def windows(browser: Browser, stack: Stack) -> Iterator[Windows]:
    """A way to open windows on the running Lumen; none may complain."""
    opened = Windows(browser, stack.url)
    yield opened
    for window in opened.all:
        window.context.close()
    assert opened.complaints() == []
