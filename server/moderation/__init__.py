"""Moderation: what people report, what the house decides, and that it holds everywhere."""

from server.moderation.actions import end_suspensions
from server.moderation.cases import report
from server.moderation.model import NewReport, Reason, ReportPlaced, Target, Verdict

__all__ = [
    "NewReport",
    "Reason",
    "ReportPlaced",
    "Target",
    "Verdict",
    "end_suspensions",
    "report",
]
