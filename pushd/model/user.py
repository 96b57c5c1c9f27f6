"""A user, and the tokens that a user was given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pushd.errors import InvalidParams

NAME_LIMIT = 100  # characters
DESCRIPTION_LIMIT = 255


class Scope(StrEnum):
    """How far a token reaches, in the words of Heroku's OAuth; `access/actions.py` says what each allows."""

    GLOBAL = "global"
    IDENTITY = "identity"
    READ = "read"
    WRITE = "write"
    READ_PROTECTED = "read-protected"
    WRITE_PROTECTED = "write-protected"


EVERYTHING = frozenset({Scope.GLOBAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account; `is_operator` may do everything that `scopes` lets through."""

    id: UUID
    email: str
    is_operator: bool
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    scopes: frozenset[Scope] = EVERYTHING  # of the token that the user came with


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """A token that a user was given; the token itself is known to its holder alone."""

    id: UUID
    user_id: UUID
    description: str
    token_hint: str  # "pushd-Ab**********yz12"
    scopes: frozenset[Scope]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None  # None: never
    from_file: bool = False  # the operator's own, which stands in admin.token


def parse_scopes(names: tuple[str, ...]) -> frozenset[Scope]:
    """The scopes of a new token; none named means all. Raises: InvalidParams for one that there is not."""
    for name in names:
        if name not in set(Scope):
            raise InvalidParams(f"There is no scope {name[:40]!r}.", remedy=f"Scopes: {', '.join(Scope)}.")
    return frozenset(Scope(name) for name in names) or EVERYTHING
