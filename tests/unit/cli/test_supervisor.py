import io
import signal

import pytest

from server.cli.console import Console
from server.cli.supervisor import (
    LONGEST_WAIT_SECONDS,
    MOST_FALLS,
    WELL_SECONDS,
    GaveUpError,
    Stopped,
    Supervisor,
    wait_after,
)
from server.embedded import EmbeddedError


class Recorded:
    """A service without a process, that tells what was done to it."""

    def __init__(self, name: str, told: list[str]) -> None:
        self.name = name
        self.told = told
        self.pid: int | None = None
        self.refuses = False

    def start(self) -> None:
        self.told.append(f"{self.name} start")
        if self.refuses:
            raise EmbeddedError(f"{self.name} says no.")
        self.pid = 1

    def ask_to_stop(self) -> None:
        self.told.append(f"{self.name} ask")

    def stop(self) -> None:
        self.told.append(f"{self.name} stop")
        self.pid = None


class Fixture:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.out = io.StringIO()
        self.told: list[str] = []
        self.supervisor = Supervisor(Console(self.out), now=lambda: self.seconds)

    def service(self, name: str) -> Recorded:
        return Recorded(name, self.told)

    def look(self) -> None:
        for each in self.supervisor._all():
            self.supervisor.look_after(each)


@pytest.fixture
def row() -> Fixture:
    return Fixture()


def test_stages_end_in_the_opposite_order_and_a_stage_ends_together(row: Fixture):
    row.supervisor.start(row.service("database"), saying="Starting")
    row.supervisor.start(row.service("worker"), row.service("cards"), saying="Starting")
    row.supervisor.start(row.service("web"), saying="Starting")
    row.told.clear()
    row.supervisor.stop()
    assert row.told == [
        "web ask", "web stop",
        "worker ask", "cards ask", "worker stop", "cards stop",
        "database ask", "database stop",
    ]  # fmt: skip


def test_what_did_not_finish_starting_is_stopped_too(row: Fixture):
    stubborn = row.service("web")
    stubborn.refuses = True
    with pytest.raises(EmbeddedError):
        row.supervisor.start(stubborn, saying="Starting")
    row.supervisor.stop()
    assert row.told == ["web start", "web ask", "web stop"]


def test_a_fallen_service_is_started_again_after_a_wait(row: Fixture):
    web = row.service("web")
    row.supervisor.start(web, saying="Starting")
    web.pid = None
    row.look()
    assert row.told == ["web start"]
    assert "web has ended unexpectedly; starting it again in 0.5 s." in row.out.getvalue()
    row.seconds += wait_after(1)
    row.look()
    assert row.told == ["web start", "web start"]


def test_the_waits_grow_to_a_bound():
    waits = [wait_after(falls) for falls in range(1, MOST_FALLS + 1)]
    assert waits[:5] == [0.5, 1, 2, 4, 8]
    assert waits[-1] == LONGEST_WAIT_SECONDS


def test_falling_too_often_in_a_row_is_the_end(row: Fixture):
    web = row.service("web")
    row.supervisor.start(web, saying="Starting")
    for _ in range(MOST_FALLS):
        web.pid = None
        row.look()
        row.seconds += LONGEST_WAIT_SECONDS
        row.look()
    web.pid = None
    with pytest.raises(GaveUpError, match="web has ended 11 times in a row"):
        row.look()


def test_one_that_lived_well_begins_counting_anew(row: Fixture):
    web = row.service("web")
    row.supervisor.start(web, saying="Starting")
    for _ in range(3 * MOST_FALLS):
        row.seconds += WELL_SECONDS
        web.pid = None
        row.look()
        row.seconds += wait_after(1)
        row.look()
    assert web.pid is not None


def test_one_that_refuses_to_start_again_is_tried_again(row: Fixture):
    web = row.service("web")
    row.supervisor.start(web, saying="Starting")
    web.pid, web.refuses = None, True
    row.look()
    row.seconds += wait_after(1)
    row.look()
    assert "web says no." in row.out.getvalue()
    web.refuses = False
    row.seconds += wait_after(2)
    row.look()
    assert web.pid is not None


def test_a_signal_while_starting_breaks_the_start(row: Fixture):
    with row.supervisor, pytest.raises(Stopped):
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_while_watching_ends_the_watch(row: Fixture):
    with row.supervisor:
        row.supervisor.watch(lambda: signal.raise_signal(signal.SIGINT))
    assert row.supervisor.asked_to_stop


def test_handlers_are_put_back(row: Fixture):
    before = signal.getsignal(signal.SIGTERM)
    with row.supervisor:
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
