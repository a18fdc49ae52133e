"""The table of contents: every operation, channel and reaction of Lumen, named once."""

from collections.abc import Mapping

from server.audit import http as audit
from server.auth import account_http, google_http
from server.auth import exports as auth_exports
from server.auth import http as auth
from server.auth import reactions as auth_reactions
from server.comments import channel as item_channel
from server.comments import http as comments
from server.comments import reactions as comment_reactions
from server.display import http as display
from server.display import lists as display_lists
from server.display import reactions as display_reactions
from server.display import writing
from server.engagement import exports as engagement_exports
from server.engagement import http as engagement
from server.engagement import reactions as engagement_reactions
from server.feed import channel as feed_channels
from server.feed import following as following_channel
from server.feed import http as feed
from server.feed import reactions as feed_reactions
from server.graph import exports as graph_exports
from server.graph import http as graph
from server.graph import reactions as graph_reactions
from server.items import exports as item_exports
from server.items import http as items
from server.items import reactions as item_reactions
from server.kernel.channel import TypedChannel
from server.kernel.endpoint import Operation
from server.kernel.exporting import Exporter
from server.kernel.outbox import Reaction
from server.media import http as media
from server.media import reactions as media_reactions
from server.moderation import http as moderation
from server.notifications import channel as user_channel
from server.notifications import http as notifications
from server.notifications import outside_http as outside
from server.notifications import reactions as notification_reactions
from server.posts import http as posts
from server.posts import reactions as post_reactions
from server.profiles import http as profiles
from server.profiles import reactions as profile_reactions
from server.sources import http as sources
from server.sources import reactions as source_reactions
from server.sources import websub
from server.timelines import http as timelines
from server.timelines import reactions as timeline_reactions
from server.uploads import exports as upload_exports
from server.uploads import http as uploads
from server.uploads import reactions as upload_reactions
from server.uploads import tus_http
from server.users import exports as user_exports

OPERATIONS: tuple[Operation, ...] = (
    *auth.operations,
    *account_http.operations,
    *google_http.operations,
    *profiles.operations,
    *feed.operations,
    *display.operations,
    *display_lists.operations,
    *writing.operations,
    *posts.operations,
    *tus_http.operations,
    *uploads.operations,
    *graph.operations,
    *timelines.operations,
    *engagement.operations,
    *comments.operations,
    *notifications.operations,
    *outside.operations,
    *sources.operations,
    *items.operations,
    *websub.operations,
    *media.operations,
    *moderation.operations,
    *audit.operations,
)

# In the order in which a topic is looked up; a `*` stands for the rest of it.
CHANNELS: Mapping[str, type[TypedChannel]] = {
    "feed:news": feed_channels.NewsChannel,
    "feed:foryou": feed_channels.ForYouChannel,
    "feed:following": following_channel.FollowingChannel,
    "item:*": item_channel.ItemChannel,
    "user:*": user_channel.UserChannel,
}

REACTIONS: tuple[Reaction, ...] = (
    *auth_reactions.reactions,
    *profile_reactions.reactions,
    *source_reactions.reactions,
    *item_reactions.reactions,
    *upload_reactions.reactions,
    *media_reactions.reactions,
    *engagement_reactions.reactions,
    *display_reactions.reactions,
    *graph_reactions.reactions,
    *timeline_reactions.reactions,
    *feed_reactions.reactions,
    *post_reactions.reactions,
    *comment_reactions.reactions,
    *notification_reactions.reactions,
)

# The parts of what a person gets who asks for their own data; a domain that keeps any adds its own.
EXPORTERS: tuple[Exporter, ...] = (
    *user_exports.exporters,
    *auth_exports.exporters,
    *graph_exports.exporters,
    *item_exports.exporters,
    *upload_exports.exporters,
    *engagement_exports.exporters,
)
