"""The book of what was done to run the house: added to, read and verified, never changed."""

from server.audit.actions import page, record, verify
from server.audit.model import AuditEntry, AuditPage, AuditQuery, Broken, Deed, Verified

__all__ = [
    "AuditEntry",
    "AuditPage",
    "AuditQuery",
    "Broken",
    "Deed",
    "Verified",
    "page",
    "record",
    "verify",
]
