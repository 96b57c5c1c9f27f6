"""The formation: how many dynos of each process type are wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from pushd.errors import InvalidParams, NotFound

WEB, RELEASE, RUN = "web", "release", "run"
MAX_QUANTITY = 100
_QUANTITY = re.compile(r"([+-]?)([0-9]{1,4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFormation:
    """One row of the formation, as the API shows it."""

    id: UUID
    app_id: UUID
    type: str
    quantity: int
    size: str  # name of a DynoSize
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Scale:
    """What one update asks for: an absolute quantity, or a step if `relative`."""

    type: str
    amount: int
    relative: bool

    def applied_to(self, current: int) -> int:
        """The new quantity. Raises: InvalidParams outside 0..MAX_QUANTITY."""
        wanted = current + self.amount if self.relative else self.amount
        if not 0 <= wanted <= MAX_QUANTITY:
            raise InvalidParams(f"Cannot scale {self.type} to {wanted}: it must be 0 to {MAX_QUANTITY}.")
        return wanted


def parse_quantity(type_: str, text: str | int) -> Scale:
    """ "2", 2, "+1" or "-1", as the Heroku CLI sends them. Raises: InvalidParams."""
    found = _QUANTITY.fullmatch(str(text))
    is_odd_number = isinstance(text, bool) or (isinstance(text, int) and text < 0)  # a step is text, with its sign
    if is_odd_number or not found:
        raise InvalidParams(f"{str(text)[:40]!r} is not a quantity for {type_}.", remedy="Write web=2, web+1 or web-1.")
    sign, digits = found.groups()
    amount = int(digits)
    return Scale(type_, -amount if sign == "-" else amount, relative=bool(sign))


def first_formation(process_types: Mapping[str, str]) -> Mapping[str, int]:
    """What the first deploy starts: web=1, all else 0. The `release` type is no part of a formation."""
    return MappingProxyType({kind: int(kind == WEB) for kind in process_types if kind != RELEASE})


def check_known(type_: str, process_types: Mapping[str, str]) -> None:
    """Raises: NotFound for a type that the app's Procfile does not declare."""
    if type_ not in process_types or type_ == RELEASE:
        known = ", ".join(sorted(set(process_types) - {RELEASE})) or "none yet: push first"
        raise NotFound(f"Couldn't find that process type ({type_[:40]}).", resource="formation",
                       remedy=f"Process types of this app: {known}.")  # fmt: skip
