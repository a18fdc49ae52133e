"""Who may open a socket, and which topics it finds there.

A socket has the authority of the access token that opened it, and no longer than that token: from
its end on whoever holds it acts as a visitor, and within seconds it is closed with 1001, so that
the client comes back with a fresh one; the same when the person's role is another since. A client
that sends `token` with a newer one on `user:ID` goes on without that. When the sign-in itself
ends, its sockets end at once.
"""

from collections.abc import Mapping
from typing import ClassVar

from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from realtime import ConnectInfo, ConnectRefused, Limits, Rate, Rates
from server import auth
from server.auth import outdated
from server.catalog import CHANNELS
from server.kernel.channel import TypedChannel, ViewerSocket
from server.kernel.problems import NotAllowed, Problem, SignInFirst, Unavailable
from server.kernel.services import Services
from server.kernel.viewer import VISITOR, Viewer

# A page that comes back joins all of its hundred channels at once, and many readers may have one
# address: what these refuse is no reader.
RATES = Limits(
    socket_rates=Rates(
        joins=Rate(20, 200),
        pushes=Rate(50, 200),
        presence=Rate(20, 200),
        bytes=Rate(262_144, 2_097_152),
    ),
    user_rates=Rates(
        joins=Rate(50, 600),
        pushes=Rate(100, 600),
        presence=Rate(50, 600),
        bytes=Rate(524_288, 4_194_304),
    ),
    address_rates=Rates(joins=Rate(500, 10_000), pushes=Rate(2_000, 20_000)),
)


class UserSocket(ViewerSocket):
    """A reader's socket: of somebody who is signed in, or of a visitor without a token."""

    channels: ClassVar[Mapping[str, type[TypedChannel]]] = CHANNELS

    def __init__(self, info: ConnectInfo, services: Services) -> None:
        super().__init__(info)
        self.services = services
        self._claims: auth.Claims | None = None
        self._person = VISITOR

    @property
    @override
    def viewer(self) -> Viewer:
        return VISITOR if self.is_over() else self._person

    @override
    async def connect(self) -> None:
        if not self.info.auth_token:
            return
        try:
            self._claims = await self._claims_of(self.info.auth_token)
        except Problem as problem:
            raise ConnectRefused(problem.reason(), problem.status) from problem
        self._person = Viewer(id=self._claims.sub, role=self._claims.role)

    @override
    async def renew(self, access_token: str) -> int:
        known, claims = self._claims, await self._claims_of(access_token)
        # Its end must find this socket, and it is found by the sign-in that opened it.
        if known is None or (known.sub, known.sid) != (claims.sub, claims.sid):
            raise NotAllowed("This token is of another sign-in: open another socket with it.")
        self._claims = claims
        self._person = Viewer(id=claims.sub, role=claims.role)
        return max(0, claims.exp - int(self.services.clock.now().timestamp()))

    @override
    def id(self) -> str | None:
        """The topic on which the end of a sign-in ends its sockets."""
        return auth.socket_id(self._claims.sid) if self._claims else None

    @override
    def user(self) -> str | None:
        """One person's sign-ins draw on the same rates."""
        return str(self._claims.sub) if self._claims else None

    @override
    def is_over(self) -> bool:
        claims = self._claims
        if claims is None:
            return False
        ended = claims.exp <= self.services.clock.now().timestamp()
        return ended or outdated.covers(self.services, claims)

    async def _claims_of(self, token: str) -> auth.Claims:
        claims = auth.read_access_token(self.services.policy, token, self.services.clock.now())
        # A token is else believed until it ends; but a socket that was just sent away because its
        # sign-in ended must not come back with the same one.
        try:
            async with self.services.database.read() as db:
                ended = await auth.has_ended(db, claims.sid)
        except (OSError, SQLAlchemyError) as error:
            raise Unavailable from error
        if ended or outdated.covers(self.services, claims):
            raise SignInFirst("This sign-in has ended.")
        return claims
