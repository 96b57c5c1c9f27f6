"""Buildpacks: the list that an app is built with, and the registry that the Heroku CLI asks for short names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from pushd.api.answers import Json, answer
from pushd.api.body import parse_body
from pushd.api.needs import APP, SITE, STORE
from pushd.errors import InvalidParams, NotFound
from pushd.model.buildpack import URN, maybe_installed, parse_buildpacks, short_name


@dataclass(frozen=True, slots=True)
class UpdateBody:
    buildpack: str | None = None  # the Heroku CLI leaves it out for a name that the registry does not know


@dataclass(frozen=True, slots=True)
class InstallationsBody:
    updates: tuple[UpdateBody, ...]


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/buildpack-installations -> 200: in the order in which they run; [] for what detects the app."""
    return answer(installations_json(await request.app[STORE].buildpacks.of(request[APP])))


async def replace_all(request: web.Request) -> web.Response:
    """PUT /apps/{app}/buildpack-installations {"updates": [{"buildpack": name or URL}]} -> 200: the new list."""
    wanted = await parse_body(request, InstallationsBody)
    installed = request.app[SITE].buildpacks
    names = [each.buildpack for each in wanted.updates if each.buildpack is not None]
    if len(names) < len(wanted.updates):
        raise InvalidParams("That buildpack is not in the buildpack registry of this server.", remedy=_known(installed))
    urls = parse_buildpacks(names, installed)
    await request.app[STORE].buildpacks.set(request[APP], urls)
    return answer(installations_json(urls))


async def show_registered(request: web.Request) -> web.Response:
    """GET /buildpacks/{buildpack} -> 200 {"blob_url"}: what `heroku/python`, in one piece of the path, stands for."""
    asked = request.match_info["buildpack"]
    name = maybe_installed(asked, request.app[SITE].buildpacks)
    if name is None:
        raise NotFound(f"{asked[:100]!r} is not in the buildpack registry.", resource="buildpack",
                       remedy=_known(request.app[SITE].buildpacks))  # fmt: skip
    return answer({"blob_url": f"{URN}{name}"})


def _known(installed: Sequence[str]) -> str:
    return f"It has {', '.join(f'heroku/{each}' for each in installed)}. Others are named by their address, https://..."


def installations_json(urls: Sequence[str]) -> list[Json]:
    return [{"ordinal": ordinal, "buildpack": buildpack_json(url)} for ordinal, url in enumerate(urls)]


def buildpack_json(url: str) -> Json:
    return {"url": url, "name": short_name(url)}
