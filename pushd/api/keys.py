"""One's own SSH keys."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from pushd.api.answers import Json, answer, page, timestamp
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.needs import STORE, USER
from pushd.api.ranges import Field, created_at
from pushd.model.ssh_key import SshKey, parse_public_key

FIELDS = {
    "created_at": Field[SshKey](created_at),
    "id": Field[SshKey](lambda row: str(row.id)),
    "fingerprint": Field[SshKey](lambda row: row.fingerprint),
}


@dataclass(frozen=True, slots=True)
class CreateBody:
    public_key: str


async def list_all(request: web.Request) -> web.Response:
    """GET /account/keys -> 200 or 206."""
    return page(request, await request.app[STORE].ssh_keys.of(request[USER]), FIELDS, _key_json)


async def show(request: web.Request) -> web.Response:
    """GET /account/keys/{key} -> 200: by id or fingerprint."""
    return answer(_key_json(await request.app[STORE].ssh_keys.find(request[USER], request.match_info["key"])))


async def create(request: web.Request) -> web.Response:
    """POST /account/keys {"public_key": "ssh-ed25519 AAAA... me@laptop"} -> 201."""
    user, wanted = request[USER], await parse_body(request, CreateBody)
    made = await request.app[STORE].ssh_keys.add(user, parse_public_key(wanted.public_key, comment=user.email))
    note(request, {"key": made.fingerprint})
    return answer(_key_json(made), status=201)


async def remove(request: web.Request) -> web.Response:
    """DELETE /account/keys/{key} -> 200: the key as it was."""
    removed = await request.app[STORE].ssh_keys.remove(request[USER], request.match_info["key"])
    note(request, {"key": removed.fingerprint})
    return answer(_key_json(removed))


def _key_json(key: SshKey) -> Json:
    return {
        "id": str(key.id),
        "public_key": key.public_key,
        "comment": key.comment,
        "email": key.email,
        "fingerprint": key.fingerprint,
        "created_at": timestamp(key.created_at),
        "updated_at": timestamp(key.updated_at),
    }
