"""A webhook: a URL that is told of what happens to an app, with the events and deliveries that come of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from pushd.errors import InvalidParams

PER_APP = 10  # as Heroku
PAYLOAD_VERSION = "application/vnd.heroku+json; version=3"
_TEXT_LIMIT = 1024
_URL_LIMIT = 2048
_HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_PLAIN = re.compile(r"[\x21-\x7e]+")  # what may stand in a URL
_HEADER = re.compile(r"[\x20-\x7e]+")  # RFC 9110 section 5.5, without what is obsolete

# What one may listen to, and whether this server ever sends it.
INCLUDES: Mapping[str, bool] = MappingProxyType({
    "api:app": True, "api:build": True, "api:collaborator": True, "api:domain": True, "api:dyno": True,
    "api:formation": True, "api:release": True, "api:sni-endpoint": True,
    "api:addon": False, "api:addon-attachment": False, "dyno": False,
})  # fmt: skip


class Level(StrEnum):
    """`notify` tries once; `sync` until it succeeds, for three days."""

    NOTIFY = "notify"
    SYNC = "sync"


class DeliveryStatus(StrEnum):
    """As the published schema names them."""

    PENDING = "pending"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One subscription. The URL is often a secret of its receiver; secret and authorization are `Secrets`."""

    id: UUID
    app_id: UUID
    url: str
    include: tuple[str, ...]
    level: Level
    created_at: datetime
    updated_at: datetime

    def __repr__(self) -> str:
        return f"<Webhook {self.id}>"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a delivery is signed with, and the header that it carries; neither is shown."""

    secret: str
    authorization: str | None

    def __repr__(self) -> str:
        return "<Secrets>"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """Something that happened; `data` is what it concerns as it was right after it."""

    seq: int
    id: UUID
    app_id: UUID
    include: str  # "api:release"
    action: str  # create, update, destroy
    actor_id: UUID
    actor_email: str
    data: Mapping[str, Any]
    previous_data: Mapping[str, Any]
    created_at: datetime

    @property
    def resource(self) -> str:
        return self.include.removeprefix("api:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to deliver: a status code, or what went wrong before there was one."""

    id: UUID
    code: int | None
    error: str | None
    at: datetime

    @property
    def succeeded(self) -> bool:
        return self.code is not None and 200 <= self.code < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one webhook."""

    seq: int
    id: UUID
    event_id: UUID
    include: str
    webhook_id: UUID
    level: Level
    status: DeliveryStatus
    num_attempts: int
    next_attempt_at: datetime | None  # None: it has ended
    last_attempt: Attempt | None
    created_at: datetime
    updated_at: datetime


def parse_webhook_url(text: str) -> str:
    """The URL as given. Raises: InvalidParams for what we would not send to."""
    if len(text) > _URL_LIMIT or not _PLAIN.fullmatch(text):
        raise _bad_url(f"it must be at most {_URL_LIMIT} characters of ASCII without blanks")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _bad_url("its host or port cannot be read") from None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        raise _bad_url("it must begin with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise _bad_url("it must hold no user name and password; give an authorization instead")
    return text


def parse_includes(words: Sequence[str]) -> tuple[str, ...]:
    """Each once, in the order given. Raises: InvalidParams."""
    if not words:
        raise InvalidParams("include is empty.", remedy=f"Name what to listen to: {', '.join(INCLUDES)}.")
    for word in words:
        if word not in INCLUDES:
            raise InvalidParams(f"There is no entity {word[:40]!r} to include.", remedy=f"Known are {', '.join(INCLUDES)}.")
    return tuple(dict.fromkeys(words))


def parse_level(text: str) -> Level:
    """Raises: InvalidParams."""
    try:
        return Level(text)
    except ValueError:
        raise InvalidParams(f"There is no level {text[:40]!r}.", remedy="Write notify or sync.") from None


def check_secret(text: str) -> str:
    """Raises: InvalidParams, without the text."""
    if len(text) > _TEXT_LIMIT or not text.isprintable():
        raise InvalidParams(f"secret must be printable and at most {_TEXT_LIMIT} characters.", remedy="Take another.")
    return text


def check_authorization(text: str) -> str:
    """What can stand in a header. Raises: InvalidParams, without the text."""
    if len(text) > _TEXT_LIMIT or not _HEADER.fullmatch(text):
        raise InvalidParams(
            f"authorization must be ASCII without control characters, at most {_TEXT_LIMIT}.", remedy="Take another."
        )
    return text


def _bad_url(why: str) -> InvalidParams:
    return InvalidParams(f"The url cannot be used: {why}.", remedy="Write it like https://example.com/hooks.")
