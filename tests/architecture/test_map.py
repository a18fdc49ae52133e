"""ARCHITECTURE.md tells of every module, in the module's own words."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import module_map


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(file.relative_to(module_map.ROOT))
        for room in module_map.ROOMS
        for file in (module_map.ROOT / room).rglob("*.py")
        if not module_map.first_sentence(file)
    ]

    assert silent == []


def test_the_map_is_true() -> None:
    advice = "write it with: python tests/architecture/module_map.py"

    assert module_map.current_map() == module_map.written_map(), advice
