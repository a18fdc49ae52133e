"""Every event that the outbox tells, named once."""

from server.auth.events import LetterAsked, PasswordForgotten, SignInEnded
from server.comments.events import CommentCreated, CommentDeleted, CommentEdited
from server.engagement.events import EngagementRecorded, VoteCast
from server.graph.events import BlockLifted, BlockMade, Followed, Muted, Unfollowed, Unmuted
from server.items.events import (
    ItemsEdited,
    ItemsEmbedded,
    ItemsPublished,
    ItemsRestored,
    ItemsRetracted,
)
from server.kernel.notice import NoticeGiven
from server.kernel.outbox import Event
from server.media.events import CardChanged, EncodingChanged
from server.moderation.events import Decided
from server.notifications.events import (
    NotificationDispatched,
    NotificationsGone,
    NotificationsRead,
)
from server.posts.events import LinkCarded, PollClosed, PostCreated, PostDeleted, PostEdited
from server.profiles.events import ExportAsked
from server.sources.events import FileGiven, PreviewAsked, SourceDue, SourceRetired
from server.timelines.events import Appeared, AuthorSank
from server.uploads.events import UploadArrived, UploadChecked
from server.users.events import AuthorityChanged, UserDeleted, UserErased, UserRestored

EVENTS: tuple[type[Event], ...] = (
    NoticeGiven,
    NotificationsGone,
    SignInEnded,
    LetterAsked,
    PasswordForgotten,
    ExportAsked,
    AuthorityChanged,
    UserDeleted,
    UserRestored,
    UserErased,
    Followed,
    Unfollowed,
    BlockMade,
    BlockLifted,
    Muted,
    Unmuted,
    Appeared,
    AuthorSank,
    SourceDue,
    FileGiven,
    SourceRetired,
    PreviewAsked,
    ItemsPublished,
    ItemsEmbedded,
    ItemsEdited,
    ItemsRetracted,
    ItemsRestored,
    UploadArrived,
    UploadChecked,
    CardChanged,
    EncodingChanged,
    Decided,
    PostCreated,
    PostEdited,
    PostDeleted,
    LinkCarded,
    PollClosed,
    CommentCreated,
    CommentEdited,
    CommentDeleted,
    EngagementRecorded,
    VoteCast,
    NotificationDispatched,
    NotificationsRead,
)
