"""Who is where, on all nodes, in the shapes of Phoenix.Presence."""

from realtime.presence.diffs import Presences
from realtime.presence.presence import Presence
from realtime.presence.tracker import Pace

__all__ = ["Pace", "Presence", "Presences"]
