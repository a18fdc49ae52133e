"""The endpoints of uploads; the bytes themselves go to the storage."""

from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import Malformed, NotFound, SignInFirst, TooMany
from server.uploads import actions
from server.uploads.model import NotYours, QuotaExceeded, Signed, SignUpload, UploadShown


async def sign(call: Call[SignUpload, Nothing]) -> Signed:
    """Give a link to PUT a file to, of exactly this size and type."""
    services = call.services
    async with services.write() as db:
        return await actions.sign(
            db,
            services.storage,
            call.viewer,
            call.body,
            services.policy.upload_quotas,
            services.clock.now(),
        )


async def state(call: Call[Nothing, Nothing]) -> UploadShown:
    """Tell how far an upload of one's own is."""
    async with call.services.database.read() as db:
        upload = await actions.one(db, call.viewer, call.id())
        return await actions.shown(db, call.services.storage, upload)


async def arrived(call: Call[Nothing, Nothing]) -> UploadShown:
    """Say that the bytes are there, so that they are looked at without delay."""
    services = call.services
    async with services.database.read() as db:
        upload = await actions.one(db, call.viewer, call.id())
        if upload.state == "signed" and not await services.storage.exists(upload.key):
            raise NotYours("The file has not been uploaded.")
    async with services.write() as db:
        await actions.arrived(db, upload.id, services.clock.now())
        upload = await actions.one(db, call.viewer, call.id())
        return await actions.shown(db, services.storage, upload)


operations = [
    Operation(
        method="POST",
        path="/uploads/sign",
        handler=sign,
        access="user",
        body=SignUpload,
        returns=Signed,
        status=201,
        problems=(SignInFirst, Malformed, QuotaExceeded, TooMany),
        tag="uploads",
    ),
    Operation(
        method="GET",
        path="/uploads/{id}",
        handler=state,
        access="user",
        returns=UploadShown,
        problems=(SignInFirst, NotFound, TooMany),
        tag="uploads",
    ),
    Operation(
        method="POST",
        path="/uploads/{id}/arrived",
        handler=arrived,
        access="user",
        returns=UploadShown,
        problems=(SignInFirst, NotFound, NotYours, TooMany),
        tag="uploads",
    ),
]
