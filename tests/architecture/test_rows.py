"""Every requirement row that the work so far names has a test marked with it (rulings 17)."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROWS = {"L-25", "L-28", "K5", "T-28"}


def test_every_named_row_has_a_test() -> None:
    marked = {
        row
        for file in TESTS.rglob("test_*.py")
        for row in re.findall(r'pytest\.mark\.row\("([^"]+)"\)', file.read_text("utf-8"))
    }

    assert sorted(ROWS - marked) == []
