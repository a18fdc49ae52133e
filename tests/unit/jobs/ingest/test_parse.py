import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.ingest.parse import Feed, Given, NotAFeed, guid_digest, read
from server.items import Entry

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
PAPER = Given(url="https://paper.example/feed")

PIECES = st.sampled_from(
    [
        b"<?xml version='1.0' encoding='utf-8'?>", b"<rss version='2.0'><channel>", b"<item>",
        b"</item>", b"<title>T</title>", b"<title>", b"<![CDATA[", b"]]>", b"&nbsp;", b"&bogus;",
        b"<guid>1</guid>", b"<link>http://a.example/</link>", b"<link href=", b"<feed xmlns='",
        b"<entry>", b"<pubDate>Tue, 99 Foo 20266</pubDate>", b"<pubDate>-1</pubDate>",
        b"<description>&lt;script&gt;x&lt;/script&gt;</description>", b"\xff\xfe", b"\x00",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b'{"version":"https://jsonfeed.org/version/1",',
        b'"items":[', b'{"id":1}', b"]}", b"</channel></rss>",
        b"<enclosure url='' type='video'/>",
    ]
)  # fmt: skip


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=400), st.lists(st.one_of(PIECES, st.binary(max_size=8))).map(b"".join)
    )
)
def test_no_bytes_raise_anything_but_that_they_are_no_feed(content: bytes) -> None:
    try:
        feed = read(content, PAPER, NOW)
    except NotAFeed:
        return
    assert all(len(each.digest) == 32 for each in feed.entries)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "url", "title", "items", "authors", "tags", "date_published"]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_no_json_raises_anything_but_that_it_is_no_feed(document: Any) -> None:
    given_items = document if isinstance(document, list) else [document]
    content = json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": given_items})
    assert isinstance(read(content.encode(), PAPER, NOW), Feed)


DC = "http://purl.org/dc/elements/1.1/"


def at(day: int, *time: int) -> datetime:
    return datetime(2026, 11, day, *time, tzinfo=UTC)


def rss(*items: str, about: str = "<title>Paper</title>") -> bytes:
    return f"<rss version='2.0'><channel>{about}{''.join(items)}</channel></rss>".encode()


def only(content: bytes, **more: Any) -> Entry:
    (entry,) = read(content, Given(url=PAPER.url, **more), NOW).entries
    return entry


def test_the_same_feed_twice_has_the_same_identities() -> None:
    content = rss(
        "<item><guid>1</guid><title>A</title></item>",
        "<item><link>http://a.example/2</link><title>B</title></item>",
        "<item><description>Only words</description></item>",
    )
    first, second = (read(content, PAPER, NOW).entries for _ in range(2))

    assert [each.digest for each in first] == [each.digest for each in second]
    assert len({each.digest for each in first}) == 3


def test_an_edit_changes_the_content_and_not_the_identity() -> None:
    first = only(rss("<item><guid>1</guid><title>A</title></item>"))
    second = only(rss("<item><guid>1</guid><title>A, corrected</title></item>"))

    assert first.digest == second.digest
    assert first.content_digest != second.content_digest


def test_a_date_alone_is_no_edit() -> None:
    first, second = (
        only(rss(f"<item><guid>1</guid><title>A</title><pubDate>{day} Nov 2026</pubDate></item>"))
        for day in (18, 19)
    )

    assert first.content_digest == second.content_digest


def test_a_guid_that_all_entries_share_tells_them_apart_by_their_link() -> None:
    content = rss(
        *(
            f"<item><guid>x</guid><link>http://a.example/{n}</link><title>T</title></item>"
            for n in range(3)
        )
    )

    assert len({each.digest for each in read(content, PAPER, NOW).entries}) == 3


def test_a_link_without_a_guid_is_found_by_an_answer_to_it() -> None:
    entry = only(rss("<item><link>http://a.example/1</link><title>A</title></item>"))

    assert entry.digest == guid_digest("http://a.example/1")


@pytest.mark.parametrize(
    ("item", "kind", "title"),
    [
        ("<title>News</title><description>Something else.</description>", "ARTICLE", "News"),
        ("<title></title><description>Only words.</description>", "TWEET", None),
        ("<title>Only wor…</title><description>Only words.</description>", "TWEET", None),
        (
            f"<title>Long</title><description>Long {'x ' * 400}</description>",
            "ARTICLE",
            "Long",
        ),
        (
            "<title>Film</title><enclosure type='video/mp4' url='http://a.example/f.mp4'/>",
            "VIDEO",
            "Film",
        ),
        (
            "<title>Sound</title><enclosure type='audio/mpeg' url='http://a.example/a'/>",
            "AUDIO",
            "Sound",
        ),
    ],
)
def test_what_an_entry_is_follows_from_what_it_has(item: str, kind: str, title: str | None) -> None:
    entry = only(rss(f"<item><guid>1</guid>{item}</item>"))

    assert (entry.kind, entry.title) == (kind, title)


def test_an_entry_without_anything_to_show_is_left_out() -> None:
    feed = read(rss("<item><guid>1</guid></item>", "<item><title>A</title></item>"), PAPER, NOW)

    assert [each.title for each in feed.entries] == ["A"]
    assert feed.empty == 1


@pytest.mark.parametrize(
    ("date", "meant"),
    [
        ("<pubDate>Fri, 20 Nov 2026 01:41:51 GMT</pubDate>", at(20, 1, 41, 51)),
        ("<pubDate>Fri, 20 Nov 2026 01:41:51 +0530</pubDate>", at(19, 20, 11, 51)),
        (f"<dc:date xmlns:dc='{DC}'>2026-11-19T10:00Z</dc:date>", at(19, 10)),
        ("<pubDate>the day before yesterday</pubDate>", NOW),
        ("<pubDate>Mon, 01 Jan 0001 00:00:00 GMT</pubDate>", NOW),
        ("<pubDate>Thu, 01 Jan 1970 00:00:00 GMT</pubDate>", NOW),
        ("", NOW),
    ],
)
def test_dates_are_read_as_the_wild_has_them(date: str, meant: datetime) -> None:
    assert only(rss(f"<item><title>A</title>{date}</item>")).published_at == meant


def test_a_latin_feed_is_read_in_its_encoding() -> None:
    head = b"<?xml version='1.0' encoding='iso-8859-1'?>"
    content = rss("<item><title>Café</title></item>").decode().encode("latin-1")

    assert only(head + content).title == "Café"


def test_entities_that_xml_does_not_know_are_read() -> None:
    assert only(
        rss("<item><title>Caf&eacute; &amp;amp; bar &mdash; open</title></item>")
    ).title == ("Café & bar — open")


def test_broken_xml_still_gives_its_entries() -> None:
    content = b"<rss version='2.0'><channel><item><title>A & B</title><item><title>C</channel>"

    assert "A & B" in [each.title for each in read(content, PAPER, NOW).entries]


def test_an_e_mail_address_is_no_name() -> None:
    by = "<author>{}</author>"
    for written, name in (
        ("ann@paper.example (Ann Lee)", "Ann Lee"),
        ("ann@paper.example", None),
        ("Ann Lee", "Ann Lee"),
    ):
        item = f"<item><title>A</title>{by.format(written)}</item>"
        assert only(rss(item)).author_name == name


def test_what_the_source_was_given_stands_before_what_the_feed_says() -> None:
    item = "<item><title>A</title><category>Sport</category></item>"

    assert only(rss(item)).category == "Sport"
    assert only(rss(item), category="News").category == "News"


def test_a_name_of_a_file_is_not_opened() -> None:
    with pytest.raises(NotAFeed):
        read(b"/etc/passwd", PAPER, NOW)


def test_a_page_says_where_its_feed_is() -> None:
    page = (
        b"<!doctype html><html><head><link rel='alternate' type='application/rss+xml' "
        b"href='/feed.xml'></head><body>Hello</body></html>"
    )
    with pytest.raises(NotAFeed, match=r"web page, not a feed.*feed\.xml"):
        read(page, PAPER, NOW)


def test_a_feed_that_asks_to_be_left_alone_is_heard() -> None:
    assert read(rss(about="<ttl>90</ttl>"), PAPER, NOW).pause == timedelta(minutes=90)


def test_a_json_feed_is_read_entry_by_entry() -> None:
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Log",
        "authors": [{"name": "Ann"}],
        "items": [
            {
                "id": 7,
                "content_text": "Short words.",
                "date_published": "2026-11-19T10:00:00+01:00",
            },
            {
                "id": "b",
                "title": "Long",
                "content_html": "<p>Read<script>x</script></p>",
                "url": "/b",
            },
            {"id": {"broken": True}},
            "not even an object",
            {
                "id": "c",
                "title": "Film",
                "attachments": [{"url": "https://a.example/f.mp4", "mime_type": "video/mp4"}],
            },
        ],
    }
    feed = read(json.dumps(document).encode(), PAPER, NOW)

    assert [each.kind for each in feed.entries] == ["TWEET", "ARTICLE", "VIDEO"]
    assert feed.entries[0].published_at == datetime(2026, 11, 19, 9, tzinfo=UTC)
    assert feed.entries[0].author_name == "Ann"
    assert feed.entries[1].body_html == "<p>Read</p>"
    assert feed.entries[1].url == "https://paper.example/b"
    assert feed.entries[2].video_url == "https://a.example/f.mp4"


def test_json_of_another_kind_is_no_feed() -> None:
    for content in (b'{"a": 1}', b"{", b'{"version": 7}'):
        with pytest.raises(NotAFeed):
            read(content, PAPER, NOW)


def test_an_answer_names_what_it_answers() -> None:
    content = (
        b"<feed xmlns='http://www.w3.org/2005/Atom' xmlns:thr='http://purl.org/syndication/thread/1.0'>"
        b"<title>Talk</title><entry><title/><id>c1</id><content>Yes.</content>"
        b"<thr:in-reply-to ref='tag:a,2026:1' href='http://a.example/1'/></entry></feed>"
    )
    answers = only(content).answers

    assert answers is not None
    assert answers.digest == guid_digest("tag:a,2026:1")
    assert answers.url_digest is not None
