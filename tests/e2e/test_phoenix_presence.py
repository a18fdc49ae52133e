"""The official client's Presence, on two nodes that tell each other quickly."""

from typing import Any

import pytest

from realtime.presence import Pace
from tests.e2e.judging import RELEASES, judged
from tests.services import in_a_thread
from tests.unit.realtime.presence.lobbies import nodes

QUICK = Pace(broadcast_period_s=0.05)


async def two_nodes(package: str) -> dict[str, Any]:
    async with nodes(2, pace=QUICK) as (_, (one, two)):
        by_name = {"one": one.endpoint, "two": two.endpoint}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await by_name[scope["path"].split("/")[2]].websocket(scope, receive, send)

        return await judged(app, "phoenix_presence.mjs", package)


@pytest.mark.parametrize("package", RELEASES)
def test_the_official_client_sees_who_comes_goes_and_changes_on_two_nodes(package: str) -> None:
    assert in_a_thread(two_nodes(package)) == {
        "twoDevices": {"ada": ["phone", "web"], "bob": ["web"]},
        "previous": True,
        "left": {"ada": ["phone"]},
        "afterRejoin": ["ada", "odd"],
        "log": [
            ["join", "bob", False, 1],
            ["join", "bob", True, 1],  # an update: the new meta comes, then the old one goes
            ["leave", "bob", 1, 1],
            ["leave", "bob", 0, 1],
        ],
    }
