"""The pages of feeds, for whoever has no socket."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from server import timelines
from server.feed import actions
from server.feed.model import (
    FORYOU_LIMIT,
    FORYOU_MOST,
    NEWS_LIMIT,
    NEWS_MOST,
    ItemsPage,
    NewsPage,
    SlideView,
)
from server.feed.session import Asked
from server.kernel.endpoint import Call, Handler, Nothing, Operation
from server.kernel.problems import (
    CursorInvalid,
    Malformed,
    Problem,
    SignInFirst,
    TooMany,
    Unavailable,
)
from server.timelines import MOST_OF_A_PAGE, PAGE, TimelineItem, TimelinePage, TimelineQuery


class NewsQuery(Struct, frozen=True):
    """Where to go on, and how many slides to give."""

    cursor: str | None = None
    limit: Annotated[int, Meta(ge=1, le=NEWS_MOST)] = NEWS_LIMIT


class ForYouQuery(Struct, frozen=True):
    """Where to go on, how many cards to give, and whether they must be playable."""

    cursor: str | None = None
    limit: Annotated[int, Meta(ge=1, le=FORYOU_MOST)] = FORYOU_LIMIT
    media: Literal["video"] | None = None


class FeedQuery(Struct, frozen=True):
    """Which feed, and what is asked of it."""

    type: Literal["news", "foryou", "forYou", "following"]
    cursor: str | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_OF_A_PAGE)] | None = None
    media: Literal["video"] | None = None


class FeedPage(Struct, frozen=True, omit_defaults=True):
    """A page of the feed that was asked for: of News with slides, of others with items."""

    cursor: str | None
    next_cursor: str | None
    has_more: bool
    slides: list[SlideView] | UnsetType = UNSET
    first_seq: int | UnsetType = UNSET
    items: list[TimelineItem] | UnsetType = UNSET
    restarted: bool = False
    hint: Literal["follow_somebody"] | None = None


async def news(call: Call[Nothing, NewsQuery]) -> NewsPage:
    """Give a page of slides: one featured item and exactly three related ones each."""
    return await _news(call, call.query)


async def foryou(call: Call[Nothing, ForYouQuery]) -> ItemsPage:
    """Give a page of cards, newest first: items with a poster, or with an MP4 to play."""
    return await _foryou(call, call.query)


async def feed(call: Call[Nothing, FeedQuery]) -> NewsPage | ItemsPage | TimelinePage:
    """Give a page of the feed that `type` names: the same answer as its own address gives."""
    query = call.query
    if query.type == "following":
        asked = TimelineQuery(query.cursor, query.limit or PAGE)
        return await timelines.following(call.services, call.viewer, asked)
    if query.type == "news":
        _check_limit(query.limit, NEWS_MOST, "News")
        return await _news(call, NewsQuery(query.cursor, query.limit or NEWS_LIMIT))
    _check_limit(query.limit, FORYOU_MOST, "For You")
    return await _foryou(call, ForYouQuery(query.cursor, query.limit or FORYOU_LIMIT, query.media))


def _check_limit(limit: int | None, most: int, feed: str) -> None:
    if limit is not None and limit > most:
        raise Malformed(f"In the query: {feed} gives at most {most} at once.")


async def _news(call: Call[Nothing, Any], query: NewsQuery) -> NewsPage:
    asked = Asked(
        feed="news",
        viewer=call.viewer,
        cursor=query.cursor,
        limit=query.limit,
        seen_when_given=True,
    )
    return (await actions.give_news(call.services, asked))[1]


async def _foryou(call: Call[Nothing, Any], query: ForYouQuery) -> ItemsPage:
    asked = Asked(
        feed="foryou",
        viewer=call.viewer,
        cursor=query.cursor,
        limit=query.limit,
        seen_when_given=True,
    )
    playable = query.media == "video"
    return (await actions.give_cards(call.services, asked, playable=playable))[1]


def _page(
    path: str, handler: Handler, query: type[Struct], returns: object, *more: type[Problem]
) -> Operation:
    return Operation(
        method="GET",
        path=path,
        handler=handler,
        query=query,
        returns=returns,
        problems=(CursorInvalid, Malformed, TooMany, Unavailable, *more),
        etag=True,
        tag="feed",
    )


operations = [
    _page("/feed/news", news, NewsQuery, NewsPage),
    _page("/feed/foryou", foryou, ForYouQuery, ItemsPage),
    # Other documents' names for the same pages (K5).
    _page("/feed/for-you", foryou, ForYouQuery, ItemsPage),
    _page("/feed", feed, FeedQuery, FeedPage, SignInFirst),
]
