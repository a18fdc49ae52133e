"""Who may open a socket, and which topics it finds there."""

from collections.abc import Callable, Mapping

from typing_extensions import override

from realtime import Channel, ConnectInfo, ConnectRefused, Socket
from server.auth import identify_token
from server.kernel.channel import ViewerSocket
from server.kernel.problems import Problem
from server.kernel.services import Services
from server.kernel.viewer import VISITOR


class UserSocket(ViewerSocket):
    """A reader's socket: of somebody who is signed in, or of a visitor without a token."""

    def __init__(
        self,
        info: ConnectInfo,
        services: Services,
        channels: Mapping[str, Callable[[Socket, str], Channel]],
    ) -> None:
        super().__init__(info)
        self.services = services
        self.channels = channels
        self.viewer = VISITOR

    @override
    async def connect(self) -> None:
        if not self.info.auth_token:
            return
        try:
            self.viewer = identify_token(self.services.policy, self.info.auth_token)
        except Problem as problem:
            raise ConnectRefused(problem.status, problem.reason()) from problem

    @override
    def id(self) -> str | None:
        """The topic on which sign-out ends every socket of one person."""
        return f"users_socket:{self.viewer.id}" if self.viewer.id else None
