"""The map of modules in ARCHITECTURE.md: each module's own first sentence, so it cannot drift.

`python -m tests.architecture.module_map` writes it; a test compares.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- map: begin -->\n", "<!-- map: end -->\n"
ROOMS = ("realtime", "server", "jobs")


def lines() -> list[str]:
    """Every module in one line, by room."""
    written: list[str] = []
    for room in ROOMS:
        written += ["", f"### {room}/", "| module | |", "|---|---|"]
        for file in sorted((ROOT / room).rglob("*.py")):
            sentence = first_sentence(file)
            if sentence:
                written.append(f"| `{file.relative_to(ROOT / room)}` | {sentence} |")
    return written


def first_sentence(file: Path) -> str:
    """What a module says of itself."""
    docstring = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return docstring.split("\n\n", maxsplit=1)[0].replace("\n", " ").replace("|", "\\|")


def written_map() -> str:
    """The map as it should be."""
    return "\n".join(lines()) + "\n\n"


def current_map() -> str:
    """The map as it is."""
    page = PAGE.read_text("utf-8")
    return page[page.index(BEGIN) + len(BEGIN) : page.index(END)]


def write() -> None:
    """Bring the page up to date."""
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + written_map() + END + after, "utf-8")


if __name__ == "__main__":
    write()
