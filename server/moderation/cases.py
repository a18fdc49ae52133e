"""The queue: reports come in, moderators claim cases, and decide them."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from server import audit, items, users
from server.audit import Deed
from server.display import AuthorRef
from server.kernel.database import Db
from server.kernel.problems import CursorInvalid, NotAllowed, NotFound, SignInFirst
from server.kernel.signing import ForgedError, Signer
from server.kernel.viewer import Viewer
from server.moderation import actions, store
from server.moderation.model import (
    CLAIM,
    MOST_SHOWN_REPORTS,
    AlreadyClaimed,
    AlreadyDecided,
    CasePage,
    CaseShown,
    Decision,
    ItemStatus,
    NewReport,
    NotClaimed,
    PersonStatus,
    QueueQuery,
    ReportPlaced,
    ReportShown,
    Target,
)
from server.moderation.store import Case, Report
from server.users import User

_EXCERPT = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DECISIONS = {"takedown", "restore"}


async def report(db: Db, viewer: Viewer, new: NewReport, now: datetime) -> ReportPlaced:
    """Report something; somebody's second report of it is the first one, while it is open.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotAllowed: the viewer is suspended, or reports themselves.
        NotFound: there is no such thing, or it is gone.

    """
    reporter = await users.hold_active(db, viewer)
    await _check_target(db, new.target, reporter.id)
    case = await store.open_case(db, new.target, now)
    placed = await store.add_report(db, case, reporter.id, new.reason, new.note, now)
    return ReportPlaced(placed.id, new.target, placed.reason, placed.created_at)


async def queue(db: Db, viewer: Viewer, secret: str, query: QueueQuery) -> CasePage:
    """Read cases.

    Raises:
        NotAllowed: the viewer is no admin.
        CursorInvalid: the cursor is none that this list gave.

    """
    actions.check_admin(viewer)
    signer = Signer(secret, f"cases/{query.state}")
    place = _read_place(signer, query.cursor)
    found = await store.page(db, query.state, place, query.limit + 1)
    here = found[: query.limit]
    cursor = _write_place(signer, here[-1]) if here else query.cursor
    return CasePage(await shown(db, here), cursor, cursor, len(found) > len(here))


async def claim(db: Db, viewer: Viewer, case_id: UUID, now: datetime) -> CaseShown:
    """Hold a case for a while, so that nobody else decides it; claimed again, for longer.

    Raises:
        NotAllowed: the viewer is no admin.
        NotFound: there is no such case.
        AlreadyDecided: it is closed.
        AlreadyClaimed: another holds it.

    """
    case = await _open(db, viewer, case_id, now)
    until = now + CLAIM
    await store.claim(db, case.id, viewer.id, until)
    if case.claimed_by != viewer.id:
        await _note(db, viewer, case, "case.claim", "", now)
    return await _one(db, case.id)


async def release(db: Db, viewer: Viewer, case_id: UUID, now: datetime) -> None:
    """Let a case go that one holds. Refused as `claim` is."""
    case = await _open(db, viewer, case_id, now)
    if case.claimed_by is not None:
        await store.claim(db, case.id, None, None)
        await _note(db, viewer, case, "case.release", "", now)


async def decide(
    db: Db, viewer: Viewer, case_id: UUID, decision: Decision, now: datetime
) -> CaseShown:
    """Decide a case that the viewer holds, and do what was decided. Refused as `claim` is.

    Raises:
        NotClaimed: the viewer does not hold it.
        Conflict: what was decided is so already, or cannot be done to such a target.

    """
    case = await _open(db, viewer, case_id, now)
    if case.claimed_by != viewer.id or case.claimed_until is None or case.claimed_until <= now:
        raise NotClaimed
    await _carry_out(db, viewer, case, decision, now)
    await store.close(db, case.id, decision.verdict, viewer.id, decision.note, now)
    await _note(db, viewer, case, f"case.{decision.verdict}", decision.note, now)
    return await _one(db, case.id)


async def shown(db: Db, found: Sequence[Case]) -> list[CaseShown]:
    """Show cases with what they are about, in five reads however many there are."""
    reports = await store.newest_reports(db, [each.id for each in found], MOST_SHOWN_REPORTS)
    about = await items.by_ids(db, {c.target_id for c in found if c.target_kind == "item"})
    wanted = {each.reporter_id for each in reports}
    wanted |= {item.author_id for item in about.values() if item.author_id}
    wanted |= {c.target_id for c in found if c.target_kind == "user"}
    wanted |= {c.claimed_by for c in found if c.claimed_by}
    people = await users.by_ids(db, wanted)
    return [_shown(case, reports, about, people) for case in found]


def _shown(
    case: Case,
    reports: Collection[Report],
    about: dict[UUID, items.StoredItem],
    people: dict[UUID, User],
) -> CaseShown:
    item = about.get(case.target_id)
    author_id = case.target_id if case.target_kind == "user" else item and item.author_id
    author = people.get(author_id) if author_id else None
    claimer = people.get(case.claimed_by) if case.claimed_by else None
    return CaseShown(
        id=case.id,
        target=Target(case.target_kind, case.target_id),
        state=case.state,
        report_count=case.report_count,
        reports=[
            ReportShown(
                each.id, ref(people.get(each.reporter_id)), each.reason, each.note, each.created_at
            )
            for each in reports
            if each.case_id == case.id
        ],
        excerpt=" ".join(filter(None, (item.title, item.body_text)))[:_EXCERPT] if item else "",
        item_state=item.state if item else None,
        author=ref(author),
        author_state=author.state if author else None,
        created_at=case.created_at,
        updated_at=case.updated_at,
        claimed_by=ref(claimer),
        claimed_until=case.claimed_until,
        verdict=case.verdict,
        decided_at=case.decided_at,
        note=case.note,
    )


def ref(user: User | None) -> AuthorRef | None:
    """Name a person, if there is one."""
    if user is None:
        return None
    return AuthorRef(name=user.display_name, id=user.id, username=user.username)


async def _check_target(db: Db, target: Target, reporter: UUID) -> None:
    if target.kind == "user":
        user = (await users.by_ids(db, [target.id])).get(target.id)
        if user is None or user.state == "deleted":
            raise NotFound("There is no such person.")
        if user.id == reporter:
            raise NotAllowed("Nobody reports themselves.")
        return
    item = (await items.by_ids(db, [target.id])).get(target.id)
    if item is None or item.state != "live":
        raise NotFound("There is no such item.")


async def _open(db: Db, viewer: Viewer, case_id: UUID, now: datetime) -> Case:
    """Hold a case that the viewer may decide."""
    actions.check_admin(viewer)
    if viewer.id is None:
        raise SignInFirst
    case = await store.hold(db, case_id)
    if case is None:
        raise NotFound("There is no such case.")
    if case.state == "closed":
        raise AlreadyDecided
    held = case.claimed_until is not None and case.claimed_until > now
    if held and case.claimed_by != viewer.id:
        raise AlreadyClaimed
    return case


async def _carry_out(db: Db, viewer: Viewer, case: Case, decision: Decision, now: datetime) -> None:
    verdict = decision.verdict
    if verdict == "dismiss":
        return
    if verdict in _DECISIONS:
        if case.target_kind != "item":
            raise NotFound("Only an item is taken down or restored.")
        if verdict == "restore":
            await actions.restore(db, viewer, case.target_id, decision.note, now)
            return
        status = ItemStatus("removed", decision.reason, decision.note)
        await actions.take_down(db, viewer, case.target_id, status, now)
        return
    state: Literal["suspended", "shadowbanned"]
    state = "suspended" if verdict == "suspend" else "shadowbanned"
    person = PersonStatus(state, decision.reason, decision.note, decision.until)
    await actions.judge(db, viewer, await _whom(db, case), person, now)


async def _whom(db: Db, case: Case) -> UUID:
    if case.target_kind == "user":
        return case.target_id
    item = (await items.by_ids(db, [case.target_id])).get(case.target_id)
    if item is None or item.author_id is None:
        raise NotFound("Nobody of Lumen wrote this item.")
    return item.author_id


async def _one(db: Db, case_id: UUID) -> CaseShown:
    case = await store.hold(db, case_id)
    assert case is not None  # noqa: S101 - it is held
    return (await shown(db, [case]))[0]


async def _note(db: Db, viewer: Viewer, case: Case, action: str, note: str, now: datetime) -> None:
    about = {"target": case.target_kind, "target_id": str(case.target_id)}
    deed = Deed(action=action, target_kind="case", target_id=str(case.id), note=note, after=about)
    await audit.record(db, viewer, deed, now)


def _write_place(signer: Signer, case: Case) -> str:
    moment = case.decided_at if case.state == "closed" and case.decided_at else case.created_at
    micros = (moment - _EPOCH) // timedelta(microseconds=1)
    return signer.sign(micros.to_bytes(8) + case.id.bytes)


def _read_place(signer: Signer, cursor: str | None) -> tuple[datetime, UUID] | None:
    if not cursor:
        return None
    try:
        body = signer.open(cursor)
    except ForgedError as error:
        raise CursorInvalid from error
    moment = _EPOCH + timedelta(microseconds=int.from_bytes(body[:8]))
    return moment, UUID(bytes=body[8:])
