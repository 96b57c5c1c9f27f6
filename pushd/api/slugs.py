"""Slugs: shown. They stay on this server; one is released again by `POST /apps/{app}/releases {"slug": id}`."""

from __future__ import annotations

from aiohttp import web

from pushd.api.answers import Json, answer, fixed, timestamp
from pushd.api.needs import APP, STORE
from pushd.model.app import STACK
from pushd.model.slug import Slug, checksum_name


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/slugs/{slug} -> 200: by id or checksum."""
    return answer(slug_json(await request.app[STORE].slugs.find(request[APP], request.match_info["slug"])))


def slug_json(slug: Slug) -> Json:
    return {
        "id": str(slug.id),
        "blob": {"method": "get", "url": None},  # there is no archive to download
        "buildpack_provided_description": slug.buildpack_description or None,
        "checksum": checksum_name(slug),
        "commit": slug.commit,
        "commit_description": slug.commit_description,
        "process_types": dict(slug.process_types),
        "size": slug.size_bytes,
        "stack": fixed("stack", STACK),
        "created_at": timestamp(slug.created_at),
        "updated_at": timestamp(slug.created_at),
    }
