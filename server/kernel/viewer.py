"""Who is asking: the first argument of every action, so that no rule can forget to look."""

from typing import Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

Role: TypeAlias = Literal["visitor", "user", "creator", "admin"]


class Viewer(Struct, frozen=True):
    """A person or a visitor on whose behalf something is read or done."""

    id: UUID | None = None
    role: Role = "visitor"

    @property
    def is_admin(self) -> bool:
        """Whether the viewer may run the house."""
        return self.role == "admin"


VISITOR = Viewer()
