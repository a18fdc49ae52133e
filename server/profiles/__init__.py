"""A person as one viewer sees them, and what people decide about their own account."""

from server.profiles.actions import archive, archived, forget_exports, recount, waiting_exports
from server.profiles.model import ExportShown, Profile
from server.profiles.tasks import EXPORT, MakeExport, export_id

__all__ = [
    "EXPORT",
    "ExportShown",
    "MakeExport",
    "Profile",
    "archive",
    "archived",
    "export_id",
    "forget_exports",
    "recount",
    "waiting_exports",
]
