"""An app: a program with its repository, config vars and domains."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pushd.errors import InvalidParams

STACK = "heroku-24"  # the stack name that buildpacks see; what it means here is the machine's own system
REGION = "us"  # the Heroku CLI adds a suffix to every other region

# Published schema of the Platform API, `app.name`: 3-30 characters.
_NAME = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")
_ADJECTIVES = "amber bold brisk calm clear cosy eager fair fresh gentle glad keen kind light lively merry mild neat quick quiet"
_NOUNS = "bay birch brook cloud coast cove dale dawn fern field fjord glade grove harbor hill lake leaf meadow moon pine"


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One app. `id` names its folders; `name` appears in URLs only, so a rename moves nothing."""

    id: UUID
    name: str
    owner_id: UUID
    owner_email: str
    maintenance: bool
    restarts: int  # restarts asked for so far: with the release it makes an epoch
    created_at: datetime
    updated_at: datetime
    released_at: datetime | None
    repo_size_bytes: int
    slug_size_bytes: int
    collaborator_ids: frozenset[UUID] = frozenset()  # users with whom it is shared, without the owner


def parse_app_name(text: str) -> str:
    """A valid app name, as given.

    Raises: InvalidParams that says the rule. Source: the published schema's pattern for `app.name`.
    """
    if not _NAME.fullmatch(text):
        raise InvalidParams(
            f"Name {text[:64]!r} must start with a letter, end with a letter or digit, and can only contain lowercase "
            "letters, digits and dashes; it must be 3 to 30 characters long.",
            remedy="Pick another name, or leave it out and get one made up.",
        )
    return text


def invent_app_name(chance: random.Random) -> str:
    """A name nobody chose, such as "brisk-fjord-48213"."""
    return f"{chance.choice(_ADJECTIVES.split())}-{chance.choice(_NOUNS.split())}-{chance.randrange(10000, 100000)}"
