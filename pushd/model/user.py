"""A user, and the tokens that a user was given."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pushd.errors import InvalidParams

NAME_LIMIT = 100  # characters
DESCRIPTION_LIMIT = 255


class Scope(StrEnum):
    """How far a token reaches, in the words of Heroku's OAuth and one of ours; `access/actions.py` says what each allows."""

    GLOBAL = "global"
    IDENTITY = "identity"
    READ = "read"
    WRITE = "write"
    READ_PROTECTED = "read-protected"
    WRITE_PROTECTED = "write-protected"
    DEPLOY = "deploy"  # ours


EVERYTHING = frozenset({Scope.GLOBAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One account, and how far the token reaches with which its user came; `access/actions.py` says who may do what."""

    id: UUID
    email: str
    is_operator: bool  # the account that the server made at its first start
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    made_admin: bool = False  # by another admin
    scopes: frozenset[Scope] = EVERYTHING  # of the token
    only_app_id: UUID | None = None  # the one app that the token reaches; None: all of the user's
    came_by: str = field(default="", compare=False)  # "token laptop (pushd-Ab**********yz12)", for the audit trail
    came_from: str = field(default="", compare=False)  # the address behind a command of ours; "": whoever is connected to us
    token_hash: bytes | None = field(default=None, repr=False, compare=False)  # None: they came without a token
    key_hash: bytes | None = field(default=None, repr=False, compare=False)  # of the SSH key by which they came, if so
    password_hash: str | None = field(default=None, repr=False, compare=False)  # what was stored of it, if they came by one

    @property
    def is_admin(self) -> bool:
        """Whether all apps and the server itself are theirs."""
        return self.is_operator or self.made_admin

    @property
    def role(self) -> str:
        """In the words of the API."""
        return "operator" if self.is_operator else "admin" if self.made_admin else "user"


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
    app_id: UUID | None = None  # the one app that it reaches; None: all of the user's
    app_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user as admins see them."""

    user: User
    has_password: bool
    invited_until: datetime | None  # an invitation that was not used yet; None: there is none that holds
    app_count: int  # apps of their own


def parse_scopes(names: tuple[str, ...]) -> frozenset[Scope]:
    """The scopes of a new token; none named means all. Raises: InvalidParams for one that there is not."""
    for name in names:
        if name not in set(Scope):
            raise InvalidParams(f"There is no scope {name[:40]!r}.", remedy=f"Scopes: {', '.join(Scope)}.")
    return frozenset(Scope(name) for name in names) or EVERYTHING
