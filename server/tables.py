"""Every table of Lumen in one metadata, for migrations and for the test that compares them."""

from sqlalchemy import MetaData

from server.audit import store as _audit
from server.auth import one_time as _one_time
from server.auth import store as _auth
from server.comments import store as _comments
from server.engagement import store as _engagement
from server.graph import store as _graph
from server.items import store as _items
from server.kernel import idempotency as _idempotency
from server.kernel import leases as _leases
from server.kernel import outbox as _outbox
from server.kernel.database import metadata
from server.media import encodings as _encodings
from server.media import store as _media
from server.moderation import store as _moderation
from server.notifications import sending as _push
from server.notifications import store as _notifications
from server.posts import store as _posts
from server.profiles import store as _profiles
from server.sources import store as _sources
from server.timelines import store as _timelines
from server.uploads import store as _uploads
from server.users import departures as _departures
from server.users import store as _users

STORES = (
    _users,
    _departures,
    _profiles,
    _auth,
    _one_time,
    _graph,
    _timelines,
    _sources,
    _items,
    _uploads,
    _media,
    _encodings,
    _engagement,
    _posts,
    _comments,
    _notifications,
    _push,
    _outbox,
    _leases,
    _audit,
    _moderation,
    _idempotency,
)


def all_tables() -> MetaData:
    """Give the metadata once every store has been read."""
    return metadata
