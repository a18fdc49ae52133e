"""Who may open a socket, and which topics it finds there."""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from realtime import ConnectInfo, ConnectRefused
from server.auth import identify_token
from server.catalog import CHANNELS
from server.kernel.channel import TypedChannel, ViewerSocket
from server.kernel.problems import Problem
from server.kernel.services import Services
from server.kernel.viewer import VISITOR


class UserSocket(ViewerSocket):
    """A reader's socket: of somebody who is signed in, or of a visitor without a token."""

    channels: ClassVar[Mapping[str, type[TypedChannel]]] = CHANNELS

    def __init__(self, info: ConnectInfo, services: Services) -> None:
        super().__init__(info)
        self.services = services
        self.viewer = VISITOR

    @override
    async def connect(self) -> None:
        if not self.info.auth_token:
            return
        try:
            self.viewer = identify_token(self.services.policy, self.info.auth_token)
        except Problem as problem:
            raise ConnectRefused(problem.reason(), problem.status) from problem

    @override
    def id(self) -> str | None:
        """The topic on which sign-out ends every socket of one person."""
        return f"users_socket:{self.viewer.id}" if self.viewer.id else None
