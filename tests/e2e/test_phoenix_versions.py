"""The official client as of three releases, in Node and in a browser: none can tell us apart."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.conformance.app import TIERS
from tests.conformance.serving import Server, serving

HERE = Path(__file__).parent
VERSIONS = ("1.7.21", "1.8.12", "1.8.16")
TOKEN = "s3cret?>~"
TELL = """
async ({ name, url, polling, kicked }) => {
  const { Socket, LongPoll } = await import(`/node_modules/${name}/priv/static/phoenix.mjs`);
  const { tell } = await import("/tests/e2e/phoenix_story.mjs");
  return await tell(Socket, url, polling ? { transport: LongPoll, kicked } : {});
}
"""

# How a client gets in that falls back to the long poll; its first join takes its time.
FALL_BACK = """
async ({ name, url, after, slow }) => {
  const { Socket } = await import(`/node_modules/${name}/priv/static/phoenix.mjs`);
  const { asked } = await import("/tests/e2e/phoenix_words.mjs");
  const socket = new Socket(url, { longPollFallbackMs: after });
  socket.connect();
  const room = socket.channel("room:1", slow ? { slow } : {});
  await asked(room.join());
  const [, who] = await asked(room.push("who", {}));
  await new Promise((resolve) => socket.disconnect(resolve));
  return who.transport;
}
"""
NO_WEBSOCKETS = """
window.WebSocket = class {
  constructor() {
    this.readyState = 0;
    setTimeout(() => {
      this.readyState = 3;
      this.onerror({ type: "error" });
      this.onclose({ code: 1006 });
    });
  }
  close() {}
};
"""


def package(version: str) -> str:
    return f"phoenix-{version.replace('.', '-')}"


def expected(*, token: str | None, transport: str = "websocket") -> dict[str, Any]:
    params = {"id": True, "nested": {"a": "1"}, "list": {"0": "1", "1": "2"}, "vsn": "2.0.0"}
    seen: dict[str, Any] = {
        "join": ["ok", {"hello": "there"}],
        "refused": ["error", {"reason": "full"}],
        "unmatched": ["error", {"reason": "unmatched topic"}],
        "who": {"params": params, "token": token, "transport": transport},
        "echo": ["ok", {"x": [1, "é"]}],
        "fail": ["error", {"why": "so"}],
        "later": ["ok", {"n": 1}],
        "broadcast": [{"n": 1}, {"n": 1}],
        "others": {"n": 2},
        "own": [],
        "afterCrash": ["ok", {"back": 1}],
        "leave": ["ok", {}],
        "left": "closed",
        "rejoin": ["ok", {"again": True}],
        "afterKick": ["ok", {"back": 2}],
        "reopened": 1,
        "closes": [1001 if transport == "websocket" else 3410],
        "heartbeat": True,
        "afterReconnect": {"n": 3},
        "afterDisconnect": ["ok", {"back": 3}],
        "stop": ["ok", {}],
        "stopped": "closed",
    }
    if transport == "websocket":
        binary = {"binaryReply": [1, 2, 3], "binaryBroadcast": [[4, 5], [4, 5]], "binaryPush": []}
        seen |= binary
    return seen


@pytest.fixture(scope="module", params=TIERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serving("--tier", request.param) as running:
        yield running


@pytest.mark.parametrize("version", VERSIONS)
def test_in_node(server: Server, version: str) -> None:
    node = shutil.which("node")
    assert node is not None, "Node is needed to run the official client"
    script = str(HERE / "phoenix_versions.mjs")
    done = subprocess.run(
        [node, "--experimental-websocket", script, package(version), server.url, TOKEN],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Tokens by subprotocol came with 1.8.
    token = None if version < "1.8" else TOKEN
    assert json.loads(done.stdout) == expected(token=token)


@pytest.mark.browser
@pytest.mark.parametrize("transport", ["websocket", "longpoll"])
@pytest.mark.parametrize("version", VERSIONS)
def test_in_a_browser(browser: Browser, server: Server, version: str, transport: str) -> None:
    page = browser.new_page()
    page.goto(f"{server.http}/")
    polling = transport == "longpoll"
    # A long poll of 1.7 takes the end of its session for a beginning, and its channels with it.
    kicked = version > "1.8" or not polling
    given = {"name": package(version), "url": server.url, "polling": polling, "kicked": kicked}
    seen = page.evaluate(TELL, given)
    page.close()
    wanted = expected(token=None, transport=transport)
    if not kicked:
        for told in ("afterKick", "reopened", "closes", "afterReconnect"):
            del wanted[told]
    assert seen == wanted


@pytest.mark.browser
@pytest.mark.parametrize("version", VERSIONS)
def test_where_websockets_are_blocked_the_long_poll_is_taken(
    browser: Browser, server: Server, version: str
) -> None:
    page = browser.new_page()
    page.add_init_script(NO_WEBSOCKETS)
    page.goto(f"{server.http}/")
    given = {"name": package(version), "url": server.url, "after": 2_500}
    assert page.evaluate(FALL_BACK, given) == "longpoll"
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("version", VERSIONS)
def test_a_slow_join_drives_nobody_to_the_long_poll(
    browser: Browser, server: Server, version: str
) -> None:
    """The client gives the websocket a time to answer a heartbeat, and a join takes longer."""
    page = browser.new_page()
    page.goto(f"{server.http}/")
    given = {"name": package(version), "url": server.url, "after": 1_500, "slow": 3}
    assert page.evaluate(FALL_BACK, given) == "websocket"
    page.close()
