"""Every table of Lumen in one metadata, for migrations and for the test that compares them."""

from sqlalchemy import MetaData

from server.auth import store as _auth
from server.comments import store as _comments
from server.engagement import store as _engagement
from server.items import store as _items
from server.kernel import leases as _leases
from server.kernel import outbox as _outbox
from server.kernel.database import metadata
from server.media import store as _media
from server.notifications import store as _notifications
from server.sources import store as _sources
from server.users import store as _users

STORES = (
    _users,
    _auth,
    _sources,
    _items,
    _media,
    _engagement,
    _comments,
    _notifications,
    _outbox,
    _leases,
)


def all_tables() -> MetaData:
    """Give the metadata once every store has been read."""
    return metadata
