"""Foreign HTML to HTML that may be shown, and to plain text."""

import re
from html import escape, unescape
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import nh3
from typing_extensions import override

# What is cut here could hardly be shown anyway, and deep nesting costs more than its length.
MAX_RAW = 60_000

TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "cite", "code", "dd", "del", "dfn", "div",
    "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img",
    "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strong",
    "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "u", "ul", "var",
}  # fmt: skip
_ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "blockquote": {"cite"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "q": {"cite"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "time": {"datetime"},
}
_LINKS = {("a", "href"), ("blockquote", "cite"), ("img", "src"), ("q", "cite")}
# What stands between these is no text of the entry.
_DROPPED = {"script", "style", "iframe", "object", "svg", "math", "template", "noscript", "head"}
_BLOCKS = {
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption",
    "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "ol", "p", "pre",
    "section", "table", "td", "th", "tr", "ul",
}  # fmt: skip
# A picture inside a link is never shown, and would push what stands behind it over the bound.
_INLINE = re.compile(r"data:[^\"'\s>]{200,}")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" *\n[ \n]*")
# Control characters, and what a database of UTF-8 cannot keep or a reader is fooled with.
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def html(raw: str, *, base: str, most: int) -> str:
    """Give HTML without scripts, styles and handlers, its links made whole; at most so long."""
    clean, cut = _sanitised(_bounded(raw), base), most
    while len(clean) > most:
        # What a cut leaves open is closed again by the sanitiser, which makes it longer.
        cut = cut * 9 // 10
        clean = _sanitised(clean[:cut], base)
    return clean.strip()


def html_of(written: str) -> str:
    """Give the HTML of plain text: its paragraphs."""
    return "".join(f"<p>{escape(each)}</p>" for each in written.split("\n") if each)


def text(raw: str, *, most: int) -> str:
    """Give the plain text of HTML or of text with entities, a paragraph to a line."""
    reader = _Text()
    reader.feed(_sanitised(_bounded(raw), ""))
    reader.close()
    return shortened(_LINES.sub("\n", _SPACES.sub(" ", "".join(reader.pieces))).strip(), most)


def line(raw: str | None, *, most: int) -> str | None:
    """Give the plain text of a title or a name on one line; None when nothing is left."""
    if not raw:
        return None
    return " ".join(text(raw, most=most * 4).split())[:most].strip() or None


def plain(raw: str, *, most: int) -> str:
    """Give text that is no HTML, fit to be stored."""
    return shortened(_LINES.sub("\n", _SPACES.sub(" ", _bounded(raw))).strip(), most)


def link(raw: str | None, *, base: str, most: int = 2000) -> str | None:
    """Give a link made whole; None for what a reader cannot follow."""
    if not raw:
        return None
    try:
        whole = urljoin(base, _fit(raw).strip())
        parts = urlsplit(whole)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.netloc or len(whole) > most:
        return None
    return "".join(whole.split())


def shortened(given: str, most: int) -> str:
    """Cut text at a word, with an ellipsis, when it is too long."""
    if len(given) <= most:
        return given
    cut = given[: most - 1]
    return cut[: cut.rfind(" ") if cut.rfind(" ") > most // 2 else None].rstrip() + "…"


def first_image(clean: str) -> str | None:
    """Give the address of the first picture in sanitised HTML."""
    found = re.search(r'<img[^>]*?\ssrc="([^"]+)"', clean)
    return unescape(found[1]) if found else None


def _sanitised(raw: str, base: str) -> str:
    def attribute(tag: str, name: str, value: str) -> str | None:
        return link(value, base=base) if (tag, name) in _LINKS else value

    return nh3.clean(
        raw,
        tags=TAGS,
        clean_content_tags=_DROPPED,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        url_schemes={"http", "https"},
        link_rel="noopener nofollow",
        strip_comments=True,
    )


def _bounded(raw: str) -> str:
    return _fit(_INLINE.sub("data:", raw)[:MAX_RAW])


def _fit(raw: str) -> str:
    return _UNFIT.sub("", raw)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.pieces.append("\n")

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.pieces.append("\n")

    @override
    def handle_data(self, data: str) -> None:
        self.pieces.append(data)
