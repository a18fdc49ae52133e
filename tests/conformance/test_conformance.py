"""The suite against our own server: each transport, on each tier."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.conformance.app import TIERS
from tests.conformance.cases import CASES, Case
from tests.conformance.serving import serving
from tests.conformance.wire import Judge


@pytest.fixture(scope="module", params=TIERS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with serving("--tier", request.param) as server:
        yield server.url


@pytest.mark.parametrize(
    ("case", "transport"),
    [
        pytest.param(case, transport, id=f"{case.name}-{transport}")
        for case in CASES
        for transport in case.transports
    ],
)
def test_the_rule_holds(url: str, case: Case, transport: str) -> None:
    asyncio.run(case.talk(Judge(url, transport)))


def test_every_case_says_which_rule_it_shows() -> None:
    assert all(case.rule[:2] in {"1.", "2."} for case in CASES)
    assert len({case.name for case in CASES}) == len(CASES)
