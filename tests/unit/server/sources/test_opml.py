import pytest

from server.sources import NotOpmlError, read_opml

LIST = b"""<?xml version="1.0"?>
<opml version="2.0"><head><title>mine</title></head><body>
  <outline text="Science">
    <outline text="Orbit" type="rss" xmlUrl="https://orbit.example/feed"/>
    <outline title="Lab" text="ignored" type="rss" xmlUrl="https://lab.example/feed"/>
  </outline>
  <outline text="Orbit again" xmlUrl="https://orbit.example/feed"/>
  <outline xmlUrl="https://bare.example/"/>
</body></opml>"""


def test_feeds_are_read_once_each_with_their_folder():
    found = {each.url: each for each in read_opml(LIST)}
    assert set(found) == {
        "https://orbit.example/feed",
        "https://lab.example/feed",
        "https://bare.example/",
    }
    assert found["https://lab.example/feed"].title == "Lab"
    assert found["https://lab.example/feed"].category == "Science"
    assert found["https://bare.example/"].title is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no xml",
        b"<rss version='2.0'><channel/></rss>",
        b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><opml>&a;</opml>",
        b'{"version": "https://jsonfeed.org/version/1.1"}',
    ],
)
def test_what_is_no_list_is_refused(content: bytes):
    with pytest.raises(NotOpmlError):
        read_opml(content)
