"""Every requirement row that the work so far names has a test marked with it (rulings 17)."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROWS = {
    *("L-25", "L-28", "K5", "T-28"),
    # Posts and conversation.
    *("L-40", "D-03", "D-15", "D-16", "D-26", "M-14", "T-05", "T-13", "T-34", "T-37", "V-49"),
    *("V-50", "K14", "K20", "K21", "K23", "K24"),
    # Notifications, the outbox and its relay.
    *("D-04", "D-10", "D-16", "D-20", "D-21", "D-22", "D-23", "T-17", "M-36", "K11"),
    # Moderation, limits and caches.
    *("L-20", "M-10", "M-20", "M-27", "M-29", "M-34", "M-37", "T-26", "T-38", "V-37", "V-45"),
    *("V-51", "K16"),
    # Accounts.
    *("D-01", "M-08", "M-09", "M-11", "M-12", "M-13", "M-30", "M-31", "M-33"),
    *("T-01", "T-06", "T-12", "T-31", "T-32", "T-33", "K13"),
}

# What people follow, and what comes of it.
ROWS |= {"D-02", "D-11", "D-17", "D-18", "D-19", "D-23", "K15", "M-15", "T-03", "T-04"}
ROWS |= {"T-15", "T-16", "T-27", "T-35", "T-36", "V-18", "V-29"}

# The newsroom.
ROWS |= {"C-09", "L-01", "L-03", "L-11", "L-14"}
ROWS |= {"D-07", "D-24", "M-05", "M-06", "M-23", "M-32"}

# Films and sounds.
ROWS |= {"C-08", "L-08", "L-21"}


def test_every_named_row_has_a_test() -> None:
    marked = {
        row
        for file in TESTS.rglob("test_*.py")
        for row in re.findall(r'pytest\.mark\.row\("([^"]+)"\)', file.read_text("utf-8"))
    }

    assert sorted(ROWS - marked) == []
