"""What people write: made fit to be kept, measured as readers measure it, and what it points at."""

import unicodedata
from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import urlsplit

import regex
from msgspec import Struct

MOST_TAGS = 30
MOST_MENTIONS = 30
LONGEST_TAG = 50
LONGEST_LINK = 2000
# A character may be built of many code points; a text of such characters alone is no text.
BYTES_A_CHARACTER = 16

# What a word is made of; the middle dot stands inside Catalan words, the joiner inside Persian.
_WORD = r"\p{L}\p{M}\p{N}_\u00b7\u200c"
_CHARACTERS = regex.compile(r"\X")
_TAG = regex.compile(rf"(?<![{_WORD}&/#\uff03@])[#\uff03]([{_WORD}]+)")
_WORDLIKE = regex.compile(rf"[{_WORD}]*\p{{L}}[{_WORD}]*")
_MENTION = regex.compile(
    rf"(?<![{_WORD}@\uff20/.+-])[@\uff20]([A-Za-z0-9_]{{3,20}})(?![{_WORD}@\uff20])"
)
_LINK = regex.compile(r"(?<![\p{L}\p{N}])https?://[^\s<>\"\p{C}]+", regex.IGNORECASE)
_CLOSING = ".,:;!?'*_~…»”\u2019"
_PAIRS = {")": "(", "]": "[", "}": "{"}
_BLANK_LINES = regex.compile(r"\n(?:[^\S\n]*\n){2,}")
# Controls, lone surrogates, and what turns the direction of the text around it.
_UNFIT = regex.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufeff]"
)


class Pointers(Struct, frozen=True):
    """What a text points at: topics, people by name, addresses; each once, in order."""

    tags: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


def clean(written: str) -> str:
    """Give a text as it is kept: composed, on lines, without what cannot be seen around it."""
    text = written.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = unicodedata.normalize("NFC", str(_UNFIT.sub("", text)))
    return str(_BLANK_LINES.sub("\n\n", text)).strip()


def length(text: str) -> int:
    """Count the characters that a reader would count: a family of emoji is one."""
    return sum(1 for _ in _CHARACTERS.finditer(text))


def fits(text: str, characters: int) -> bool:
    """Say whether a text is no longer than so many characters, and made of as much as they are."""
    # The bytes first: to count characters costs more than a refusal should.
    if len(text.encode("utf-8", "replace")) > characters * BYTES_A_CHARACTER:
        return False
    return length(text) <= characters


def pointers(text: str) -> Pointers:
    """Find the tags, the mentions and the links of a text; within links there is none of them."""
    links = tuple(dict.fromkeys(link for _, link in _links(text)))
    rest = _without_links(text)
    tags = (tag_of(found[1]) for found in _TAG.finditer(rest))
    # Names are the same however they are capitalised; they are given as they stand first.
    names: dict[str, str] = {}
    for found in _MENTION.finditer(rest):
        names.setdefault(found[1].lower(), found[1])
    return Pointers(
        tags=tuple(dict.fromkeys(tag for tag in tags if tag is not None))[:MOST_TAGS],
        mentions=tuple(names.values())[:MOST_MENTIONS],
        links=links,
    )


def tag_of(word: str) -> str | None:
    """Give a tag in the one form in which equal tags are equal; None when it can be none."""
    tag = word
    # Once more than the folding needs, so that what comes out is never folded further.
    for _ in range(2):
        tag = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tag).casefold())
    if len(tag) > LONGEST_TAG * 2 or _WORDLIKE.fullmatch(tag) is None:
        return None
    return tag if length(tag) <= LONGEST_TAG else None


def html_of(text: str) -> str:
    """Write a text as HTML: paragraphs, line breaks and links, nothing else."""
    paragraphs = (part.strip() for part in text.split("\n\n"))
    return "".join(f"<p>{_linked(part)}</p>" for part in paragraphs if part)


def _linked(text: str) -> str:
    pieces, at = [], 0
    for start, link in _links(text):
        shown = escape(link)
        pieces += [
            _escaped(text[at:start]),
            f'<a href="{shown}" rel="nofollow noopener ugc">{shown}</a>',
        ]
        at = start + len(link)
    pieces.append(_escaped(text[at:]))
    return "".join(pieces)


def _escaped(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _links(text: str) -> Iterator[tuple[int, str]]:
    found: Any
    for found in _LINK.finditer(text):
        link = _trimmed(found[0])
        if len(link) <= LONGEST_LINK and _leads_somewhere(link):
            yield found.start(), link


def _without_links(text: str) -> str:
    pieces, at = [], 0
    for start, link in _links(text):
        pieces += [text[at:start], " "]
        at = start + len(link)
    return "".join([*pieces, text[at:]])


def _trimmed(link: str) -> str:
    """Leave out what ends the sentence around a link, and brackets that it does not open."""
    while link:
        last = link[-1]
        opening = _PAIRS.get(last)
        if last in _CLOSING or (opening and link.count(opening) < link.count(last)):
            link = link[:-1]
        else:
            break
    return link


def _leads_somewhere(link: str) -> bool:
    try:
        parts = urlsplit(link)
        return bool(parts.hostname) and "." in (parts.hostname or "") and parts.username is None
    except ValueError:
        return False
