"""docs/limits.md tells every limit, and the defaults are those that were asked for."""

from pathlib import Path

import pytest

from server.auth.http import SIGN_UPS
from server.catalog import OPERATIONS
from server.kernel.endpoint import BY_ADDRESS, Operation
from server.socket import RATES

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
BEGIN = "<!-- limits: checked by tests/architecture/test_limits_page.py -->\n"
END = "<!-- end of limits -->"


def table() -> str:
    """Every limit of HTTP as the page tells it."""
    rows = [
        ("read", Operation.DEFAULT_READ, "every other GET"),
        ("write", Operation.DEFAULT_WRITE, "every other write, and the events of channels"),
        ("address", BY_ADDRESS, "all that is asked by people behind one address"),
        ("signup", SIGN_UPS, "accounts made"),
    ]
    rows += [(o.name, o.limit, f"`{o.method} {o.path}`") for o in OPERATIONS if o.limit]
    lines = [
        f"| `{name}` | {rate.count} in {rate.seconds:g} s | {rate.by} | {what} |\n"
        for name, rate, what in rows
    ]
    return "".join(["| name | default | by | counts |\n", "|---|---|---|---|\n", *lines])


def test_the_page_tells_every_limit() -> None:
    told = PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    assert told == table(), f"It should be:\n{table()}"


@pytest.mark.row("M-10")
@pytest.mark.row("M-34")
def test_the_defaults_are_those_that_were_asked_for() -> None:
    by_name = {operation.name: operation.limit for operation in OPERATIONS}
    login = by_name["post_auth_login"]
    assert login is not None
    assert (login.count, login.seconds) == (15, 300)
    assert (SIGN_UPS.count, SIGN_UPS.seconds) == (2, 300)
    assert (Operation.DEFAULT_WRITE.count, Operation.DEFAULT_WRITE.seconds) == (50, 10)
    assert RATES.user_rates.pushes is not None


def write() -> None:
    """Write the table anew: `python -m tests.architecture.test_limits_page`."""
    text = PAGE.read_text("utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", "utf-8")


if __name__ == "__main__":
    write()
