"""The endpoints of people: their profiles, and what they decide about their own accounts."""

from starlette.responses import Response

from server.kernel.endpoint import Call, Limit, Nothing, Operation
from server.kernel.problems import (
    Conflict,
    CursorInvalid,
    Malformed,
    NotAllowed,
    NotFound,
    SignInFirst,
    TooMany,
)
from server.profiles import actions
from server.profiles.model import (
    ExportShown,
    FindPeople,
    NewRole,
    NoSuchProfile,
    NotReady,
    PeopleFound,
    Profile,
    ProfileEdit,
    SettingsEdit,
    SettingsShown,
)
from server.users import LooksLikeAnother


async def profile(call: Call[Nothing, Nothing]) -> Profile:
    """Show a person: what they tell of themselves, and their counts."""
    async with call.services.database.read() as db:
        return await actions.profile(db, call.viewer, call.path["username"], call.services.storage)


async def edit_profile(call: Call[ProfileEdit, Nothing]) -> Profile:
    """Change one's own profile; what is not given stays."""
    services = call.services
    async with services.write() as db:
        user = await actions.edit(db, call.viewer, call.body, services.clock.now())
        return await actions.profile(db, call.viewer, user.username, services.storage)


async def settings(call: Call[Nothing, Nothing]) -> SettingsShown:
    """Give one's own settings."""
    async with call.services.database.read() as db:
        return SettingsShown.of(await actions.settings(db, call.viewer))


async def edit_settings(call: Call[SettingsEdit, Nothing]) -> SettingsShown:
    """Change one's own settings; what is not given stays."""
    async with call.services.write() as db:
        return SettingsShown.of(await actions.edit_settings(db, call.viewer, call.body))


async def ask_for_export(call: Call[Nothing, Nothing]) -> ExportShown:
    """Have a copy made of all that is kept of oneself."""
    services = call.services
    async with services.write() as db:
        return await actions.ask_for_export(db, call.viewer, services.clock.now())


async def export_state(call: Call[Nothing, Nothing]) -> ExportShown:
    """Tell whether the copy that was asked for last is ready."""
    async with call.services.database.read() as db:
        return await actions.export_of(db, call.viewer)


async def export_file(call: Call[Nothing, Nothing]) -> Response:
    """Fetch a copy of one's data, as JSON; nobody else can, and no link leads to it."""
    services = call.services
    async with services.database.read() as db:
        key = await actions.key_of_export(db, call.viewer, call.id())
    try:
        content = await services.storage.get(key)
    except KeyError as error:
        raise NotFound("The archive is gone; ask for another.") from error
    headers = {
        "cache-control": "no-store",
        "content-disposition": 'attachment; filename="lumen.json"',
    }
    return Response(content, media_type="application/json", headers=headers)


async def find_people(call: Call[Nothing, FindPeople]) -> PeopleFound:
    """Look people up by the beginning of a name, or by their address."""
    services = call.services
    async with services.database.read() as db:
        return await actions.find_people(db, call.viewer, services.policy, call.query)


async def set_role(call: Call[NewRole, Nothing]) -> None:
    """Give somebody a role."""
    async with call.services.write() as db:
        name, now = call.path["username"], call.services.clock.now()
        await actions.set_role(db, call.viewer, name, call.body.role, now)


async def take_role(call: Call[Nothing, Nothing]) -> None:
    """Take somebody's role: from now on they are a user like others."""
    async with call.services.write() as db:
        name, now = call.path["username"], call.services.clock.now()
        await actions.set_role(db, call.viewer, name, "user", now)


operations = [
    Operation(
        method="GET",
        path="/users/{username}",
        handler=profile,
        returns=Profile,
        problems=(NoSuchProfile,),
        tag="people",
    ),
    Operation(
        method="PATCH",
        path="/users/me",
        handler=edit_profile,
        access="user",
        body=ProfileEdit,
        returns=Profile,
        problems=(NotAllowed, LooksLikeAnother, Malformed),
        tag="people",
    ),
    Operation(
        method="GET",
        path="/users/me/settings",
        handler=settings,
        access="user",
        returns=SettingsShown,
        problems=(SignInFirst,),
        tag="people",
    ),
    Operation(
        method="PATCH",
        path="/users/me/settings",
        handler=edit_settings,
        access="user",
        body=SettingsEdit,
        returns=SettingsShown,
        problems=(NotAllowed,),
        tag="people",
    ),
    Operation(
        method="POST",
        path="/users/me/export",
        handler=ask_for_export,
        access="user",
        returns=ExportShown,
        status=202,
        problems=(NotAllowed, TooMany),
        limit=Limit(3, 86_400),
        tag="people",
    ),
    Operation(
        method="GET",
        path="/users/me/export",
        handler=export_state,
        access="user",
        returns=ExportShown,
        problems=(NotFound,),
        tag="people",
    ),
    Operation(
        method="GET",
        path="/users/me/export/{id}",
        handler=export_file,
        access="user",
        problems=(NotFound, NotReady, Conflict),
        tag="people",
    ),
    Operation(
        method="GET",
        path="/admin/users",
        handler=find_people,
        access="admin",
        query=FindPeople,
        returns=PeopleFound,
        problems=(CursorInvalid,),
        tag="admin",
    ),
    Operation(
        method="PUT",
        path="/users/{username}/role",
        handler=set_role,
        access="admin",
        body=NewRole,
        status=204,
        problems=(NoSuchProfile,),
        tag="admin",
    ),
    Operation(
        method="DELETE",
        path="/users/{username}/role",
        handler=take_role,
        access="admin",
        status=204,
        problems=(NoSuchProfile,),
        tag="admin",
    ),
]
