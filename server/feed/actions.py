"""Pages of News and of For You, the same for REST and for channels."""

from functools import partial

from server.feed.hydrate import items_of, slides_of
from server.feed.model import ItemsPage, NewsPage
from server.feed.node import FeedNode
from server.feed.session import Asked, Given
from server.kernel.services import Services


async def give_news(services: Services, asked: Asked) -> tuple[Given, NewsPage]:
    """Give the slides after a cursor.

    Raises:
        CursorInvalid: the cursor is not one of this feed and reader.

    """
    node = services.part(FeedNode)
    given = await node.sessions.page(asked, partial(node.news.next, lead=asked.lead))
    page = NewsPage(
        cursor=given.cursor,
        next_cursor=given.cursor,
        has_more=given.has_more,
        slides=await slides_of(services, asked.viewer, given.log, given.entries),
        restarted=given.restarted,
    )
    return given, page


async def give_cards(
    services: Services, asked: Asked, *, playable: bool
) -> tuple[Given, ItemsPage]:
    """Give the cards after a cursor; with `playable`, only those that have an MP4.

    Raises:
        CursorInvalid: the cursor is not one of this feed and reader.

    """
    node = services.part(FeedNode)
    given = await node.sessions.page(asked, partial(node.foryou.next, playable=playable))
    shown = await items_of(services, asked.viewer, given.entries)
    page = ItemsPage(
        cursor=given.cursor,
        next_cursor=given.cursor,
        has_more=given.has_more,
        first_seq=given.first_seq,
        items=[shown[entry.ids[0]] for _, entry in given.entries],
        restarted=given.restarted,
    )
    return given, page
