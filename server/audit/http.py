"""The endpoint of the audit log."""

from server.audit import actions
from server.audit.model import AuditPage, AuditQuery
from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import CursorInvalid, NotAllowed, SignInFirst


async def page(call: Call[Nothing, AuditQuery]) -> AuditPage:
    """Give the audit log, the latest entry first."""
    async with call.services.database.read() as db:
        return await actions.page(db, call.viewer, call.query)


operations = [
    Operation(
        method="GET",
        path="/admin/audit",
        handler=page,
        access="admin",
        query=AuditQuery,
        returns=AuditPage,
        problems=(CursorInvalid, SignInFirst, NotAllowed),
        tag="admin",
    ),
]
