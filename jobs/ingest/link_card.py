"""The job that looks where the link of a post leads, and makes a card of it."""

import codecs
import hashlib
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from typing_extensions import override

from jobs.ingest import clean
from jobs.ingest.answers import NoTurnYet, Page
from jobs.ingest.desk import Desk
from jobs.ingest.fetch import PICTURES, Ask
from jobs.ingest.reading import Drawn
from jobs.runtime import job
from server import posts
from server.kernel.services import Services
from server.posts import CardLink, LinkCard, LinkKind

# What a card needs stands in the head of a page.
HEAD_BYTES = 128 * 1024
MOST_PICTURE_BYTES = 8 * 1024 * 1024
MOST_METAS = 200
LONGEST_TITLE = 200
LONGEST_DESCRIPTION = 300
LONGEST_SITE = 80
MIME = "image/jpeg"

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)


@job(posts.CARD_LINK)
async def card_link(services: Services, args: CardLink) -> None:
    """Look where a post's link leads and keep what is there to show; what is not, is not asked."""
    async with services.database.read() as db:
        url = await posts.to_card(db, args.post_id)
    if url is None:
        return
    desk = Desk(services)
    answered = await desk.ask_page(Ask(url=url))
    if isinstance(answered, NoTurnYet):
        # A sweep brings it here again.
        return
    card = LinkCard(url)
    if isinstance(answered, Page):
        card = await _card(services, desk, url, answered)
    async with services.write() as db:
        await posts.card(db, args.post_id, card)


async def _card(services: Services, desk: Desk, url: str, page: Page) -> LinkCard:
    if page.content_type.lower().startswith("image/"):
        key = await _kept(services, desk, page)
        return LinkCard(url, "image", image_key=key) if key else LinkCard(url)
    card, picture = read(url, page)
    if picture is None:
        return card
    ask = Ask(url=picture, accept=PICTURES, most=MOST_PICTURE_BYTES)
    shown = await desk.ask(ask)
    key = await _kept(services, desk, shown) if isinstance(shown, Page) else None
    return LinkCard(
        card.url,
        card.kind,
        title=card.title,
        description=card.description,
        site=card.site,
        image_key=key,
    )


async def _kept(services: Services, desk: Desk, page: Page) -> str | None:
    drawn = await desk.draw(page)
    if not isinstance(drawn, Drawn):
        return None
    digest = hashlib.sha256(drawn.content).hexdigest()
    key = f"pictures/{digest[:2]}/{digest}.jpg"
    if not await services.storage.exists(key):
        await services.storage.put(key, drawn.content, mime=MIME)
    return key


def read(url: str, page: Page) -> tuple[LinkCard, str | None]:
    """Read from the head of a page what its card says, and where its picture is."""
    head = _Head()
    head.feed(_text(page))
    head.close()
    title = clean.line(head.said("og:title", "twitter:title") or head.title, most=LONGEST_TITLE)
    if title is None:
        return LinkCard(url), None
    site = clean.line(head.said("og:site_name"), most=LONGEST_SITE)
    about = head.said("og:description", "twitter:description", "description")
    card = LinkCard(
        url,
        _kind(head.said("og:type") or ""),
        title=title,
        description=clean.line(about, most=LONGEST_DESCRIPTION),
        site=site or urlsplit(page.url).hostname,
    )
    return card, _whole(page.url, head.said("og:image:secure_url", "og:image", "twitter:image"))


def _kind(said: str) -> LinkKind:
    kinds: dict[str, LinkKind] = {"video": "video", "music": "audio", "article": "article"}
    return kinds.get(said.partition(".")[0].strip().lower(), "page")


def _whole(base: str, link: str | None) -> str | None:
    if not link:
        return None
    try:
        whole = urljoin(base, link.strip())
        parts = urlsplit(whole)
    except ValueError:
        return None
    return whole if parts.scheme in {"http", "https"} and parts.hostname else None


def _text(page: Page) -> str:
    head = page.content[:HEAD_BYTES]
    told = _CHARSET.search(page.content_type) or _CHARSET.search(
        head[:2048].decode("ascii", "replace")
    )
    try:
        charset = codecs.lookup(told[1]).name if told else "utf-8"
        return head.decode(charset, "replace")
    except (LookupError, ValueError):
        return head.decode("utf-8", "replace")


class _Head(HTMLParser):
    """Collects what a page says of itself, until its body begins."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self._metas: dict[str, str] = {}
        self._in_title = False
        self._over = False

    def said(self, *names: str) -> str | None:
        """Give the first of these that the page says."""
        return next((self._metas[name] for name in names if self._metas.get(name)), None)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self._over = True
        if self._over:
            return
        if tag == "title" and not self.title:
            self._in_title = True
        if tag == "meta" and len(self._metas) < MOST_METAS:
            given: dict[str, Any] = {name: value or "" for name, value in attrs}
            name = (given.get("property") or given.get("name") or "").lower()
            if name:
                self._metas.setdefault(name, given.get("content", ""))

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False

    @override
    def handle_data(self, data: str) -> None:
        if self._in_title and len(self.title) < LONGEST_TITLE * 4:
            self.title += data
