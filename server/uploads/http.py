"""The endpoint of uploads; the bytes themselves go to the storage."""

from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import SignInFirst, TooMany
from server.uploads import actions
from server.uploads.model import Signed, SignUpload


async def sign(call: Call[SignUpload, Nothing]) -> Signed:
    """Give a link to PUT a picture to, of exactly this size and type."""
    services = call.services
    return actions.sign(services.storage, call.viewer, call.body, services.clock.now())


operations = [
    Operation(
        method="POST",
        path="/uploads/sign",
        handler=sign,
        access="user",
        body=SignUpload,
        returns=Signed,
        status=201,
        problems=(SignInFirst, TooMany),
        tag="uploads",
    ),
]
