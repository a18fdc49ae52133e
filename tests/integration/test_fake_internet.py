"""Many sources on many hosts, most of them as they should be, asked by several workers at once."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address

import pytest
from sqlalchemy import text

from jobs.ingest import desk, fetch
from jobs.ingest.refresh import refresh
from jobs.ingest.turns import Pace
from server import sources
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.sources import NewSource, RefreshSource, Source
from tests import fake_internet
from tests.fake_internet import Internet

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]
HOUSE = Viewer(role="admin")
HOSTS = 40
WORKERS = 24
PACE = Pace(spacing_seconds=0.5, burst=2)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let who never answers, or never ends, cost seconds and not a minute."""
    monkeypatch.setattr(desk, "PACE", PACE)
    monkeypatch.setattr(fetch, "READ_SECONDS", 1.0)
    monkeypatch.setattr(fetch, "TOTAL_SECONDS", 5.0)


@pytest.fixture
def internet() -> Iterator[Internet]:
    with fake_internet.serving(HOSTS) as opened:
        yield opened


async def ask_all(services: Services) -> None:
    """Ask whatever is due, as the sweep and so many lanes do, until nothing is."""
    gate = asyncio.Semaphore(WORKERS)

    async def one(source_id: sources.Source) -> None:
        async with gate:
            await refresh(services, RefreshSource(source_id))

    for _ in range(60):
        # What was put off by seconds comes again; what wants an hour has been asked.
        soon = services.clock.now() + timedelta(minutes=1)
        async with services.database.read() as db:
            due = await sources.due(db, soon, 500)
        if not due:
            return
        await asyncio.gather(*(one(each) for each in due))
    raise AssertionError(f"{len(due)} sources never had their turn.")


async def added(services: Services, internet: Internet) -> dict[str, list[Source]]:
    """Two sources of every host."""
    found: dict[str, list[Source]] = {}
    async with services.write() as db:
        for host in internet.hosts:
            for path in ("/feed", "/feed2"):
                new = NewSource(url=internet.url(host, path))
                source = await sources.add(db, HOUSE, new, services.clock.now())
                found.setdefault(internet.kinds[host], []).append(source)
    return found


async def now_of(services: Services, asked: list[Source]) -> list[Source]:
    async with services.database.read() as db:
        found = await sources.by_ids(db, [each.id for each in asked])
    return [found[each.id] for each in asked]


@pytest.mark.row("L-11")
@pytest.mark.row("L-03")
async def test_no_host_is_asked_twice_at_once_or_too_often_and_every_source_is_asked(
    services: Services, internet: Internet
) -> None:
    by_kind = await added(services, internet)
    await ask_all(services)
    internet.grown += 1
    async with services.database.begin() as db:
        await db.execute(
            text("update content.sources set next_check_at = now() where error_count = 0")
        )
    await ask_all(services)

    visits = internet.visits
    assert fake_internet.overlaps(visits) == []
    assert (
        fake_internet.crowds(visits, spacing=PACE.spacing_seconds, burst=PACE.burst, slack=0.4)
        == []
    )
    for kind in ("plain", "tagged", "page", "moved", "slow"):
        for source in await now_of(services, by_kind[kind]):
            assert (kind, source.last_error) == (kind, None)
            assert source.item_count == fake_internet.ENTRIES + 1, kind
    said = {
        "limiting": "429",
        "silent": "could not be fetched",
        "loop": "redirects more than",
        "inward": "not a public address",
        "bomb": "larger than",
        "deep": "deep",
        "broken": "could not be fetched",
    }
    for kind, words in said.items():
        for source in await now_of(services, by_kind[kind]):
            # Of two sources of a host that wants to be left alone, only the first was answered.
            assert words in (source.last_error or words), (kind, source.last_error)
            assert source.enabled
    # Who limits us is asked once, for all of its sources.
    limiting = {host for host, kind in internet.kinds.items() if kind == "limiting"}
    assert Counter(each.host for each in visits if each.host in limiting) == dict.fromkeys(
        limiting, 1
    )
    assert all(each.retired_at for each in await now_of(services, by_kind["gone"]))
    assert all(ip_address(each.host).is_loopback for each in visits)
    # What was moved for good, twice in a row, and what a page names, is found where it is now.
    for kind in ("page", "moved"):
        assert all("/real/" in each.url for each in await now_of(services, by_kind[kind]))
