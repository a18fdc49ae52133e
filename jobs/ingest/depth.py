"""How deep the elements of a document stand in one another, before anything larger reads it."""

from typing import Any
from xml.parsers import expat

# As deep as libxml2 goes.
MOST = 256


class _Enough(Exception):
    """It is deeper than it may be."""


def of(content: bytes) -> int:
    """Say how deep a document goes; as far as it is XML, and no further than one step too many."""
    parser = expat.ParserCreate()
    deepest = depth = 0

    def begin(_name: str, _attributes: Any) -> None:
        nonlocal deepest, depth
        depth += 1
        if depth > deepest:
            deepest = depth
            if deepest > MOST:
                raise _Enough

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    try:
        parser.Parse(content, True)  # noqa: FBT003 - expat's own signature
    except (expat.ExpatError, ValueError, LookupError):
        # What is no XML is read leniently, without a tree.
        return deepest
    except _Enough:
        return MOST + 1
    return deepest
