"""A list of feeds as feed readers exchange it: OPML to sources, and sources to OPML."""

from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element, ParseError, SubElement, indent, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from server.sources.model import NewSource, Source

_MOST_TITLE = 200
# Folders in folders; what is deeper was made to exhaust whoever reads it.
_DEEPEST = 40


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


def write(sources: Iterable[Source]) -> bytes:
    """Write sources as an OPML document, a folder for each category."""
    root = Element("opml", version="2.0")
    SubElement(SubElement(root, "head"), "title").text = "Sources of Lumen"
    body = SubElement(root, "body")
    folders: dict[str, Element] = {}
    for each in sorted(sources, key=lambda source: (source.category or "", source.title.lower())):
        place = body
        if each.category:
            if each.category not in folders:
                folders[each.category] = SubElement(
                    body, "outline", text=each.category, title=each.category
                )
            place = folders[each.category]
        told = {"type": "rss", "text": each.title, "title": each.title, "xmlUrl": each.url}
        if each.site_url:
            told["htmlUrl"] = each.site_url
        SubElement(place, "outline", told)
    indent(root)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _outlines(above: Element, category: str | None, depth: int = 0) -> Iterator[NewSource]:
    for each in above if depth < _DEEPEST else ():
        told = {name.lower(): value.strip() for name, value in each.attrib.items()}
        title = (told.get("title") or told.get("text") or "")[:_MOST_TITLE] or None
        if url := told.get("xmlurl"):
            yield NewSource(url=url, title=title, category=category)
        yield from _outlines(each, title if each.tag == "outline" else category, depth + 1)
