"""The channel edge: payloads to structs on the way in, refusals to reasons on the way out."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec
from msgspec import Meta, Struct
from typing_extensions import override

from realtime import Answer, Channel, Error, Ok, Refused, Socket
from server.kernel.endpoint import Access, Nothing, Operation, check_access
from server.kernel.limits import admit
from server.kernel.problems import Malformed, Problem, check_text
from server.kernel.services import Services
from server.kernel.viewer import Viewer

Handles: TypeAlias = Callable[[Any, Any], Any]


class On(Struct, frozen=True):
    """What an event takes, who may send it, and the method that handles it.

    The method gets the channel and the decoded payload; what it returns is the reply's response,
    `None` an empty one. A plain function where nothing has to be waited for costs no task.
    """

    takes: type
    handle: Handles
    access: Access = "anyone"
    returns: Any = None


class Renew(Struct, frozen=True):
    """A newer access token of the sign-in that a socket was opened with."""

    access_token: Annotated[str, Meta(max_length=4096)]


class Renewed(Struct, frozen=True):
    """For how many seconds a socket goes on."""

    expires_in: int


class ViewerSocket(Socket):
    """A socket that knows who opened it and what its channels may reach."""

    services: Services

    @property
    def viewer(self) -> Viewer:
        """Who is at the other end; a visitor from the moment that their token ends."""
        raise NotImplementedError

    async def renew(self, access_token: str) -> int:
        """Go on with a newer token of the same sign-in; says for how many seconds.

        Raises:
            SignInFirst: the token is not ours, has ended, or its sign-in has.
            NotAllowed: it is of another sign-in, or the socket was opened without one.

        """
        raise NotImplementedError


class TypedChannel(Channel):
    """A channel whose events are a table, from which it is documented as well."""

    # What a join takes and answers, what clients may send, what the server sends.
    joins: ClassVar[type] = Nothing
    join_returns: ClassVar[Any] = None
    handles: ClassVar[Mapping[str, On]] = {}
    pushes: ClassVar[Mapping[str, Any]] = {}

    @property
    def viewer_socket(self) -> ViewerSocket:
        """The socket, as the kind it is."""
        assert isinstance(self.socket, ViewerSocket)  # noqa: S101 - for the type checker
        return self.socket

    @property
    def services(self) -> Services:
        """What the channel's actions may be given."""
        return self.viewer_socket.services

    @property
    def viewer(self) -> Viewer:
        """Who is at the other end just now; not to be kept for later."""
        return self.viewer_socket.viewer

    async def joined(self, params: Any) -> Any:
        """Let the viewer in with the decoded params and give the reply's response."""
        raise NotImplementedError

    @override
    async def join(self, params: Any) -> Any:
        try:
            return await self.joined(_decode(params, self.joins, "join"))
        except Problem as problem:
            raise refusal(problem) from problem

    @override
    def handle_in(self, event: str, payload: Any) -> Answer | Awaitable[Answer]:
        on = self.handles.get(event)
        if on is None:
            known = ", ".join(sorted(self.handles))
            return Error({"reason": "unknown_event", "detail": f"This topic knows {known}."})
        try:
            check_access(on.access, self.viewer)
            if on.access != "anyone":
                return self._limited(on, event, payload)
            result = on.handle(self, _decode(payload, on.takes, event))
        except Problem as problem:
            raise refusal(problem) from problem
        return _settled(result) if isinstance(result, Awaitable) else _ok(result)

    async def _limited(self, on: On, event: str, payload: Any) -> Ok:
        """Count what a person does, together with the same person's writes over HTTP."""
        try:
            await admit(self.services, "write", str(self.viewer.id), Operation.DEFAULT_WRITE)
            result = on.handle(self, _decode(payload, on.takes, event))
        except Problem as problem:
            raise refusal(problem) from problem
        return await _settled(result) if isinstance(result, Awaitable) else _ok(result)


async def _settled(work: Awaitable[Any]) -> Ok:
    try:
        return _ok(await work)
    except Problem as problem:
        raise refusal(problem) from problem


def _ok(result: Any) -> Ok:
    return Ok({} if result is None else result)


def refusal(problem: Problem) -> Refused:
    """Tell a refusal as a channel does."""
    detail = {"detail": problem.detail or problem.title()}
    return Refused(problem.reason(), **detail, **problem.more)


def _decode(payload: Any, kind: type, event: str) -> Any:
    check_text(payload, event)
    try:
        return msgspec.convert(payload, kind)
    except msgspec.ValidationError as error:
        raise Malformed(f"In {event}: {error}.") from error
