"""An item as a viewer sees it: text, media, counters and what the viewer did to it."""

from server.display.actions import one, seen, show
from server.display.model import AuthorRef, Item, Kind, PictureRef, SourceRef

__all__ = ["AuthorRef", "Item", "Kind", "PictureRef", "SourceRef", "one", "seen", "show"]
