from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.feed.cursor import Cursor, Cursors
from server.kernel.problems import CursorInvalid
from server.kernel.viewer import VISITOR, Viewer

CURSORS = Cursors("a secret for the tests of cursors")
READER = Viewer(UUID(int=7), "user")
PLACE = Cursor("news", UUID(int=1), 2, 3)

places = st.builds(
    Cursor,
    feed=st.sampled_from(("news", "foryou")),
    session=st.uuids(),
    epoch=st.integers(0, 2**32 - 1),
    seq=st.integers(0, 2**32 - 1),
    owner=st.none() | st.uuids(version=4),
)


@given(places)
def test_a_cursor_is_read_back_by_whose_it_is_and_is_always_as_long(place):
    written = CURSORS.write(place)
    assert CURSORS.read(written, place.feed, Viewer(place.owner, "user")) == place
    assert len(written) == 78


@given(places, st.data())
def test_an_altered_cursor_is_refused(place, data):
    written = CURSORS.write(place)
    at = data.draw(st.integers(0, len(written) - 1))
    other = data.draw(st.sampled_from("ABCabc019-_ é=").filter(lambda each: each != written[at]))
    with pytest.raises(CursorInvalid):
        CURSORS.read(written[:at] + other + written[at + 1 :], place.feed, VISITOR)


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text):
    with pytest.raises(CursorInvalid):
        CURSORS.read(text, "news", VISITOR)


def test_a_cursor_of_another_secret_is_refused():
    with pytest.raises(CursorInvalid):
        CURSORS.read(Cursors("another secret").write(PLACE), "news", VISITOR)


def test_a_cursor_of_another_feed_is_refused_and_that_is_said():
    with pytest.raises(CursorInvalid, match="another feed than foryou"):
        CURSORS.read(CURSORS.write(PLACE), "foryou", VISITOR)


def test_a_visitor_who_signs_in_takes_the_place_along():
    kept = CURSORS.read(CURSORS.write(PLACE), "news", READER)
    assert kept == Cursor("news", UUID(int=1), 2, 3, READER.id)


@pytest.mark.parametrize("other", [VISITOR, Viewer(UUID(int=8), "admin")])
def test_a_place_is_nobody_elses(other):
    mine = CURSORS.write(Cursor("news", UUID(int=1), 2, 3, READER.id))
    with pytest.raises(CursorInvalid, match="another reader"):
        CURSORS.read(mine, "news", other)


def test_a_cursor_of_a_later_version_is_refused():
    signed = CURSORS._signer.sign(b"\x02" + bytes(41))
    with pytest.raises(CursorInvalid):
        CURSORS.read(signed, "news", VISITOR)
