"""A list of feeds as feed readers export it: OPML to sources."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from server.sources.model import NewSource

_MOST_TITLE = 200


class NotOpmlError(ValueError):
    """The text is no list of feeds."""


def read(content: bytes) -> list[NewSource]:
    """Read the feeds of an OPML file, each once; a folder around them is their category.

    Raises:
        NotOpmlError: it is something else.

    """
    try:
        root = fromstring(content)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise NotOpmlError(str(error)) from error
    if root.tag.lower() != "opml":
        raise NotOpmlError(f"Its first element is <{root.tag}>.")
    found = {source.url: source for source in _outlines(root, None)}
    return list(found.values())


def _outlines(above: Element, category: str | None) -> Iterator[NewSource]:
    for each in above:
        told = {name.lower(): value.strip() for name, value in each.attrib.items()}
        title = (told.get("title") or told.get("text") or "")[:_MOST_TITLE] or None
        if url := told.get("xmlurl"):
            yield NewSource(url=url, title=title, category=category)
        yield from _outlines(each, title if each.tag == "outline" else category)
